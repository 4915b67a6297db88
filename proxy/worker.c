/* Building one loop's parts in order, draining them, and taking them down from any half-built
 * state. Knows nothing of requests. The interface is proxy/worker.h. */
#include "proxy/worker.h"
#include "net/tls_server.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/rewrite.h"
#include "proxy/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/* Wipes what has been written to: a page that is all zero may be none yet, and stays that. */
static void wipe_written(char *p, size_t n)
{
    const size_t page = 4096;

    for (size_t at = 0; at < n; at += page) {
        size_t here = n - at < page ? n - at : page;

        if (p[at] != 0 || memcmp(p + at, p + at + 1, here - 1) != 0)
            wipe(p + at, here);
    }
}

static void end_of_turn(void *arg)
{
    struct worker *w = arg;

    log_flush(w->log);
    if (!w->stale)
        return;
    w->stale = false;
    wipe_written(w->in, sizeof w->in);
    wipe_written(w->out, sizeof w->out);
    wipe_written(w->text, sizeof w->text);
    wipe_written(w->why, sizeof w->why);
}

static void drained(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, drain_timer);

    log_say(w->log, LOG_WARNING_LEVEL, "drain_timeout is over: %u connections are cut",
            w->n_clients);
    reactor_stop(w->reactor);
}

static void turn_tickets(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, tickets_timer);

    tls_tickets_turn();
    timer_arm(w->reactor, t, &w->tickets_kind);
}

static uint64_t files_limit(void)
{
    struct rlimit files;

    return getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == RLIM_INFINITY
        ? UINT64_MAX
        : (uint64_t)files.rlim_cur;
}

int worker_make(struct worker **out, struct settings *s, struct log *log,
                const struct shared *shared, unsigned row)
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
    w->now = reactor_clock(w->reactor);
    w->tallies = shared->tallies;
    w->tally = &shared->tallies->rows[row];
    w->quotas = shared->quotas;
    w->row = row;
    w->settings = s;
    w->files = files_limit();
    w->limits = admission_limits(s->conf, w->files);
    w->drain_timer.fn = drained;
    w->tickets_timer.fn = turn_tickets;
    w->tickets_kind.ms = TLS_TICKETS_TURN_MS;
    timer_arm(w->reactor, &w->tickets_timer, &w->tickets_kind);
    w->drain_kind.ms = s->conf->server.drain_timeout;
    w->linger_kind.ms = 5000;
    w->acknowledge_kind.ms = 200;
    w->exchange_moved = client_exchange_moved;
    w->loop = (struct upstream_loop){ w->reactor, w->resolver, &w->blocks, w->tally };
    targets_open(&s->targets, &w->loop);
    counter_set(&w->tally->serves, 1);
    log_count_lost(log, &w->tally->lines_lost);
    reactor_at_end(w->reactor, end_of_turn, w);
    *out = w;
    return 0;
}

/* Clients that are between requests wait by the time-outs of the settings in use, so they begin to
 * wait again. */
void worker_use(struct worker *w, struct settings *s)
{
    struct settings *old = w->settings;

    w->settings = s;
    w->stale = true;
    w->limits = admission_limits(s->conf, w->files);
    w->drain_kind.ms = s->conf->server.drain_timeout;
    log_mask(w->log, s->secrets);
    for (struct client *c = w->clients; c; c = client_following(c))
        client_settings_changed(c);
    targets_close(&old->targets, &s->targets);
    targets_open(&s->targets, &w->loop);
    tally_drop_keys(w->tally, settings_count_key, s);
    watch_end_all(w);
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
    watch_end_all(w);
    for (struct client *c = w->clients; c; c = next) {
        next = client_following(c);
        client_drain(c);
    }
    targets_close(&w->settings->targets, NULL);
    timer_arm(w->reactor, &w->drain_timer, &w->drain_kind);
    if (w->n_clients == w->n_admins)
        reactor_stop(w->reactor);
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    if (w->log)
        log_count_lost(w->log, NULL);
    while (w->clients)
        client_kill(w->clients);
    if (w->settings)
        targets_close(&w->settings->targets, NULL);
    rewrite_free_spares(w->spare_rewrites);
    blocks_free(&w->blocks);
    settings_release(w->settings, w->reactor);
    resolver_free(w->resolver);
    reactor_free(w->reactor);
    wipe(w, sizeof *w); /* heads stood in it */
    free(w);
}
