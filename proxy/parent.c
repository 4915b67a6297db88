/* Forking, waiting, and starting again with a growing pause.
 * Knows nothing of requests.
 * The interface is proxy/parent.h. */
#include "proxy/parent.h"
#include "net/signals.h"
#include "proxy/notify.h"
#include "proxy/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 1024                      /* as many as [server] workers may say */
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 30000
#define HEALTHY_MS 60000                /* a worker that has lived so long may fail at once again */

/* 1. pid is 0 while there is no process.
 * 2. pause is how long the last start was put off; it doubles while the worker keeps dying young.
 * 3. retiring: the process was told to end. */
struct slot {
    struct parent *parent;
    pid_t pid;
    bool retiring;
    unsigned number;
    uint64_t started;
    struct timer again;
    struct timer_kind pause;
};

/* 1. Slots from n_workers on have no process, or one that was told to end.
 * 2. worker is set in the processes that are forked here, and nothing but worker_main happens there. */
struct parent {
    struct signals signals;
    struct reactor *reactor;
    struct settings *settings;
    struct log *log;
    const struct parent_options *options;
    unsigned n_own;                     /* how many lists of sockets options has */
    int lifeline[2];                    /* the workers wait for the end of what this process never writes */
    struct counters *counters;          /* one for each slot, in memory that all processes share */
    struct slot *slots;
    unsigned n_workers, n_running;
    bool ending;
    const struct slot *worker;
};

unsigned parent_workers(const struct conf *c)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
#endif
    if (c->server.workers > 0)
        return c->server.workers;
    return n < 1 ? 1 : n > SLOTS ? SLOTS : (unsigned)n;
}

/* Forks. In the worker, control goes back to the end of parent_run as fast as it can. */
static int spawn(struct slot *s)
{
    struct parent *p = s->parent;
    pid_t pid;

    if (p->worker || p->ending || s->pid != 0 || s->number >= p->n_workers)
        return 0;
    signals_hold(true);
    pid = fork();
    if (pid == 0) {
        p->worker = s;
        signals_close(&p->signals);     /* now: what is left of this turn must not read what is the parent's to hear */
        log_after_fork(p->log);
        reactor_stop(p->reactor);
        return 0;
    }
    signals_hold(false);
    if (pid < 0)
        return -errno;
    s->pid = pid;
    s->retiring = false;
    s->started = reactor_now(p->reactor);
    p->n_running++;
    return 0;
}

static void put_off(struct slot *s)
{
    struct parent *p = s->parent;
    bool young = reactor_now(p->reactor) - s->started < HEALTHY_MS;

    s->pause.ms = !young || s->pause.ms == 0 ? PAUSE_FIRST_MS : s->pause.ms * 2;
    if (s->pause.ms > PAUSE_MAX_MS)
        s->pause.ms = PAUSE_MAX_MS;
    timer_arm(p->reactor, &s->again, &s->pause);
}

static void on_again(struct timer *t)
{
    struct slot *s = container_of(t, struct slot, again);
    int err = spawn(s);

    if (!err)
        return;
    log_say(s->parent->log, LOG_ERROR_LEVEL, "worker %u cannot be started: %s", s->number + 1, strerror(-err));
    put_off(s);
}

static void tell_end(const struct slot *s, int status)
{
    struct log *log = s->parent->log;
    unsigned long long lived = reactor_now(s->parent->reactor) - s->started;

    if (WIFSIGNALED(status))
        log_say(log, LOG_ERROR_LEVEL, "worker %u (process %ld) was killed by signal %d (%s) after %llu ms", s->number + 1, (long)s->pid, WTERMSIG(status),
                strsignal(WTERMSIG(status)), lived);
    else
        log_say(log, LOG_ERROR_LEVEL, "worker %u (process %ld) ended with status %d after %llu ms", s->number + 1, (long)s->pid, WEXITSTATUS(status), lived);
}

static void ended(struct slot *s, int status)
{
    struct parent *p = s->parent;
    bool wanted = s->number < p->n_workers && !p->ending;

    if (wanted && !s->retiring)
        tell_end(s, status);
    s->pid = 0;
    p->n_running--;
    if (wanted)
        put_off(s);
    else if (p->n_running == 0)
        reactor_stop(p->reactor);
}

