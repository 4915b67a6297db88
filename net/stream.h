/* A stream of bytes to a peer: tcp, and what stands on top of it (a tunnel, tls), all with the same few functions.
 * Knows no HTTP. Only who dials knows how a stream is stacked; everybody else reads and writes the top one.
 * The bottom is net/tcp.h; bytes that the peer would not take are kept in net/outq.h. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "net/reactor.h"

#include <sys/types.h>
#include <sys/uio.h>

struct stream;

struct stream_ops {
    /* Goes on with opening (a handshake): 0 when open, -EAGAIN while it takes more events, another negative errno when it
     * failed; then stream_why tells. -ECONNABORTED: the next connection may fare better, because something was learnt from this one. */
    int (*open)(struct stream *s);
    /* Reads up to n bytes. Returns the count, 0 at the peer's clean end, -EAGAIN, or a negative errno; -EPROTO where the end was cut off (truncation). */
    ssize_t (*read)(struct stream *s, void *buf, size_t n);
    /* True if read may have something without waiting for an event. */
    bool (*pending)(const struct stream *s);
    /* Writes what the peer takes of iov. Returns the count (> 0), -EAGAIN, or a negative errno. After -EAGAIN or a short count the next
     * call must begin with the same bytes. */
    ssize_t (*write)(struct stream *s, const struct iovec *iov, int n);
    /* Sets what the owner waits for (READY_*); each layer passes on what that means for the one below. */
    void (*want)(struct stream *s, unsigned mask);
    /* Says goodbye where the protocol has a word for it, frees what the layer holds and then the layers below; the descriptor is closed. */
    void (*close)(struct stream *s);
    /* One sentence about the last failure, or NULL. It lives as long as the stream. */
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
