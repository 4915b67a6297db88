/* Watchers. One snapshot serves all of a worker's. A watcher that has not taken the last event
 * is left out, so that none holds more than one. */
#include "proxy/watch.h"
#include "proxy/picture.h"
#include "proxy/reply.h"
#include "proxy/response.h"
#include "proxy/state.h"

#include <stdlib.h>

#define WATCHERS_MAX 16
#define INTERVAL_MS 1000

struct watcher {
    struct client *client;
    struct watcher *next;
};

static struct watcher **find(struct client *c)
{
    struct watcher **at = &c->worker->watchers;

    while (*at && (*at)->client != c)
        at = &(*at)->next;
    return at;
}

/* Writes the event of this moment into the worker's out. It is empty without memory: then nobody
 * gets one. */
static struct span event_now(struct worker *w)
{
    struct snapshot now;
    struct out o;

    out_init(&o, w->out, sizeof w->out);
    if (snapshot_take(&now, w->tallies, w->settings->conf, *w->now))
        return SPAN("");
    out_put(&o, SPAN("data: "));
    picture_put(&now, w->tallies, w->draining, &o);
    out_put(&o, SPAN("\n\n"));
    snapshot_free(&now);
    return o.overflow ? SPAN("") : out_span(&o);
}

static void send_event(struct client *c, struct span event)
{
    struct http_writer out;

    if (event.n == 0 || c->out.bytes > 0)
        return;
    http_writer_init(&out, c->x.response_framing);
    http_writer_data(&out, event);
    client_send(c, out.iov, out.n);
}

/* Tells every client that something was done with it. Each may leave the list by that. */
static void settle(struct worker *w)
{
    struct watcher *next;

    for (struct watcher *at = w->watchers; at; at = next) {
        next = at->next;
        w->exchange_moved(at->client, 0);
    }
}

/* Nobody is settled before all have the event: that may write to the worker's out. */
static void watch_on_timer(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, watch_timer);
    struct span event = event_now(w);

    timer_arm(w->reactor, t, &w->watch_kind);
    for (struct watcher *at = w->watchers; at; at = at->next)
        send_event(at->client, event);
    settle(w);
}

static bool watcher_make(struct client *c)
{
    struct worker *w = c->worker;
    struct watcher *one = NULL;
    unsigned n = 0;

    for (const struct watcher *at = w->watchers; at; at = at->next)
        n++;
    if (n < WATCHERS_MAX)
        one = calloc(1, sizeof *one);
    if (!one)
        return false;
    *one = (struct watcher){ c, w->watchers };
    w->watchers = one;
    counter_add(&w->tally->watchers, 1);
    if (!w->watch_timer.kind) {
        w->watch_kind.ms = INTERVAL_MS;
        w->watch_timer.fn = watch_on_timer;
        timer_arm(w->reactor, &w->watch_timer, &w->watch_kind);
    }
    return true;
}

void watch_end(struct client *c)
{
    struct worker *w = c->worker;
    struct watcher **at = find(c), *one = *at;

    if (!one)
        return;
    *at = one->next;
    free(one);
    counter_add(&w->tally->watchers, UINT64_MAX);
    if (!w->watchers)
        timer_disarm(&w->watch_timer);
}

/* The body is complete. */
static void end_body(struct client *c)
{
    struct http_writer out;

    http_writer_init(&out, c->x.response_framing);
    http_writer_end(&out);
    client_send(c, out.iov, out.n);
    c->x.response = RESPONSE_DONE;
}

/* Behind a proxy the events must not be collected. */
static void send_head(struct client *c)
{
    struct iovec iov;
    struct out head;

    reply_begin_body(c, &head, SPAN("text/event-stream"));
    http_put_field(&head, SPAN("X-Accel-Buffering"), SPAN("no"));
    out_put(&head, SPAN("\r\n"));
    iov = (struct iovec){ head.p, head.n };
    client_send(c, &iov, 1);
}

void watch_begin(struct client *c)
{
    if (c->x.head_only) {
        send_head(c);
        response_replied(c);
        return;
    }
    if (!watcher_make(c)) {
        reply_error(c, FAIL_OVERLOADED, SPAN("too many watch the status at once"), SPAN(""));
        return;
    }
    send_head(c);
    c->x.response = RESPONSE_BODY;
    send_event(c, event_now(c->worker));
    if (c->worker->draining) {
        end_body(c);
        watch_end(c);
    }
}

/* The list is taken away first: what a client asks next may be to watch again. */
void watch_end_all(struct worker *w)
{
    struct watcher *all = w->watchers, *one;
    struct span event = all ? event_now(w) : SPAN("");

    for (one = all; one; one = one->next) {
        send_event(one->client, event);
        end_body(one->client);
    }
    w->watchers = NULL;
    timer_disarm(&w->watch_timer);
    while ((one = all)) {
        struct client *c = one->client;

        all = one->next;
        free(one);
        counter_add(&w->tally->watchers, UINT64_MAX);
        w->exchange_moved(c, 0);
    }
}
