/* The proxy's own responses: errors, /healthz, preflights. It knows what every response needs
 * (length, id, date, CORS, the connection's fate), and nothing of why it is given. */
#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include "http/emit.h"
#include "proxy/failure.h"

struct client;

/* Begins the response to the client's exchange: o is its head so far, in the worker's text, which
 * has room for the longest head that came in beside what every response has. The caller may add
 * fields. */
void reply_begin(struct client *c, struct out *o, int status);

/* Ends the head, and sends it with the body, which is JSON or empty. The response is done then. */
void reply_end(struct client *c, struct out *o, struct span body);

/* The same for a body of another type. */
void reply_end_as(struct client *c, struct out *o, struct span type, struct span body);

/* Begins a response with status 200 and a body of that type whose length is not known: o is its
 * head, which the caller may add fields to, and ends. The body is framed as x.response_framing then
 * says. */
void reply_begin_body(struct client *c, struct out *o, struct span type);

/* Responds with an error; extra is further field lines, each with its CRLF. message may hold any
 * bytes. */
void reply_error(struct client *c, enum failure f, struct span message, struct span extra);

#endif
