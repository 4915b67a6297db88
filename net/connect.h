/* Connecting to a host by name: resolve, then race its addresses (RFC 8305), so that a dead IPv6 route costs a quarter of a second and not minutes.
 * Knows nothing of time-outs as a whole, of tunnels or of TLS: that is the dialler's.
 * Names are net/resolve.h; the winning socket goes on as net/tcp.h. */
#ifndef NET_CONNECT_H
#define NET_CONNECT_H

#include "net/resolve.h"

#define CONNECT_RACERS RESOLVE_ADDRS_MAX

struct connect_racer {
    struct watch watch;
    struct connector *connector;
    struct addr to;
};

/* One connection in the making.
 * 1. The next socket is opened when one fails or after 250 ms, while the others go on.
 * 2. done is called once, from the loop or from within connector_start; afterwards nothing is open or armed any more. */
struct connector {
    struct reactor *reactor;
    struct resolver *resolver;
    struct resolve_query query;
    struct resolve_answer answer;
    unsigned next_addr;
    struct timer stagger;
    struct connect_racer racers[CONNECT_RACERS];
    int last_error;                     /* errno of the last address that failed */
    struct addr last_addr;
    /* The outcome. watch: registered with the connected socket, for reactor_move; NULL on failure, with
     * resolve_error (EAI_*) or last_error telling why. */
    void (*done)(struct connector *c, struct watch *watch);
    int resolve_error;
};

/* Starts. c->done is set. The host is a name or a numeric address. */
void connector_start(struct connector *c, struct reactor *r, struct resolver *resolver, const char *host, uint16_t port);

/* Gives up; done is not called. Fine at any time, also after the end, and before the start if all of c is zero. */
void connector_cancel(struct connector *c);

#endif
