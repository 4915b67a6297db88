/* The bottom of every stack of streams: a connected, non-blocking socket (TCP, or a local one).
 * Knows how to move bytes and nothing of what they mean; who connects it is net/connect.h, who accepts it net/listen.h.
 * The struct is embedded in its owner, which sets watch.fn to be called when something it wants is ready. */
#ifndef NET_TCP_H
#define NET_TCP_H

#include "net/stream.h"

struct tcp {
    struct stream stream;
    struct watch watch;
    struct reactor *reactor;
};

/* Makes t a closed stream; fn is called when something that is wanted is ready. */
void tcp_init(struct tcp *t, struct reactor *r, void (*fn)(struct watch *w));

/* Takes over a connected, non-blocking socket and registers it. Returns 0 or a negative errno; the socket is closed then. */
int tcp_attach(struct tcp *t, int fd);

/* Ends the writing direction (FIN); reading goes on. */
void tcp_shutdown(struct tcp *t);

/* True if the other system has acknowledged all that was written, the end included, as far as this system tells. */
bool tcp_all_taken(const struct tcp *t);

/* True if the socket is open. */
static inline bool tcp_is_open(const struct tcp *t)
{
    return t->watch.fd >= 0;
}

#endif
