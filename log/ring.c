/* Single producer, single consumer: counters that only grow, and a thread that sleeps when there is
 * nothing to write. */
#include "log/ring.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* How long the writer waits for more lines after it has written some, unless a quarter of the ring
 * is full: waking it costs a system call, and so does each write. */
#define LINGER_MS 20
#define IS_MUCH(r) ((r)->size / 4)
#define STACK_SIZE (64 * 1024)
#define ROOM_FOR_NOTICE 256

/* 1. taken <= shown <= put <= taken + size, but for overflow: the counters are machine words, so
 *    that every CPU has atomic instructions for them, and size divides their range.
 * 2. put belongs to the producer, taken to the writer; shown is written by the producer only.
 *    ended_at, where the last line ends, is at most put.
 * 3. state tells what would wake the writer. The producer changes shown before it reads state, and
 *    the writer state before it reads shown.
 * 4. holders counts the threads that need the ring: the producer, and the writer while it runs. */
enum { AWAKE, LINGERS, SLEEPS }; /* until there is much to write, until there is any */

struct ring {
    struct sink *sink;
    size_t size;
    size_t put, ended_at;
    bool full; /* a piece of the line under way found no room */
    uint64_t lost;
    bool started;
    _Atomic size_t shown, taken, lost_by_sink;
    atomic_bool quit, gone;
    atomic_uint state, holders;
    pthread_mutex_t lock;
    pthread_cond_t wake, ended;
    char bytes[];
};

static void ring_init_locks(struct ring *r)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attr);
#ifndef __APPLE__
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
#endif
    pthread_cond_init(&r->wake, &attr);
    pthread_cond_init(&r->ended, &attr);
    pthread_condattr_destroy(&attr);
}

int ring_make(struct ring **out, size_t size, struct sink *sink)
{
    size_t room = 4096;
    struct ring *r;

    while (room < size)
        room *= 2;
    r = calloc(1, sizeof *r + room);
    *out = r;
    if (!r) {
        sink_close(sink);
        return -ENOMEM;
    }
    r->sink = sink;
    r->size = room;
    atomic_store(&r->holders, 1);
    ring_init_locks(r);
    return 0;
}

static size_t ring_room(const struct ring *r)
{
    return r->size - (r->put - atomic_load_explicit(&r->taken, memory_order_acquire));
}

void ring_add(struct ring *r, struct span piece)
{
    size_t at = r->put & (r->size - 1);
    size_t first = r->size - at < piece.n ? r->size - at : piece.n;

    r->full |= piece.n > ring_room(r);
    if (piece.n == 0 || r->full)
        return;
    memcpy(r->bytes + at, piece.p, first);
    memcpy(r->bytes, piece.p + first, piece.n - first);
    r->put += piece.n;
}

void ring_end(struct ring *r)
{
    if (r->full) {
        r->put = r->ended_at;
        r->lost++;
    }
    r->ended_at = r->put;
    r->full = false;
}

uint64_t ring_lost(struct ring *r)
{
    uint64_t lost;

    if ((r->lost == 0 && atomic_load_explicit(&r->lost_by_sink, memory_order_relaxed) == 0) ||
        ring_room(r) < ROOM_FOR_NOTICE)
        return 0;
    lost = r->lost + atomic_exchange(&r->lost_by_sink, 0);
    r->lost = 0;
    return lost;
}

struct sink *ring_sink(struct ring *r)
{
    return r->sink;
}

static struct timespec in_ms(int ms)
{
    struct timespec ts;

#ifdef __APPLE__
    clock_gettime(CLOCK_REALTIME, &ts);
#else
    clock_gettime(CLOCK_MONOTONIC, &ts);
#endif
    ts.tv_nsec += (long)(ms % 1000) * 1000000L;
    ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000L;
    ts.tv_nsec %= 1000000000L;
    return ts;
}

/* The bytes that wait for the writer. */
static size_t ring_waiting(const struct ring *r)
{
    return atomic_load(&r->shown) - atomic_load(&r->taken);
}

