/* Signals and reloads, for all workers at once. */
#include "server/parent.h"
#include "net/tls_server.h"
#include "net/signals.h"
#include "proxy/limits.h"
#include "server/crew.h"
#include "server/notify.h"
#include "server/privileges.h"
#include "server/renewal.h"
#include "log/ring.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* 1. wanted: a reload was asked for and has not begun. It begins after all signals of a turn, so
 *    that an order to end goes first.
 * 2. old: the settings before the reload that the workers have not all followed yet; else NULL. */
struct parent {
    struct signals signals;
    struct crew crew;
    struct settings *old;
    bool wanted;
    struct timer tickets_timer; /* a process that starts later gets the keys as they are then */
    struct timer_kind tickets_kind;
    struct renewal renewal;
};

bool parent_needed(const struct conf *c)
{
    return workers_wanted(c) > 1 || privileges_wanted(c);
}

/* Opens what fresh needs beside what there is. Returns 0, or a negative errno after the log has
 * said why: all is as it was. */
static int parent_prepare(struct parent *p, const struct conf *fresh, struct ring **ring)
{
    struct crew *c = &p->crew;
    unsigned before = c->sockets->n;
    struct report report;
    int err = report_open(&report);

    *ring = NULL;
    if (!err)
        err = sockets_open(c->sockets, fresh, workers_wanted(fresh), report.file);
    if (!err)
        err = log_prepare(ring, c->log, fresh, -1, report.file);
    if (!err)
        err = reload_modes(c->settings->conf, fresh, report.file);
    if (!err) {
        report_close(&report, c->log, LOG_INFO_LEVEL, "reload: ");
        return 0;
    }
    reload_failed(&report, c->log, err, RELOAD_UNCHANGED);
    ring_free(*ring, 0);
    sockets_cut(c->sockets, before);
    return err;
}

/* The workers that there are get what is new; those that are missing start with all of it. */
static void parent_apply(struct parent *p, struct settings *fresh, struct ring *ring,
                         struct update *u)
{
    struct crew *c = &p->crew;

    settings_inherit(fresh, c->settings);
    limits_claim(fresh, c->shared.quotas);
    p->old = c->settings;
    c->settings = fresh;
    c->n_workers = workers_wanted(fresh->conf);
    log_change(c->log, fresh->conf, ring);
    log_mask(c->log, fresh->secrets);
    if (ring && c->drops)
        privileges_give_log(fresh->conf, c->log);
    u->log_file = ring ? log_file(c->log) : -1;
    sockets_keep(c->sockets, fresh->conf, c->n_workers);
    crew_retire(c, c->n_workers);
    crew_update(c, u);
    crew_start(c);
}

static int parent_follow(struct parent *p, struct reading *r)
{
    struct crew *c = &p->crew;
    unsigned before = c->sockets->n;
    struct ring *ring;
    struct update u;
    int err = files_pack(r->files, &u.files);

    if (err)
        log_say(c->log, LOG_ERROR_LEVEL, "reload: %s: %s", RELOAD_UNCHANGED, strerror(-err));
    else
        err = parent_prepare(p, r->fresh->conf, &ring);
    if (!err) {
        u.n_sockets = c->sockets->n - before;
        parent_apply(p, r->fresh, ring, &u);
        r->fresh = NULL;
    }
    wipe((char *)u.files.p, u.files.p ? u.files.n : 0);
    free((char *)u.files.p);
    return err;
}

static void parent_reload(struct parent *p)
{
    struct crew *c = &p->crew;
    struct reading r = { .old = c->settings, .from = c->from };

    if (!p->wanted || p->old || c->ending)
        return;
    p->wanted = false;
    notify_reloading();
    reload_read(&r);
    if (reload_judge(&r, c->log, RELOAD_UNCHANGED) || parent_follow(p, &r)) {
        counter_add(&c->shared.tallies->rows[0].reloads[0], 1);
        notify_send("READY=1");
    }
    files_free(r.files);
    settings_release(r.fresh, NULL);
}

static void parent_on_answered(struct crew *c)
{
    struct parent *p = container_of(c, struct parent, crew);

    reload_tell(p->old, c->settings, c->log);
    service_announce(c->settings, c->log);
    settings_release(p->old, NULL);
    p->old = NULL;
    renewal_wait(&p->renewal, c->reactor, c->settings, true);
    counter_add(&c->shared.tallies->rows[0].reloads[1], 1);
    notify_send("READY=1");
}

/* As long as this process has a socket open, connections to it are taken by the kernel, and nobody
 * would serve them. */
