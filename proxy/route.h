/* What a method and a path ask for. How it is done is proxy/exchange.c. */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include "http/head.h"

enum route_handler {
    ROUTE_CHAT,    /* a chat completion: its body may be read and rewritten */
    ROUTE_PASS,    /* one of pass_paths: goes on as it is */
    ROUTE_HEALTH,  /* /healthz */
    ROUTE_READY,   /* /readyz */
    ROUTE_METRICS, /* /metrics, and the next two: for those who may look after the program */
    ROUTE_STATUS,  /* /status */
    ROUTE_EVENTS,  /* /status/events */
    ROUTE_OPTIONS, /* OPTIONS, of any path */
    ROUTE_METHOD,  /* a known path with a method that it has not */
    ROUTE_PATH,    /* a path that one server may read in another way than the next */
    ROUTE_UNKNOWN,
    ROUTE_NONE, /* there is no head that could be read */
};

struct route {
    enum route_handler handler;
    struct span allow; /* the methods of the path, as in an Allow field */
    struct span path;  /* of ROUTE_PASS: as it goes on */
};

/* Paths that go on as they are; each may end with "*". */
struct pass_paths {
    char *const *patterns;
    unsigned n;
};

/* Finds the route of the request head h, which the spans point into. */
struct route route_find(const struct http_head *h, const struct pass_paths *pass);

/* True if the path of h is for those alone who may look after the program. */
bool route_is_private(const struct http_head *h);

/* The same for somebody to whom private paths are as any others. */
struct route route_find_public(const struct http_head *h, const struct pass_paths *pass);

/* The same on an address that serves those alone who look after the program. */
struct route route_find_admin(const struct http_head *h);

/* The name of a route in metrics, r being an enum route_handler. */
const char *route_name(unsigned r);

/* True for routes that are asked to look at the program itself, and not for what it does. */
static inline bool route_is_probe(unsigned r)
{
    return r >= ROUTE_HEALTH && r <= ROUTE_EVENTS;
}

/* True if requests of the route go to an upstream. */
static inline bool route_forwards(const struct route *r)
{
    return r->handler == ROUTE_CHAT || r->handler == ROUTE_PASS;
}

#endif
