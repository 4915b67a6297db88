/* The poller over kqueue(2) of the BSDs and macOS: an edge-triggered read filter and write filter
 * (EV_CLEAR) for each descriptor. */
#include "net/poller.h"
#include "base/fd.h"
#include "net/reactor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BATCH 256

struct poller {
    int fd;
    struct kevent batch[BATCH];
};

const char *const poller_name = "kqueue";

int poller_open(struct poller **out)
{
    struct poller *p = malloc(sizeof *p);

    *out = NULL;
    if (!p)
        return -ENOMEM;
    p->fd = kqueue();
    if (p->fd < 0) {
        int err = -errno;

        free(p);
        return err;
    }
    fd_close_on_exec(p->fd);
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

int poller_add(struct poller *p, int fd, struct watch *w)
{
    struct kevent change[2];

    EV_SET(&change[0], fd, EVFILT_READ, EV_ADD | (w->level ? 0 : EV_CLEAR), 0, 0, w);
    EV_SET(&change[1], fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, w);
    return kevent(p->fd, change, w->level ? 1 : 2, NULL, 0, NULL) < 0 ? -errno : 0;
}

/* EV_ADD of an existing filter replaces its udata. */
int poller_move(struct poller *p, int fd, struct watch *w)
{
    return poller_add(p, fd, w);
}

void poller_del(struct poller *p, int fd)
{
    struct kevent change;

    EV_SET(&change, fd, EVFILT_READ, EV_DELETE, 0, 0, NULL);
    kevent(p->fd, &change, 1, NULL, 0, NULL);
    EV_SET(&change, fd, EVFILT_WRITE, EV_DELETE, 0, 0, NULL);
    kevent(p->fd, &change, 1, NULL, 0, NULL);
}

/* The end of either direction makes both ready: the next read or write returns the cause. */
static uint8_t kqueue_ready(const struct kevent *e)
{
    uint8_t ready = e->filter == EVFILT_WRITE ? READY_WRITE : READY_READ;

    if (e->flags & EV_EOF)
        ready |= e->filter == EVFILT_WRITE ? READY_READ | READY_HUP : READY_HUP;
    return ready;
}

int poller_wait(struct poller *p, struct poller_event *events, int max, int timeout_ms)
{
    struct timespec ts = { timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000L };
    int n =
        kevent(p->fd, NULL, 0, p->batch, max < BATCH ? max : BATCH, timeout_ms < 0 ? NULL : &ts);

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++)
        events[i] =
            (struct poller_event){ (struct watch *)p->batch[i].udata, kqueue_ready(&p->batch[i]) };
    return n;
}
