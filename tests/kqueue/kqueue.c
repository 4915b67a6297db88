/* kqueue played by two epoll descriptors a queue: one for the read filters, one for the write
 * filters, so that an edge of one direction never reports the other. It knows sockets and pipes
 * only, and one thread at a time. The interface is tests/kqueue/sys/event.h; the only caller is
 * net/poller_kqueue.c.
 *
 * What Linux does by itself as kqueue does: a closed descriptor is forgotten, EV_ADD of a filter
 * that is there replaces it and reports its state anew, an edge is reported once. Where it differs:
 * reading SO_ERROR would take the error away from the program under test, so fflags only says that
 * there is one; and a descriptor that another process shares is forgotten when the last of them
 * closes it. */
#include "sys/event.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

#define MAX_QUEUES 64
#define BATCH 256

/* 1. epoll[0] is what kqueue() returned; epoll[1] is ours.
 * 2. udata[dir][fd] is what the last EV_ADD named; it has n entries each. Entries of closed
 * descriptors are stale and never looked at. */
struct queue {
    int epoll[2];
    void **udata[2];
    size_t n;
};

static struct queue queues[MAX_QUEUES];
static int n_queues;

static struct queue *queue_of(int kq)
{
    for (int i = 0; i < n_queues; i++)
        if (queues[i].epoll[0] == kq)
            return &queues[i];
    return NULL;
}

/* close(2) does not tell us; a queue whose number is handed out again was closed. */
static struct queue *fresh_queue(int kq)
{
    struct queue *q = queue_of(kq);

    if (!q && n_queues == MAX_QUEUES)
        return NULL;
    if (q) {
        close(q->epoll[1]);
        free(q->udata[0]);
        free(q->udata[1]);
    } else {
        q = &queues[n_queues++];
    }
    *q = (struct queue){ .epoll = { kq, -1 } };
    return q;
}

int kqueue(void)
{
    int kq = epoll_create1(EPOLL_CLOEXEC);
    struct queue *q;

    if (kq < 0)
        return -1;
    q = fresh_queue(kq);
    if (!q) {
        close(kq);
        errno = ENFILE;
        return -1;
    }
    q->epoll[1] = epoll_create1(EPOLL_CLOEXEC);
    if (q->epoll[1] < 0) {
        int err = errno;

        q->epoll[0] = -1;
        close(kq);
        errno = err;
        return -1;
    }
    return kq;
}

static int make_room(struct queue *q, size_t fd)
{
    size_t n = q->n ? q->n : 64;

    if (fd < q->n)
        return 0;
    while (n <= fd)
        n *= 2;
    for (int dir = 0; dir < 2; dir++) {
        void **p = realloc(q->udata[dir], n * sizeof *p);

        if (!p)
            return ENOMEM;
        memset(p + q->n, 0, (n - q->n) * sizeof *p);
        q->udata[dir] = p;
    }
    q->n = n;
    return 0;
}

/* Returns 0 or an errno. */
static int add(struct queue *q, int dir, const struct kevent *c)
{
    int fd = (int)c->ident;
    struct epoll_event e = { .events = dir ? EPOLLOUT : EPOLLIN | EPOLLRDHUP, .data.fd = fd };
    int err = make_room(q, c->ident);

    if (err)
        return err;
    if (c->flags & EV_CLEAR)
        e.events |= EPOLLET;
    if (epoll_ctl(q->epoll[dir], EPOLL_CTL_MOD, fd, &e) &&
        (errno != ENOENT || epoll_ctl(q->epoll[dir], EPOLL_CTL_ADD, fd, &e)))
        return errno;
    q->udata[dir][fd] = c->udata;
    return 0;
}

/* Returns 0 or an errno. What a poller is not known to use is refused, not guessed. */
static int change(struct queue *q, const struct kevent *c)
{
    if ((c->filter != EVFILT_READ && c->filter != EVFILT_WRITE) || c->fflags)
        return EINVAL;
    if (c->ident > 1 << 24)
        return EBADF;
    if (c->flags == EV_DELETE)
        return epoll_ctl(q->epoll[c->filter == EVFILT_WRITE], EPOLL_CTL_DEL, (int)c->ident, NULL)
            ? errno
            : 0;
    if ((c->flags & ~EV_CLEAR) != EV_ADD)
        return EINVAL;
    return add(q, c->filter == EVFILT_WRITE, c);
}

/* Bytes that can be read; a listener, which Linux does not count for, has at least one client. */
static int64_t readable(int fd)
{
    int n = 0;

    return ioctl(fd, FIONREAD, &n) ? 1 : n;
}

/* Room that is left for writing. */
static int64_t writable(int fd)
{
    int size = 0, used = 0;
    socklen_t len = sizeof size;

    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) || ioctl(fd, SIOCOUTQ, &used))
        return 1;
    return size > used ? size - used : 0;
}

static struct kevent event_of(const struct queue *q, int dir, const struct epoll_event *e)
{
    int fd = e->data.fd;
    uint32_t ended = EPOLLHUP | EPOLLERR | (dir ? 0u : (uint32_t)EPOLLRDHUP);

    return (struct kevent){
        .ident = (uintptr_t)fd,
        .filter = dir ? EVFILT_WRITE : EVFILT_READ,
        .flags = e->events & ended ? EV_EOF : 0,
        .fflags = e->events & EPOLLERR ? ECONNRESET : 0,
        .data = dir ? writable(fd) : readable(fd),
        .udata = q->udata[dir][fd],
    };
}

static int collect(const struct queue *q, struct kevent *events, int max)
{
    struct epoll_event batch[BATCH];
    int stored = 0;

    for (int dir = 0; dir < 2 && stored < max; dir++) {
        int room = max - stored < BATCH ? max - stored : BATCH;
        int n = epoll_wait(q->epoll[dir], batch, room, 0);

        for (int i = 0; i < n; i++)
            events[stored++] = event_of(q, dir, &batch[i]);
    }
    return stored;
}

static int wait_for(const struct queue *q, struct kevent *events, int max,
                    const struct timespec *timeout)
{
    struct pollfd fds[2] = { { q->epoll[0], POLLIN, 0 }, { q->epoll[1], POLLIN, 0 } };
    int ready, n;

    do {
        ready = ppoll(fds, 2, timeout, NULL);
        if (ready < 0)
            return -1;
        n = ready ? collect(q, events, max) : 0;
    } while (ready && !n);
    return n;
}

int kevent(int kq, const struct kevent *changes, int n_changes, struct kevent *events, int max,
           const struct timespec *timeout)
{
    struct queue *q = queue_of(kq);
    int errors = 0;

    if (!q) {
        errno = EBADF;
        return -1;
    }
    for (int i = 0; i < n_changes; i++) {
        int err = change(q, &changes[i]);

        if (!err)
            continue;
        if (errors == max) {
            errno = err;
            return -1;
        }
        events[errors] = changes[i];
        events[errors].flags = EV_ERROR;
        events[errors++].data = err;
    }
    return errors || max == 0 ? errors : wait_for(q, events, max, timeout);
}
