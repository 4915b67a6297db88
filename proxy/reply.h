/* Answers of the proxy's own: errors, /healthz, preflights.
 * Knows what every answer needs (length, id, date, CORS, the connection's fate), and nothing of why it is given.
 * Failures are proxy/failure.h. */
#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include "http/emit.h"
#include "proxy/failure.h"

struct client;

struct reply {
    int status;
    struct span fields;                 /* further field lines, each with its CRLF */
    struct span body;                   /* JSON, or empty */
};

/* Answers the client's exchange, which is answered then. */
void reply_send(struct client *c, const struct reply *r);

/* Answers with an error; extra is further field lines. message may hold any bytes. */
void reply_error(struct client *c, enum failure f, struct span message, struct span extra);

#endif
