/* Single producer, single consumer: two counters that only grow, and a thread that sleeps when there is nothing to write.
 * Knows nothing of what the bytes mean.
 * The interface is proxy/ring.h. */
#include "proxy/ring.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINGER_MS 20                    /* how long the writer looks out for more before it sleeps: waking it costs a system call */
#define STACK_SIZE (64 * 1024)
#define ROOM_FOR_NOTICE 256

/* 1. taken <= shown <= put <= taken + size.
 * 2. put belongs to the producer, taken to the writer; shown is written by the producer only. */
struct ring {
    int fd;
    size_t size;
    uint64_t put;
    uint64_t lost;
    bool started;
    _Atomic uint64_t shown, taken;
    atomic_bool asleep, quit, gone;
    pthread_mutex_t lock;
    pthread_cond_t wake, ended;
    char bytes[];
};

int ring_make(struct ring **out, size_t size, int fd)
{
    struct ring *r = calloc(1, sizeof *r + size);
    pthread_condattr_t attr;

    *out = r;
    if (!r)
        return -ENOMEM;
    r->fd = fd;
    r->size = size;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attr);
#ifndef __APPLE__
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
#endif
    pthread_cond_init(&r->wake, &attr);
    pthread_cond_init(&r->ended, &attr);
    pthread_condattr_destroy(&attr);
    return 0;
}

void ring_put(struct ring *r, struct span piece)
{
    size_t at = r->put & (r->size - 1);
    size_t first = r->size - at < piece.n ? r->size - at : piece.n;

    if (piece.n > r->size - (r->put - atomic_load_explicit(&r->taken, memory_order_acquire))) {
        r->lost++;
        return;
    }
    memcpy(r->bytes + at, piece.p, first);
    memcpy(r->bytes, piece.p + first, piece.n - first);
    r->put += piece.n;
}

uint64_t ring_lost(struct ring *r)
{
    uint64_t lost = r->lost;

    if (lost == 0 || r->size - (r->put - atomic_load(&r->taken)) < ROOM_FOR_NOTICE)
        return 0;
    r->lost = 0;
    return lost;
}

/* Waits, and blocks in write if need be: that is what this thread is for. A file that cannot be written loses the bytes. */
static void write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, p, n);

        if (put >= 0) {
            p += put;
            n -= (size_t)put;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd wait = { .fd = fd, .events = POLLOUT };

            poll(&wait, 1, 1000);
        } else if (errno != EINTR) {
            return;
        }
    }
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

/* Returns once there is something to write, or with false when the ring is to end and is empty. */
static bool wait_for_bytes(struct ring *r)
{
    uint64_t taken = atomic_load(&r->taken);
    struct timespec until = in_ms(LINGER_MS);

    if (atomic_load(&r->shown) != taken)
        return true;
    pthread_mutex_lock(&r->lock);
    if (!atomic_load(&r->quit))
        pthread_cond_timedwait(&r->wake, &r->lock, &until);
    atomic_store(&r->asleep, true);
    while (atomic_load(&r->shown) == taken && !atomic_load(&r->quit))
        pthread_cond_wait(&r->wake, &r->lock);
    atomic_store(&r->asleep, false);
    pthread_mutex_unlock(&r->lock);
    return atomic_load(&r->shown) != taken;
}

static void *thread_main(void *arg)
{
    struct ring *r = arg;

    while (wait_for_bytes(r)) {
        uint64_t taken = atomic_load(&r->taken);
        size_t n = (size_t)(atomic_load_explicit(&r->shown, memory_order_acquire) - taken);
        size_t at = taken & (r->size - 1);

        if (n > r->size - at)
            n = r->size - at;
        write_all(r->fd, r->bytes + at, n);
        atomic_store_explicit(&r->taken, taken + n, memory_order_release);
    }
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->gone, true);
    pthread_cond_signal(&r->ended);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void start_thread(struct ring *r)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    r->started = pthread_create(&thread, &attr, thread_main, r) == 0;
    pthread_attr_destroy(&attr);
}

void ring_flush(struct ring *r)
{
    if (r->put == atomic_load_explicit(&r->shown, memory_order_relaxed))
        return;
    if (!r->started)
        start_thread(r);
    atomic_store(&r->shown, r->put);
    if (atomic_load(&r->asleep)) {
        pthread_mutex_lock(&r->lock);
        pthread_cond_signal(&r->wake);
        pthread_mutex_unlock(&r->lock);
    }
}

bool ring_free(struct ring *r, int wait_ms)
{
    struct timespec until = in_ms(wait_ms);
    bool gone;

    ring_flush(r);
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->quit, true);
    pthread_cond_signal(&r->wake);
    while (r->started && !atomic_load(&r->gone))
        if (pthread_cond_timedwait(&r->ended, &r->lock, &until))
            break;
    gone = !r->started || atomic_load(&r->gone);
    pthread_mutex_unlock(&r->lock);
    if (gone)
        free(r);
    return gone;
}
