/* Writing the Access-Control fields.
 * Knows nothing of keys and routes.
 * The interface is proxy/cors.h. */
#include "proxy/cors.h"

static bool is_wildcard(const struct conf *c)
{
    return c->access.n_cors_origins == 1 && strcmp(c->access.cors_origins[0], "*") == 0;
}

const char *cors_origin(const struct conf *c, const struct http_head *h)
{
    const struct http_field *origin = h ? http_find(h, HTTP_ORIGIN) : NULL;
    bool partial = !h || h->fault;

    if (is_wildcard(c))
        return origin || partial ? "*" : NULL;
    for (unsigned i = 0; i < c->access.n_cors_origins && origin; i++)
        if (span_eq_nocase(span_of(c->access.cors_origins[i]), origin->value))
            return c->access.cors_origins[i];
    return NULL;
}

void cors_put(struct out *o, const struct conf *c, const char *origin)
{
    if (origin) {
        http_put_field(o, SPAN("Access-Control-Allow-Origin"), span_of(origin));
        http_put_field(o, SPAN("Access-Control-Expose-Headers"), SPAN("*"));
    }
    if (c->access.n_cors_origins > 0 && !is_wildcard(c))
        http_put_field(o, SPAN("Vary"), SPAN("Origin"));
}

void cors_put_preflight(struct out *o, const struct http_head *h, struct span methods,
                        const char *origin)
{
    if (!origin)
        return;
    http_put_field(o, SPAN("Access-Control-Allow-Methods"), methods);
    for (unsigned i = 0; i < h->n_fields; i++)
        if (h->fields[i].id == HTTP_ACCESS_CONTROL_REQUEST_HEADERS)
            http_put_field(o, SPAN("Access-Control-Allow-Headers"), h->fields[i].value);
    if (strcmp(origin, "*") != 0 && http_find(h, HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK))
        http_put_field(o, SPAN("Access-Control-Allow-Private-Network"), SPAN("true"));
    http_put_field(o, SPAN("Access-Control-Max-Age"), SPAN("600"));
    http_put_field(o, SPAN("Vary"), SPAN("Access-Control-Request-Headers"));
}
