/* Writing the proxy's own responses; errors get their shape in http/error.h. */
#include "proxy/reply.h"
#include "http/error.h"
#include "proxy/cors.h"
#include "proxy/limits.h"
#include "proxy/response.h"
#include "proxy/state.h"

#include <time.h>

#define BODY_MAX 4096

/* The value of a Date field (RFC 9110, 5.6.7), made once a second. */
static struct span date_now(struct worker *w)
{
    time_t now = time(NULL);
    struct tm tm;

    if ((uint64_t)now != w->date_second || !w->date[0]) {
        w->date_second = (uint64_t)now;
        gmtime_r(&now, &tm);
        strftime(w->date, sizeof w->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return span_of(w->date);
}

static void put_common(struct out *o, struct client *c)
{
    struct exchange *x = &c->x;

    if (c->worker->draining)
        exchange_must_close(x);
    random_request_id(x->id);
    x->id_n = REQUEST_ID_LEN;
    http_put_field(o, SPAN("x-request-id"), (struct span){ x->id, x->id_n });
    http_put_field(o, SPAN("Date"), date_now(c->worker));
    cors_put(o, x->settings->conf, x->cors);
    if (limits_are_told(x))
        limits_put(o, x);
    if (x->close)
        http_put_field(o, SPAN("Connection"), SPAN("close"));
    else if (x->minor0)
        http_put_field(o, SPAN("Connection"), SPAN("keep-alive"));
}

void reply_begin(struct client *c, struct out *o, int status)
{
    out_init(o, c->worker->text, sizeof c->worker->text);
    out_put(o, SPAN("HTTP/1.1 "));
    out_uint(o, (uint64_t)status);
    out_put(o, SPAN(" "));
    out_put(o, http_reason(status));
    out_put(o, SPAN("\r\n"));
    put_common(o, c);
    c->x.kind.status = (uint16_t)status;
}

void reply_begin_body(struct client *c, struct out *o, struct span type)
{
    struct exchange *x = &c->x;

    x->response_framing = x->minor0 ? HTTP_UNTIL_CLOSE : HTTP_CHUNKED;
    if (x->minor0)
        exchange_must_close(x);
    reply_begin(c, o, 200);
    http_put_field(o, SPAN("Content-Type"), type);
    http_put_field(o, SPAN("Cache-Control"), SPAN("no-store"));
    if (!x->minor0 && !x->head_only)
        http_put_field(o, SPAN("Transfer-Encoding"), SPAN("chunked"));
}

void reply_end(struct client *c, struct out *o, struct span body)
{
    reply_end_as(c, o, SPAN("application/json"), body);
}

void reply_end_as(struct client *c, struct out *o, struct span type, struct span body)
{
    struct exchange *x = &c->x;
    struct iovec iov[2];
    int n = 1;

    if (body.n > 0)
        http_put_field(o, SPAN("Content-Type"), type);
    if (x->kind.status != 204)
        http_put_uint_field(o, SPAN("Content-Length"), body.n);
    out_put(o, SPAN("\r\n"));
    iov[0] = (struct iovec){ o->p, o->n };
    if (body.n > 0 && !x->head_only)
        iov[n++] = (struct iovec){ (char *)body.p, body.n };
    response_replied(c);
    client_send(c, iov, n);
}

void reply_error(struct client *c, enum failure f, struct span message, struct span extra)
{
    const struct failure_info *info = failure_info(f);
    struct http_error e = { .message = message,
                            .type = span_of(info->type),
                            .code = span_of(info->code) };
    char text[BODY_MAX];
    struct out o, body;

    c->x.failure = (uint8_t)f;
    out_init(&body, text, sizeof text);
    http_put_error(&body, &e);
    reply_begin(c, &o, info->status);
    out_put(&o, span_of(failure_fields(f, c->x.attempt.sent)));
    out_put(&o, extra);
    reply_end(c, &o, out_span(&body));
}
