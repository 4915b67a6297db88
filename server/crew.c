/* Forking, waiting, and starting again with a growing pause. */
#include "server/crew.h"
#include "base/kept.h"
#include "net/signals.h"
#include "server/privileges.h"
#include "server/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_CHILD 3 /* as the program: files or memory */
#define PAUSE_FIRST_MS 100
/* The kernel goes on handing connections to a worker's socket, where they wait for the next
 * process. */
#define PAUSE_MAX_MS 1000
#define HEALTHY_MS 60000 /* a process that has lived so long may fail at once again */
#define ANSWER_MS 60000  /* the tables of very many keys take a slow machine a while */

static struct timer_kind answer_kind = { .ms = ANSWER_MS };

static void crew_on_again(struct timer *t);
static void crew_on_late(struct timer *t);

int crew_make(struct crew *c)
{
    int err = shared_make(&c->shared, CREW_ROWS);

    c->late.fn = crew_on_late;
    c->slots = calloc(WORKERS_MAX, sizeof *c->slots);
    for (unsigned i = 0; i < WORKERS_MAX && c->slots; i++)
        c->slots[i] = (struct slot){ .crew = c, .number = i, .again.fn = crew_on_again };
    return c->slots ? err : -ENOMEM;
}

/* The counters stay: a child goes on with its row. */
static void crew_free_tables(struct crew *c, void (*close_channel)(struct channel *))
{
    while (c->processes) {
        struct process *p = c->processes;

        c->processes = p->next;
        close_channel(&p->channel);
        free(p);
    }
    for (unsigned i = 0; i < WORKERS_MAX && c->slots; i++) {
        timer_disarm(&c->slots[i].again);
        timer_kind_forget(c->reactor, &c->slots[i].pause);
    }
    timer_disarm(&c->late);
    timer_kind_forget(c->reactor, &answer_kind);
    free(c->slots);
    c->slots = NULL;
}

void crew_free(struct crew *c)
{
    if (c->reactor)
        crew_free_tables(c, channel_close);
    shared_free(&c->shared, CREW_ROWS);
}

/* The first row that no process uses; CREW_ROWS if there is none. */
static unsigned crew_free_row(const struct crew *c)
{
    bool used[CREW_ROWS] = { true };
    unsigned row = 1;

    for (const struct process *p = c->processes; p; p = p->next)
        used[p->row] = true;
    while (row < CREW_ROWS && used[row])
        row++;
    return row;
}

/* Life as a worker, in the child. */
static int crew_serve(struct crew *c, const struct process *self, int channel)
{
    struct sockets mine = { 0 };
    struct open_socket o;
    struct service s = {
        .settings = c->settings,
        .log = c->log,
        .from = c->from,
        .sockets = &mine,
        .shared = &c->shared,
        .row = self->row,
        .parent = channel,
    };
    int err = 0;

    while (sockets_take(c->sockets, self->slot, &o)) {
        if (o.kind == SOCKET_LOCAL)
            o.kind = SOCKET_OPENED; /* its file is the parent's */
        err = sockets_add(&mine, &o) ? -ENOMEM : err;
        free(o.name);
    }
    sockets_close(c->sockets);
    if (c->settings->conf->server.sandbox)
        sandbox_bound(false);
    if (!err && c->drops)
        err = privileges_drop(c->settings->conf);
    if (err) {
        log_say(c->log, LOG_ERROR_LEVEL, "cannot become a worker: %s", strerror(-err));
        settings_release(c->settings, NULL);
    } else {
        err = service_run(&s);
    }
    sockets_close(&mine);
    return err;
}

/* The child does not return: it closes what is the parent's, serves, and exits. */
static void crew_child(struct crew *c, struct process *self, int channel)
{
    struct process me = *self;
    int err;

    log_after_fork(c->log);
    free(self);
    crew_free_tables(c, channel_forget);
    c->in_child(c);
    err = crew_serve(c, &me, channel);
    log_close(c->log);
    shared_free(&c->shared, CREW_ROWS);
    exit(err ? EXIT_CHILD : EXIT_SUCCESS);
}

/* Forks for a slot that is empty. Signals are held until the child has handlers of its own. */
static int crew_fork(struct crew *c, struct process *p)
{
    int ends[2], err = channel_pair(ends);

    if (err)
        return err;
    signals_hold(true);
    p->pid = fork();
    if (p->pid == 0) {
        close(ends[0]);
        crew_child(c, p, ends[1]);
    }
    err = p->pid < 0 ? -errno : 0;
    signals_hold(false);
    close(ends[1]);
    if (err)
        close(ends[0]);
    return err ? err : channel_open(&p->channel, c->reactor, ends[0]);
}

