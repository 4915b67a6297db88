/* Heads on their way through: what the head of a request becomes for the upstream, and that of a
 * response for the client. It knows which fields are end-to-end and which are this hop's own (RFC
 * 9110, 7.6), and nothing of bodies. */
#ifndef PROXY_FORWARD_H
#define PROXY_FORWARD_H

#include "http/body.h"
#include "http/emit.h"
#include "proxy/authorization.h"
#include "upstream/upstream.h"

/* Where a request goes, and with which key. */
struct forward {
    const struct settings *settings;
    const struct target *target;
    const struct authorization *key;
};

/* Writes the request line and the fields of the request with head h and route r for the upstream,
 * all but framing and the empty line. */
void forward_request(struct out *o, const struct http_head *h, const struct route *r,
                     const struct forward *to);

/* True if a request has been forwarded by this instance before: a Via field names it (RFC 9110,
 * 7.6.3). */
bool forward_is_loop(const struct http_head *h, const struct settings *s);

/* Writes the framing field and the empty line that end a head. length is used with HTTP_LENGTH
 * only. */
void forward_framing(struct out *o, enum http_framing framing, uint64_t length);

enum {
    FORWARD_LENGTH = 1,   /* the Content-Length field stays */
    FORWARD_OWN_CORS = 2, /* the upstream's Access-Control fields are left out: ours are added */
    FORWARD_OWN_LIMITS =
        8, /* the upstream's x-ratelimit fields are left out: they speak of its key */
};

/* Writes the status line and the end-to-end fields of u's response, all but the empty line. Fields
 * that speak for the upstream's own origin are left out, and a Location that points at its target
 * points at ours. flags: FORWARD_*. */
void forward_response(struct out *o, const struct http_head *h, const struct upstream *u,
                      unsigned flags);

#endif
