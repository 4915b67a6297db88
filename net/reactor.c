/* A turn of the loop: readiness from the kernel, the run queue, expired time-outs, retired objects.
 * Events only set bits and queue watches; the callbacks run afterwards, so each of them sees all
 * that the kernel reported in this turn, also for other connections. */
#include "net/reactor.h"
#include "net/poller.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#define EVENTS_PER_WAIT 256
/* Before time-outs are judged, up to so many batches of events are taken. */
#define WAITS_PER_TURN 64
/* A turn that takes so much longer than it was to wait was a standstill: the process was stopped,
 * the machine slept, or the clock was set. Of a standstill timers count no more. */
#define STANDSTILL_MS 1000

struct reactor {
    struct poller *poller;
    struct watch *run_first, *run_last;
    unsigned run_n;
    struct timer_kind *kinds;
    struct retired *retired;
    uint64_t clock;   /* as it was read in this turn */
    uint64_t now;     /* the same, but never less than before */
    uint64_t counted; /* what timers run by: now without standstills */
    uint64_t due;     /* no timer expires before it; the one that set it may be disarmed by now */
    void (*at_end)(void *arg);
    void *at_end_arg;
    bool stop;
    struct poller_event events[EVENTS_PER_WAIT];
};

static uint64_t clock_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int reactor_make(struct reactor **out)
{
    struct reactor *r = calloc(1, sizeof *r);
    int err;

    *out = NULL;
    if (!r)
        return -ENOMEM;
    err = poller_open(&r->poller);
    if (err) {
        free(r);
        return err;
    }
    r->now = r->counted = r->clock = clock_ms();
    r->due = UINT64_MAX;
    *out = r;
    return 0;
}

static void free_retired(struct reactor *r)
{
    while (r->retired) {
        struct retired *x = r->retired;

        r->retired = x->next;
        x->free(x);
    }
}

void reactor_free(struct reactor *r)
{
    if (!r)
        return;
    free_retired(r);
    for (struct timer_kind *k = r->kinds; k; k = k->next)
        k->listed = false;
    poller_close(r->poller);
    free(r);
}

const uint64_t *reactor_clock(const struct reactor *r)
{
    return &r->now;
}

uint64_t reactor_now(const struct reactor *r)
{
    return r->now;
}

uint64_t reactor_spent(const struct reactor *r)
{
    uint64_t clock = clock_ms();

    return clock > r->clock ? clock - r->clock : 0;
}

static void enqueue(struct reactor *r, struct watch *w)
{
    if (w->queued)
        return;
    w->queued = true;
    w->next = NULL;
    w->prev = r->run_last;
    *(r->run_last ? &r->run_last->next : &r->run_first) = w;
    r->run_last = w;
    r->run_n++;
}

static void dequeue(struct reactor *r, struct watch *w)
{
    if (!w->queued)
        return;
    w->queued = false;
    *(w->prev ? &w->prev->next : &r->run_first) = w->next;
    *(w->next ? &w->next->prev : &r->run_last) = w->prev;
    r->run_n--;
}

int reactor_add(struct reactor *r, struct watch *w, int fd)
{
    int err = poller_add(r->poller, fd, w);

    if (err)
        return err;
    w->fd = fd;
    w->ready = w->want = 0;
    w->queued = false;
    return 0;
}

int reactor_move(struct reactor *r, struct watch *from, struct watch *to)
{
    int err;

    to->level = from->level;
    err = poller_move(r->poller, from->fd, to);
    if (err)
        return err;
    dequeue(r, from);
    to->fd = from->fd;
    to->ready = from->ready;
    to->want = 0;
    to->queued = false;
    from->fd = -1;
    from->ready = from->want = 0;
    return 0;
}

int reactor_remove(struct reactor *r, struct watch *w)
{
    int fd = w->fd;

    if (fd < 0)
        return -1;
    dequeue(r, w);
    w->fd = -1;
    w->want = w->ready = 0;
    return fd;
}

void reactor_want(struct reactor *r, struct watch *w, unsigned mask)
{
    w->want = (uint8_t)mask;
    if ((w->ready & mask) && w->fd >= 0)
        enqueue(r, w);
}

void reactor_pause(struct reactor *r, struct watch *w)
{
    poller_del(r->poller, w->fd);
    w->ready = 0;
}

int reactor_resume(struct reactor *r, struct watch *w)
{
    return poller_add(r->poller, w->fd, w);
}

void timer_disarm(struct timer *t)
{
    struct timer_kind *k = t->kind;

    if (!k)
        return;
    *(t->prev ? &t->prev->next : &k->first) = t->next;
    *(t->next ? &t->next->prev : &k->last) = t->prev;
    t->kind = NULL;
}

static void list_kind(struct reactor *r, struct timer_kind *k)
{
    if (k->listed)
        return;
    k->listed = true;
    k->next = r->kinds;
    r->kinds = k;
}

