/* One generation of settings: the configuration, and what is made of it once so that no request has to.
 * Knows no connections, but holds the time-out kinds that their timers stand in: whoever uses a generation holds a reference, and a reload
 * makes a new one beside it. The text is read by cfg/conf.h. */
#ifndef PROXY_SETTINGS_H
#define PROXY_SETTINGS_H

#include "json/rename.h"
#include "net/addrset.h"
#include "net/reactor.h"
#include "net/tls.h"
#include "proxy/keys.h"
#include "proxy/secrets.h"

#include <stdio.h>

struct settings {
    unsigned refs;
    struct conf *conf;
    struct json_rules *rules;           /* NULL: nothing is renamed or added, and bodies are not looked at */
    struct key_map *keys;               /* NULL: there is no table of keys */
    struct secrets *secrets;            /* what no line of the log may hold */
    struct addrset *whitelist, *blacklist, *trusted;    /* NULL where there is no list */
    char *host;                         /* value of the Host field for the upstream */
    char *target;                       /* of the request line: a path, or in absolute form a whole URL */
    bool absolute_form;                 /* requests for the upstream are an HTTP proxy's to pass on (RFC 9112, 3.2.2) */
    char *authority;                    /* "host:port" of the upstream, to ask a proxy for a tunnel to */
    char *proxy_credentials;            /* value of a Proxy-Authorization field; NULL: none */
    char *api_key;                      /* "Bearer KEY" to send where there is no table; NULL: none */
    struct tls_context *tls;            /* NULL: nothing speaks TLS */
    struct {
        struct timer_kind header, body, idle;                   /* of the client's side */
        struct timer_kind dial, answer, silence, keepalive;     /* of the upstream's side */
    } timeouts;
    struct reactor *reactor;            /* that it is retired in */
    struct retired retired;
};

/* Tells what of c no settings can be made of, though each value is what it should be: a conf_checker. */
void settings_check(const struct conf *c, struct conf_errors *e);

/* Makes a generation of c, which settings_check had nothing to say of, and which belongs to it from now on (also when this fails), with one reference.
 * Returns 0 with *out, -EINVAL after what is wrong was written to errors as conf_load does, or -ENOMEM. */
int settings_make(struct settings **out, struct conf *c, FILE *errors);

/* Takes a reference. Returns s. */
struct settings *settings_hold(struct settings *s);

/* Drops a reference; with the last one the generation goes, its time-out kinds leaving the reactor at the end of the turn: a timer may stand in one until then, and the
 * reactor may be about to go on with the next. r is NULL where there is no reactor. s may be NULL. */
void settings_release(struct settings *s, struct reactor *r);

#endif
