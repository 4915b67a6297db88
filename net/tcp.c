/* Reading and writing a socket, and keeping its readiness bits true.
 * Knows nothing of who waits for it.
 * The interface is net/stream.h and net/tcp.h; the bits are explained in net/reactor.h. */
#include "net/tcp.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0                  /* SIGPIPE is ignored by the program anyway */
#endif

static struct tcp *tcp_of(const struct stream *s)
{
    return container_of(s, struct tcp, stream);
}

static int tcp_open(struct stream *s)
{
    return tcp_is_open(tcp_of(s)) ? 0 : -EBADF;
}

/* A short read has emptied the socket, so the next edge will tell of more, and a call that would only return EAGAIN is saved;
 * but after a hang-up no edge comes any more, and the end must be read. */
static ssize_t tcp_read(struct stream *s, void *buf, size_t n)
{
    struct watch *w = &tcp_of(s)->watch;
    ssize_t got;

    do
        got = recv(w->fd, buf, n, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return -errno;
        w->ready &= (uint8_t)~READY_READ;
        return -EAGAIN;
    }
    if ((size_t)got < n && !(w->ready & READY_HUP))
        w->ready &= (uint8_t)~READY_READ;
    return got;
}

static bool tcp_pending(const struct stream *s)
{
    return tcp_of(s)->watch.ready & READY_READ;
}

static ssize_t tcp_write(struct stream *s, const struct iovec *iov, int n)
{
    struct watch *w = &tcp_of(s)->watch;
    struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };
    size_t all = 0;
    ssize_t put;

    for (int i = 0; i < n; i++)
        all += iov[i].iov_len;
    do
        put = n == 1 ? send(w->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL) : sendmsg(w->fd, &msg, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return -errno;
        w->ready &= (uint8_t)~READY_WRITE;
        return -EAGAIN;
    }
    if ((size_t)put < all)
        w->ready &= (uint8_t)~READY_WRITE;
    return put;
}

static void tcp_want(struct stream *s, unsigned mask)
{
    struct tcp *t = tcp_of(s);

    reactor_want(t->reactor, &t->watch, mask);
}

static void tcp_close(struct stream *s)
{
    struct tcp *t = tcp_of(s);
    int fd = reactor_remove(t->reactor, &t->watch);

    if (fd >= 0)
        close(fd);
}

static const struct stream_ops tcp_ops = {
    .open = tcp_open,
    .read = tcp_read,
    .pending = tcp_pending,
    .write = tcp_write,
    .want = tcp_want,
    .close = tcp_close,
};

void tcp_init(struct tcp *t, struct reactor *r, void (*fn)(struct watch *w))
{
    memset(t, 0, sizeof *t);
    t->stream.ops = &tcp_ops;
    t->reactor = r;
    t->watch.fd = -1;
    t->watch.fn = fn;
}

int tcp_attach(struct tcp *t, int fd)
{
    int err = reactor_add(t->reactor, &t->watch, fd, false);

    if (err)
        close(fd);
    return err;
}

bool tcp_all_taken(const struct tcp *t)
{
    int left = 0;
#if defined(__linux__)
    int err = ioctl(t->watch.fd, TIOCOUTQ, &left);
#elif defined(FIONWRITE)
    int err = ioctl(t->watch.fd, FIONWRITE, &left);
#elif defined(SO_NWRITE)
    socklen_t len = sizeof left;
    int err = getsockopt(t->watch.fd, SOL_SOCKET, SO_NWRITE, &left, &len);
#else
    int err = 0;
    (void)t;
#endif

    return err == 0 && left == 0;
}

void tcp_shutdown(struct tcp *t)
{
    if (tcp_is_open(t))
        shutdown(t->watch.fd, SHUT_WR);
}
