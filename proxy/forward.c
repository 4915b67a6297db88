/* Copying heads without the fields that end at this hop. */
#include "proxy/forward.h"

/* True if u sets a field of that name on its requests. u may be NULL. */
static bool is_replaced(const struct http_field *f, const struct conf_upstream *u)
{
    for (unsigned i = 0; u && i < u->n_headers; i++)
        if (span_eq_nocase(f->name, span_of(u->headers[i].name)))
            return true;
    return false;
}

/* Copies the fields for which keep is true, each written again: their lines may break the RFC. */
static void put_clean_fields(struct out *o, const struct http_head *h,
                             bool (*keep)(const struct http_field *f, unsigned flags),
                             unsigned flags)
{
    for (unsigned i = 0; i < h->n_fields; i++)
        if (keep(&h->fields[i], flags))
            http_put_field(o, h->fields[i].name, h->fields[i].value);
}

/* Copies the field lines for which keep is true, but for those that u sets, which may be NULL.
 * Lines that lie together go in one piece, as they came. */
static inline void put_fields(struct out *o, const struct http_head *h,
                              bool (*keep)(const struct http_field *f, unsigned flags),
                              unsigned flags, const struct conf_upstream *u)
{
    struct span run = { NULL, 0 };

    for (unsigned i = 0; i < h->n_fields; i++) {
        const struct http_field *f = &h->fields[i];

        if (!keep(f, flags) || is_replaced(f, u))
            continue;
        if (run.n > 0 && run.p + run.n == f->line.p) {
            run.n += f->line.n;
            continue;
        }
        out_put(o, run);
        run = f->line;
    }
    out_put(o, run);
}

enum {
    KEEP_AUTHORIZATION = 1,
    DROP_PAGE = 2,
    DROP_CODINGS = 4,
};

/* Forwarded and its kin would let a client forge what the upstream believes of the hops before it;
 * cookies are the proxy's site's, not the upstream's; a page that this proxy has let in need not
 * be let in again; a coded response cannot be read. */
