/* The poller over epoll(7) of Linux: one edge-triggered registration for each descriptor. */
#include "net/poller.h"
#include "net/reactor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 256

struct poller {
    int fd;
    struct epoll_event batch[BATCH];
};

const char *const poller_name = "epoll";

int poller_open(struct poller **out)
{
    struct poller *p = malloc(sizeof *p);

    *out = NULL;
    if (!p)
        return -ENOMEM;
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->fd < 0) {
        int err = -errno;

        free(p);
        return err;
    }
    *out = p;
    return 0;
}

void poller_close(struct poller *p)
{
    if (!p)
        return;
    close(p->fd);
    free(p);
}

static int epoll_change(struct poller *p, int op, int fd, struct watch *w)
{
    const uint32_t edge = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    struct epoll_event e = { .events = w->level ? EPOLLIN : edge, .data.ptr = w };

    return epoll_ctl(p->fd, op, fd, &e) ? -errno : 0;
}

int poller_add(struct poller *p, int fd, struct watch *w)
{
    return epoll_change(p, EPOLL_CTL_ADD, fd, w);
}

int poller_move(struct poller *p, int fd, struct watch *w)
{
    return epoll_change(p, EPOLL_CTL_MOD, fd, w);
}

void poller_del(struct poller *p, int fd)
{
    epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, NULL);
}

/* A hang-up or an error makes both directions ready: the next read or write returns the cause. */
static uint8_t epoll_ready(uint32_t events)
{
    uint8_t ready = 0;

    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        ready |= READY_READ;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        ready |= READY_WRITE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        ready |= READY_HUP;
    return ready;
}

int poller_wait(struct poller *p, struct poller_event *events, int max, int timeout_ms)
{
    int n = epoll_wait(p->fd, p->batch, max < BATCH ? max : BATCH, timeout_ms);

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++)
        events[i] = (struct poller_event){ p->batch[i].data.ptr, epoll_ready(p->batch[i].events) };
    return n;
}
