/* The poller over kqueue, for the BSDs and macOS: a read and a write filter a descriptor, edge-triggered (EV_CLEAR).
 * Knows nothing of what the descriptors are.
 * The interface is net/poller.h, the twin for Linux net/poller_epoll.c. */
#include "net/poller.h"
#include "net/reactor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#include <fcntl.h>
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
    fcntl(p->fd, F_SETFD, FD_CLOEXEC);
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

/* EV_ADD of a filter that is there already replaces its udata, so `again` needs no other call. */
int poller_add(struct poller *p, int fd, struct watch *w, bool level, bool again)
{
    struct kevent change[2];

    (void)again;
    EV_SET(&change[0], fd, EVFILT_READ, EV_ADD | (level ? 0 : EV_CLEAR), 0, 0, w);
    EV_SET(&change[1], fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, w);
    return kevent(p->fd, change, level ? 1 : 2, NULL, 0, NULL) < 0 ? -errno : 0;
}

void poller_del(struct poller *p, int fd)
{
    struct kevent change;

    EV_SET(&change, fd, EVFILT_READ, EV_DELETE, 0, 0, NULL);
    kevent(p->fd, &change, 1, NULL, 0, NULL);
    EV_SET(&change, fd, EVFILT_WRITE, EV_DELETE, 0, 0, NULL);
    kevent(p->fd, &change, 1, NULL, 0, NULL);
}

/* The end of either direction makes both ready: the next read or write will tell what it is. */
static uint8_t ready_of(const struct kevent *e)
{
    uint8_t ready = e->filter == EVFILT_WRITE ? READY_WRITE : READY_READ;

    if (e->flags & EV_EOF)
        ready |= e->filter == EVFILT_WRITE ? READY_READ | READY_HUP : READY_HUP;
    return ready;
}

int poller_wait(struct poller *p, struct poller_event *events, int max, int timeout_ms)
{
    struct timespec ts = { timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000L };
    int n = kevent(p->fd, NULL, 0, p->batch, max < BATCH ? max : BATCH, timeout_ms < 0 ? NULL : &ts);

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++)
        events[i] = (struct poller_event){ (struct watch *)p->batch[i].udata, ready_of(&p->batch[i]) };
    return n;
}
