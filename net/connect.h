/* Connecting to a host by name: resolve it, then race its addresses (RFC 8305), so that a dead IPv6
 * route costs a quarter of a second and not minutes. The time-out of the whole is the dialler's.
 * Names are net/resolve.h; the connected socket becomes a stream by net/tcp.h. */
#ifndef NET_CONNECT_H
#define NET_CONNECT_H

#include "net/resolve.h"

#define CONNECT_RACERS LOOKUP_ADDRS_MAX

/* A socket that tries one address. */
struct connect_racer {
    struct watch watch;
    struct connector *connector;
    unsigned at; /* the address, in answer */
};

/* One attempt to connect.
 * 1. The next address is tried when one fails or after 250 ms, while the earlier ones continue.
 *    Those that fail, or are still silent when a later one has connected, rest (resolver_failed).
 * 2. done is called once, by the loop or by connector_start. After it no socket is open and no
 *    timer armed. */
struct connector {
    struct reactor *reactor;
    struct resolver *resolver;
    const char *host;
    struct resolve_query query;
    struct lookup_answer answer;
    unsigned next_addr;
    uint64_t unacked_max;
    struct timer stagger;
    struct connect_racer racers[CONNECT_RACERS];
    int last_error; /* errno of the last address that failed */
    /* Gets the watch of the connected socket, for reactor_move, or NULL after a failure, whose
     * cause is resolve_error (EAI_*) if that is not 0, or else last_error. */
    void (*done)(struct connector *c, struct watch *watch);
    int resolve_error;
};

/* Starts connecting to a port of host, a name or a numeric address, which stays until the end. The
 * caller has set c->done, and
 * c->unacked_max for tcp_watch_peer, which applies to the connection. */
void connector_start(struct connector *c, struct reactor *r, struct resolver *resolver,
                     const char *host, uint16_t port);

/* Stops without calling done. Fine at any time: after the end, and before the start if c is
 * zeroed. */
void connector_cancel(struct connector *c);

#endif
