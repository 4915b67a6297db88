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

/* Responds with an error; extra is further field lines, each with its CRLF. message may hold any
 * bytes. */
void reply_error(struct client *c, enum failure f, struct span message, struct span extra);

#endif
