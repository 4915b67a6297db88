/* Messages between a parent and a worker over a pair of sockets: a type, bytes, and perhaps a
 * descriptor. It knows no type; server/orders.h has them. */
#ifndef SERVER_CHANNEL_H
#define SERVER_CHANNEL_H

#include "base/span.h"
#include "net/reactor.h"

struct channel_sent;

struct message {
    uint32_t type;
    int fd;              /* the channel closes it after the call, unless it is taken out: -1 */
    struct span payload; /* for the call; p is NULL where there was no memory for it */
};

/* 1. Messages come and go whole and in order. What does not go out at once waits in unsent.
 * 2. Of the message that is coming in, have bytes are there, of the head first, then of payload.
 * Payloads hold secrets: they are wiped before they are freed. */
struct channel {
    struct watch watch;
    struct reactor *reactor;
    void (*heard)(struct channel *c, struct message *m);
    void (*ended)(struct channel *c); /* the other side is gone; the channel is closed */
    struct channel_sent *unsent;
    uint32_t head[2]; /* type, length of the payload */
    size_t have;
    char *payload;
    int fd;
};

/* Makes both ends. Returns 0, or a negative errno. */
int channel_pair(int ends[2]);

/* Opens one end, fd, which is c's from now on, also on failure. Returns 0 or a negative errno. */
int channel_open(struct channel *c, struct reactor *r, int fd);

/* Sends a message. m->payload is copied, m->fd duplicated (-1: none). Returns 0, or a negative
 * errno: nothing was sent; after -EPIPE nothing will be, and the other side is told of the end. On
 * a channel that is closed it does nothing. */
int channel_send(struct channel *c, const struct message *m);

/* Closes c and drops what was not sent. A closed channel is fine. */
void channel_close(struct channel *c);

/* Closes a copy of c, in a child of the process that opened it: that one notices nothing. */
void channel_forget(struct channel *c);

#endif
