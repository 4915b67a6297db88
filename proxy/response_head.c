/* Writing heads of responses for the client. */
#include "proxy/response_head.h"
#include "proxy/access_log.h"
#include "proxy/bodylog.h"
#include "proxy/cors.h"
#include "proxy/forward.h"
#include "proxy/hide.h"
#include "proxy/limits.h"
#include "proxy/state.h"

#include <stdlib.h>

/* True if the response is of that media type, whatever its parameters (RFC 9110, 8.3). */
static inline bool has_type(const struct http_head *h, struct span wanted)
{
    const struct http_field *type = http_find(h, HTTP_CONTENT_TYPE);
    size_t n = 0;

    if (!type)
        return false;
    while (n < type->value.n && type->value.p[n] != ';' && type->value.p[n] != ' ' &&
           type->value.p[n] != '\t')
        n++;
    return span_eq_nocase((struct span){ type->value.p, n }, wanted);
}

static bool is_event_stream(const struct http_head *h)
{
    return has_type(h, SPAN("text/event-stream"));
}

/* The framing towards the client. A watched stream never goes out with a length: there must be room
 * for an error event behind it. */
static enum http_framing framing_for(const struct exchange *x, enum http_framing in)
{
    if (in == HTTP_NO_BODY || (in == HTTP_LENGTH && !x->watched))
        return in;
    return x->minor0 ? HTTP_UNTIL_CLOSE : HTTP_CHUNKED;
}

static void note_id(struct exchange *x, struct out *o, const struct http_head *h)
{
    const struct http_field *id = http_find(h, HTTP_X_REQUEST_ID);

    if (id && !id->hop) {
        x->id_n = access_keep(x, x->id, sizeof x->id, id->value);
        return;
    }
    random_request_id(x->id);
    x->id_n = REQUEST_ID_LEN;
    http_put_field(o, SPAN("x-request-id"), (struct span){ x->id, x->id_n });
}

/* "Keep-Alive: timeout=5" (RFC 2068, 19.7.1.1): half a second is left for what may still be under
 * way. A proxy that passes requests on has to say that it stays: some close after each answer
 * without a word, and the next request would meet that. */
static void note_keep_alive(struct exchange *x, const struct http_head *h, uint64_t now)
{
    const struct http_field *f = http_find(h, HTTP_KEEP_ALIVE);
    struct span rest = f ? f->value : SPAN(""), item;
    bool stays = x->attempt.upstream->absolute_form ? h->says_keep_alive : h->keep_alive;

    x->attempt.conn->usable_until = stays ? UINT64_MAX : 0;
    if (!stays)
        return;
    while (http_list_next(&rest, &item)) {
        char digits[12] = "";

        if (item.n < 9 || item.n >= 8 + sizeof digits ||
            !span_eq_nocase((struct span){ item.p, 8 }, SPAN("timeout=")))
            continue;
        memcpy(digits, item.p + 8, item.n - 8);
        x->attempt.conn->usable_until = now + strtoull(digits, NULL, 10) * 1000 - 500;
    }
}

/* Writes the head for the client into the worker's text, and begins out with it. */
static void put_head(struct client *c, const struct http_head *h, struct http_writer *out)
{
    struct exchange *x = &c->x;
    bool no_body = x->response_body.framing == HTTP_NO_BODY, told = limits_are_told(x);
    bool keep_length =
        x->response_framing == HTTP_LENGTH || (no_body && (x->head_only || h->status == 304));
    struct out o;

    out_init(&o, c->worker->text, sizeof c->worker->text);
    forward_response(&o, h, x->attempt.upstream,
                     (keep_length ? FORWARD_LENGTH : 0) | (x->cors ? FORWARD_OWN_CORS : 0) |
                         (told ? FORWARD_OWN_LIMITS : 0));
    note_id(x, &o, h);
    cors_put(&o, x->settings->conf, x->cors);
    if (told)
        limits_put(&o, x);
    if (is_event_stream(h) && !http_find(h, HTTP_X_ACCEL_BUFFERING))
        http_put_field(&o, SPAN("X-Accel-Buffering"),
                       SPAN("no")); /* nginx would hold events back */
    if (x->close)
        http_put_field(&o, SPAN("Connection"), SPAN("close"));
    else if (x->minor0)
        http_put_field(&o, SPAN("Connection"), SPAN("keep-alive"));
    forward_framing(&o, x->response_framing == HTTP_CHUNKED ? HTTP_CHUNKED : HTTP_NO_BODY, 0);
    http_writer_init(out, x->response_framing);
    http_writer_raw(out, out_span(&o));
}

/* Has the tokens of the response read, where somebody may ask for their number, or they are
 * limited or hidden. Without memory for it they are neither counted nor hidden. */
static void begin_tokens(struct exchange *x, const struct http_head *h)
{
    unsigned what = x->watched && x->hides_usage ? TOKENS_SIFT : 0;

    if ((x->settings->counts_tokens || limits_want_tokens(x)) &&
        (x->watched || (has_type(h, SPAN("application/json")) && http_coding(h).n == 0)))
        what |= TOKENS_COUNT;
    if (what)
        x->tokens = hide_make(what | (x->watched ? TOKENS_STREAM : 0));
}

void response_begin(struct client *c, const struct http_head *h, bool may_keep,
                    struct http_writer *out)
{
    struct exchange *x = &c->x;
    enum http_framing in = x->head_only ? HTTP_NO_BODY : http_response_framing(h);

    if (is_event_stream(h) && http_coding(h).n == 0) {
        x->watched = true;
        counter_add(&c->worker->tally->streams, 1);
    }
    x->kind.status = (uint16_t)h->status;
    x->response_framing = framing_for(x, in);
    http_body_init_response(&x->response_body, in,
                            h->content_length < 0 ? 0 : (uint64_t)h->content_length);
    sse_judge_init(&x->judge);
    begin_tokens(x, h);
    if (!may_keep || x->response_framing == HTTP_UNTIL_CLOSE)
        exchange_must_close(x);
    if (x->bodylog)
        bodylog_coded(c, BODYLOG_RESPONSE, http_coding(h));
    note_keep_alive(x, h, reactor_now(c->worker->reactor));
    put_head(c, h, out);
}

void response_interim(struct client *c, const struct http_head *h)
{
    struct out o;
    struct iovec iov;

    if (h->status == 100 || c->x.minor0)
        return;
    out_init(&o, c->worker->text, sizeof c->worker->text);
    forward_response(&o, h, c->x.attempt.upstream, limits_are_told(&c->x) ? FORWARD_OWN_LIMITS : 0);
    out_put(&o, SPAN("\r\n"));
    iov = (struct iovec){ o.p, o.n };
    client_send(c, &iov, 1);
}
