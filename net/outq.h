/* Bytes that are on their way out and that the peer would not take yet, in blocks that are held only while they hold bytes, or in a pipe of the kernel's.
 * Knows nothing of what the bytes are. Nothing is copied as long as the peer keeps up.
 * Bytes on their way in that cannot be parsed yet are in net/inbuf.h. */
#ifndef NET_OUTQ_H
#define NET_OUTQ_H

#include "net/span.h"
#include "net/splice.h"
#include "net/tcp.h"

#include <stdint.h>

struct block;

/* The free list that all queues of a worker share, last in first out: the block used last is still in the cache. */
struct blocks {
    struct block *free;
    unsigned n_free;
    struct pipes pipes;
};

/* 1. bytes is the sum of what the blocks and the pipe hold; no block of the list is empty, and neither is the pipe.
 * 2. What is in the pipe comes behind what is in the blocks.
 * 3. Whoever fills the queue stops reading its source while bytes is not 0: that is the ceiling. */
struct outq {
    struct block *first, *last;
    struct pipe_pair *pipe;             /* NULL: none */
    size_t bytes;
};

/* Appends a copy of s. Returns 0 or -ENOMEM (nothing is appended then). */
int outq_put(struct outq *q, struct blocks *pool, struct span s);

/* Sends what the stream takes of the queue and then of iov, and queues what is left of iov.
 * iov may be changed. Returns 0, q->bytes telling what is still to be sent; or a negative errno of the stream, or -ENOMEM. */
int outq_send(struct outq *q, struct blocks *pool, struct stream *s, struct iovec *iov, int n);

/* Takes up to max bytes from a socket into the queue, which is empty, without copying them; outq_send will want a struct tcp for its stream then. Returns the count, 0 at the
 * socket's end, -EAGAIN, -ENOSYS where this cannot be done now and the bytes are to be read, or another negative errno. */
ssize_t outq_splice(struct outq *q, struct blocks *pool, struct tcp *from, size_t max);

/* Stores up to max entries that name the queue's first bytes, for outq_drop after they are used. Returns how many. */
int outq_iov(const struct outq *q, struct iovec *iov, int max);

/* Copies everything in the queue to the memory at to, which has room for q->bytes. */
void outq_copy(const struct outq *q, char *to);

/* Forgets everything in the queue. */
void outq_clear(struct outq *q, struct blocks *pool);

/* Frees the blocks of the free list, and the pipes. */
void blocks_free(struct blocks *pool);

#endif
