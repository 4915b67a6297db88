/* The bottom of every stack of streams: a connected, non-blocking socket, TCP or local. Its owner
 * embeds it. Sockets come from net/connect.h and net/listen.h. */
#ifndef NET_TCP_H
#define NET_TCP_H

#include "net/stream.h"

struct tcp {
    struct stream stream;
    struct watch watch;
    struct reactor *reactor;
};

/* Makes the kernel probe the peer of fd after half a minute of silence, and end the connection with
 * ETIMEDOUT after a whole one. A listening socket passes this on to the sockets it accepts, on
 * Linux.
 *   unacked_max   the milliseconds that bytes may be unacknowledged; 0: no limit of ours. On macOS
 *                 and FreeBSD the kernel keeps this limit; on Linux tcp_is_lost does
 * What the system does not know is left out, and a local socket does not change. */
void tcp_watch_peer(int fd, uint64_t unacked_max);

/* Makes t a closed stream. The loop calls fn when an event is ready that the owner wants. */
void tcp_init(struct tcp *t, struct reactor *r, void (*fn)(struct watch *w));

/* Registers fd, a connected, non-blocking socket, which t owns from now on. Returns 0 or a negative
 * errno, with fd closed. */
int tcp_attach(struct tcp *t, int fd);

/* Ends the writing direction (FIN). Reading continues. */
void tcp_shutdown(struct tcp *t);

/* True if the peer's kernel has acknowledged all bytes and the FIN, as far as this system tells. */
bool tcp_all_taken(const struct tcp *t);

/* True if the peer must have vanished: it has acknowledged nothing since an earlier call, more than
 * three quarters of unacked_max ms ago, although bytes were out then. A peer that does not read but
 * answers probes of its closed window is there. To be called every quarter of unacked_max while
 * bytes may be out: it then becomes true between three and four quarters after the oldest of them.
 *   since   what the calls for one connection remember; 0 before the first
 * Linux only; false elsewhere, and for a local socket. */
bool tcp_is_lost(const struct tcp *t, uint64_t unacked_max, uint32_t *since);

/* True if the socket is open. */
static inline bool tcp_is_open(const struct tcp *t)
{
    return t->watch.fd >= 0;
}

#endif
