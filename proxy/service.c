/* Building one process's parts, and handing signals to them.
 * Knows nothing of requests.
 * The interface is proxy/service.h. */
#include "proxy/service.h"
#include "net/signals.h"
#include "proxy/door.h"
#include "proxy/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct serving {
    struct signals signals;
    struct watch lifeline;
    bool orphaned;                      /* the parent is gone */
    struct worker *worker;
    const struct service *service;
};

void service_announce(const struct conf *c, struct log *log)
{
    bool proxy = c->upstream.proxy.host != NULL;

    if (!c->upstream.tls_verify)
        log_say(log, LOG_WARNING_LEVEL, CONF_UNVERIFIED, c->upstream.base_url.text);
    log_say(log, LOG_INFO_LEVEL, "requests go to %s%s%s", c->upstream.base_url.text, proxy ? " through the proxy " : "", proxy ? c->upstream.proxy.text : "");
}

void service_sum_up(const struct counters *c, struct log *log)
{
    log_say(log, LOG_INFO_LEVEL, "ending after %llu connections, %llu requests, %llu connections to the upstream", (unsigned long long)c->connections,
            (unsigned long long)c->requests, (unsigned long long)c->dials);
}

/* Where there is a parent, it has read the file before, and says what has changed. */
static void reload(struct serving *s)
{
    struct worker *w = s->worker;
    struct settings *fresh, *old;

    if (w->draining)
        return;
    if (!s->service->of_many)
        notify_reloading();
    old = settings_hold(w->settings);
    if (reload_read(&fresh, old, s->service->from, w->log) == 0 && reload_apply(w, fresh) == 0 && !s->service->of_many) {
        reload_tell(old, w->settings, w->log);
        service_announce(w->settings->conf, w->log);
    }
    settings_release(old, w->reactor);
    if (!s->service->of_many)
        notify_send("READY=1");
}

/* The second signal ends a process that is alone at once; of many, that is the parent's to say, as long as there is one. */
static void stop(struct serving *s)
{
    if (!s->service->of_many)
        notify_send("STOPPING=1");
    if (!s->service->of_many || s->orphaned || !s->worker->draining)
        worker_drain(s->worker);
}

static void end_at_once(struct serving *s)
{
    if (!s->worker->draining)
        worker_drain(s->worker);
    worker_drain(s->worker);
}

static void on_signal(struct signals *signals, int number)
{
    struct serving *s = container_of(signals, struct serving, signals);
    int err;

    switch (number) {
    case SIGHUP:
        reload(s);
        break;
    case SIGUSR1:
        err = log_reopen(s->worker->log);
        if (err)
            log_say(s->worker->log, LOG_ERROR_LEVEL, "the log file cannot be opened anew: %s", strerror(-err));
        break;
    case SERVICE_END_AT_ONCE:
        end_at_once(s);
        break;
    default:
        stop(s);
    }
}

/* The parent has died without a word: nobody would start this worker again or stop it. */
static void on_lifeline(struct watch *w)
{
    struct serving *s = container_of(w, struct serving, lifeline);

    log_say(s->worker->log, LOG_ERROR_LEVEL, "the parent process is gone");
    s->orphaned = true;
    w->ready = 0;
    reactor_want(s->worker->reactor, w, 0);
    if (!s->worker->draining)
        worker_drain(s->worker);
}

static int open_doors(struct worker *w, const struct service *s)
{
    int err;

    w->of_many = s->of_many;
    w->opens_local = !s->of_many || s->first;
    err = doors_open(w, w->settings->conf, s->sockets, stderr);
    if (!err)
        doors_settle(w, w->settings->conf);
    for (const struct door *d = w->doors; d && !s->of_many; d = d->next)
        log_say(w->log, LOG_INFO_LEVEL, "listening on %s", d->name);
    return err;
}

static int listen_to(struct serving *s, struct reactor *r)
{
    static const int alone[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, 0 }, of_many[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SERVICE_END_AT_ONCE, 0 };
    int err = signals_open(&s->signals, r, s->service->of_many ? of_many : alone);

    if (!err && s->service->lifeline >= 0)
        err = reactor_add(r, &s->lifeline, s->service->lifeline, false);
    if (!err && s->service->lifeline >= 0)
        reactor_want(r, &s->lifeline, READY_READ | READY_HUP);
    signals_hold(false);
    return err;
}

int service_run(const struct service *service)
{
    struct serving s = { .signals.fn = on_signal, .lifeline = { .fd = -1, .fn = on_lifeline }, .service = service };
    int err = worker_make(&s.worker, service->settings, service->log, service->counters);

    if (!err)
        err = open_doors(s.worker, service);
    if (!err)
        err = listen_to(&s, s.worker->reactor);
    if (!err && !service->of_many)
        notify_send("READY=1");
    if (!err)
        err = reactor_run(s.worker->reactor);
    if (err)
        log_say(service->log, LOG_ERROR_LEVEL, "cannot go on: %s", strerror(-err));
    if (s.worker) {
        reactor_remove(s.worker->reactor, &s.lifeline);
        signals_close(&s.signals);
    }
    worker_free(s.worker);
    return err;
}
