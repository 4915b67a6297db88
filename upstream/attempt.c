/* Sending a request over a connection that may have to be made first. */
#include "upstream/attempt.h"
#include "base/kept.h"

#include <errno.h>
#include <stdlib.h>

/* How long an upstream that took no more of the request may be silent. What it said before it
 * closed is here by then, and an upstream that lives would wait for the rest of the request. */
static struct timer_kind last_words_kind = { .ms = 500 };

void attempt_init(struct attempt *a, struct upstream *u, const struct attempt_ops *ops)
{
    *a = (struct attempt){ .upstream = u, .ops = ops };
}

KEPT_BEGIN /* in a->why */
static int attempt_fail(struct attempt *a, enum dial_fault fault, const char *why)
{
    a->fault = fault;
    free(a->why);
    a->why = strdup(why);
    return -1;
}
KEPT_END

const char *attempt_why(const struct attempt *a)
{
    return a->why ? a->why : "out of memory";
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

static void attempt_on_ready(struct watch *w)
{
    struct conn *c = container_of(w, struct conn, tcp.watch);
    struct attempt *a = c->attempt;
    bool sent = false;

    if (a->dial) {
        dial_ready(a->dial);
        return;
    }
    if (c->out.bytes > 0 && (w->ready & READY_WRITE)) {
        attempt_flush(a);
        sent = true;
    }
    a->ops->ready(a, sent);
}

static void attempt_on_timer(struct timer *t)
{
    struct attempt *a = container_of(t, struct conn, timer)->attempt;

    a->ops->expired(a);
}

static void attach(struct attempt *a, struct conn *c)
{
    a->conn = c;
    c->attempt = a;
    c->tcp.watch.fn = attempt_on_ready;
    c->timer.fn = attempt_on_timer;
}

static void dialled(struct dial *d)
{
    struct attempt *a = d->conn->attempt;
    bool late = a->dial != NULL; /* not from within dial_start */

    a->dial = NULL;
    upstream_note_dial(a->upstream, d->fault == DIAL_OK);
    counter_add(&a->upstream->counts->numbers[TALLY_DIALS + (unsigned)d->fault], 1);
    if (d->fault == DIAL_OK) {
        a->connected = reactor_now(a->conn->pool->reactor);
        attempt_flush(a);
    } else {
        attempt_fail(a, d->fault, d->why);
        drop_conn(a);
    }
    if (!late)
        return;
    if (a->fault == DIAL_OK)
        a->ops->ready(a, true);
    else
        a->ops->failed(a);
}

/* The connection stands in the attempt while it is dialled, so that one place knows how to give it
 * up. */
static int start_dial(struct attempt *a)
{
    struct upstream *u = a->upstream;
    struct conn *c;
    struct dial *d;

    if (upstream_is_full(u))
        return attempt_fail(a, DIAL_FULL, "too many connections to the upstream");
    c = pool_new(&u->pool);
    if (!c)
        return attempt_fail(a, DIAL_NO_MEMORY, "out of memory");
    attach(a, c);
    upstream_note_try(u);
    a->connected = 0;
    d = dial_start(c, u, dialled);
    if (!d)
        return attempt_fail(a, DIAL_NO_MEMORY, "out of memory");
    if (a->fault != DIAL_OK)
        return -1;
    if (a->connected == 0)
        a->dial = d;
    return 0;
}

static int acquire(struct attempt *a)
{
    struct pool *p = &a->upstream->pool;
    struct conn *c = pool_take(p);

    if (a->started == 0)
        a->started = reactor_now(p->reactor);
    if (!c)
        return start_dial(a);
    attach(a, c);
    a->connected = reactor_now(p->reactor);
    return 0;
}

static int queue(struct attempt *a, const struct iovec *iov, int n)
{
    struct conn *c = a->conn;

    for (int i = 0; i < n; i++)
        if (outq_put(&c->out, c->pool->blocks, (struct span){ iov[i].iov_base, iov[i].iov_len }))
            return attempt_fail(a, DIAL_NO_MEMORY, "out of memory");
    return 0;
}

/* A failed write does not end the attempt: the upstream may have answered before it closed, and
 * that response is worth having. */
static void close_writing(struct attempt *a, int err)
{
    a->write_closed = true;
    a->write_error = err;
    outq_clear(&a->conn->out, a->conn->pool->blocks);
}

int attempt_send(struct attempt *a, struct iovec *iov, int n)
{
    while (!a->write_closed) {
        struct conn *c;
        int err;

        if (!a->conn && acquire(a))
            return -1;
        c = a->conn;
        if (a->dial)
            return queue(a, iov, n);
        err = outq_send(&c->out, c->pool->blocks, c->top, iov, n);
        if (err == -ENOMEM) {
            a->sent = true; /* in part, perhaps */
            return attempt_fail(a, DIAL_NO_MEMORY, "out of memory");
        }
        if (err && c->reused && !a->sent) {
            drop_conn(a);
            continue;
        }
        if (err)
            close_writing(a, err);
        a->sent = true;
        return 0;
    }
    return 0;
}

void attempt_flush(struct attempt *a)
{
    struct conn *c = a->conn;
    int err;

    if (c->out.bytes == 0 || a->write_closed)
        return;
    a->sent = true;
    err = outq_send(&c->out, c->pool->blocks, c->top, NULL, 0);
    if (err)
        close_writing(a, err);
}

struct tcp *attempt_socket(const struct attempt *a)
{
    struct conn *c = a->conn;

    return c && !a->dial && c->top == &c->tcp.stream ? &c->tcp : NULL;
}

bool attempt_is_lost(struct attempt *a)
{
    return a->conn && !a->dial &&
        tcp_is_lost(&a->conn->tcp, a->upstream->timeout.ms, &a->unacked_since);
}

void attempt_want(struct attempt *a, unsigned mask, struct timer_kind *kind, bool progress)
{
    struct conn *c = a->conn;

    if (!c || a->dial)
        return;
    if (c->out.bytes > 0)
        mask |= READY_WRITE;
    if (kind && a->write_error)
        kind = &last_words_kind;
    stream_want(c->top, mask);
    timer_follow(c->pool->reactor, &c->timer, kind, progress);
}

static void move(struct attempt *to, struct attempt *from)
{
    *to = *from;
    *from = (struct attempt){ 0 };
    if (to->conn)
        to->conn->attempt = to;
}

/* The socket itself waits for nothing: a layer above it may hold bytes of the request, and would
 * wait for room. */
void attempt_set_aside(struct attempt *to, struct attempt *from)
{
    struct conn *c = from->conn;

    if (!from->write_closed)
        close_writing(from, 0);
    reactor_want(c->pool->reactor, &c->tcp.watch, 0);
    timer_disarm(&c->timer);
    move(to, from);
}

void attempt_take_back(struct attempt *to, struct attempt *from)
{
    move(to, from);
}

/* Nothing may open a connection for the rest of a request. */
static void attempt_end(struct attempt *a)
{
    free(a->why);
    a->why = NULL;
    a->write_closed = true;
}

void attempt_release(struct attempt *a)
{
    struct conn *c = a->conn;
    bool clean = c && !a->dial && !a->write_closed && c->out.bytes == 0 && c->usable_until > 0 &&
        !(c->tcp.watch.ready & READY_HUP);

    if (!clean) {
        attempt_drop(a);
        return;
    }
    attempt_end(a);
    a->conn = NULL;
    pool_keep(c);
}

void attempt_drop(struct attempt *a)
{
    attempt_end(a);
    drop_conn(a);
}