static void process_on_answer(struct channel *channel, struct message *m);
static void process_on_end(struct channel *channel);

/* Starts a process for s, which is empty. Returns 0 or a negative errno. */
static int slot_start(struct slot *s)
{
    struct crew *c = s->crew;
    struct process *p = calloc(1, sizeof *p);
    int err = p ? 0 : -ENOMEM;

    if (!err) {
        *p = (struct process){
            .crew = c,
            .channel = { .watch.fd = -1, .heard = process_on_answer, .ended = process_on_end },
            .slot = s->number,
            .row = crew_free_row(c),
            .started = reactor_now(c->reactor),
        };
        err = p->row < CREW_ROWS ? crew_fork(c, p) : -EAGAIN;
    }
    if (err) {
        free(p);
        return err;
    }
    tallies_use(c->shared.tallies, p->row);
    p->next = c->processes;
    c->processes = p;
    s->process = p;
    return 0;
}

static void slot_put_off(struct slot *s)
{
    s->pause.ms = s->pause.ms == 0 ? PAUSE_FIRST_MS : s->pause.ms * 2;
    if (s->pause.ms > PAUSE_MAX_MS)
        s->pause.ms = PAUSE_MAX_MS;
    timer_arm(s->crew->reactor, &s->again, &s->pause);
}

/* Starts a process for s if there is to be one. */
KEPT_BEGIN /* in the list of processes */
static void slot_fill(struct slot *s)
{
    struct crew *c = s->crew;
    int err = s->process || c->ending || s->number >= c->n_workers ? 0 : slot_start(s);

    if (!err)
        return;
    log_say(c->log, LOG_ERROR_LEVEL, "worker %u cannot be started: %s", s->number + 1,
            strerror(-err));
    slot_put_off(s);
}
KEPT_END

/* The process of s has died. young: it had not lived for long. */
static void slot_restart(struct slot *s, bool young)
{
    bool at_once = !young || !s->died;

    s->died = true;
    if (!at_once) {
        slot_put_off(s);
        return;
    }
    s->pause.ms = 0;
    slot_fill(s);
}

static void crew_on_again(struct timer *t)
{
    slot_fill(container_of(t, struct slot, again));
}

void crew_start(struct crew *c)
{
    for (unsigned i = 0; i < c->n_workers; i++)
        slot_fill(&c->slots[i]);
}

static void process_tell_end(const struct process *p, int status)
{
    struct log *log = p->crew->log;
    unsigned long long lived = reactor_now(p->crew->reactor) - p->started;

    if (WIFSIGNALED(status))
        log_say(log, LOG_ERROR_LEVEL,
                "worker %u (process %ld) was killed by signal %d (%s) after %llu ms", p->slot + 1,
                (long)p->pid, WTERMSIG(status), strsignal(WTERMSIG(status)), lived);
    else
        log_say(log, LOG_ERROR_LEVEL, "worker %u (process %ld) ended with status %d after %llu ms",
                p->slot + 1, (long)p->pid, WEXITSTATUS(status), lived);
}

static void crew_check_answers(struct crew *c)
{
    if (!c->late.kind)
        return;
    for (const struct process *p = c->processes; p; p = p->next)
        if (p->asked)
            return;
    timer_disarm(&c->late);
    c->answered(c);
}

/* A process of which more is expected: it leaves its slot to another. */
static void process_leave(struct process *p)
{
    struct slot *s = &p->crew->slots[p->slot];

    p->leaving = true;
    p->asked = false;
    if (s->process == p)
        s->process = NULL;
}

/* A process that has ended, and has been taken out of the list. */
static void process_ended(struct process *p, int status)
{
    struct crew *c = p->crew;
    struct slot *s = &c->slots[p->slot];
    bool wanted = !p->leaving && !c->ending;
    bool young = reactor_now(c->reactor) - p->started < HEALTHY_MS;

    if (wanted) {
        process_tell_end(p, status);
        process_leave(p);
    }
    channel_close(&p->channel);
    free(p);
    if (wanted)
        slot_restart(s, young);
    crew_check_answers(c);
    if (c->ending && !c->processes)
        c->gone(c);
}

/* Also children that are not ours: the first process of a container inherits orphans. */
void crew_reap(struct crew *c)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct process **at = &c->processes, *p;

        while (*at && (*at)->pid != pid)
            at = &(*at)->next;
        p = *at;
        if (!p)
            continue;
        *at = p->next;
        shared_clear(&c->shared, p->row);
        process_ended(p, status);
    }
}

/* A process that cannot be told so is killed, unless it drains because its channel has ended. */
static void process_order(struct process *p, enum order order)
{
    struct message m = { .type = order, .fd = -1 };
    int err = channel_send(&p->channel, &m);

    if (err && (err != -EPIPE || order == ORDER_END))
        kill(p->pid, SIGKILL);
}

