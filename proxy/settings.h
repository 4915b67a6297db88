/* One generation of settings: the configuration, and what is made of it once so that no request has to.
 * Knows no connections, but holds the time-out kinds that their timers stand in: whoever uses a generation holds a reference, and a reload
 * makes a new one beside it. The text is read by cfg/conf.h. */
#ifndef PROXY_SETTINGS_H
#define PROXY_SETTINGS_H

#include "net/reactor.h"
#include "proxy/keys.h"

struct settings {
    unsigned refs;
    struct conf *conf;
    struct key_map *keys;               /* NULL: there is no table of keys */
    char *host;                         /* value of the Host field for the upstream */
    char *api_key;                      /* "Bearer KEY" to send where there is no table; NULL: none */
    struct {
        struct timer_kind header, body, idle;                   /* of the client's side */
        struct timer_kind dial, answer, silence, keepalive;     /* of the upstream's side */
    } timeouts;
};

/* Makes a generation of c, which belongs to it from now on (also when this fails), with one reference. Returns 0 with *out or -ENOMEM. */
int settings_make(struct settings **out, struct conf *c);

/* Takes a reference. Returns s. */
struct settings *settings_hold(struct settings *s);

/* Drops a reference; with the last one the generation goes, its time-out kinds leaving the reactor. NULL is fine. */
void settings_release(struct settings *s, struct reactor *r);

#endif
