/* A list of idle connections, last in first out. */
#include "upstream/pool.h"

#include <errno.h>
#include <stdlib.h>

static void unlink_idle(struct conn *c)
{
    *(c->prev ? &c->prev->next : &c->pool->idle) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->next = c->prev = NULL;
}

static void drop_idle(struct conn *c)
{
    unlink_idle(c);
    pool_drop(c);
}

/* An idle connection has nothing to say: bytes or an end both mean that it cannot be used again. A
 * layer's own business, such as a session ticket, is read away here. */
static bool is_quiet(struct conn *c)
{
    char byte;

    if (!(c->tcp.watch.ready & (READY_READ | READY_HUP)))
        return true;
    return !(c->tcp.watch.ready & READY_HUP) && stream_read(c->top, &byte, 1) == -EAGAIN;
}

static void idle_on_ready(struct watch *w)
{
    struct conn *c = container_of(w, struct conn, tcp.watch);

    if (!is_quiet(c))
        drop_idle(c);
}

static void idle_on_timer(struct timer *t)
{
    drop_idle(container_of(t, struct conn, timer));
}

/* What the kernel said in this turn about a connection is known before any callback runs: one that
 * was closed is not handed out. */
struct conn *pool_take(struct pool *p)
{
    struct conn *c;

    while ((c = p->idle)) {
        if (reactor_now(p->reactor) >= c->usable_until || !is_quiet(c)) {
            drop_idle(c);
            continue;
        }
        unlink_idle(c);
        timer_disarm(&c->timer);
        c->reused = true;
        return c;
    }
    return NULL;
}

struct conn *pool_new(struct pool *p)
{
    struct conn *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    tcp_init(&c->tcp, p->reactor, idle_on_ready);
    c->top = &c->tcp.stream;
    c->pool = p;
    c->born = reactor_now(p->reactor);
    c->usable_until = UINT64_MAX;
    p->n++;
    counter_add(p->dials, 1);
    counter_add(p->open, 1);
    return c;
}

void pool_keep(struct conn *c)
{
    struct pool *p = c->pool;

    if (!p->keeps || p->keepalive.ms == 0) {
        pool_drop(c);
        return;
    }
    if (p->max_age && c->usable_until > c->born + p->max_age)
        c->usable_until = c->born + p->max_age;
    c->attempt = NULL;
    c->prev = NULL;
    c->next = p->idle;
    if (c->next)
        c->next->prev = c;
    p->idle = c;
    c->tcp.watch.fn = idle_on_ready;
    c->timer.fn = idle_on_timer;
    timer_arm(p->reactor, &c->timer, &p->keepalive);
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
    reactor_retire(p->reactor, &c->retired, conn_free);
    counter_add(p->open, UINT64_MAX);
    if (--p->n == 0)
        p->emptied(p);
}

void pool_close(struct pool *p)
{
    p->keeps = false;
    while (p->idle)
        drop_idle(p->idle);
}
