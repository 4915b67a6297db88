/* Carrying a dialogue over the stream below, and stepping aside afterwards. */
#include "net/tunnel.h"
#include "base/kept.h"
#include "net/inbuf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_MAX 2048

/* 1. talk is NULL once the tunnel is open.
 * 2. said bytes of talk->say have been written; nothing is read before all of them have. */
struct tunnel {
    struct stream stream;
    struct stream *below;
    struct dialogue *talk;
    size_t said;
    struct inbuf in;
    int error; /* permanent */
};

static struct tunnel *tunnel_of(const struct stream *s)
{
    return container_of(s, struct tunnel, stream);
}

static int tunnel_fail(struct tunnel *t, int err, const char *why)
{
    if (why)
        snprintf(t->talk->why, sizeof t->talk->why, "%s", why);
    return t->error = err;
}

static bool tunnel_is_saying(const struct tunnel *t)
{
    return t->said < t->talk->say.n;
}

static int tunnel_say(struct tunnel *t)
{
    while (tunnel_is_saying(t)) {
        struct span rest = span_skip(t->talk->say, t->said);
        struct iovec iov = { (char *)rest.p, rest.n };
        ssize_t put = stream_write(t->below, &iov, 1);

        if (put == -EAGAIN)
            return -EAGAIN;
        if (put < 0)
            return tunnel_fail(t, (int)put,
                               "closed the connection before it was told where to lead");
        t->said += (size_t)put;
    }
    return 0;
}

/* Parses what has come. Bytes after the last reply are an error: at the end of the tunnel is a
 * server of TLS or HTTP, and there the client speaks first. */
static int tunnel_parse(struct tunnel *t)
{
    ssize_t used = t->talk->hear(t->talk, inbuf_span(&t->in));

    if (used == -EAGAIN)
        return 0;
    if (used < 0)
        return tunnel_fail(t, (int)used, NULL);
    inbuf_drop(&t->in, (size_t)used);
    t->said = 0;
    if (t->in.end > 0)
        return tunnel_fail(t, -EPROTO, "sent more than the answer to what it was asked");
    return 0;
}

static int tunnel_hear(struct tunnel *t)
{
    char buf[READ_MAX];
    ssize_t got = stream_pending(t->below) ? stream_read(t->below, buf, sizeof buf) : -EAGAIN;

    if (got == -EAGAIN)
        return -EAGAIN;
    if (got <= 0)
        return tunnel_fail(t, got < 0 ? (int)got : -EPROTO,
                           "closed the connection instead of opening a tunnel");
    if (inbuf_put(&t->in, (struct span){ buf, (size_t)got }))
        return tunnel_fail(t, -ENOMEM, "out of memory");
    return tunnel_parse(t);
}

static void tunnel_end_talk(struct tunnel *t)
{
    inbuf_clear(&t->in);
    t->talk->free(t->talk);
    t->talk = NULL;
}

static int tunnel_open(struct stream *s)
{
    struct tunnel *t = tunnel_of(s);
    int err = t->error;

    while (!err && t->talk && !t->talk->done)
        err = tunnel_is_saying(t) ? tunnel_say(t) : tunnel_hear(t);
    if (!err && t->talk)
        tunnel_end_talk(t);
    return err;
}

static ssize_t tunnel_read(struct stream *s, void *buf, size_t n)
{
    return stream_read(tunnel_of(s)->below, buf, n);
}

static bool tunnel_pending(const struct stream *s)
{
    return stream_pending(tunnel_of(s)->below);
}

static ssize_t tunnel_write(struct stream *s, const struct iovec *iov, int n)
{
    return stream_write(tunnel_of(s)->below, iov, n);
}

static void tunnel_want(struct stream *s, unsigned mask)
{
    struct tunnel *t = tunnel_of(s);

    if (t->talk)
        mask = (mask & READY_HUP) | (tunnel_is_saying(t) ? READY_WRITE : READY_READ);
    stream_want(t->below, mask);
}

static void tunnel_close(struct stream *s)
{
    struct tunnel *t = tunnel_of(s);

    stream_close(t->below);
    if (t->talk)
        tunnel_end_talk(t);
    free(t);
}

static const char *tunnel_why(const struct stream *s)
{
    const struct tunnel *t = tunnel_of(s);

    return t->talk && t->talk->why[0] ? t->talk->why : stream_why(t->below);
}

static const struct stream_ops tunnel_ops = {
    .open = tunnel_open,
    .read = tunnel_read,
    .pending = tunnel_pending,
    .write = tunnel_write,
    .want = tunnel_want,
    .close = tunnel_close,
    .why = tunnel_why,
};

KEPT_BEGIN /* by t->stream */
int tunnel_stream_make(struct stream **out, struct stream *below, struct dialogue *talk)
{
    struct tunnel *t = calloc(1, sizeof *t);

    *out = NULL;
    if (!t)
        return -ENOMEM;
    t->stream.ops = &tunnel_ops;
    t->below = below;
    t->talk = talk;
    *out = &t->stream;
    return 0;
}
KEPT_END
