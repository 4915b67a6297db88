/* Moving bytes from one socket to another through a pipe in the kernel, without copying them
 * (splice(2), Linux). On other systems each call says that it is not possible. Its user is
 * net/outq.h. */
#ifndef NET_SPLICE_H
#define NET_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The size of a pipe in bytes, where the system allows it. A larger one saves calls and, where TCP
 * is paced, timers; but it also holds more for a peer that does not read. */
#define SPLICE_MAX (128 * 1024)

/* The least rest of a body that is worth splicing, in bytes. The last part of each body is read in
 * the ordinary way, which notices its end. */
#define SPLICE_LEAST (64 * 1024)

/* The number of bytes that may be spliced next when left bytes of the body are to come. */
static inline size_t splice_share(uint64_t left)
{
    uint64_t share = left < SPLICE_LEAST ? 0 : left - SPLICE_LEAST / 2;

    return share < SPLICE_MAX ? (size_t)share : SPLICE_MAX;
}

/* A pipe that is empty, or carries bytes. */
struct pipe_pair {
    struct pipe_pair *next; /* in the list of empty ones */
    int fds[2];
    size_t bytes;
};

/* The pipes of a worker. Zeroed, there are none. */
struct pipes {
    struct pipe_pair *empty;
    unsigned n;     /* open pipes, empty or not */
    unsigned pause; /* how many more requests to refuse after the system refused a pipe */
};

/* Takes an empty pipe, made if there is none. NULL: too many are open, or the system refuses
 * one. */
struct pipe_pair *pipes_get(struct pipes *p);

/* Takes pair back. If it holds bytes, it is closed and they are lost. */
void pipes_put(struct pipes *p, struct pipe_pair *pair);

/* Closes the empty pipes. */
void pipes_free(struct pipes *p);

/* Moves up to max bytes, but not more than the size of the pipe, from the socket fd into the empty
 * pair. Returns the count, 0 at the end of the connection, -EAGAIN or another negative errno. */
ssize_t splice_in(struct pipe_pair *pair, int fd, size_t max);

/* Moves bytes from the pipe to the socket fd. Returns the count, -EAGAIN or another negative
 * errno. */
ssize_t splice_out(struct pipe_pair *pair, int fd);

#endif
