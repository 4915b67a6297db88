/* Making a connection to an upstream ready for use: name, race, and the streams that have to stand
 * on the socket. It knows how streams are stacked, and nothing of requests. One time-out covers all
 * of it. Racing is net/connect.h; a finished connection lives in upstream/pool.h. */
#ifndef UPSTREAM_DIAL_H
#define UPSTREAM_DIAL_H

#include "net/connect.h"
#include "upstream/upstream.h"

#define DIAL_WHY_MAX 384

enum dial_fault {
    DIAL_OK,
    DIAL_NO_NAME,    /* the name could not be resolved */
    DIAL_NO_CONNECT, /* no address took the connection */
    DIAL_NO_TLS,     /* the handshake failed, or the certificate is wrong */
    DIAL_NO_PROXY,   /* anything that went wrong with the proxy */
    DIAL_TIMEOUT,
    DIAL_FULL, /* connection_limit */
    DIAL_NO_MEMORY,
};

/* What stands on the socket, in this order; what is not needed is left out. */
enum dial_layer {
    DIAL_SOCKET,
    DIAL_PROXY_TLS, /* an https proxy's */
    DIAL_TUNNEL,    /* CONNECT or SOCKS, through a proxy */
    DIAL_TLS,       /* the upstream's */
    DIAL_COMPLETE,
};

/* One connection in the making. done is called once, unless the dial is cancelled: with fault
 * DIAL_OK conn is open and ready for use; else why says what went wrong in a sentence that names
 * host and cause, and no secret. d is freed afterwards, conn is not. */
struct dial {
    struct conn *conn;
    const struct upstream *upstream;
    struct resolve_query query; /* of the upstream's name, where a SOCKS proxy wants an address */
    struct addr origin;         /* what it came to; family 0: the proxy gets the name */
    struct connector connector; /* to the proxy, or to the upstream where there is none */
    enum dial_layer layer;      /* the topmost one that stands */
    bool again;                 /* this is the second connection */
    struct timer timer;
    void (*done)(struct dial *d);
    enum dial_fault fault;
    char why[DIAL_WHY_MAX];
    struct retired retired;
};

/* Starts dialling u for conn, which pool_new made. done may be called before this returns. Returns
 * NULL if there is no memory (done is not called then). The result may not be used once done was
 * called. */
struct dial *dial_start(struct conn *conn, struct upstream *u, void (*done)(struct dial *d));

/* The socket of d->conn is ready: goes on with opening what stands on it. done may be called. */
void dial_ready(struct dial *d);

/* Gives up; done is not called, conn is left to the caller. NULL is fine. */
void dial_cancel(struct dial *d);

#endif
