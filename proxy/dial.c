/* From a name to an open stream.
 * Knows nothing of requests.
 * The interface is proxy/dial.h. */
#include "proxy/dial.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The arithmetic of one handshake takes milliseconds. When it has taken as many within one turn of the loop, the next handshake
 * waits for the next turn, so that hundreds of them at once do not stop everything else. */
#define HANDSHAKE_MS_PER_TURN 4

static void dial_free(struct retired *r)
{
    free(container_of(r, struct dial, retired));
}

void dial_cancel(struct dial *d)
{
    if (!d)
        return;
    connector_cancel(&d->connector);
    timer_disarm(&d->timer);
    reactor_retire(d->conn->pool->reactor, &d->retired, dial_free);
}

/* The end, good (failure < 0) or bad. */
static void finish(struct dial *d, int failure)
{
    dial_cancel(d);
    d->done(d, failure);
}

static const struct conf_url *target(const struct dial *d)
{
    return &d->conn->settings->conf->upstream.base_url;
}

/* What goes wrong while a layer is opened is that layer's failure. */
static void fail_layer(struct dial *d, int err)
{
    const struct conf_url *to = target(d);
    const char *why = stream_why(d->conn->top);

    snprintf(d->why, sizeof d->why, "TLS with %s port %u failed: %s", to->host, (unsigned)to->port, why ? why : strerror(-err));
    finish(d, FAIL_TLS);
}

/* Puts the next stream on top of the others. Returns 1 if there is one more, 0 if the stack is complete, or a negative errno. */
static int add_layer(struct dial *d)
{
    struct conn *c = d->conn;
    const struct conf_url *to = target(d);
    struct stream *s;
    int err;

    if (d->layers > 0 || strcmp(to->scheme, "https") != 0)
        return 0;
    err = tls_stream_make(&s, c->settings->tls, c->top, &c->tcp.watch, to->host);
    if (err)
        return err;
    c->top = s;
    d->layers++;
    return 1;
}

static bool turn_is_over(const struct dial *d)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 >= reactor_now(d->conn->pool->reactor) + HANDSHAKE_MS_PER_TURN;
}

/* Opens one layer after the other, each as far as it goes. */
static void open_layers(struct dial *d)
{
    for (;;) {
        struct stream *top = d->conn->top;
        int err = d->layers > 0 && turn_is_over(d) ? -EAGAIN : stream_open(top);

        if (err == -EAGAIN) {
            stream_want(top, READY_READ | READY_WRITE);
            return;
        }
        if (err == 0)
            err = add_layer(d);
        if (err < 0) {
            fail_layer(d, err);
            return;
        }
        if (err == 0) {
            finish(d, -1);
            return;
        }
    }
}

void dial_ready(struct dial *d)
{
    open_layers(d);
}

static void connected(struct connector *connector, struct watch *watch)
{
    struct dial *d = container_of(connector, struct dial, connector);
    const struct conf_url *to = target(d);
    struct conn *c = d->conn;

    if (!watch && connector->resolve_error) {
        snprintf(d->why, sizeof d->why, "cannot resolve %s: %s", to->host, gai_strerror(connector->resolve_error));
        finish(d, FAIL_DNS);
        return;
    }
    if (watch && reactor_move(c->pool->reactor, watch, &c->tcp.watch) == 0) {
        open_layers(d);
        return;
    }
    snprintf(d->why, sizeof d->why, "cannot connect to %s port %u: %s", to->host, (unsigned)to->port,
             strerror(watch ? ENOMEM : connector->last_error));
    finish(d, FAIL_CONNECT);
}

static void expired(struct timer *t)
{
    struct dial *d = container_of(t, struct dial, timer);
    const struct conf_url *to = target(d);

    snprintf(d->why, sizeof d->why, "connecting to %s port %u took longer than %llu ms", to->host, (unsigned)to->port,
             (unsigned long long)d->conn->settings->timeouts.dial.ms);
    finish(d, FAIL_DIAL_TIMEOUT);
}

struct dial *dial_start(struct conn *conn, struct resolver *resolver, void (*done)(struct dial *d, int failure))
{
    struct dial *d = calloc(1, sizeof *d);
    struct reactor *r = conn->pool->reactor;

    if (!d)
        return NULL;
    d->conn = conn;
    d->done = done;
    d->timer.fn = expired;
    timer_arm(r, &d->timer, &conn->settings->timeouts.dial);
    d->connector.done = connected;
    connector_start(&d->connector, r, resolver, target(d)->host, target(d)->port);
    return d;
}
