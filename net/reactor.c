/* The turn of the loop: take readiness from the kernel, let time-outs expire, run the queue, free what was retired.
 * Knows nothing of what the callbacks do. Events only set bits and queue watches; callbacks run afterwards, so each of them
 * sees all that the kernel said in this turn, also about the connections of others.
 * The interface is net/reactor.h; the kernel's side is net/poller.h. */
#include "net/reactor.h"
#include "net/poller.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#define EVENTS_PER_TURN 256

struct reactor {
    struct poller *poller;
    struct watch *run_first, *run_last;
    unsigned run_n;
    struct timer_kind *kinds;
    struct retired *retired;
    uint64_t now;
    void (*at_end)(void *arg);
    void *at_end_arg;
    bool stop;
    struct poller_event events[EVENTS_PER_TURN];
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
    r->now = clock_ms();
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

uint64_t reactor_now(const struct reactor *r)
{
    return r->now;
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

int reactor_add(struct reactor *r, struct watch *w, int fd, bool level)
{
    int err = poller_add(r->poller, fd, w, level, false);

    if (err)
        return err;
    w->fd = fd;
    w->level = level;
    w->ready = w->want = 0;
    w->queued = false;
    return 0;
}

int reactor_move(struct reactor *r, struct watch *from, struct watch *to)
{
    int err = poller_add(r->poller, from->fd, to, from->level, true);

    if (err)
        return err;
    dequeue(r, from);
    to->fd = from->fd;
    to->level = from->level;
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

int reactor_pause(struct reactor *r, struct watch *w, bool pause)
{
    int err = 0;

    if (pause)
        poller_del(r->poller, w->fd);
    else
        err = poller_add(r->poller, w->fd, w, w->level, false);
    w->ready = 0;
    return err;
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
        t->due = r->now + kind->ms;
        return;
    }
    timer_disarm(t);
    if (kind->ms == 0)
        return;
    list_kind(r, kind);
    t->due = r->now + kind->ms;
    t->kind = kind;
    t->next = NULL;
    t->prev = kind->last;
    *(kind->last ? &kind->last->next : &kind->first) = t;
    kind->last = t;
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

static void expire(struct reactor *r)
{
    for (struct timer_kind *k = r->kinds; k; k = k->next) {
        while (k->first && k->first->due <= r->now) {
            struct timer *t = k->first;

            timer_disarm(t);
            t->fn(t);
        }
    }
}

static int wait_ms(const struct reactor *r)
{
    uint64_t due = UINT64_MAX;

    if (r->run_first)
        return 0;
    for (const struct timer_kind *k = r->kinds; k; k = k->next)
        if (k->first && k->first->due < due)
            due = k->first->due;
    if (due == UINT64_MAX)
        return -1;
    if (due <= r->now)
        return 0;
    return due - r->now > INT_MAX ? INT_MAX : (int)(due - r->now);
}

/* Runs as many as stand in the queue now; what is queued meanwhile waits for the next turn, so that nobody is starved. */
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

int reactor_run(struct reactor *r)
{
    r->stop = false;
    end_turn(r);                        /* of what was done before */
    while (!r->stop) {
        int n = poller_wait(r->poller, r->events, EVENTS_PER_TURN, wait_ms(r));

        if (n < 0)
            return n;
        r->now = clock_ms();
        for (int i = 0; i < n; i++) {
            struct watch *w = r->events[i].watch;

            w->ready |= r->events[i].ready;
            if (w->ready & w->want)
                enqueue(r, w);
        }
        expire(r);
        run_queue(r);
        free_retired(r);
        end_turn(r);
    }
    return 0;
}

void reactor_stop(struct reactor *r)
{
    r->stop = true;
}
