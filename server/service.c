/* Building the parts of one process, and handing orders to them. */
#include "server/service.h"
#include "log/ring.h"
#include "net/signals.h"
#include "proxy/ceiling.h"
#include "proxy/limits.h"
#include "server/channel.h"
#include "server/listeners.h"
#include "server/loader.h"
#include "server/notify.h"
#include "server/orders.h"
#include "server/renewal.h"
#include "server/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* 1. With a parent, orders come from there alone, and it opens every file and socket: what a reload
 *    needs of them waits in handed and log_file until ORDER_SETTINGS.
 * 2. Without one, wanted tells that the configuration is to be read again. */
struct serving {
    const struct service *service;
    struct signals signals;
    struct channel parent; /* closed where there is none, or it has died */
    struct worker *worker;
    struct sandbox sandbox;
    struct listeners listeners;
    struct loader *loader;
    struct sockets handed;
    int log_file;           /* -1: none */
    struct renewal renewal; /* without a parent */
    bool lost;              /* a socket could not be taken: the reload fails */
    bool wanted;
};

static void announce_upstream(const struct conf *c, const struct conf_upstream *u, struct log *log)
{
    const char *back = conf_leads_back(c, u);
    bool proxy = u->proxy.host != NULL;

    if (back)
        log_say(log, LOG_WARNING_LEVEL,
                "%s is an address that this proxy itself listens on: requests come back", back);
    if (!u->tls_verify)
        log_say(log, LOG_WARNING_LEVEL, CONF_UNVERIFIED, u->base_url.text);
    log_say(log, LOG_INFO_LEVEL, "requests go to %s%s%s", u->base_url.text,
            proxy ? " through the proxy " : "", proxy ? u->proxy.text : "");
}

void service_announce(const struct settings *s, struct log *log)
{
    const struct conf *c = s->conf;
    char why[512];

    for (unsigned i = 0; i < c->n_upstreams; i++)
        announce_upstream(c, &c->upstreams[i], log);
    for (unsigned i = 0; i < c->server.n_certificates; i++)
        if (settings_warn(s, i, why, sizeof why))
            log_say(log, LOG_WARNING_LEVEL, "%s", why);
}

void service_announce_sandbox(const struct conf *c, struct log *log)
{
    const char *lacks = sandbox_lacks();

    if (!c->server.sandbox)
        log_say(log, LOG_WARNING_LEVEL,
                "sandbox = no: whoever takes this process over can do whatever it may");
    else if (lacks)
        log_say(log, LOG_INFO_LEVEL, "%s", lacks);
}

void service_sum_up(const struct tallies *t, struct log *log)
{
    unsigned long long connections = 0, requests = 0, dials = 0;

    for (unsigned i = 0; i < counter_read(&t->n); i++) {
        connections += counter_read(&t->rows[i].connections);
        requests += tally_requests(&t->rows[i]);
        dials += counter_read(&t->rows[i].dials);
    }
    log_say(log, LOG_INFO_LEVEL,
            "ending after %llu connections, %llu requests, %llu connections to the upstream",
            connections, requests, dials);
}

static bool service_has_parent(const struct serving *s)
{
    return s->service->parent >= 0;
}

/* What a reload that fails comes to in this process. */
static const char *service_outcome(const struct serving *s)
{
    return service_has_parent(s) ? RELOAD_LEFT_BEHIND : RELOAD_UNCHANGED;
}

/* Takes no more requests, and ends once those under way have ended; a second call ends at once. */
static void service_drain(struct serving *s)
{
    listeners_drain(&s->listeners);
    worker_drain(s->worker);
}

/* The same where others go on: nobody is to ask this process how they are. */
static void service_retire(struct serving *s)
{
    listeners_close(&s->listeners);
    if (!s->worker->draining)
        service_drain(s);
}

static void service_end(struct serving *s)
{
    if (!s->worker->draining)
        service_drain(s);
    service_drain(s);
}

/* The parent has changed the modes of local sockets already. */
static int service_prepare(struct serving *s, const struct conf *fresh, struct ring **ring,
                           FILE *errors)
{
    const struct conf *old = s->worker->settings->conf;
    int err, file = s->log_file;

    s->log_file = -1;
    err = log_prepare(ring, s->service->log, fresh, file, errors);
    if (!err && s->lost)
        err = -ENOMEM;
    s->lost = false;
    if (!err && !sandbox_allows(&s->sandbox, fresh)) {
        fputs("openai-chat-proxy: sockets of root are out of reach of this process\n", errors);
        err = -EPERM;
    }
    if (!err && !service_has_parent(s))
        err = listeners_missing(&s->listeners, fresh, &s->handed, errors);
    if (!err)
        err = listeners_open(&s->listeners, fresh, &s->handed);
    if (!err && !service_has_parent(s))
        err = reload_modes(old, fresh, errors);
    if (err)
        listeners_undo(&s->listeners);
    sockets_close(&s->handed);
    return err;
}

