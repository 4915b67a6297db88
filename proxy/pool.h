/* Connections to the upstream: those in use, counted, and those that wait to be used again.
 * Knows no HTTP beyond "this one may be used again until then". The connection used last is used first, so that a pool that is too large shrinks.
 * Who makes connections is proxy/dial.h, who uses them proxy/attempt.h. */
#ifndef PROXY_POOL_H
#define PROXY_POOL_H

#include "net/inbuf.h"
#include "net/outq.h"
#include "net/tcp.h"
#include "proxy/settings.h"

struct attempt;
struct pool;

/* A connection to the upstream.
 * 1. It stands in the pool's list exactly while attempt is NULL.
 * 2. top is the stream to use; tcp is the bottom of the stack, whose readiness drives everything above it.
 * 3. settings is the generation that it was dialled for; it is not reused for another. */
struct conn {
    struct tcp tcp;
    struct stream *top;
    struct timer timer;                 /* idle in the pool, or the upstream's silence */
    struct conn *next, *prev;
    struct pool *pool;
    struct settings *settings;
    struct attempt *attempt;
    struct inbuf in;
    struct outq out;
    uint64_t usable_until;              /* what the upstream's Keep-Alive field promised; reactor time */
    bool reused;
    bool closing;
    struct retired retired;
};

struct pool {
    struct reactor *reactor;
    struct blocks *blocks;
    struct conn *idle;                  /* the one used last first */
    const struct settings *current;     /* the generation that connections are kept of; NULL: none is kept */
    unsigned n;                         /* all connections, and those being made */
    uint64_t *dials;                    /* counts the connections made */
    void (*ready)(struct conn *c);      /* called for connections in use */
    void (*expired)(struct conn *c);    /* the silence of a connection in use has lasted too long */
};

/* Takes the idle connection that was used last and is of generation s, ready for an attempt; NULL if there is none. */
struct conn *pool_take(struct pool *p, struct settings *s);

/* Makes a closed connection, counted, for a dialler to open. NULL: no memory. */
struct conn *pool_new(struct pool *p, struct settings *s);

/* Puts back a connection whose exchange ended cleanly. If it is of the current generation, it is kept for keepalive_timeout, and not beyond usable_until. */
void pool_keep(struct pool *p, struct conn *c);

/* Closes and frees a connection; its attempt must have let go of it. */
void pool_drop(struct conn *c);

/* Makes s the current generation, closing all idle connections of others; with NULL, all. */
void pool_use(struct pool *p, const struct settings *s);

#endif