/* Also children that are not ours: as the first process of a container this one inherits orphans. */
static void reap(struct parent *p)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (unsigned i = 0; i < SLOTS; i++)
            if (p->slots[i].pid == pid)
                ended(&p->slots[i], status);
}

static void send_all(const struct parent *p, int number)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (p->slots[i].pid > 0)
            kill(p->slots[i].pid, number);
}

/* Those from the first on are told to drain, each once. */
static void retire(struct parent *p, unsigned first)
{
    for (unsigned i = first; i < SLOTS; i++) {
        struct slot *s = &p->slots[i];

        if (s->pid > 0 && !s->retiring)
            kill(s->pid, SIGTERM);
        s->retiring = s->pid > 0;
    }
}

/* Sockets that nobody is to listen on any more are open in this process too. */
static void close_gone(struct sockets *s, const struct conf *c)
{
    struct sockets kept = { 0 };
    struct open_socket o;

    while (sockets_take(s, NULL, &o)) {
        if (!o.inherited && !sockets_find_listen(c, o.name)) {
            socket_close(&o);
            continue;
        }
        sockets_add(&kept, &o);
        free(o.name);
    }
    sockets_close(s);
    *s = kept;
}

/* The first start of a process for each slot, or of those that were added. */
static void spawn_all(struct parent *p)
{
    for (unsigned i = 0; i < p->n_workers && !p->worker; i++) {
        int err = spawn(&p->slots[i]);

        if (err) {
            log_say(p->log, LOG_ERROR_LEVEL, "worker %u cannot be started: %s", i + 1, strerror(-err));
            put_off(&p->slots[i]);
        }
    }
}

static void apply(struct parent *p, struct settings *fresh, struct ring *ring)
{
    struct settings *old = p->settings;
    unsigned before = p->n_workers;

    p->settings = fresh;
    p->n_workers = parent_workers(fresh->conf);
    log_change(p->log, fresh->conf, ring);
    log_mask(p->log, fresh->secrets);
    close_gone(p->options->shared, fresh->conf);
    for (unsigned i = 0; i < p->n_own && i < p->n_workers; i++)
        close_gone(&p->options->own[i], fresh->conf);
    for (unsigned i = p->n_workers; i < p->n_own; i++)
        sockets_close(&p->options->own[i]);
    reload_tell(old, fresh, p->log);
    service_announce(fresh->conf, p->log);
    settings_release(old, NULL);
    retire(p, p->n_workers);
    for (unsigned i = 0; i < p->n_workers; i++)
        if (p->slots[i].pid > 0)
            kill(p->slots[i].pid, SIGHUP);
    if (p->n_workers > before)
        spawn_all(p);
}

static void reload(struct parent *p)
{
    struct settings *fresh;
    struct ring *ring;

    if (p->ending)
        return;
    notify_reloading();
    if (reload_read(&fresh, p->settings, p->options->from, p->log) == 0) {
        if (reload_prepare(&ring, p->settings, fresh, p->options->shared, p->log) == 0)
            apply(p, fresh, ring);
        else
            settings_release(fresh, NULL);
    }
    if (!p->worker)
        notify_send("READY=1");
}

static void close_all(const struct parent *p)
{
    sockets_close(p->options->shared);
    for (unsigned i = 0; i < p->n_own; i++)
        sockets_close(&p->options->own[i]);
}

/* As long as this process has a socket open, connections to it are taken by the kernel, and nobody would serve them. A second signal is another one to the
 * workers, which end at once then: the first may have reached them beside this process, when it was sent to the whole group. */
static void end(struct parent *p)
{
    if (p->ending) {
        send_all(p, SERVICE_END_AT_ONCE);
    } else {
        notify_send("STOPPING=1");
        retire(p, 0);
    }
    p->ending = true;
    close_all(p);
    for (unsigned i = 0; i < SLOTS; i++)
        timer_disarm(&p->slots[i].again);
    if (p->n_running == 0)
        reactor_stop(p->reactor);
}

static void on_signal(struct signals *signals, int number)
{
    struct parent *p = container_of(signals, struct parent, signals);
    int err;

    if (p->worker)
        return;
    switch (number) {
    case SIGCHLD:
        reap(p);
        break;
    case SIGHUP:
        reload(p);
        break;
    case SIGUSR1:
        err = log_reopen(p->log);
        if (err)
            log_say(p->log, LOG_ERROR_LEVEL, "the log file cannot be opened anew: %s", strerror(-err));
        send_all(p, SIGUSR1);
        break;
    default:
        end(p);
    }
}