static bool keep_in_request(const struct http_field *f, unsigned flags)
{
    switch (f->id) {
    case HTTP_OTHER:
        return !f->hop;
    case HTTP_ACCEPT_ENCODING:
        return !(flags & DROP_CODINGS) && !f->hop;
    case HTTP_AUTHORIZATION:
        return flags & KEEP_AUTHORIZATION;
    case HTTP_ORIGIN:
    case HTTP_PAGE:
        return !(flags & DROP_PAGE) && !f->hop;
    case HTTP_API_KEY:
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

static void put_key(struct out *o, const struct conf_upstream *u, struct span token)
{
    if (token.n == 0)
        return;
    out_put(o, u->auth_api_key ? SPAN("api-key: ") : SPAN("Authorization: Bearer "));
    out_put(o, token);
    out_put(o, SPAN("\r\n"));
}

bool forward_is_loop(const struct http_head *h, const struct settings *s)
{
    for (unsigned i = 0; i < h->n_fields; i++) {
        const struct http_field *f = &h->fields[i];

        if (f->id == HTTP_VIA && memmem(f->value.p, f->value.n, s->instance, strlen(s->instance)))
            return true;
    }
    return false;
}

/* A passed path goes behind the path of base_url, whose version stands for its own. */
static void put_target(struct out *o, const struct http_head *h, const struct route *r,
                       const struct upstream *u)
{
    struct span path = r->path;
    bool versioned =
        path.n >= 3 && memcmp(path.p, "/v1", 3) == 0 && (path.n == 3 || path.p[3] == '/');

    if (r->handler == ROUTE_CHAT) {
        out_put(o, span_of(u->target));
    } else {
        out_put(o, span_of(versioned ? u->v1 : u->base));
        out_put(o, versioned ? span_skip(path, 3) : path);
    }
    if (h->query.p) {
        bool has_query = r->handler == ROUTE_CHAT && strchr(u->target, '?');

        out_put(o, has_query ? SPAN("&") : SPAN("?"));
        out_put(o, h->query);
    }
}

void forward_request(struct out *o, const struct http_head *h, const struct route *r,
                     const struct forward *to)
{
    const struct settings *s = to->settings;
    const struct upstream *u = to->target->upstream;
    const struct authorization *key = to->key;
    const struct conf_upstream *c = to->target->conf;
    bool own_field = key->as_sent && (!c->auth_api_key || key->token.n == 0);
    unsigned flags = (own_field ? KEEP_AUTHORIZATION : 0) |
        (s->conf->access.n_cors_origins > 0 ? DROP_PAGE : 0) |
        (c->include_usage && r->handler == ROUTE_CHAT ? DROP_CODINGS : 0);

    out_put(o, h->method);
    out_put(o, SPAN(" "));
    put_target(o, h, r, u);
    out_put(o, SPAN(" HTTP/1.1\r\n"));
    http_put_field(o, SPAN("Host"), span_of(u->host));
    put_fields(o, h, keep_in_request, flags, c);
    for (unsigned i = 0; i < c->n_headers; i++)
        http_put_field(o, span_of(c->headers[i].name), span_of(c->headers[i].value));
    if (!own_field)
        put_key(o, c, key->token);
    out_put(o, h->minor == 0 ? SPAN("Via: 1.0 ") : SPAN("Via: 1.1 "));
    out_put(o, span_of(s->instance));
    out_put(o, SPAN("\r\n"));
    if (u->absolute_form && u->proxy_credentials)
        http_put_field(o, SPAN("Proxy-Authorization"), span_of(u->proxy_credentials));
    if (u->pool.keepalive.ms == 0)
        http_put_field(o, SPAN("Connection"), SPAN("close"));
    else if (u->absolute_form)
        http_put_field(o, SPAN("Connection"), SPAN("keep-alive"));
}

void forward_framing(struct out *o, enum http_framing framing, uint64_t length)
{
    if (framing == HTTP_CHUNKED)
        http_put_field(o, SPAN("Transfer-Encoding"), SPAN("chunked"));
    else if (framing == HTTP_LENGTH)
        http_put_uint_field(o, SPAN("Content-Length"), length);
    out_put(o, SPAN("\r\n"));
}

#define DROP_LOCATION 4
#define LIMITS SPAN("x-ratelimit-")

static bool keep_in_response(const struct http_field *f, unsigned flags)
{
    switch (f->id) {
    case HTTP_CONTENT_LENGTH:
        return flags & FORWARD_LENGTH;
    case HTTP_ACCESS_CONTROL_ALLOW_ORIGIN:
    case HTTP_ACCESS_CONTROL_OTHER:
        return !(flags & FORWARD_OWN_CORS) && !f->hop;
    case HTTP_LOCATION:
        return !(flags & DROP_LOCATION) && !f->hop;
    case HTTP_ORIGIN_POLICY:
        return false;
    default:
        return !f->hop;
    }
}

static bool keep_but_limits(const struct http_field *f, unsigned flags)
{
    bool limit =
        f->name.n > LIMITS.n && span_eq_nocase((struct span){ f->name.p, LIMITS.n }, LIMITS);

    return !limit && keep_in_response(f, flags);
}

/* Takes prefix off the front of *s, whatever its case. */
static bool skip(struct span *s, struct span prefix)
{
    if (s->n < prefix.n || !span_eq_nocase((struct span){ s->p, prefix.n }, prefix))
        return false;
    *s = span_skip(*s, prefix.n);
    return true;
}

/* Takes the upstream's scheme, host and port off the front of *s, as far as they are there (RFC
 * 3986, 4.2). Returns false if those of somebody else are there. */
static bool skip_origin(struct span *s, const struct upstream *u)
{
    if (skip(s, span_of(u->origin.scheme)) && !skip(s, SPAN(":")))
        return false;
    if (!skip(s, SPAN("//")))
        return true;
    return (skip(s, span_of(u->authority)) || skip(s, span_of(u->host))) && s->n > 0 &&
        s->p[0] == '/';
}

/* True if location points at u's target; *tail is what comes after it. */
static bool is_target(struct span location, const struct upstream *u, struct span *tail)
{
    struct span path = { u->path, strcspn(u->path, "?") };

    if (!skip_origin(&location, u) || location.n < path.n ||
        !span_eq((struct span){ location.p, path.n }, path))
        return false;
    *tail = span_skip(location, path.n);
    return tail->n == 0 || memchr("?#/", tail->p[0], 3);
}

/* A redirection to the upstream's own target would lead the client past the proxy. Returns true if
 * our own Location field stands for the upstream's. */
static bool put_location(struct out *o, const struct http_head *h, const struct upstream *u)
{
    const struct http_field *f = h->status >= 300 ? http_find(h, HTTP_LOCATION) : NULL;
    struct span tail;

    if (!f || !is_target(f->value, u, &tail))
        return false;
    out_put(o, SPAN("Location: /v1/chat/completions"));
    out_put(o, tail);
    out_put(o, SPAN("\r\n"));
    return true;
}

void forward_response(struct out *o, const struct http_head *h, const struct upstream *u,
                      unsigned flags)
{
    out_put(o, SPAN("HTTP/1.1 "));
    out_uint(o, (uint64_t)h->status);
    out_put(o, SPAN(" "));
    out_put(o, h->reason);
    out_put(o, SPAN("\r\n"));
    if (put_location(o, h, u))
        flags |= DROP_LOCATION;
    if (flags & FORWARD_OWN_LIMITS)
        put_clean_fields(o, h, keep_but_limits, flags);
    else if (h->tolerated)
        put_clean_fields(o, h, keep_in_response, flags);
    else
        put_fields(o, h, keep_in_response, flags, NULL);
}
