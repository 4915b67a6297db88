/* One place to send requests to: its URL taken apart, the proxy on the way, time-outs, trusted
 * certificates, and the pool of its connections. It knows no requests, no keys and no clients.
 * Connections are made by upstream/dial.h and used by upstream/attempt.h. */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "base/tally.h"
#include "cfg/conf.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "upstream/pool.h"

/* Somebody to connect to. The strings belong to the struct. */
struct upstream_peer {
    char *scheme, *host;   /* in lower case; NULL: there is none */
    char *user, *password; /* NULL: none */
    uint16_t port;
    bool is_address; /* host is a numeric address */
};

/* 1. Settings count their upstreams by refs; connections by pool.n. With the last of both it goes.
 * 2. identity holds all that a connection depends on. Upstreams with the same identity are the
 *    same, and a reload keeps the older one, with its warm connections. */
struct upstream {
    unsigned refs;
    char *identity; /* a secret: it holds the proxy's password */
    struct upstream_peer origin, proxy;
    char *socket;            /* the unix socket to connect to; NULL: none */
    char *host;              /* the Host field's value */
    char *authority;         /* "host:port", to ask a proxy for a tunnel to */
    char *base;              /* what passed paths come after: base_url's path, or in absolute
                                form its URL */
    char *v1;                /* what stands for a passed path's /v1: the same with a version */
    char *path;              /* of the requests, perhaps with a query */
    char *target;            /* of the request line: a path, or in absolute form a whole URL */
    bool absolute_form;      /* an HTTP proxy passes the requests on (RFC 9112, 3.2.2) */
    char *proxy_credentials; /* the Proxy-Authorization field's value; NULL: none */
    struct tls_context *tls; /* NULL: nothing speaks TLS */
    struct timer_kind timeout, response_timeout, idle_timeout; /* as in [upstream] */
    struct timer_kind check; /* how often to call attempt_is_lost */
    unsigned connection_limit;
    uint64_t rests_until, rest_ms; /* it could not be reached, for so long the last time */
    bool probed;                   /* one that rested is being tried again */
    uint64_t tally_id;             /* of its name */
    struct tally *tally;           /* where it is counted; NULL until upstream_open */
    struct tally_upstream *counts; /* its place there */
    uint32_t tally_kind;           /* tally_low of what has that place */
    struct resolver *resolver;     /* NULL until upstream_open */
    struct pool pool;
    struct retired retired;
};

/* What a worker lends its upstreams. */
struct upstream_loop {
    struct reactor *reactor;
    struct resolver *resolver;
    struct blocks *blocks;
    struct tally *tally; /* where they are counted */
};

/* Makes the upstream that c describes.
 *   files  reads the trusted certificates
 *   why    gets a sentence when there is nothing to verify certificates with; why_n bytes
 * Returns 0 with *out, one reference of which is the caller's, -EINVAL after why, or -ENOMEM. Files
 * are read here: a missing store is found at the start, and not by the first client. */
int upstream_make(struct upstream **out, const struct conf_upstream *c, struct files *files,
                  char *why, size_t why_n);

/* Returns old, with another reference, where fresh is the same, which is released then; else
 * fresh. */
struct upstream *upstream_prefer(struct upstream *old, struct upstream *fresh);

/* Lets u open and keep connections in a loop. An upstream that is open already stays as it is. */
void upstream_open(struct upstream *u, const struct upstream_loop *loop);

/* Closes idle connections, and keeps none from here on. Those in use go on. */
void upstream_close(struct upstream *u);

/* Notes that a connection is about to be made. The first one after a rest finds out for all: u
 * rests on until that is known, or its time is over. */
void upstream_note_try(struct upstream *u);

/* Notes whether a connection could be made. One that could not lets u rest: for a second, then
 * twice as long each time, up to a minute. */
void upstream_note_dial(struct upstream *u, bool made);

/* True while others should be asked first. now: reactor time. */
static inline bool upstream_rests(const struct upstream *u, uint64_t now)
{
    return now < u->rests_until;
}

/* True if no more connections may be made. */
static inline bool upstream_is_full(const struct upstream *u)
{
    return u->pool.n >= u->connection_limit;
}

/* Drops a reference. Without connections the last one frees u, at the end of the loop's turn;
 * else the last connection does. NULL is fine. */
void upstream_release(struct upstream *u);

/* True if peer is there and its scheme is this one. */
static inline bool upstream_peer_is(const struct upstream_peer *peer, const char *scheme)
{
    return peer->host && strcmp(peer->scheme, scheme) == 0;
}

#endif
