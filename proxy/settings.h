/* One generation of settings: the configuration, and what is made of it once so that no request has
 * to. It knows no connections, but holds the kinds of the client's time-outs: users of a generation
 * hold a reference, and a reload makes a new one beside it. */
#ifndef PROXY_SETTINGS_H
#define PROXY_SETTINGS_H

#include "base/addrset.h"
#include "log/secrets.h"
#include "proxy/keys.h"
#include "proxy/models.h"
#include "proxy/route.h"
#include "proxy/targets.h"

#include <stdio.h>

/* So many keys, the first of the file, are counted under their labels, the others together. */
#define SETTINGS_COUNTED 500

struct settings {
    unsigned refs;
    char instance[36]; /* this program's name in Via fields */
    struct conf *conf;
    struct key_map *keys;                                     /* NULL: there is no table of keys */
    struct secrets *secrets;                                  /* what no line of the log may hold */
    struct addrset *whitelist, *blacklist, *trusted, *admins; /* NULL where there is no list */
    struct pass_paths pass;
    bool counts_tokens; /* somebody may ask for metrics */
    bool limits;        /* clients may have limits */
    struct targets targets;
    struct models *models;
    struct tls_context *tls;       /* for clients; NULL: there is no certificate */
    struct keyring **client_rings; /* by entry of the table; NULL where it has not several keys */
    struct {
        struct timer_kind header, body, idle; /* as in [server] */
        struct timer_kind ping;               /* ping_interval */
        struct timer_kind check;              /* how often to look whether a client has vanished */
    } timeouts;
    struct reactor *reactor; /* that it is retired in */
    struct retired retired;
};

/* Tells what of c no settings can be made of, though each value is what it should be: a
 * conf_checker. */
void settings_check(const struct conf *c, struct conf_errors *e);

/* Builds settings from c, which passed settings_check; takes ownership of c even on failure. Other
 * files are read with files. Touches nothing that another thread may use. Returns 0 with *out, the
 * one reference of which is the caller's, -EINVAL after errors got a line as from conf_load,
 * -ENOMEM, or, after a line in errors, another errno: there are no random numbers. */
int settings_make(struct settings **out, struct conf *c, struct files *files, FILE *errors);

/* Gives fresh, which nobody uses yet, the instance's name of old, its upstreams where they have
 * not changed, with their connections, its certificates likewise, and what it knows of keys that
 * rest. */
void settings_inherit(struct settings *fresh, const struct settings *old);

/* Gives s the certificates that are in its files now, read with files: streams under way keep
 * theirs. Returns 1; 0 if they are the same; or, all being as it was, -EINVAL after a line in
 * errors, -ENOMEM or another negative errno. */
int settings_renew(struct settings *s, struct files *files, FILE *errors);

/* Writes to out, of n bytes, what clients will not like about the certificate number i, from 0.
 * Returns false if there is nothing, or no such certificate. */
bool settings_warn(const struct settings *s, unsigned i, char *out, size_t n);

/* True if a key with that tally has its label in s, which is a struct settings: for
 * tally_drop_keys. */
bool settings_count_key(const void *s, uint32_t key);

/* Takes a reference. Returns s. */
struct settings *settings_hold(struct settings *s);

/* Drops a reference. With the last one the generation goes, its time-out kinds leaving the reactor
 * at the end of the turn: a timer may stand in one until then, and the reactor may be about to go
 * on with the next. r is NULL where there is no reactor. s may be NULL. */
void settings_release(struct settings *s, struct reactor *r);

#endif
