/* Bytes from one socket to another without a look at them and without a copy: a pipe in the kernel carries them (splice(2), Linux).
 * Knows nothing of what they are. Where the system has no such thing, it says so, and everybody copies.
 * Who uses it is net/outq.h, behind whose queue a pipe stands. */
#ifndef NET_SPLICE_H
#define NET_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How much a pipe carries at once, where the system lets it: the more, the fewer calls and, where TCP is paced, timers; but a peer that does not
 * read costs as much. */
#define SPLICE_MAX (128 * 1024)

/* How much has to be left of a body: for less, the way around costs more than it saves; and what comes last, and ends the body, comes by the usual way. */
#define SPLICE_LEAST (64 * 1024)

/* How much of the left bytes of a body may be spliced next. */
static inline size_t splice_share(uint64_t left)
{
    uint64_t share = left < SPLICE_LEAST ? 0 : left - SPLICE_LEAST / 2;

    return share < SPLICE_MAX ? (size_t)share : SPLICE_MAX;
}

/* A pipe that stands ready, or carries bytes. */
struct pipe_pair {
    struct pipe_pair *next;             /* of those that stand ready */
    int fds[2];
    size_t bytes;
};

/* Pipes that stand ready, how many there are in all, and how often none is asked for because the system had none. Zeroed, it is empty. */
struct pipes {
    struct pipe_pair *ready;
    unsigned n, pause;
};

/* Takes a pipe without bytes; NULL if there are too many, or none can be made here. */
struct pipe_pair *pipes_get(struct pipes *p);

/* Gives one back; one with bytes is closed, and they are lost. */
void pipes_put(struct pipes *p, struct pipe_pair *pair);

/* Closes those that stand ready. */
void pipes_free(struct pipes *p);

/* Moves up to max bytes (SPLICE_MAX at most) from a socket into the pipe, which is empty; fewer if it is small. Returns the count, 0 at the end of
 * the stream, -EAGAIN or another negative errno. */
ssize_t splice_in(struct pipe_pair *pair, int fd, size_t max);

/* Moves bytes from the pipe to a socket. Returns the count, -EAGAIN or another negative errno. */
ssize_t splice_out(struct pipe_pair *pair, int fd);

#endif
