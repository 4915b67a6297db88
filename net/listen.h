/* Listening sockets: opening them, and accepting from them.
 * Knows nothing of what the connections are for. When the process runs out of descriptors, a listener rests for a moment
 * instead of spinning; connections then wait in the kernel's queue.
 * Addresses are net/addr.h; an accepted socket goes on as net/tcp.h. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "net/addr.h"
#include "net/reactor.h"

/* Opens a listening TCP socket on a numeric address. reuseport: several processes will each open their own. Returns the descriptor or a negative errno. */
int listen_tcp(const struct addr *a, bool reuseport);

/* Opens a listening local socket at path; a stale socket file there (nobody listens on it) is replaced.
 * Returns the descriptor or a negative errno (-EADDRINUSE if somebody does listen). */
int listen_unix(const char *path, unsigned mode);

/* Whether listen_tcp could succeed: binds for a moment, to any port where that of a is 0, and listens to none. Returns 0 or the negative errno. */
int listen_try_tcp(const struct addr *a, bool reuseport);

/* Whether listen_unix could succeed, but for somebody who listens there: opens nothing. Returns 0 or the negative errno. */
int listen_try_unix(const char *path);

struct listener {
    struct watch watch;
    struct timer rest;
    struct reactor *reactor;
    unsigned batch;                     /* how many to accept at once: grows while the queue is full */
    void (*accepted)(struct listener *l, int fd, const struct addr *peer);
    void (*resting)(struct listener *l, int err);
};

/* Starts accepting from fd (which l owns from now on, also if this fails).
 *   accepted   gets each connection: non-blocking, close-on-exec, TCP_NODELAY; it owns fd
 *   resting    is told why accepting has to pause; may be NULL
 * Returns 0 or a negative errno. */
int listener_start(struct listener *l, struct reactor *r, int fd);

/* Stops accepting and closes the socket. Safe from within accepted. */
void listener_stop(struct listener *l);

#endif
