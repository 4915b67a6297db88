/* Heads on their way through: what a request's head becomes for the upstream, and what an answer's becomes for the client.
 * Knows which fields are end-to-end and which are this hop's own business (RFC 9110, 7.6), and nothing of bodies.
 * Heads are parsed by http/head.h; who sends these is proxy/request.c and proxy/answer.c. */
#ifndef PROXY_FORWARD_H
#define PROXY_FORWARD_H

#include "http/body.h"
#include "http/emit.h"
#include "proxy/settings.h"

/* Writes the request line and the fields for the upstream, all but framing and the empty line.
 * authorization replaces the client's; an empty one lets the client's own go on. */
void forward_request(struct http_out *o, const struct http_head *h, const struct settings *s, struct span authorization);

/* Writes the framing field and the empty line that end a head. length is used with HTTP_LENGTH only. */
void forward_framing(struct http_out *o, enum http_framing framing, uint64_t length);

/* Writes the status line and the end-to-end fields of an answer, all but the empty line. keep_length: the Content-Length field stays;
 * own_cors: the upstream's own Access-Control fields are left out, because the proxy answers for them. */
void forward_answer(struct http_out *o, const struct http_head *h, bool keep_length, bool own_cors);

#endif