void timer_arm(struct reactor *r, struct timer *t, struct timer_kind *kind)
{
    if (t->kind == kind && kind->last == t) {
        t->due = r->counted + kind->ms;
        return;
    }
    timer_disarm(t);
    if (kind->ms == 0)
        return;
    list_kind(r, kind);
    t->due = r->counted + kind->ms;
    if (t->due < r->due)
        r->due = t->due;
    t->kind = kind;
    t->next = NULL;
    t->prev = kind->last;
    *(kind->last ? &kind->last->next : &kind->first) = t;
    kind->last = t;
}

void timer_follow(struct reactor *r, struct timer *t, struct timer_kind *kind, bool progress)
{
    if (!kind)
        timer_disarm(t);
    else if (progress || t->kind != kind)
        timer_arm(r, t, kind);
}

void timer_kind_forget(struct reactor *r, struct timer_kind *k)
{
    for (struct timer_kind **at = &r->kinds; *at; at = &(*at)->next) {
        if (*at == k) {
            *at = k->next;
            break;
        }
    }
    k->listed = false;
}

/* Calls the timers that are due, and finds out when the next one is. */
static void expire(struct reactor *r)
{
    if (r->counted < r->due)
        return;
    r->due = UINT64_MAX;
    for (struct timer_kind *k = r->kinds; k; k = k->next) {
        while (k->first && k->first->due <= r->counted) {
            struct timer *t = k->first;

            timer_disarm(t);
            t->fn(t);
        }
        if (k->first && k->first->due < r->due)
            r->due = k->first->due;
    }
}

static int wait_ms(const struct reactor *r)
{
    if (r->run_first || r->due <= r->counted)
        return 0;
    if (r->due == UINT64_MAX)
        return -1;
    return r->due - r->counted > INT_MAX ? INT_MAX : (int)(r->due - r->counted);
}

/* Waits up to ms, as poller_wait does, and queues the watches that the kernel reports. Returns as
 * poller_wait does. */
static inline int take_events(struct reactor *r, int ms)
{
    int n = poller_wait(r->poller, r->events, EVENTS_PER_WAIT, ms);

    for (int i = 0; i < n; i++) {
        struct watch *w = r->events[i].watch;

        w->ready |= r->events[i].ready;
        if (w->ready & w->want)
            enqueue(r, w);
    }
    return n;
}

/* Reads the clock after a wait of up to ms (-1: for ever) that took events or none. */
static void pass_time(struct reactor *r, int ms, bool took)
{
    uint64_t clock = clock_ms();
    uint64_t passed = clock > r->clock ? clock - r->clock : 0;

    r->clock = clock;
    r->now += passed;
    if (ms >= 0 && passed > (uint64_t)ms + STANDSTILL_MS)
        passed = took ? STANDSTILL_MS : (uint64_t)ms;
    r->counted += passed;
}

/* Takes the rest of what the kernel has to report. Returns 0 or a negative errno. */
static int take_rest(struct reactor *r)
{
    int n = EVENTS_PER_WAIT;

    for (int i = 0; i < WAITS_PER_TURN && n == EVENTS_PER_WAIT; i++)
        n = take_events(r, 0);
    return n < 0 ? n : 0;
}

/* Runs the watches that are in the queue now. Those queued meanwhile wait for the next turn, so
 * that none is starved. */
static void run_queue(struct reactor *r)
{
    for (unsigned n = r->run_n; n > 0 && r->run_first; n--) {
        struct watch *w = r->run_first;
        unsigned ready = w->ready & w->want;

        dequeue(r, w);
        if (w->level)
            w->ready = 0;
        if (ready)
            w->fn(w);
        if (w->ready & w->want)
            enqueue(r, w);
    }
}

void reactor_retire(struct reactor *r, struct retired *x, void (*free_fn)(struct retired *))
{
    x->free = free_fn;
    x->next = r->retired;
    r->retired = x;
}

void reactor_at_end(struct reactor *r, void (*fn)(void *arg), void *arg)
{
    r->at_end = fn;
    r->at_end_arg = arg;
}

static void end_turn(struct reactor *r)
{
    if (r->at_end)
        r->at_end(r->at_end_arg);
}

/* Waits for what happens next. Returns 0 or a negative errno. */
static int begin_turn(struct reactor *r)
{
    int ms = wait_ms(r), n = take_events(r, ms);

    if (n < 0)
        return n;
    pass_time(r, ms, n > 0);
    /* What came in time lies in the sockets, also where nobody could look for a while. */
    return r->counted >= r->due ? take_rest(r) : 0;
}

int reactor_run(struct reactor *r)
{
    r->stop = false;
    end_turn(r); /* for what happened before the first turn */
    while (!r->stop) {
        int err = begin_turn(r);

        if (err)
            return err;
        run_queue(r);
        expire(r);
        free_retired(r);
        end_turn(r);
    }
    return 0;
}

void reactor_stop(struct reactor *r)
{
    r->stop = true;
}