/* Another process takes the place of p, which finishes what it has begun. */
static void process_replace(struct process *p)
{
    struct crew *c = p->crew;

    log_say(c->log, LOG_WARNING_LEVEL, "worker %u (process %ld) cannot follow, and is replaced",
            p->slot + 1, (long)p->pid);
    process_leave(p);
    process_order(p, ORDER_RETIRE);
    slot_fill(&c->slots[p->slot]);
}

static void process_answered(struct process *p, bool follows)
{
    if (p->asked && !follows)
        process_replace(p);
    p->asked = false;
    crew_check_answers(p->crew);
}

static void process_on_answer(struct channel *channel, struct message *m)
{
    process_answered(container_of(channel, struct process, channel), m->type == REPLY_FOLLOWED);
}

/* The end of a process is told by SIGCHLD. One whose channel alone has ended cannot answer. */
static void process_on_end(struct channel *channel)
{
    process_answered(container_of(channel, struct process, channel), false);
}

/* Its streams are cut with it, but for so long nothing has moved in it anyway. */
static void crew_on_late(struct timer *t)
{
    struct crew *c = container_of(t, struct crew, late);

    timer_arm(c->reactor, &c->late, &answer_kind);
    for (struct process *p = c->processes; p; p = p->next) {
        if (!p->asked)
            continue;
        log_say(c->log, LOG_ERROR_LEVEL, "worker %u (process %ld) does not answer, and is killed",
                p->slot + 1, (long)p->pid);
        kill(p->pid, SIGKILL);
        process_leave(p);
        slot_fill(&c->slots[p->slot]);
    }
    crew_check_answers(c);
}

static int process_send_socket(struct process *p, const struct open_socket *o)
{
    char text[1 + SOCKET_NAME_MAX];
    int n = snprintf(text, sizeof text, "%c%s", SOCKET_OPENED, o->name);
    struct message m = { .type = ORDER_SOCKET, .fd = o->fd, .payload = { text, (size_t)n } };

    if (o->worker != SOCKET_SHARED && o->worker != p->slot)
        return 0;
    return n < (int)sizeof text ? channel_send(&p->channel, &m) : -ENAMETOOLONG;
}

static int process_send_update(struct process *p, const struct update *u)
{
    struct message log = { .type = ORDER_LOG, .fd = u->log_file },
                   settings = { .type = ORDER_SETTINGS, .fd = -1, .payload = u->files };
    const struct sockets *all = p->crew->sockets;
    int err = 0;

    for (unsigned i = all->n - u->n_sockets; i < all->n && !err; i++)
        err = process_send_socket(p, &all->list[i]);
    if (!err && u->log_file >= 0)
        err = channel_send(&p->channel, &log);
    return err ? err : channel_send(&p->channel, &settings);
}

void crew_update(struct crew *c, const struct update *u)
{
    timer_arm(c->reactor, &c->late, &answer_kind);
    for (struct process *p = c->processes; p; p = p->next) {
        p->untold = !p->leaving && process_send_update(p, u);
        p->asked = !p->leaving && !p->untold;
    }
    for (struct process *p = c->processes; p; p = p->next)
        if (p->untold)
            process_replace(p);
    crew_check_answers(c);
}

void crew_renew(struct crew *c, struct span files)
{
    struct message m = { .type = ORDER_RENEW, .fd = -1, .payload = files };

    for (struct process *p = c->processes; p; p = p->next)
        if (!p->leaving && channel_send(&p->channel, &m))
            log_say(c->log, LOG_ERROR_LEVEL, "worker %u does not get the new certificates",
                    p->slot + 1);
}

void crew_reopen(struct crew *c, int log_file)
{
    struct message m = { .type = ORDER_REOPEN, .fd = log_file };

    for (struct process *p = c->processes; p; p = p->next)
        if (channel_send(&p->channel, &m))
            log_say(c->log, LOG_ERROR_LEVEL, "worker %u does not write to the new log file",
                    p->slot + 1);
}

void crew_retire(struct crew *c, unsigned first)
{
    for (struct process *p = c->processes; p; p = p->next)
        if (p->slot >= first && !p->leaving) {
            process_leave(p);
            process_order(p, c->ending ? ORDER_DRAIN : ORDER_RETIRE);
        }
}

void crew_end(struct crew *c)
{
    bool again = c->ending;

    c->ending = true;
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        timer_disarm(&c->slots[i].again);
    timer_disarm(&c->late);
    crew_retire(c, 0);
    for (struct process *p = c->processes; p && again; p = p->next)
        process_order(p, ORDER_END);
    if (!c->processes)
        c->gone(c);
}
