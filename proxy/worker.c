/* Building one loop's parts in order, draining them, and taking them down from any half-built state.
 * Knows nothing of requests.
 * The interface is proxy/worker.h. */
#include "proxy/worker.h"
#include "proxy/client.h"
#include "proxy/door.h"
#include "proxy/rewrite.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static void end_of_turn(void *arg)
{
    log_flush(((struct worker *)arg)->log);
}

static void drained(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, drain_timer);

    log_say(w->log, LOG_WARNING_LEVEL, "drain_timeout is over: %u connections are cut", w->n_clients);
    reactor_stop(w->reactor);
}

int worker_make(struct worker **out, struct settings *s, struct log *log, struct counters *counters)
{
    struct worker *w = calloc(1, sizeof *w);
    int err = w ? reactor_make(&w->reactor) : -ENOMEM;

    *out = NULL;
    if (!err)
        err = resolver_make(&w->resolver, w->reactor);
    if (err) {
        worker_free(w);
        settings_release(s, NULL);
        return err;
    }
    w->log = log;
    w->counters = counters;
    w->opens_local = true;
    w->settings = s;
    w->drain_timer.fn = drained;
    w->drain_kind.ms = s->conf->server.drain_timeout;
    w->pool = (struct pool){
        .reactor = w->reactor,
        .blocks = &w->blocks,
        .dials = &counters->dials,
        .current = s,
        .ready = client_upstream_ready,
        .expired = client_upstream_expired,
    };
    reactor_at_end(w->reactor, end_of_turn, w);
    *out = w;
    return 0;
}

/* Clients that are between requests wait by the time-outs of the settings in use, so they begin to wait anew. */
void worker_use(struct worker *w, struct settings *s)
{
    struct settings *old = w->settings;

    w->settings = s;
    w->drain_kind.ms = s->conf->server.drain_timeout;
    log_mask(w->log, s->secrets);
    for (struct client *c = w->clients; c; c = client_following(c))
        client_settings_changed(c);
    pool_use(&w->pool, s);
    settings_release(old, w->reactor);
}

void worker_drain(struct worker *w)
{
    struct client *next;

    if (w->draining) {
        reactor_stop(w->reactor);
        return;
    }
    w->draining = true;
    log_say(w->log, LOG_INFO_LEVEL, "draining: no new connections, %u are open", w->n_clients);
    doors_close(w);
    for (struct client *c = w->clients; c; c = next) {
        next = client_following(c);
        client_drain(c);
    }
    pool_use(&w->pool, NULL);
    timer_arm(w->reactor, &w->drain_timer, &w->drain_kind);
    if (w->n_clients == 0)
        reactor_stop(w->reactor);
}

void worker_client_gone(struct worker *w)
{
    if (w->draining && w->n_clients == 0)
        reactor_stop(w->reactor);
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    doors_close(w);
    while (w->clients)
        client_kill(w->clients);
    pool_use(&w->pool, NULL);
    rewrite_free_spares(w->spare_rewrites);
    blocks_free(&w->blocks);
    settings_release(w->settings, w->reactor);
    resolver_free(w->resolver);
    reactor_free(w->reactor);
    free(w);
}

struct span worker_date(struct worker *w)
{
    time_t now = time(NULL);
    struct tm tm;

    if ((uint64_t)now != w->date_second || !w->date[0]) {
        w->date_second = (uint64_t)now;
        gmtime_r(&now, &tm);
        strftime(w->date, sizeof w->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return span_of(w->date);
}
