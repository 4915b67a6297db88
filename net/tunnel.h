/* A stream through a proxy: a dialogue with the proxy opens it, and from then on it is transparent.
 * It carries a dialogue without knowing its protocol; those are net/socks.h and
 * upstream/http_tunnel.h. */
#ifndef NET_TUNNEL_H
#define NET_TUNNEL_H

#include "base/span.h"
#include "net/stream.h"

#define DIALOGUE_WHY_MAX 192

/* Requests to a proxy and its replies in turn; the first one is ours. A codec without input or
 * output.
 * 1. say is the next request. It lies in the dialogue and does not change until the next hear.
 * 2. hear sets done when the tunnel leads to its destination. */
struct dialogue {
    struct span say;
    bool done;
    char why[DIALOGUE_WHY_MAX]; /* after -EPROTO: how the proxy refused, one sentence without any
                                   secret */
    /* Parses the proxy's reply in in, which holds all bytes since the last reply. Returns the
     * length of the reply, -EAGAIN if it is incomplete, or -EPROTO with why set. */
    ssize_t (*hear)(struct dialogue *d, struct span in);
    /* Wipes and frees d. */
    void (*free)(struct dialogue *d);
};

/* Makes a stream on top of below, to be opened with stream_open. It owns below and talk from now
 * on, unless this fails. Returns 0 with *out, to be closed with stream_close, or -ENOMEM. */
int tunnel_stream_make(struct stream **out, struct stream *below, struct dialogue *talk);

#endif
