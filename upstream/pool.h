/* Connections to one upstream: those in use, counted, and those that wait to be used again. It
 * knows no HTTP beyond "this one may be used again until then". The connection used last is used
 * first, so that a pool that is too large shrinks. */
#ifndef UPSTREAM_POOL_H
#define UPSTREAM_POOL_H

#include "base/counter.h"
#include "net/inbuf.h"
#include "net/outq.h"
#include "net/tcp.h"

struct attempt;
struct pool;

/* A connection to the upstream.
 * 1. It stands in the pool's list exactly while attempt is NULL. Its watch and timer call the
 *    pool then, and the attempt else.
 * 2. It is retired when it has been dropped, which takes it out of the list.
 * 3. top is the stream to use; tcp is the bottom of the stack, whose readiness drives everything
 *    above it. */
struct conn {
    struct tcp tcp;
    struct stream *top;
    struct timer timer; /* idle in the pool, or the upstream's silence */
    union {
        struct {
            struct conn *next, *prev;
        };
        struct retired retired;
    };
    struct pool *pool;
    struct attempt *attempt;
    struct inbuf in;
    struct outq out;
    uint64_t born;         /* reactor time */
    uint64_t usable_until; /* reactor time; 0: it is not to be used again */
    bool reused;
    bool closing;
};

struct pool {
    struct reactor *reactor; /* NULL until the pool is opened */
    struct blocks *blocks;
    struct counter *dials;           /* counts the connections made */
    struct counter *open;            /* how many there are, of all pools */
    struct conn *idle;               /* the one used last first */
    bool keeps;                      /* connections may wait here */
    unsigned n;                      /* all connections, and those being made */
    struct timer_kind keepalive;     /* how long one may wait; 0: none waits */
    uint64_t max_age;                /* milliseconds that one is used for; 0: for ever */
    void (*emptied)(struct pool *p); /* the last connection has gone */
};

/* Takes the idle connection that was used last. NULL if there is none. The caller sets what its
 * watch and timer call. */
struct conn *pool_take(struct pool *p);

/* Makes a closed connection, counted, for a dialler to open. NULL: no memory. */
struct conn *pool_new(struct pool *p);

/* Puts back a connection whose exchange ended cleanly. It is kept for keepalive, and not beyond
 * usable_until or max_age. */
void pool_keep(struct conn *c);

/* Closes and frees a connection. Its attempt has let go of it. */
void pool_drop(struct conn *c);

/* Closes the idle connections, and keeps none from here on. */
void pool_close(struct pool *p);

#endif
