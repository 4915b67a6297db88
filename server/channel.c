/* Framing, and descriptors as ancillary data. */
#include "server/channel.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAYLOAD_MAX (1u << 30)
#define MESSAGES_PER_TURN 64

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* the program ignores SIGPIPE anyway */
#endif

/* A message that is not out yet: sent bytes of n, which begin with the head. */
struct channel_sent {
    struct channel_sent *next;
    size_t n, sent;
    int fd;
    char bytes[];
};

union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
};

int channel_pair(int ends[2])
{
    int err = socketpair(AF_UNIX, SOCK_STREAM, 0, ends) ? -errno : 0;

    if (err)
        return err;
    for (int i = 0; i < 2 && !err; i++)
        err = fd_unblock(ends[i]);
    for (int i = 0; i < 2 && err; i++)
        close(ends[i]);
    return err;
}

static void channel_sent_free(struct channel_sent *s)
{
    if (s->fd >= 0)
        close(s->fd);
    wipe(s->bytes, s->n);
    free(s);
}

static void channel_drop_payload(struct channel *c)
{
    wipe(c->payload, c->payload ? c->head[1] : 0);
    free(c->payload);
    c->payload = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->have = 0;
}

static void channel_drop_unsent(struct channel *c)
{
    while (c->unsent) {
        struct channel_sent *gone = c->unsent;

        c->unsent = gone->next;
        channel_sent_free(gone);
    }
}

/* A child that was forked a moment ago may still hold a copy, for which the kernel would go on
 * reporting events of c: so that is ended first. */
void channel_close(struct channel *c)
{
    if (c->watch.fd < 0)
        return;
    reactor_pause(c->reactor, &c->watch);
    channel_forget(c);
}

void channel_forget(struct channel *c)
{
    if (c->watch.fd < 0)
        return;
    channel_drop_payload(c);
    channel_drop_unsent(c);
    close(reactor_remove(c->reactor, &c->watch));
}

static void channel_end(struct channel *c)
{
    channel_close(c);
    c->ended(c);
}

static void channel_want(struct channel *c)
{
    reactor_want(c->reactor, &c->watch, READY_READ | READY_HUP | (c->unsent ? READY_WRITE : 0));
}

/* Sends iov, and fd with its first byte unless it is -1. Returns as sendmsg does. */
static ssize_t channel_put(struct channel *c, struct iovec *iov, int n, int fd)
{
    struct msghdr msg = fd_message(iov, n);
    union control control = { 0 };
    struct cmsghdr *h;
    ssize_t sent;

    if (fd >= 0) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control.room;
        h = CMSG_FIRSTHDR(&msg);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &fd, sizeof(int));
    }
    do
        sent = sendmsg(c->watch.fd, &msg, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

/* The channel is of no use any more: both sides find its end where they read. */
static int channel_break(struct channel *c)
{
    shutdown(c->watch.fd, SHUT_RDWR);
    return -EPIPE;
}

/* Sends until the socket is full. */
static void channel_flush(struct channel *c)
{
    while (c->unsent) {
        struct channel_sent *s = c->unsent;
        struct iovec iov = { s->bytes + s->sent, s->n - s->sent };
        ssize_t n = channel_put(c, &iov, 1, s->fd);

        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            channel_break(c);
            channel_drop_unsent(c);
            return;
        }
        if (n < 0) {
            c->watch.ready &= (uint8_t)~READY_WRITE;
            return;
        }
        if (s->fd >= 0)
            close(s->fd);
        s->fd = -1;
        s->sent += (size_t)n;
        if (s->sent < s->n)
            continue;
        c->unsent = s->next;
        channel_sent_free(s);
    }
}

/* Keeps m, of which sent bytes are out, until the socket takes more. Returns 0 or a negative
 * errno. */
static int channel_keep(struct channel *c, const struct message *m, const uint32_t *head,
                        size_t sent)
{
    size_t n_head = sizeof c->head;
    struct channel_sent *s = malloc(sizeof *s + n_head + m->payload.n), **last = &c->unsent;

    if (!s)
        return -ENOMEM;
    *s = (struct channel_sent){ .n = n_head + m->payload.n, .sent = sent, .fd = -1 };
    if (m->fd >= 0 && sent == 0 && (s->fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0)) < 0) {
        int err = -errno;

        free(s);
        return err;
    }
    memcpy(s->bytes, head, n_head);
    if (m->payload.n > 0)
        memcpy(s->bytes + n_head, m->payload.p, m->payload.n);
    while (*last)
        last = &(*last)->next;
    *last = s;
    return 0;
}

