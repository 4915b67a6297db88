/* Writing the proxy's own answers.
 * Knows nothing of why they are given.
 * The interface is proxy/reply.h; errors get their shape in http/error.h. */
#include "proxy/reply.h"
#include "http/error.h"
#include "proxy/cors.h"
#include "proxy/exchange.h"

#define BODY_MAX 4096

static void put_common(struct http_out *o, struct client *c)
{
    struct exchange *x = &c->x;

    x->close |= c->worker->draining;
    random_request_id(x->id);
    x->id_n = REQUEST_ID_LEN;
    http_put_field(o, SPAN("x-request-id"), (struct span){ x->id, x->id_n });
    http_put_field(o, SPAN("Date"), worker_date(c->worker));
    cors_put(o, x->settings->conf, x->cors);
    if (x->close)
        http_put_field(o, SPAN("Connection"), SPAN("close"));
    else if (x->minor0)
        http_put_field(o, SPAN("Connection"), SPAN("keep-alive"));
}

void reply_begin(struct client *c, struct http_out *o, int status)
{
    http_out_init(o, c->worker->text, sizeof c->worker->text);
    http_put(o, SPAN("HTTP/1.1 "));
    http_put_uint(o, (uint64_t)status);
    http_put(o, SPAN(" "));
    http_put(o, http_reason(status));
    http_put(o, SPAN("\r\n"));
    put_common(o, c);
    c->x.status = status;
}

void reply_end(struct client *c, struct http_out *o, struct span body)
{
    struct exchange *x = &c->x;
    struct iovec iov[2];
    int n = 1;

    if (body.n > 0)
        http_put_field(o, SPAN("Content-Type"), SPAN("application/json"));
    if (x->status != 204)
        http_put_uint_field(o, SPAN("Content-Length"), body.n);
    http_put(o, SPAN("\r\n"));
    iov[0] = (struct iovec){ o->p, o->n };
    if (body.n > 0 && !x->head_only)
        iov[n++] = (struct iovec){ (char *)body.p, body.n };
    x->answer = ANSWER_DONE;
    x->answer_framing = HTTP_LENGTH;
    client_send(c, iov, n);
}

void reply_error(struct client *c, enum failure f, struct span message, struct span extra)
{
    const struct failure_info *info = failure_info(f);
    struct http_error e = { .message = message, .type = span_of(info->type), .code = span_of(info->code) };
    char text[BODY_MAX];
    struct http_out o, body;

    http_out_init(&body, text, sizeof text);
    http_put_error(&body, &e);
    reply_begin(c, &o, info->status);
    http_put(&o, span_of(info->fields));
    http_put(&o, extra);
    reply_end(c, &o, http_out_span(&body));
}
