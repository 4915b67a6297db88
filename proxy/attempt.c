/* Sending a request over a connection that may have to be made first.
 * Knows no heads and no client.
 * The interface is proxy/attempt.h. */
#include "proxy/attempt.h"

#include <errno.h>
#include <stdlib.h>

void attempt_init(struct attempt *a, void (*changed)(struct attempt *a))
{
    *a = (struct attempt){ .failure = -1, .changed = changed };
}

static int fail(struct attempt *a, enum failure f, const char *why)
{
    a->failure = (int)f;
    free(a->why);
    a->why = strdup(why);
    return -1;
}

static void drop_conn(struct attempt *a)
{
    struct conn *c = a->conn;

    dial_cancel(a->dial);
    a->dial = NULL;
    a->conn = NULL;
    if (c)
        pool_drop(c);
}

/* From here on what was queued is on its way. */
static void opened(struct attempt *a)
{
    a->connected = reactor_now(a->conn->pool->reactor);
    attempt_flush(a);
}

static void dialled(struct dial *d, int failure)
{
    struct attempt *a = d->conn->attempt;
    bool late = a->dial != NULL;        /* not from within dial_start */

    a->dial = NULL;
    if (failure < 0) {
        opened(a);
    } else {
        fail(a, (enum failure)failure, d->why);
        drop_conn(a);
    }
    if (late)
        a->changed(a);
}

/* The connection stands in the attempt while it is dialled, so that one place knows how to give it up. */
static int dial(struct attempt *a, struct pool *pool, struct resolver *resolver, struct settings *s)
{
    struct dial *d;

    if (pool->n >= s->conf->upstream.connection_limit)
        return fail(a, FAIL_OVERLOADED, "too many connections to the upstream");
    a->conn = pool_new(pool, s);
    if (!a->conn)
        return fail(a, FAIL_INTERNAL, "out of memory");
    a->conn->attempt = a;
    a->connected = 0;
    d = dial_start(a->conn, resolver, dialled);
    if (!d)
        return fail(a, FAIL_INTERNAL, "out of memory");
    if (a->failure >= 0)
        return -1;
    if (a->connected == 0)
        a->dial = d;
    return 0;
}

static int acquire(struct attempt *a, struct pool *pool, struct resolver *resolver, struct settings *s)
{
    if (a->started == 0)
        a->started = reactor_now(pool->reactor);
    a->conn = pool_take(pool, s);
    if (!a->conn)
        return dial(a, pool, resolver, s);
    a->conn->attempt = a;
    a->connected = reactor_now(pool->reactor);
    return 0;
}

static int queue(struct attempt *a, const struct iovec *iov, int n)
{
    struct conn *c = a->conn;

    for (int i = 0; i < n; i++)
        if (outq_put(&c->out, c->pool->blocks, (struct span){ iov[i].iov_base, iov[i].iov_len }))
            return fail(a, FAIL_INTERNAL, "out of memory");
    return 0;
}

/* A failed write does not end the attempt: the upstream may have answered before it closed, and that answer is worth having. */
static void deafen(struct attempt *a, int err)
{
    a->deaf = true;
    a->reset = err == -ECONNRESET;
    outq_clear(&a->conn->out, a->conn->pool->blocks);
}

int attempt_send(struct attempt *a, struct pool *pool, struct resolver *resolver, struct settings *s, struct iovec *iov, int n)
{
    while (!a->deaf) {
        struct conn *c;
        int err;

        if (!a->conn && acquire(a, pool, resolver, s))
            return -1;
        c = a->conn;
        if (a->dial)
            return queue(a, iov, n);
        err = outq_send(&c->out, pool->blocks, c->top, iov, n);
        if (err == -ENOMEM)
            return fail(a, FAIL_INTERNAL, "out of memory");
        if (err && c->reused && !a->sent) {
            drop_conn(a);
            continue;
        }
        if (err)
            deafen(a, err);
        a->sent = true;
        return 0;
    }
    return 0;
}

void attempt_flush(struct attempt *a)
{
    struct conn *c = a->conn;
    int err;

    if (c->out.bytes == 0 || a->deaf)
        return;
    a->sent = true;
    err = outq_send(&c->out, c->pool->blocks, c->top, NULL, 0);
    if (err)
        deafen(a, err);
}

size_t attempt_backlog(const struct attempt *a)
{
    return a->conn ? a->conn->out.bytes : 0;
}

void attempt_end(struct attempt *a, bool reusable)
{
    struct conn *c = a->conn;

    free(a->why);
    a->why = NULL;
    a->deaf = true;                     /* nothing may open a connection for the rest of a request */
    if (c && reusable && !a->dial) {
        a->conn = NULL;
        pool_keep(c->pool, c);
    } else {
        drop_conn(a);
    }
}
