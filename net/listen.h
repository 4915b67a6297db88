/* Listening sockets: opening them, and accepting from them. An accepted socket becomes a stream by
 * net/tcp.h. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "base/addr.h"
#include "net/reactor.h"

enum listen_claim {
    LISTEN_FIRST, /* nobody listens there yet: a second instance is an error */
    LISTEN_JOIN,  /* beside sockets of this user that were opened here */
};

/* Opens a TCP socket that listens on a. The kernel spreads connections over all sockets that do.
 * Returns the descriptor or a negative errno; -EADDRINUSE if the claim is wrong. */
int listen_tcp(const struct addr *a, enum listen_claim claim);

/* Opens a local socket that listens at path, whose file gets the permissions of mode. Replaces a
 * socket file that no process listens on. Returns the descriptor or a negative errno; -EADDRINUSE
 * if a process listens there. */
int listen_unix(const char *path, unsigned mode);

/* Tests listen_tcp: binds to a (any port if that of a is 0), does not listen, and closes. Returns 0
 * or the negative errno that listen_tcp would return. */
int listen_try_tcp(const struct addr *a, enum listen_claim claim);

/* Tests listen_unix without opening a socket, so without noticing a process that listens at path.
 * Returns 0 or the negative errno that listen_unix would return. */
int listen_try_unix(const char *path);

/* A listening socket in the loop. After an error such as a lack of descriptors it pauses for a
 * moment instead of spinning; connections wait in the kernel's queue meanwhile. */
struct acceptor {
    struct watch watch;
    struct timer pause;
    struct reactor *reactor;
    unsigned batch; /* how many to accept in one turn: grows while the queue is full */
    uint64_t unacked_max;
    void (*accepted)(struct acceptor *l, int fd, const struct addr *peer);
    void (*paused)(struct acceptor *l, int err);
};

/* Starts accepting from fd, which l owns from now on, also if this fails. The caller has set
 *   accepted      gets each connection (non-blocking, close-on-exec, TCP_NODELAY, and with
 *                 tcp_watch_peer) and owns its fd
 *   paused        gets the negative errno for which accepting pauses; may be NULL
 *   unacked_max   for tcp_watch_peer; may change later
 * Returns 0 or a negative errno. */
int acceptor_start(struct acceptor *l, struct reactor *r, int fd);

/* Stops accepting and closes the socket. accepted may call it. */
void acceptor_stop(struct acceptor *l);

#endif
