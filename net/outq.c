/* A list of 4 KiB blocks with a read and a write end, and a pipe after it. */
#include "net/outq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_SIZE 4096
#define BLOCKS_KEPT 64 /* free blocks beyond these are freed */
#define IOV_MAX_USED 64

struct block {
    struct block *next;
    uint32_t start, end;
    char bytes[BLOCK_SIZE - sizeof(struct block *) - 2 * sizeof(uint32_t)];
};

static struct block *block_get(struct blocks *pool)
{
    struct block *b = pool->free;

    if (b) {
        pool->free = b->next;
        pool->n_free--;
    } else {
        b = malloc(sizeof *b);
        if (!b)
            return NULL;
    }
    b->next = NULL;
    b->start = b->end = 0;
    return b;
}

/* Heads with their keys stand in blocks. */
static void block_put(struct blocks *pool, struct block *b)
{
    wipe(b->bytes, b->end);
    if (pool->n_free >= BLOCKS_KEPT) {
        free(b);
        return;
    }
    b->next = pool->free;
    pool->free = b;
    pool->n_free++;
}

void blocks_free(struct blocks *pool)
{
    while (pool->free) {
        struct block *b = pool->free;

        pool->free = b->next;
        free(b);
    }
    pool->n_free = 0;
    pipes_free(&pool->pipes);
}

/* A chain of blocks with room for n bytes, or NULL without memory. */
static struct block *chain_get(struct blocks *pool, size_t n)
{
    struct block *chain = NULL;

    for (size_t have = 0; have < n; have += sizeof chain->bytes) {
        struct block *b = block_get(pool);

        if (!b) {
            while ((b = chain)) {
                chain = b->next;
                block_put(pool, b);
            }
            return NULL;
        }
        b->next = chain;
        chain = b;
    }
    return chain;
}

static size_t block_fill(struct block *b, struct span s)
{
    size_t room = sizeof b->bytes - b->end;
    size_t n = s.n < room ? s.n : room;

    memcpy(b->bytes + b->end, s.p, n);
    b->end += (uint32_t)n;
    return n;
}

/* Appends a copy of s to the blocks. Returns 0 or -ENOMEM. */
static int blocks_put(struct outq *q, struct blocks *pool, struct span s)
{
    size_t room = q->last ? sizeof q->last->bytes - q->last->end : 0;
    struct block *chain = NULL;

    if (s.n == 0)
        return 0;
    if (s.n > room) {
        chain = chain_get(pool, s.n - room);
        if (!chain)
            return -ENOMEM;
    }
    q->bytes += s.n;
    if (room)
        s = span_skip(s, block_fill(q->last, s));
    while (chain) {
        struct block *b = chain;

        chain = b->next;
        b->next = NULL;
        *(q->last ? &q->last->next : &q->first) = b;
        q->last = b;
        s = span_skip(s, block_fill(b, s));
    }
    return 0;
}

/* Copies the bytes of the pipe into the blocks, so that others may follow them. Returns 0 or
 * -ENOMEM. */
static int empty_pipe(struct outq *q, struct blocks *pool)
{
    char buf[BLOCK_SIZE];
    ssize_t n;

    while (q->pipe->bytes > 0 && (n = read(q->pipe->fds[0], buf, sizeof buf)) > 0) {
        q->pipe->bytes -= (size_t)n;
        q->bytes -= (size_t)n;
        if (blocks_put(q, pool, (struct span){ buf, (size_t)n }))
            return -ENOMEM;
    }
    pipes_put(&pool->pipes, q->pipe);
    q->pipe = NULL;
    return 0;
}

/* The first block may have been sent in part, the last one filled in part. */
size_t outq_memory(size_t n)
{
    return (n / sizeof((struct block *)0)->bytes + 2) * sizeof(struct block);
}

int outq_put(struct outq *q, struct blocks *pool, struct span s)
{
    int err = q->pipe && s.n > 0 ? empty_pipe(q, pool) : 0;

    return err ? err : blocks_put(q, pool, s);
}

ssize_t outq_splice(struct outq *q, struct blocks *pool, struct tcp *from, size_t max)
{
    struct pipe_pair *pipe = pipes_get(&pool->pipes);
    ssize_t n = pipe ? splice_in(pipe, from->watch.fd, max) : -ENOSYS;

    if (n == -EAGAIN || n == -EWOULDBLOCK)
        from->watch.ready &= (uint8_t)~READY_READ;
    if (n <= 0) {
        if (pipe)
            pipes_put(&pool->pipes, pipe);
        return n == -EINVAL ? -ENOSYS : n;
    }
    q->pipe = pipe;
    q->bytes += (size_t)n;
    return n;
}

