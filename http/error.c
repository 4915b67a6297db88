/* Error bodies in the shape of the OpenAI API. */
#include "http/error.h"

static void put_member(struct out *o, struct span name, struct span value)
{
    out_put(o, name);
    if (value.n == 0) {
        out_put(o, SPAN("null"));
        return;
    }
    out_put(o, SPAN("\""));
    out_json(o, value);
    out_put(o, SPAN("\""));
}

void http_put_error(struct out *o, const struct http_error *e)
{
    out_put(o, SPAN("{\"error\":{\"message\":\""));
    out_json(o, e->message);
    out_put(o, SPAN("\""));
    put_member(o, SPAN(",\"type\":"), e->type);
    put_member(o, SPAN(",\"param\":"), e->param);
    put_member(o, SPAN(",\"code\":"), e->code);
    out_put(o, SPAN("}}"));
}