/* Goes on with fresh settings, which are taken over in any case. Returns 0, or a negative errno
 * after the log has said why: all is as it was. */
static int service_apply(struct serving *s, struct settings *fresh)
{
    struct log *log = s->service->log;
    struct ring *ring = NULL;
    struct report report;
    int err = report_open(&report);

    if (!err && service_has_parent(s))
        err = limits_find(fresh, s->worker->quotas);
    if (!err)
        err = service_prepare(s, fresh->conf, &ring, report.file);
    if (err) {
        reload_failed(&report, log, err, service_outcome(s));
        ring_free(ring, 0);
        settings_release(fresh, NULL);
        return err;
    }
    report_close(&report, log, LOG_INFO_LEVEL, "reload: ");
    listeners_settle(&s->listeners, fresh->conf);
    log_change(log, fresh->conf, ring);
    settings_inherit(fresh, s->worker->settings);
    if (!service_has_parent(s))
        limits_claim(fresh, s->worker->quotas);
    worker_use(s->worker, fresh);
    if (!service_has_parent(s))
        renewal_wait(&s->renewal, s->worker->reactor, fresh, true);
    return 0;
}

/* Reads the configuration again, once for all signals that came while it was read before. */
static void service_reload(struct serving *s)
{
    if (!s->wanted || s->loader->busy || s->worker->draining)
        return;
    s->wanted = false;
    notify_reloading();
    loader_start(s->loader, s->worker->settings, s->service->from, NULL);
}

/* A worker that cannot follow does not go on with settings that the others no longer have. */
static void service_answer(struct serving *s, int err)
{
    channel_send(&s->parent,
                 &(struct message){ .type = err ? REPLY_FAILED : REPLY_FOLLOWED, .fd = -1 });
    if (err)
        service_retire(s);
}

static void service_on_loaded(struct loader *l, struct reading *r)
{
    struct serving *s = l->arg;
    int err;

    if (s->worker->draining) {
        report_drop(&r->report);
        settings_release(r->fresh, NULL);
        return;
    }
    err = reload_judge(r, s->service->log, service_outcome(s));
    if (!err)
        err = service_apply(s, r->fresh);
    if (service_has_parent(s)) {
        service_answer(s, err);
        return;
    }
    counter_add(&s->worker->tally->reloads[err == 0], 1);
    if (!err) {
        reload_tell(r->old, s->worker->settings, s->service->log);
        service_announce(s->worker->settings, s->service->log);
    }
    notify_send("READY=1");
    service_reload(s);
}

/* Signals to a worker are its parent's to handle: they may have reached it as one of a group. */
static void service_on_signal(struct signals *signals, int number)
{
    struct serving *s = container_of(signals, struct serving, signals);

    if (s->parent.watch.fd >= 0)
        return;
    switch (number) {
    case SIGHUP:
        s->wanted = true;
        service_reload(s);
        break;
    case SIGUSR1:
        log_reopen(s->service->log, -1);
        break;
    default:
        if (!service_has_parent(s))
            notify_send("STOPPING=1");
        service_drain(s);
    }
}

static int service_take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

/* The payload is the kind of the socket, and its name without the NUL. */
static void service_take_socket(struct serving *s, struct message *m)
{
    char name[SOCKET_NAME_MAX];
    struct open_socket o = { .name = name, .fd = service_take(&m->fd), .worker = SOCKET_SHARED };

    if (!m->payload.p || m->payload.n < 1 || m->payload.n > sizeof name || o.fd < 0) {
        s->lost = true;
        return;
    }
    o.kind = (enum socket_kind)m->payload.p[0];
    memcpy(name, m->payload.p + 1, m->payload.n - 1);
    name[m->payload.n - 1] = 0;
    s->lost |= sockets_add(&s->handed, &o) != 0;
}

static void service_follow(struct serving *s, struct span packed)
{
    struct files *files;
    int err = packed.p ? files_unpack(&files, packed) : -ENOMEM;

    if (err)
        service_answer(s, err);
    else
        loader_start(s->loader, s->worker->settings, s->service->from, files);
}

