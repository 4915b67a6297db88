/* Output that the peer does not take yet, in blocks or in a pipe of the kernel, which the queue
 * holds only while they hold bytes. Copies nothing while the peer keeps up. Its counterpart for
 * input is net/inbuf.h. */
#ifndef NET_OUTQ_H
#define NET_OUTQ_H

#include "base/span.h"
#include "net/splice.h"
#include "net/tcp.h"

#include <stdint.h>

struct block;

/* The free blocks and pipes that all queues of a worker share. Last in, first out: the block used
 * last is still in the processor's cache. */
struct blocks {
    struct block *free;
    unsigned n_free;
    struct pipes pipes;
};

/* 1. bytes is the sum of the bytes in the blocks and in the pipe; neither a block of the list nor
 *    the pipe is empty.
 * 2. The bytes in the pipe come after those in the blocks.
 * 3. The owner does not read the source of these bytes while bytes is not 0: this limits the
 *    queue. */
struct outq {
    struct block *first, *last;
    struct pipe_pair *pipe; /* NULL: none */
    size_t bytes;
};

/* Appends a copy of s. Returns 0 or -ENOMEM (nothing is appended then). */
int outq_put(struct outq *q, struct blocks *pool, struct span s);

/* Writes the queue and then the n pieces of iov to s, as far as s takes them, and queues the rest
 * of iov. May change iov. Returns 0, with q->bytes still to be sent; or a negative errno of s; or
 * -ENOMEM. */
int outq_send(struct outq *q, struct blocks *pool, struct stream *s, struct iovec *iov, int n);

/* Moves up to max bytes from a socket into the empty queue without copying them. The stream of the
 * next outq_send must then be a struct tcp. Returns the count, 0 at the end of the connection,
 * -EAGAIN, -ENOSYS where splicing is not possible now and the caller should read instead, or
 * another negative errno. */
ssize_t outq_splice(struct outq *q, struct blocks *pool, struct tcp *from, size_t max);

/* Stores up to max entries in iov that point to the first bytes of the queue. Returns how many. */
int outq_iov(const struct outq *q, struct iovec *iov, int max);

/* A place in a queue, to read its bytes without dropping them. Zeroed, it is the beginning; it is
 * void once bytes are dropped. */
struct outq_cursor {
    const struct block *block;
    uint32_t at;   /* in the block */
    size_t passed; /* bytes before the place */
};

/* The bytes at the cursor that lie in one piece; empty at the end of the queue, which has no
 * pipe. */
struct span outq_read(const struct outq *q, struct outq_cursor *at);

/* Moves the cursor forward by n bytes, at most as many as outq_read gave. */
void outq_pass(struct outq_cursor *at, size_t n);

/* Copies the q->bytes bytes of a queue without a pipe to the memory at to. */
void outq_copy(const struct outq *q, char *to);

/* The most memory that holding up to n bytes takes. */
size_t outq_memory(size_t n);

/* Drops all bytes. */
void outq_clear(struct outq *q, struct blocks *pool);

/* Frees the free blocks and pipes. */
void blocks_free(struct blocks *pool);

#endif
