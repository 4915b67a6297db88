/* The body of a request on its way up, and what is left of it when nobody wants it any more. It
 * knows nothing of the response. How a request begins is proxy/request_start.h. */
#ifndef PROXY_REQUEST_H
#define PROXY_REQUEST_H

#include "http/head.h"

#include <sys/types.h>

struct client;

/* Prepares for the body that the head h announces. */
void request_init(struct client *c, const struct http_head *h);

/* Takes bytes of the body, and sends what can be sent; head, empty but for the first time of a
 * try, goes before them. Stores how many bytes of in were used: fewer than given when the
 * upstream has to be waited for, or when the body ends. Returns 0, or -1 after exchange_fault. */
int request_feed(struct client *c, struct span head, struct span in, size_t *used);

/* Takes bytes of the body and keeps them in x.replay, sending none. Stores how many were used.
 * Returns 0, or -1 after exchange_fault. */
int request_keep(struct client *c, struct span in, size_t *used);

/* Checks a length in bytes against max_body_size. Returns 0, or -1 after exchange_fault. */
int request_check_size(struct client *c, uint64_t bytes);

/* True if the request's way takes bytes: the one rule of its back-pressure. */
bool request_takes(const struct client *c);

/* True if bytes that are kept can go on now: the upstream takes more. */
bool request_is_pending(const struct client *c);

/* Prepares for sending all of the request again, from what is kept. */
void request_again(struct client *c);

/* Lets go of what is kept, once the request is not sent again. */
void request_forget(struct client *c);

/* How much of the body may go on from socket to socket without being read. 0: it has to be read. */
size_t request_spliceable(const struct client *c);

/* Passes on up to max bytes, as request_spliceable allows them, without reading them. Returns the
 * count, 0 at the client's end, -EAGAIN, -ENOSYS (they have to be read after all) or another
 * negative errno. */
ssize_t request_splice(struct client *c, size_t max);

/* There is a response: the rest of the body is thrown away if it is short; else the connection is
 * closed after the exchange. */
void request_abandon(struct client *c);

#endif
