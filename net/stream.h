/* A stream of bytes to a peer: tcp, and the layers above it (tunnel, tls) behind one interface. The
 * dialler alone knows how layers are stacked; all others use the top one. The bottom is net/tcp.h;
 * output that the peer does not take yet waits in net/outq.h. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "net/reactor.h"

#include <sys/types.h>
#include <sys/uio.h>

struct stream;

struct stream_ops {
    /* Continues opening (a handshake). Returns 0 once open, -EAGAIN while it waits for events, or
     * another negative errno, which stream_why explains. -ECONNABORTED: a second connection may
     * succeed, because this one has shown what the peer does not support. */
    int (*open)(struct stream *s);
    /* Reads up to n bytes. Returns the count, 0 at a clean end, -EAGAIN, or a negative errno;
     * -EPROTO for an end that may be a truncation. */
    ssize_t (*read)(struct stream *s, void *buf, size_t n);
    /* True if read may return bytes before the next event. */
    bool (*pending)(const struct stream *s);
    /* Writes as much of iov as the peer takes. Returns the count (> 0), -EAGAIN, or a negative
     * errno. After -EAGAIN or a short count the next call must begin with the same bytes. */
    ssize_t (*write)(struct stream *s, const struct iovec *iov, int n);
    /* Sets the events that the owner waits for (READY_*). Each layer translates them for the one
     * below. */
    void (*want)(struct stream *s, unsigned mask);
    /* Announces the end where the protocol can, frees this layer and those below, and closes the
     * descriptor. */
    void (*close)(struct stream *s);
    /* One sentence about the last failure, valid as long as the stream, or NULL. */
    const char *(*why)(const struct stream *s);
};

struct stream {
    const struct stream_ops *ops;
};

static inline int stream_open(struct stream *s)
{
    return s->ops->open(s);
}

static inline ssize_t stream_read(struct stream *s, void *buf, size_t n)
{
    return s->ops->read(s, buf, n);
}

static inline bool stream_pending(const struct stream *s)
{
    return s->ops->pending(s);
}

static inline ssize_t stream_write(struct stream *s, const struct iovec *iov, int n)
{
    return s->ops->write(s, iov, n);
}

static inline void stream_want(struct stream *s, unsigned mask)
{
    s->ops->want(s, mask);
}

static inline void stream_close(struct stream *s)
{
    s->ops->close(s);
}

static inline const char *stream_why(const struct stream *s)
{
    return s->ops->why ? s->ops->why(s) : NULL;
}

#endif
