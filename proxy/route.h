/* What a method and a path ask for.
 * Knows nothing of how it is done: that is proxy/exchange.c. */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include "http/head.h"

enum route {
    ROUTE_CHAT,                 /* POST /v1/chat/completions */
    ROUTE_HEALTH,               /* GET or HEAD /healthz */
    ROUTE_OPTIONS,              /* OPTIONS of a known path, or of "*" */
    ROUTE_WRONG_METHOD,         /* a known path with a method that it has not */
    ROUTE_UNKNOWN,
};

struct route_match {
    enum route route;
    struct span allow;          /* the methods of a known path, as in an Allow field */
};

/* The route of a request head. */
struct route_match route_find(const struct http_head *h);

#endif
