/* Copying heads without the fields that end at this hop.
 * Knows nothing of bodies and connections.
 * The interface is proxy/forward.h. */
#include "proxy/forward.h"

/* Copies the field lines for which keep is true. Lines that lie together go in one piece, as they came. */
static void put_fields(struct http_out *o, const struct http_head *h, bool (*keep)(const struct http_field *f, unsigned flags), unsigned flags)
{
    struct span run = { NULL, 0 };

    for (unsigned i = 0; i < h->n_fields; i++) {
        const struct http_field *f = &h->fields[i];

        if (!keep(f, flags))
            continue;
        if (run.n > 0 && run.p + run.n == f->line.p) {
            run.n += f->line.n;
            continue;
        }
        http_put(o, run);
        run = f->line;
    }
    http_put(o, run);
}

enum {
    KEEP_AUTHORIZATION = 1,
    KEEP_LENGTH = 1,
    DROP_CORS = 2,
};

/* Forwarded and its kin would let a client forge what the upstream believes of the hops before it; cookies are the proxy's site's, not the upstream's. */
static bool keep_in_request(const struct http_field *f, unsigned flags)
{
    switch (f->id) {
    case HTTP_OTHER:
        return !f->hop;
    case HTTP_AUTHORIZATION:
        return flags & KEEP_AUTHORIZATION;
    case HTTP_CONTENT_LENGTH:
    case HTTP_COOKIE:
    case HTTP_EXPECT:
    case HTTP_FORWARDED:
    case HTTP_HOST:
    case HTTP_X_FORWARDED:
    case HTTP_X_FORWARDED_FOR:
    case HTTP_X_REAL_IP:
        return false;
    default:
        return !f->hop;
    }
}

void forward_request(struct http_out *o, const struct http_head *h, const struct settings *s, struct span authorization)
{
    http_put(o, SPAN("POST "));
    http_put(o, span_of(s->target));
    if (h->query.p) {
        http_put(o, strchr(s->target, '?') ? SPAN("&") : SPAN("?"));
        http_put(o, h->query);
    }
    http_put(o, SPAN(" HTTP/1.1\r\n"));
    http_put_field(o, SPAN("Host"), span_of(s->host));
    put_fields(o, h, keep_in_request, authorization.n == 0 ? KEEP_AUTHORIZATION : 0);
    if (authorization.n > 0)
        http_put_field(o, SPAN("Authorization"), authorization);
    if (s->absolute_form && s->proxy_credentials)
        http_put_field(o, SPAN("Proxy-Authorization"), span_of(s->proxy_credentials));
    if (s->timeouts.keepalive.ms == 0)
        http_put_field(o, SPAN("Connection"), SPAN("close"));
    else if (s->absolute_form)
        http_put_field(o, SPAN("Connection"), SPAN("keep-alive"));
}

void forward_framing(struct http_out *o, enum http_framing framing, uint64_t length)
{
    if (framing == HTTP_CHUNKED)
        http_put_field(o, SPAN("Transfer-Encoding"), SPAN("chunked"));
    else if (framing == HTTP_LENGTH)
        http_put_uint_field(o, SPAN("Content-Length"), length);
    http_put(o, SPAN("\r\n"));
}

static bool keep_in_answer(const struct http_field *f, unsigned flags)
{
    switch (f->id) {
    case HTTP_CONTENT_LENGTH:
        return flags & KEEP_LENGTH;
    case HTTP_ACCESS_CONTROL_ALLOW_ORIGIN:
    case HTTP_ACCESS_CONTROL_OTHER:
        return !(flags & DROP_CORS) && !f->hop;
    default:
        return !f->hop;
    }
}

void forward_answer(struct http_out *o, const struct http_head *h, bool keep_length, bool own_cors)
{
    http_put(o, SPAN("HTTP/1.1 "));
    http_put_uint(o, (uint64_t)h->status);
    http_put(o, SPAN(" "));
    http_put(o, h->reason);
    http_put(o, SPAN("\r\n"));
    put_fields(o, h, keep_in_answer, (keep_length ? KEEP_LENGTH : 0) | (own_cors ? DROP_CORS : 0));
}
