/* Responses to requests that need no upstream: health, preflights, and paths and methods that there
 * are none of. */
#ifndef PROXY_LOCAL_H
#define PROXY_LOCAL_H

#include "proxy/route.h"

#include <stdbool.h>

struct client;
struct settings;

/* True if the request with head h and route r asks for the list of models, or for one of it, and
 * there are several upstreams, so that the list is made here. */
bool local_lists_models(const struct http_head *h, const struct route *r, const struct settings *s);

/* Responds with the list of models that c's key may use, or with the one that the path names. */
void local_list_models(struct client *c, const struct route *r);

/* Changes the route r of the request with head h to what it is to c's client: private paths are as
 * any others to those who may not look after the program, and an admin address has no others. */
void local_narrow(const struct client *c, const struct http_head *h, struct route *r);

/* Responds to the request with head h, whose route r goes to no upstream. */
void local_respond(struct client *c, const struct http_head *h, const struct route *r);

/* Puts what comes next of a response that is under way into c's empty queue, if it waits for
 * that. */
void local_go_on(struct client *c);

/* Lets go of a response that is under way; without one it does nothing. */
void local_end(struct client *c);

#endif