/* What the socket takes at once needs no memory: an answer must not. */
int channel_send(struct channel *c, const struct message *m)
{
    uint32_t head[2] = { m->type, (uint32_t)m->payload.n };
    struct iovec iov[2] = { { head, sizeof head }, { (char *)m->payload.p, m->payload.n } };
    ssize_t sent = 0;
    int err = 0;

    if (c->watch.fd < 0)
        return 0;
    if (m->payload.n > PAYLOAD_MAX)
        return -EMSGSIZE;
    if (!c->unsent)
        sent = channel_put(c, iov, m->payload.n > 0 ? 2 : 1, m->fd);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return channel_break(c);
    if (sent < 0)
        c->watch.ready &= (uint8_t)~READY_WRITE;
    sent = sent < 0 ? 0 : sent;
    if ((size_t)sent < sizeof head + m->payload.n)
        err = channel_keep(c, m, head, (size_t)sent);
    if (err && sent > 0)
        return channel_break(c);
    channel_want(c);
    return err;
}

/* Receives up to n bytes, and keeps a descriptor that comes with them. Returns as recvmsg does. */
static ssize_t channel_get(struct channel *c, void *to, size_t n)
{
    struct iovec iov = { to, n };
    union control control;
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control.room };
    ssize_t got = recvmsg(c->watch.fd, &msg, 0);
    struct cmsghdr *h = got > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

    if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS && c->fd < 0) {
        memcpy(&c->fd, CMSG_DATA(h), sizeof(int));
        fd_close_on_exec(c->fd);
    }
    return got;
}

/* Receives into the head, or into the payload behind it; one there is no memory for is thrown
 * away. */
static ssize_t channel_receive(struct channel *c)
{
    size_t n_head = sizeof c->head, at = c->have - n_head;
    char waste[4096];

    if (c->have < n_head)
        return channel_get(c, (char *)c->head + c->have, n_head - c->have);
    if (c->payload)
        return channel_get(c, c->payload + at, c->head[1] - at);
    return channel_get(c, waste, c->head[1] - at < sizeof waste ? c->head[1] - at : sizeof waste);
}

/* The message is no longer the channel's when it is told of: it may be closed meanwhile. */
static void channel_deliver(struct channel *c)
{
    struct message m = { .type = c->head[0], .fd = c->fd, .payload = { c->payload, c->head[1] } };
    char *payload = c->payload;

    c->payload = NULL;
    c->fd = -1;
    c->have = 0;
    c->heard(c, &m);
    wipe(payload, payload ? m.payload.n : 0);
    free(payload);
    if (m.fd >= 0)
        close(m.fd);
}

static void channel_on_ready(struct watch *w)
{
    struct channel *c = container_of(w, struct channel, watch);

    if (w->ready & READY_WRITE)
        channel_flush(c);
    channel_want(c);
    for (unsigned i = 0; i < MESSAGES_PER_TURN && w->fd >= 0;) {
        ssize_t n = channel_receive(c);

        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            w->ready &= (uint8_t)~READY_READ;
            return;
        }
        if (n == 0 || (n < 0 && errno != EINTR)) {
            channel_end(c);
            return;
        }
        c->have += n > 0 ? (size_t)n : 0;
        if (c->have == sizeof c->head && !c->payload && c->head[1] <= PAYLOAD_MAX)
            c->payload = malloc(c->head[1] + 1);
        if (c->have >= sizeof c->head && c->have == sizeof c->head + c->head[1]) {
            channel_deliver(c);
            i++;
        }
    }
}

int channel_open(struct channel *c, struct reactor *r, int fd)
{
    int err;

    c->reactor = r;
    c->watch = (struct watch){ .fd = -1, .fn = channel_on_ready };
    c->fd = -1;
    err = reactor_add(r, &c->watch, fd);
    if (err)
        close(fd);
    else
        channel_want(c);
    return err;
}
