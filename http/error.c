/* Error bodies in the shape of the OpenAI API.
 * Knows the shape only, not which failure says what.
 * The interface is http/error.h; the statuses and codes are in proxy/failure.c. */
#include "http/error.h"

static void put_member(struct http_out *o, struct span name, struct span value)
{
    http_put(o, name);
    if (value.n == 0) {
        http_put(o, SPAN("null"));
        return;
    }
    http_put(o, SPAN("\""));
    http_put_json(o, value);
    http_put(o, SPAN("\""));
}

void http_put_error(struct http_out *o, const struct http_error *e)
{
    http_put(o, SPAN("{\"error\":{\"message\":\""));
    http_put_json(o, e->message);
    http_put(o, SPAN("\""));
    put_member(o, SPAN(",\"type\":"), e->type);
    put_member(o, SPAN(",\"param\":"), e->param);
    put_member(o, SPAN(",\"code\":"), e->code);
    http_put(o, SPAN("}}"));
}
