/* A stream that leads through a proxy: it is opened by a short dialogue with the proxy, and transparent from then on.
 * Knows how a dialogue travels, but not its language; and nothing of what goes through the tunnel.
 * The languages are net/socks.h and proxy/http_tunnel.h; who stacks streams is proxy/dial.c. */
#ifndef NET_TUNNEL_H
#define NET_TUNNEL_H

#include "net/span.h"
#include "net/stream.h"

#define DIALOGUE_WHY_MAX 192

/* What is said to a proxy and what it answers, in turn: we speak first. A codec: it does no input or output.
 * 1. say is what is to be said next; it lies in the dialogue and stays as it is until hear is called.
 * 2. done is set by hear, when the tunnel leads to where it should. */
struct dialogue {
    struct span say;
    bool done;
    char why[DIALOGUE_WHY_MAX];         /* after -EPROTO: how the proxy refused, one sentence without any secret */
    /* Takes the proxy's answer from in, which holds all that came since the last answer. Returns its length, -EAGAIN if it is
     * not all there, or -EPROTO with why set. */
    ssize_t (*hear)(struct dialogue *d, struct span in);
    /* Wipes and frees d. */
    void (*free)(struct dialogue *d);
};

/* Makes a stream, to be opened with stream_open, on top of below; both below and talk belong to it from now on, unless this fails:
 * then they stay the caller's. Returns 0 with *out or -ENOMEM. */
int tunnel_stream_make(struct stream **out, struct stream *below, struct dialogue *talk);

#endif
