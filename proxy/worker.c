/* Building one loop's parts in order, draining them, and taking them down from any half-built state.
 * Knows nothing of requests.
 * The interface is proxy/worker.h. */
#include "proxy/worker.h"
#include "proxy/client.h"
#include "proxy/rewrite.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A listener that knows its worker. */
struct door {
    struct listener listener;
    struct worker *worker;
};

static void accepted(struct listener *l, int fd, const struct addr *peer)
{
    client_accept(container_of(l, struct door, listener)->worker, fd, peer);
}

static void resting(struct listener *l, int err)
{
    struct worker *w = container_of(l, struct door, listener)->worker;

    log_say(w->log, LOG_ERROR_LEVEL, "accepting connections pauses: %s", strerror(-err));
}

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

static int open_doors(struct worker *w, const int *fds, unsigned n)
{
    w->doors = calloc(n ? n : 1, sizeof *w->doors);
    if (!w->doors) {
        for (unsigned i = 0; i < n; i++)
            close(fds[i]);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < n; i++) {
        struct door *d = &w->doors[i];
        int err;

        d->worker = w;
        d->listener.accepted = accepted;
        d->listener.resting = resting;
        err = listener_start(&d->listener, w->reactor, fds[i]);
        if (err) {
            while (++i < n)
                close(fds[i]);
            return err;
        }
        w->n_doors++;
    }
    return 0;
}

int worker_make(struct worker **out, struct settings *s, struct log *log, const int *fds, unsigned n_fds)
{
    struct worker *w = calloc(1, sizeof *w);
    int err;

    *out = NULL;
    if (!w)
        return -ENOMEM;
    w->log = log;
    w->settings = s;
    w->drain_timer.fn = drained;
    w->drain_kind.ms = s->conf->server.drain_timeout;
    err = reactor_make(&w->reactor);
    if (!err)
        err = resolver_make(&w->resolver, w->reactor);
    if (!err) {
        w->pool = (struct pool){
            .reactor = w->reactor,
            .blocks = &w->blocks,
            .ready = client_upstream_ready,
            .expired = client_upstream_expired,
        };
        reactor_at_end(w->reactor, end_of_turn, w);
        err = open_doors(w, fds, n_fds);
    }
    if (err) {
        worker_free(w);
        return err;
    }
    *out = w;
    return 0;
}

static void close_doors(struct worker *w)
{
    for (unsigned i = 0; i < w->n_doors; i++)
        listener_stop(&w->doors[i].listener);
    w->n_doors = 0;
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
    close_doors(w);
    for (struct client *c = w->clients; c; c = next) {
        next = client_following(c);
        client_drain(c);
    }
    pool_clear(&w->pool, NULL);
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
    close_doors(w);
    free(w->doors);
    while (w->clients)
        client_kill(w->clients);
    pool_clear(&w->pool, NULL);
    rewrite_free_spares(w->spare_rewrites);
    blocks_free(&w->blocks);
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