int outq_iov(const struct outq *q, struct iovec *iov, int max)
{
    int n = 0;

    for (struct block *b = q->first; b && n < max; b = b->next)
        iov[n++] = (struct iovec){ b->bytes + b->start, b->end - b->start };
    return n;
}

struct span outq_read(const struct outq *q, struct outq_cursor *at)
{
    if (!at->block && q->first)
        *at = (struct outq_cursor){ q->first, q->first->start, at->passed };
    while (at->block && at->at == at->block->end && at->block->next)
        *at = (struct outq_cursor){ at->block->next, at->block->next->start, at->passed };
    if (!at->block)
        return (struct span){ NULL, 0 };
    return (struct span){ at->block->bytes + at->at, at->block->end - at->at };
}

void outq_pass(struct outq_cursor *at, size_t n)
{
    at->at += (uint32_t)n;
    at->passed += n;
}

void outq_copy(const struct outq *q, char *to)
{
    for (const struct block *b = q->first; b; b = b->next) {
        memcpy(to, b->bytes + b->start, b->end - b->start);
        to += b->end - b->start;
    }
}

static void outq_drop(struct outq *q, struct blocks *pool, size_t n)
{
    q->bytes -= n;
    while (n > 0 && q->first) {
        struct block *b = q->first;
        size_t here = b->end - b->start;

        if (n < here) {
            b->start += (uint32_t)n;
            return;
        }
        n -= here;
        q->first = b->next;
        if (!q->first)
            q->last = NULL;
        block_put(pool, b);
    }
}

void outq_clear(struct outq *q, struct blocks *pool)
{
    if (q->pipe) {
        q->bytes -= q->pipe->bytes;
        pipes_put(&pool->pipes, q->pipe);
        q->pipe = NULL;
    }
    outq_drop(q, pool, q->bytes);
}

/* Sends the bytes of the pipe, as far as the socket takes them. Returns 0 or the socket's negative
 * errno. */
static int flush_pipe(struct outq *q, struct blocks *pool, struct tcp *to)
{
    while (q->pipe->bytes > 0) {
        ssize_t n = splice_out(q->pipe, to->watch.fd);

        if (n == -EAGAIN || n == -EWOULDBLOCK) {
            to->watch.ready &= (uint8_t)~READY_WRITE;
            return 0;
        }
        if (n < 0)
            return (int)n;
        q->bytes -= (size_t)n;
    }
    pipes_put(&pool->pipes, q->pipe);
    q->pipe = NULL;
    return 0;
}

/* Sends from the queue until it is empty or the stream takes no more. Returns 0 or a negative
 * errno. */
static int outq_flush(struct outq *q, struct blocks *pool, struct stream *s)
{
    while (q->first) {
        struct iovec iov[IOV_MAX_USED];
        int n = outq_iov(q, iov, IOV_MAX_USED);
        ssize_t sent = stream_write(s, iov, n);

        if (sent == -EAGAIN)
            return 0;
        if (sent < 0)
            return (int)sent;
        outq_drop(q, pool, (size_t)sent);
    }
    return q->pipe ? flush_pipe(q, pool, container_of(s, struct tcp, stream)) : 0;
}

static int outq_park(struct outq *q, struct blocks *pool, const struct iovec *iov, int n)
{
    for (int i = 0; i < n; i++) {
        int err = outq_put(q, pool, (struct span){ iov[i].iov_base, iov[i].iov_len });

        if (err)
            return err;
    }
    return 0;
}

int outq_send(struct outq *q, struct blocks *pool, struct stream *s, struct iovec *iov, int n)
{
    ssize_t sent;
    int err = outq_flush(q, pool, s);

    if (err)
        return err;
    if (n == 0)
        return 0;
    if (q->bytes > 0)
        return outq_park(q, pool, iov, n);
    sent = stream_write(s, iov, n);
    if (sent < 0 && sent != -EAGAIN)
        return (int)sent;
    for (; n > 0 && sent >= (ssize_t)iov->iov_len; iov++, n--)
        sent -= (ssize_t)iov->iov_len;
    if (n > 0 && sent > 0) {
        iov->iov_base = (char *)iov->iov_base + sent;
        iov->iov_len -= (size_t)sent;
    }
    return outq_park(q, pool, iov, n);
}
