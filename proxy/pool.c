/* A list of idle connections, last in first out.
 * Knows no HTTP.
 * The interface is proxy/pool.h. */
#include "proxy/pool.h"

#include <errno.h>
#include <stdlib.h>

static void unlink_idle(struct pool *p, struct conn *c)
{
    *(c->prev ? &c->prev->next : &p->idle) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->next = c->prev = NULL;
}

static void drop_idle(struct pool *p, struct conn *c)
{
    unlink_idle(p, c);
    pool_drop(c);
}

/* An idle connection has nothing to say: bytes or an end both mean that it cannot be used again. A layer's own business, such as a
 * session ticket, is read away here. */
static bool is_quiet(struct conn *c)
{
    char byte;

    if (!(c->tcp.watch.ready & (READY_READ | READY_HUP)))
        return true;
    return !(c->tcp.watch.ready & READY_HUP) && stream_read(c->top, &byte, 1) == -EAGAIN;
}

static void on_ready(struct watch *w)
{
    struct conn *c = container_of(w, struct conn, tcp.watch);

    if (c->attempt)
        c->pool->ready(c);
    else if (!is_quiet(c))
        drop_idle(c->pool, c);
}

static void on_timer(struct timer *t)
{
    struct conn *c = container_of(t, struct conn, timer);

    if (c->attempt)
        c->pool->expired(c);
    else
        drop_idle(c->pool, c);
}

/* What the kernel said in this turn about a connection is known before any callback runs: one that was closed is not handed out. */
struct conn *pool_take(struct pool *p, struct settings *s)
{
    struct conn *next;

    for (struct conn *c = p->idle; c; c = next) {
        next = c->next;
        if (c->settings != s)
            continue;
        if (reactor_now(p->reactor) >= c->usable_until || !is_quiet(c)) {
            drop_idle(p, c);
            continue;
        }
        unlink_idle(p, c);
        timer_disarm(&c->timer);
        c->reused = true;
        return c;
    }
    return NULL;
}

struct conn *pool_new(struct pool *p, struct settings *s)
{
    struct conn *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    tcp_init(&c->tcp, p->reactor, on_ready);
    c->top = &c->tcp.stream;
    c->timer.fn = on_timer;
    c->pool = p;
    c->settings = settings_hold(s);
    c->usable_until = UINT64_MAX;
    p->n++;
    ++*p->dials;
    return c;
}

void pool_keep(struct pool *p, struct conn *c)
{
    if (c->settings != p->current) {
        pool_drop(c);
        return;
    }
    c->attempt = NULL;
    c->prev = NULL;
    c->next = p->idle;
    if (c->next)
        c->next->prev = c;
    p->idle = c;
    timer_arm(p->reactor, &c->timer, &c->settings->timeouts.keepalive);
    stream_want(c->top, READY_READ | READY_HUP);
}

static void conn_free(struct retired *r)
{
    free(container_of(r, struct conn, retired));
}

void pool_drop(struct conn *c)
{
    struct pool *p = c->pool;

    if (c->closing)
        return;
    c->closing = true;
    c->attempt = NULL;
    timer_disarm(&c->timer);
    stream_close(c->top);
    inbuf_clear(&c->in);
    outq_clear(&c->out, p->blocks);
    settings_release(c->settings, p->reactor);
    p->n--;
    reactor_retire(p->reactor, &c->retired, conn_free);
}

void pool_use(struct pool *p, const struct settings *s)
{
    struct conn *next;

    p->current = s;
    for (struct conn *c = p->idle; c; c = next) {
        next = c->next;
        if (c->settings != s)
            drop_idle(p, c);
    }
}