static void end_of_turn(void *arg)
{
    log_flush(((struct parent *)arg)->log);
}

static int make(struct parent *p)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, 0 };
    void *shared = mmap(NULL, SLOTS * sizeof *p->counters, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int err = shared == MAP_FAILED ? -errno : 0;

    p->counters = err ? NULL : shared;
    p->slots = calloc(SLOTS, sizeof *p->slots);
    if (!p->slots)
        err = -ENOMEM;
    for (unsigned i = 0; i < SLOTS && p->slots; i++)
        p->slots[i] = (struct slot){ .parent = p, .number = i, .again.fn = on_again };
    if (!err && pipe(p->lifeline))
        err = -errno;
    for (int i = 0; i < 2 && !err; i++) {
        fcntl(p->lifeline[i], F_SETFD, FD_CLOEXEC);
        fcntl(p->lifeline[i], F_SETFL, O_NONBLOCK);
    }
    if (!err)
        err = reactor_make(&p->reactor);
    if (err)
        return err;
    reactor_at_end(p->reactor, end_of_turn, p);
    err = signals_open(&p->signals, p->reactor, numbers);
    signals_hold(false);
    return err;
}

static void sum_up(const struct parent *p)
{
    struct counters all = { 0 };

    for (unsigned i = 0; i < SLOTS && p->counters; i++) {
        all.connections += p->counters[i].connections;
        all.requests += p->counters[i].requests;
        all.dials += p->counters[i].dials;
    }
    service_sum_up(&all, p->log);
}

/* What is the parent's alone is let go of, in either process. */
static void unmake(struct parent *p)
{
    signals_close(&p->signals);
    for (unsigned i = 0; i < SLOTS && p->slots && p->reactor; i++)
        timer_kind_forget(p->reactor, &p->slots[i].pause);
    reactor_free(p->reactor);
    if (p->lifeline[1] >= 0)
        close(p->lifeline[1]);
    free(p->slots);
}

/* Life as a worker. The other workers' sockets are closed, so that each is closed when its own worker closes it. */
static int worker_main(struct parent *p, unsigned number)
{
    struct sockets mine = { 0 }, *shared = p->options->shared;
    struct open_socket o;
    struct service s = {
        .settings = p->settings, .log = p->log, .from = p->options->from, .sockets = &mine, .counters = &p->counters[number],
        .of_many = true, .first = number == 0, .lifeline = p->lifeline[0],
    };
    int err;

    if (number < p->n_own) {
        mine = p->options->own[number];
        p->options->own[number] = (struct sockets){ 0 };
    }
    while (sockets_take(shared, NULL, &o)) {
        o.file = false;                 /* the parent removes it */
        sockets_add(&mine, &o);
        free(o.name);
    }
    close_all(p);
    err = service_run(&s);
    sockets_close(&mine);
    return err;
}

int parent_run(const struct parent_options *o, bool *is_worker)
{
    struct parent p = {
        .signals.fn = on_signal, .settings = o->settings, .log = o->log, .options = o, .lifeline = { -1, -1 },
        .n_workers = parent_workers(o->settings->conf), .n_own = parent_workers(o->settings->conf),
    };
    int err = make(&p);

    if (!err)
        spawn_all(&p);
    if (!err && !p.worker) {
        log_say(p.log, LOG_INFO_LEVEL, "%u workers", p.n_workers);
        notify_send("READY=1");
        err = reactor_run(p.reactor);
    }
    if (err && !p.worker)
        log_say(p.log, LOG_ERROR_LEVEL, "cannot go on: %s", strerror(-err));
    *is_worker = p.worker != NULL;
    if (p.worker) {
        unsigned number = p.worker->number;

        unmake(&p);
        err = worker_main(&p, number);
    } else {
        sum_up(&p);
        unmake(&p);
        settings_release(p.settings, NULL);
    }
    if (p.lifeline[0] >= 0)
        close(p.lifeline[0]);
    if (p.counters)
        munmap(p.counters, SLOTS * sizeof *p.counters);
    return err;
}