/* Waits for much to write, but not long. r->lock is held. */
static void ring_linger(struct ring *r)
{
    struct timespec until = in_ms(LINGER_MS);

    atomic_store(&r->state, LINGERS);
    while (ring_waiting(r) < IS_MUCH(r) && !atomic_load(&r->quit))
        if (pthread_cond_timedwait(&r->wake, &r->lock, &until))
            break;
}

/* Returns once there is something to write, or with false when the ring is to end and is empty. */
static bool ring_wait(struct ring *r, bool has_written)
{
    pthread_mutex_lock(&r->lock);
    if (has_written)
        ring_linger(r);
    atomic_store(&r->state, SLEEPS);
    while (ring_waiting(r) == 0 && !atomic_load(&r->quit))
        pthread_cond_wait(&r->wake, &r->lock);
    atomic_store(&r->state, AWAKE);
    pthread_mutex_unlock(&r->lock);
    return ring_waiting(r) > 0;
}

/* The last holder frees r. */
static void ring_drop(struct ring *r)
{
    if (atomic_fetch_sub(&r->holders, 1) > 1)
        return;
    sink_close(r->sink);
    pthread_cond_destroy(&r->wake);
    pthread_cond_destroy(&r->ended);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void *ring_writer(void *arg)
{
    struct ring *r = arg;

    for (bool has_written = false; ring_wait(r, has_written); has_written = true) {
        size_t taken = atomic_load(&r->taken);
        size_t n = atomic_load_explicit(&r->shown, memory_order_acquire) - taken;
        size_t at = taken & (r->size - 1);
        unsigned lost;

        if (n > r->size - at)
            n = r->size - at;
        lost = sink_write(r->sink, (struct span){ r->bytes + at, n });
        if (lost > 0)
            atomic_fetch_add(&r->lost_by_sink, lost);
        atomic_store_explicit(&r->taken, taken + n, memory_order_release);
    }
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->gone, true);
    pthread_cond_signal(&r->ended);
    pthread_mutex_unlock(&r->lock);
    ring_drop(r);
    return NULL;
}

/* The writer blocks every signal: they are the loop's. */
int ring_start(struct ring *r)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;

    if (r->started)
        return 0;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_fetch_add(&r->holders, 1);
    r->started = pthread_create(&thread, &attr, ring_writer, r) == 0;
    if (!r->started)
        atomic_fetch_sub(&r->holders, 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return r->started ? 0 : -EAGAIN;
}

void ring_flush(struct ring *r)
{
    size_t shown = atomic_load_explicit(&r->shown, memory_order_relaxed);
    unsigned state;

    if (r->ended_at == (r->started ? shown : atomic_load(&r->taken)))
        return;
    ring_start(r);
    atomic_store(&r->shown, r->ended_at);
    state = atomic_load(&r->state);
    if (state == SLEEPS || (state == LINGERS && ring_waiting(r) >= IS_MUCH(r))) {
        pthread_mutex_lock(&r->lock);
        atomic_store(&r->state, AWAKE); /* it is woken once */
        pthread_cond_signal(&r->wake);
        pthread_mutex_unlock(&r->lock);
    }
}

void ring_after_fork(struct ring *r)
{
    ring_init_locks(r);
    atomic_store(&r->holders, 1);
    atomic_store(&r->state, AWAKE);
    atomic_store(&r->shown, r->put);
    atomic_store(&r->taken, r->put);
    atomic_store(&r->lost_by_sink, 0);
    r->lost = 0;
    r->started = false;
}

void ring_free(struct ring *r, int wait_ms)
{
    struct timespec until = in_ms(wait_ms);

    if (!r)
        return;
    ring_flush(r);
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->quit, true);
    pthread_cond_signal(&r->wake);
    while (r->started && !atomic_load(&r->gone))
        if (pthread_cond_timedwait(&r->ended, &r->lock, &until))
            break;
    pthread_mutex_unlock(&r->lock);
    ring_drop(r);
}
