/* Reading and writing a socket, and keeping its readiness bits true (net/reactor.h). */
#include "net/tcp.h"
#include "base/fd.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* the program ignores SIGPIPE anyway */
#endif
#ifdef TCP_KEEPIDLE
#define KEEP_IDLE TCP_KEEPIDLE
#elif defined(TCP_KEEPALIVE)
#define KEEP_IDLE TCP_KEEPALIVE /* macOS */
#endif
#ifdef TCP_RXT_CONNDROPTIME
#define UNACKED_MAX TCP_RXT_CONNDROPTIME /* macOS */
#elif defined(TCP_MAXUNACKTIME)
#define UNACKED_MAX TCP_MAXUNACKTIME /* FreeBSD */
#endif

/* Seconds. The first probe comes before a NAT forgets the connection, and one lost packet does not
 * end it. */
#define PROBE_AFTER 30
#define PROBE_EVERY 10
#define PROBES 3

static struct tcp *tcp_of(const struct stream *s)
{
    return container_of(s, struct tcp, stream);
}

static int tcp_open(struct stream *s)
{
    return tcp_is_open(tcp_of(s)) ? 0 : -EBADF;
}

/* A short read has emptied the socket and the next edge reports more, so the call that would return
 * EAGAIN is left out. After a hang-up no edge follows, and the end is still to be read. */
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
    struct msghdr msg = fd_message((struct iovec *)iov, n);
    size_t all = 0;
    ssize_t put;

    for (int i = 0; i < n; i++)
        all += iov[i].iov_len;
    do
        put = n == 1 ? send(w->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
                     : sendmsg(w->fd, &msg, MSG_NOSIGNAL);
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
    int err = reactor_add(t->reactor, &t->watch, fd);

    if (err)
        close(fd);
    return err;
}

static void set_option(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof value);
}

void tcp_watch_peer(int fd, uint64_t unacked_max)
{
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef KEEP_IDLE
    set_option(fd, IPPROTO_TCP, KEEP_IDLE, PROBE_AFTER);
#endif
#ifdef TCP_KEEPINTVL
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_EVERY);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
#endif
#ifdef UNACKED_MAX
    if (unacked_max > 0)
        set_option(fd, IPPROTO_TCP, UNACKED_MAX,
                   unacked_max / 1000 < INT_MAX ? (int)((unacked_max + 999) / 1000) : INT_MAX);
#else
    (void)unacked_max;
#endif
}

#ifdef __linux__
/* TCP_USER_TIMEOUT would end a connection in the same case, but also one whose window has been
 * closed for so long, however promptly the peer answers probes: a slow reader (tcp(7); Linux 5.11).
 * So the kernel is asked what it has heard. Only a second unanswered probe counts, as one may be
 * under way. */
bool tcp_is_lost(const struct tcp *t, uint64_t unacked_max, uint32_t *since)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    uint32_t now = (uint32_t)reactor_now(t->reactor) | 1; /* never 0 */

    if (getsockopt(t->watch.fd, IPPROTO_TCP, TCP_INFO, &info, &len) ||
        (info.tcpi_unacked == 0 && info.tcpi_probes < 2)) {
        *since = 0;
        return false;
    }
    if (*since == 0 || info.tcpi_last_ack_recv < now - *since)
        *since = now;
    return now - *since >= unacked_max / 4 * 3;
}
#else
bool tcp_is_lost(const struct tcp *t, uint64_t unacked_max, uint32_t *since)
{
    (void)t;
    (void)unacked_max;
    (void)since;
    return false;
}
#endif

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
