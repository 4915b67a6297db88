/* From a name to an open stream.
 * Knows nothing of requests.
 * The interface is proxy/dial.h. */
#include "proxy/dial.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

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
        finish(d, -1);
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