static void parent_end(struct parent *p)
{
    if (!p->crew.ending)
        notify_send("STOPPING=1");
    sockets_drain(p->crew.sockets, p->crew.settings->conf);
    crew_end(&p->crew);
}

static void parent_reopen_log(struct crew *c)
{
    if (log_reopen(c->log, -1) || log_file(c->log) < 0)
        return;
    if (c->drops)
        privileges_give_log(c->settings->conf, c->log);
    crew_reopen(c, log_file(c->log));
}

static void parent_on_signal(struct signals *signals, int number)
{
    struct parent *p = container_of(signals, struct parent, signals);

    switch (number) {
    case SIGCHLD:
        crew_reap(&p->crew);
        break;
    case SIGHUP:
        p->wanted = true;
        break;
    case SIGUSR1:
        parent_reopen_log(&p->crew);
        break;
    default:
        parent_end(p);
    }
}

static void parent_on_end_of_turn(void *arg)
{
    struct parent *p = arg;

    parent_reload(p);
    log_flush(p->crew.log);
}

static void parent_on_gone(struct crew *c)
{
    reactor_stop(c->reactor);
}

/* The first thing that a child does: what is left of this turn must not hear what is the parent's
 * to hear. */
static void parent_forget(struct crew *c)
{
    struct parent *p = container_of(c, struct parent, crew);

    signals_close(&p->signals);
    reactor_free(c->reactor);
    c->reactor = NULL;
    settings_release(p->old, NULL);
    p->old = NULL;
}

static void parent_turn_tickets(struct timer *t)
{
    struct parent *p = container_of(t, struct parent, tickets_timer);

    tls_tickets_turn();
    timer_arm(p->crew.reactor, t, &p->tickets_kind);
}

/* The workers may not open the files. While they follow a reload its certificates come first. */
static void parent_renew(struct timer *t)
{
    struct parent *p = container_of(t, struct parent, renewal.timer);
    struct crew *c = &p->crew;
    struct files *files =
        p->old || c->ending ? NULL : renewal_look(&p->renewal, c->settings, c->log);
    struct span packed;

    if (files && files_pack(files, &packed) == 0) {
        crew_renew(c, packed);
        wipe((char *)packed.p, packed.n);
        free((char *)packed.p);
    } else if (files) {
        log_say(c->log, LOG_ERROR_LEVEL, "the workers do not get the new certificates: %s",
                strerror(ENOMEM));
    }
    files_free(files);
    renewal_wait(&p->renewal, c->reactor, c->settings, false);
}

static int parent_open(struct parent *p)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, 0 };
    struct crew *c = &p->crew;
    int err = reactor_make(&c->reactor);

    if (!err)
        err = crew_make(c);
    if (!err) {
        limits_claim(c->settings, c->shared.quotas);
        reactor_at_end(c->reactor, parent_on_end_of_turn, p);
        p->tickets_timer.fn = parent_turn_tickets;
        p->tickets_kind.ms = TLS_TICKETS_TURN_MS;
        timer_arm(c->reactor, &p->tickets_timer, &p->tickets_kind);
        p->renewal.timer.fn = parent_renew;
        renewal_wait(&p->renewal, c->reactor, c->settings, true);
        err = signals_open(&p->signals, c->reactor, numbers);
    }
    signals_hold(false);
    return err;
}

static void parent_close(struct parent *p)
{
    struct crew *c = &p->crew;

    signals_close(&p->signals);
    crew_free(c);
    reactor_free(c->reactor);
    settings_release(p->old, NULL);
    settings_release(c->settings, NULL);
}

int parent_run(const struct parent_options *o)
{
    struct parent p = {
        .signals.fn = parent_on_signal,
        .crew = { .settings = o->settings,
                  .log = o->log,
                  .sockets = o->sockets,
                  .from = o->from,
                  .drops = o->drops,
                  .n_workers = workers_wanted(o->settings->conf),
                  .in_child = parent_forget,
                  .answered = parent_on_answered,
                  .gone = parent_on_gone },
    };
    struct crew *c = &p.crew;
    int err = parent_open(&p);

    if (!err) {
        crew_start(c);
        log_say(c->log, LOG_INFO_LEVEL, "%u worker%s", c->n_workers, c->n_workers > 1 ? "s" : "");
        notify_send("READY=1");
        err = reactor_run(c->reactor);
    }
    if (err)
        log_say(c->log, LOG_ERROR_LEVEL, "cannot go on: %s", strerror(-err));
    if (c->shared.tallies)
        service_sum_up(c->shared.tallies, c->log);
    parent_close(&p);
    return err;
}
