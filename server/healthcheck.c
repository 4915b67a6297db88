/* A blocking client for one request. */
#include "server/healthcheck.h"
#include "base/addr.h"
#include "base/fd.h"
#include "net/tcp.h"
#include "net/tls.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t healthcheck_address(const struct conf_listen *l, struct sockaddr_storage *ss)
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

#define REQUEST "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

/* One question: a socket, and what is on top of it. */
struct question {
    const struct conf_listen *on;
    int seconds;
    struct reactor *reactor;
    struct tls_context *tls;
    struct tcp tcp;
    struct stream *top;
};

/* True if a call for the stream is to be made again: it has returned -EAGAIN, and the peer has sent
 * something since. What is sent here always fits into the socket. */
static bool wait_again(struct question *q, ssize_t result)
{
    struct pollfd end = { .fd = q->tcp.watch.fd, .events = POLLIN };

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

/* Reads the start of the response, up to n bytes of which come before its end. Returns the count or
 * a negative errno. */
static ssize_t read_start(struct question *q, char *response, size_t n)
{
    size_t have = 0;
    ssize_t got = 1;

    while (have < n && (got > 0 || wait_again(q, got))) {
        got = stream_read(q->top, response + have, n - have);
        have += got > 0 ? (size_t)got : 0;
        q->tcp.watch.ready = READY_READ | READY_WRITE;
    }
    return have > 0 ? (ssize_t)have : got < 0 ? got : -ECONNRESET;
}

/* A listener that expects a PROXY header gets one that names no client. */
static ssize_t ask_on(struct question *q, char *response, size_t n)
{
    int err = q->on->proxy_protocol ? send_all(q, SPAN("PROXY UNKNOWN\r\n")) : 0;

    if (!err && q->on->tls)
        err = put_tls(q);
    if (!err)
        err = send_all(q, SPAN(REQUEST));
    return err ? err : read_start(q, response, n);
}

/* Connects to l. Returns the descriptor or a negative errno. */
static int open_socket(const struct conf_listen *l, int seconds)
{
    struct timeval limit = { .tv_sec = seconds };
    int family = l->is_unix ? AF_UNIX : strchr(l->host, ':') ? AF_INET6 : AF_INET;
    int fd = socket(family, SOCK_STREAM, 0), err;
    struct sockaddr_storage ss;
    socklen_t len = healthcheck_address(l, &ss);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (const struct sockaddr *)&ss, len) == 0 && fd_unblock(fd) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

/* Asks l for /healthz, waiting so many seconds for each step. Returns how many bytes of the
 * response, at most n, were stored, or a negative errno. */
static ssize_t ask(const struct conf_listen *l, int seconds, char *response, size_t n)
{
    struct question q = { .on = l, .seconds = seconds };
    int fd = open_socket(l, seconds);
    ssize_t got = fd < 0 ? fd : reactor_make(&q.reactor);

    if (got < 0) {
        if (fd >= 0)
            close(fd);
        return got;
    }
    tcp_init(&q.tcp, q.reactor, NULL);
    q.top = &q.tcp.stream;
    got = tcp_attach(&q.tcp, fd);
    q.tcp.watch.ready = READY_READ | READY_WRITE;
    if (!got)
        got = ask_on(&q, response, n);
    stream_close(q.top);
    tls_context_free(q.tls);
    reactor_free(q.reactor);
    return got;
}

/* The first address that expects neither a PROXY header nor TLS, or else the first. */
static const struct conf_listen *healthcheck_choose(const struct conf *c)
{
    for (unsigned i = 0; i < c->server.n_listen; i++)
        if (!c->server.listen[i].proxy_protocol && !c->server.listen[i].tls)
            return &c->server.listen[i];
    return &c->server.listen[0];
}

int healthcheck(const struct conf *c)
{
    char response[] = "HTTP/1.1 200";
    ssize_t n = ask(healthcheck_choose(c), 5, response, sizeof response - 1);

    if (n < 0)
        return (int)n;
    return span_eq((struct span){ response, (size_t)n }, SPAN("HTTP/1.1 200")) ? 0 : -EPROTO;
}

/* Every response that needs no upstream begins with an id of this form. */
bool healthcheck_recognises(const struct conf_listen *l)
{
    char response[128];
    ssize_t n = ask(l, 2, response, sizeof response);
    struct span mark = SPAN("\r\nx-request-id: req_");

    return n > 0 && memmem(response, (size_t)n, mark.p, mark.n);
}
