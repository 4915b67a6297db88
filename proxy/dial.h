/* Making a connection to the upstream ready for use: name, race, and whatever streams have to stand on the socket.
 * Knows how streams are stacked, and nothing of requests. One time-out covers all of it.
 * Racing is net/connect.h; a finished connection lives in proxy/pool.h. */
#ifndef PROXY_DIAL_H
#define PROXY_DIAL_H

#include "net/connect.h"
#include "proxy/failure.h"
#include "proxy/pool.h"

#define DIAL_WHY_MAX 384

/* What stands on the socket, in this order; what is not needed is left out. */
enum dial_layer {
    DIAL_SOCKET,
    DIAL_PROXY_TLS,                     /* an https proxy's */
    DIAL_TUNNEL,                        /* CONNECT or SOCKS, through a proxy */
    DIAL_TLS,                           /* the upstream's */
    DIAL_COMPLETE,
};

/* One connection in the making. done is called once, unless the dial is cancelled:
 *   failure < 0   conn is open and ready for use
 *   else          which failure it was, d->why saying so in a sentence that names host and cause, and no secret
 * d is freed afterwards, conn is not. */
struct dial {
    struct conn *conn;
    struct resolver *resolver;
    struct resolve_query query;         /* of the upstream's name, where a SOCKS proxy wants an address */
    struct addr upstream;               /* what it came to; family 0: the proxy gets the name */
    struct connector connector;         /* to the proxy, or to the upstream where there is none */
    enum dial_layer layer;              /* the topmost one that stands */
    bool again;                         /* this is the second connection */
    struct timer timer;
    void (*done)(struct dial *d, int failure);
    char why[DIAL_WHY_MAX];
    struct retired retired;
};

/* Starts dialling for conn, which pool_new made. done may be called before this returns. Returns NULL if there is no memory (done is not called then); the result may not be used
 * once done was called. */
struct dial *dial_start(struct conn *conn, struct resolver *resolver, void (*done)(struct dial *d, int failure));

/* The socket of d->conn is ready: goes on with opening what stands on it. done may be called. */
void dial_ready(struct dial *d);

/* Gives up; done is not called, conn is left to the caller. NULL is fine. */
void dial_cancel(struct dial *d);

#endif
