/* The two paths there are.
 * Knows nothing of what lies behind them.
 * The interface is proxy/route.h. */
#include "proxy/route.h"

#define CHAT_METHODS SPAN("POST, OPTIONS")
#define HEALTH_METHODS SPAN("GET, HEAD, OPTIONS")

struct route_match route_find(const struct http_head *h)
{
    bool chat = span_eq(h->path, SPAN("/v1/chat/completions"));
    bool health = span_eq(h->path, SPAN("/healthz"));
    struct span allow = chat ? CHAT_METHODS : health ? HEALTH_METHODS : SPAN("GET, HEAD, POST, OPTIONS");

    if (chat && span_eq(h->method, SPAN("POST")))
        return (struct route_match){ ROUTE_CHAT, allow };
    if (health && (span_eq(h->method, SPAN("GET")) || span_eq(h->method, SPAN("HEAD"))))
        return (struct route_match){ ROUTE_HEALTH, allow };
    if ((chat || health || span_eq(h->path, SPAN("*"))) && span_eq(h->method, SPAN("OPTIONS")))
        return (struct route_match){ ROUTE_OPTIONS, allow };
    return (struct route_match){ chat || health ? ROUTE_WRONG_METHOD : ROUTE_UNKNOWN, allow };
}