static void service_renew(struct serving *s, struct span packed)
{
    struct files *files;

    if (packed.p && files_unpack(&files, packed) == 0) {
        renewal_follow(s->worker->settings, files, s->service->log);
        files_free(files);
    }
}

/* Who has a parent is told by it. */
static void service_look_at_certificates(struct timer *t)
{
    struct serving *s = container_of(t, struct serving, renewal.timer);

    if (!s->loader->busy && !s->worker->draining)
        files_free(renewal_look(&s->renewal, s->worker->settings, s->service->log));
    renewal_wait(&s->renewal, s->worker->reactor, s->worker->settings, false);
}

static void service_on_order(struct channel *c, struct message *m)
{
    struct serving *s = container_of(c, struct serving, parent);

    switch ((enum order)m->type) {
    case ORDER_SOCKET:
        service_take_socket(s, m);
        break;
    case ORDER_LOG:
        s->log_file = service_take(&m->fd);
        break;
    case ORDER_SETTINGS:
        service_follow(s, m->payload);
        break;
    case ORDER_RENEW:
        service_renew(s, m->payload);
        break;
    case ORDER_REOPEN:
        log_reopen(s->service->log, service_take(&m->fd));
        break;
    case ORDER_RETIRE:
        service_retire(s);
        break;
    case ORDER_DRAIN:
        if (!s->worker->draining)
            service_drain(s);
        break;
    default:
        service_end(s);
    }
}

/* Nobody is left who would start this worker again, or stop it. */
static void service_on_orphaned(struct channel *c)
{
    struct serving *s = container_of(c, struct serving, parent);

    log_say(s->service->log, LOG_ERROR_LEVEL, "the parent process is gone");
    if (!s->worker->draining)
        service_drain(s);
}

static int service_listen(struct serving *s)
{
    const struct conf *c = s->worker->settings->conf;
    int err;

    s->listeners.worker = s->worker;
    err = listeners_open(&s->listeners, c, s->service->sockets);
    if (!err)
        listeners_settle(&s->listeners, c);
    if (!service_has_parent(s))
        listeners_tell(&s->listeners);
    return err;
}

static int service_hear(struct serving *s)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, 0 };
    struct reactor *r = s->worker->reactor;
    int err = loader_make(&s->loader, r, service_on_loaded, s);

    if (!err)
        err = signals_open(&s->signals, r, numbers);
    if (!err && service_has_parent(s))
        err = channel_open(&s->parent, r, s->service->parent);
    s->renewal.timer.fn = service_look_at_certificates;
    if (!service_has_parent(s))
        renewal_wait(&s->renewal, r, s->worker->settings, true);
    signals_hold(false);
    return err;
}

void service_print(const struct conf *c, struct files *files, FILE *to)
{
    struct ceiling memory;

    conf_print(c, to);
    ceiling_of(&memory, c, files);
    ceiling_print(&memory, to);
}

/* Nothing of this process is to be used by another hand from here on. It serves in any case. */
static void service_confine(struct serving *s)
{
    const struct conf *c = s->worker->settings->conf;
    int err;

    if (!c->server.sandbox)
        return;
    s->sandbox.alone = !service_has_parent(s);
    err = sandbox_enter(&s->sandbox, c);
    if (err)
        log_say(s->service->log, LOG_ERROR_LEVEL, "the sandbox is not complete: %s",
                strerror(-err));
}

int service_run(const struct service *service)
{
    struct serving s = {
        .signals.fn = service_on_signal,
        .parent = { .watch.fd = -1, .heard = service_on_order, .ended = service_on_orphaned },
        .log_file = -1,
        .service = service
    };
    int err;

    if (!service_has_parent(&s))
        limits_claim(service->settings, service->shared->quotas);
    err = worker_make(&s.worker, service->settings, service->log, service->shared, service->row);
    if (!err)
        err = service_listen(&s);
    if (!err)
        err = service_hear(&s);
    if (!err && !service_has_parent(&s))
        notify_send("READY=1");
    if (!err) {
        service_confine(&s);
        err = reactor_run(s.worker->reactor);
    }
    if (err)
        log_say(service->log, LOG_ERROR_LEVEL, "cannot go on: %s", strerror(-err));
    if (s.worker) {
        channel_close(&s.parent);
        signals_close(&s.signals);
        loader_free(s.loader);
        listeners_close(&s.listeners);
    }
    sockets_close(&s.handed);
    if (s.log_file >= 0)
        close(s.log_file);
    worker_free(s.worker);
    return err;
}
