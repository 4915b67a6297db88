/* A blocking client over the streams of net/. */
#include "server/question.h"
#include "base/addr.h"
#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t question_address(const struct conf_listen *l, struct sockaddr_storage *ss)
{
    struct addr a;
    bool any = true;

    if (l->is_unix) {
        struct sockaddr_un *un = (struct sockaddr_un *)ss;

        memset(ss, 0, sizeof *ss);
        un->sun_family = AF_UNIX;
        strncpy(un->sun_path, l->host, sizeof un->sun_path - 1);
        return sizeof *un;
    }
    addr_parse(&a, span_of(l->host));
    a.port = l->port;
    for (size_t i = 0; i < sizeof a.ip; i++)
        any &= a.ip[i] == 0;
    if (any && a.family == 4)
        memcpy(a.ip, (uint8_t[]){ 127, 0, 0, 1 }, 4);
    else if (any)
        a.ip[15] = 1;
    return addr_to_sockaddr(&a, ss);
}

/* True if a call for the stream is to be made again: it has returned -EAGAIN, and the peer has sent
 * something since. What is sent here always fits into the socket. */
static bool wait_again(struct question *q, ssize_t result)
{
    struct pollfd end = { .fd = question_fd(q), .events = POLLIN };

    q->tcp.watch.ready = READY_READ | READY_WRITE;
    return result == -EAGAIN && poll(&end, 1, q->seconds * 1000) == 1;
}

static int send_all(struct question *q, struct span text)
{
    struct iovec iov = { (void *)text.p, text.n };
    ssize_t put = stream_write(q->top, &iov, 1);

    return put < 0 ? (int)put : put == (ssize_t)text.n ? 0 : -ECONNRESET;
}

/* This program trusts itself: whoever could take its address away from it could do worse. */
static int put_tls(struct question *q)
{
    struct tls_options o = { .verify = false };
    char why[128];
    struct stream *s;
    int err = tls_context_make(&q->tls, &o, why, sizeof why);

    if (!err)
        err = tls_stream_make(&s, q->tls, q->top, &q->tcp.watch, q->on->is_unix ? "" : q->on->host);
    if (err)
        return err;
    q->top = s;
    do
        err = stream_open(s);
    while (wait_again(q, err));
    return err;
}

/* A listener that expects a PROXY header gets one that names no client. */
static int send_question(struct question *q, struct span request)
{
    int err = q->on->proxy_protocol ? send_all(q, SPAN("PROXY UNKNOWN\r\n")) : 0;

    if (!err && q->on->tls)
        err = put_tls(q);
    return err ? err : send_all(q, request);
}

/* Connects to l. Returns the descriptor or a negative errno. */
static int open_socket(const struct conf_listen *l, int seconds)
{
    struct timeval limit = { .tv_sec = seconds };
    int family = l->is_unix ? AF_UNIX : strchr(l->host, ':') ? AF_INET6 : AF_INET;
    int fd = socket(family, SOCK_STREAM, 0), err;
    struct sockaddr_storage ss;
    socklen_t len = question_address(l, &ss);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (const struct sockaddr *)&ss, len) == 0 && fd_unblock(fd) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

int question_ask(struct question *q, const struct conf_listen *on, int seconds, struct span request)
{
    int fd = open_socket(on, seconds), err;

    *q = (struct question){ .on = on, .seconds = seconds };
    err = fd < 0 ? fd : reactor_make(&q->reactor);
    if (err) {
        if (fd >= 0)
            close(fd);
        return err;
    }
    tcp_init(&q->tcp, q->reactor, NULL);
    q->top = &q->tcp.stream;
    err = tcp_attach(&q->tcp, fd);
    q->tcp.watch.ready = READY_READ | READY_WRITE;
    if (!err)
        err = send_question(q, request);
    if (err)
        question_end(q);
    return err;
}

ssize_t question_read(struct question *q, char *to, size_t n)
{
    ssize_t got = stream_read(q->top, to, n);

    q->tcp.watch.ready = READY_READ | READY_WRITE;
    return got;
}

ssize_t question_read_all(struct question *q, char *to, size_t n)
{
    size_t have = 0;
    ssize_t got = 1;

    while (have < n && (got > 0 || wait_again(q, got))) {
        got = question_read(q, to + have, n - have);
        have += got > 0 ? (size_t)got : 0;
    }
    return have > 0 ? (ssize_t)have : got < 0 ? got : -ECONNRESET;
}

int question_fd(const struct question *q)
{
    return q->tcp.watch.fd;
}

void question_end(struct question *q)
{
    if (!q->reactor)
        return;
    stream_close(q->top);
    tls_context_free(q->tls);
    reactor_free(q->reactor);
    q->reactor = NULL;
}

const struct conf_listen *question_choose(const struct conf *c, bool admin)
{
    const struct conf_listen *found = NULL;

    for (unsigned i = 0; i < c->server.n_listen; i++) {
        const struct conf_listen *l = &c->server.listen[i];

        if (admin && !l->admin)
            continue;
        if (!l->proxy_protocol && !l->tls)
            return l;
        found = found ? found : l;
    }
    return found;
}
