/* How a request begins: what its head alone tells, its upstream where the model chooses it, and the
 * head that goes up. The body is proxy/request.h. */
#ifndef PROXY_REQUEST_START_H
#define PROXY_REQUEST_START_H

#include "proxy/authorization.h"
#include "proxy/route.h"

struct client;

/* Sends the request on its way by the route r with what auth allows it, rest being what came right
 * after its head h. Stores how much of rest was used. Returns 0, or -1 after exchange_fault. */
int request_begin(struct client *c, const struct http_head *h, const struct route *r,
                  const struct authorization *auth, struct span rest, size_t *used);

/* Takes bytes of a body in which the model has to be found before the request has an upstream.
 * Returns as request_feed does. */
int request_choose(struct client *c, struct span in, size_t *used);

/* Sends the request again, by the plan's next try. Returns as request_begin does. */
int request_try_again(struct client *c);

#endif
