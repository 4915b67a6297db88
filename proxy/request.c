/* The request's way up: the key check, the head for the upstream, and the body as it comes in.
 * Knows nothing of the answer.
 * The interface is proxy/exchange.h; heads are rewritten by proxy/forward.h, sent by proxy/attempt.h. */
#include "proxy/bodylog.h"
#include "proxy/exchange.h"
#include "proxy/forward.h"
#include "proxy/rewrite.h"

#define FRAMING_MAX 64                  /* of the field that tells the framing, and the empty line */
#define DISCARD_MAX (256 * 1024)        /* a longer rest of a body is not worth keeping the connection for */

static size_t refuse(struct client *c, enum failure f, const char *why)
{
    exchange_fail(c, f, why);
    return 0;
}

void request_abandon(struct client *c)
{
    struct exchange *x = &c->x;

    if (x->request != REQUEST_BODY)
        return;
    x->request = x->body.done ? REQUEST_DONE : REQUEST_DISCARD;
    if (x->rewrite && x->rewrite->ahead > 0) {
        x->request = REQUEST_DISCARD;
        x->close = true;                /* the decoder is ahead of the input that is kept: what follows has no known beginning */
    }
    if (x->awaits_continue || x->body.framing != HTTP_LENGTH || x->body.left > DISCARD_MAX)
        x->close = true;
}

/* What goes into the Authorization field: *value empty means that the client's own goes on. Returns why the request is refused, or NULL. */
static const char *authorize(struct exchange *x, const struct http_head *h, struct http_out *value)
{
    const struct settings *s = x->settings;
    const struct http_field *field = http_find(h, HTTP_AUTHORIZATION);
    struct span token = field ? bearer_token(field->value) : SPAN("");

    if (http_count(h, HTTP_AUTHORIZATION) > 1)
        return "more than one Authorization field";
    if (s->api_key)
        http_put(value, span_of(s->api_key));
    if (!s->keys)
        return NULL;
    if (token.n == 0)
        return "no API key: send 'Authorization: Bearer KEY'";
    x->key = key_map_find(s->keys, token);
    if (x->key) {
        http_put(value, SPAN("Bearer "));
        http_put(value, span_of(x->key->upstream));
        return NULL;
    }
    return s->conf->access.pass_unknown_keys ? NULL : "incorrect API key";
}

/* The client is told to go on only when everything that can be known without the body has been checked (RFC 9110, 10.1.1). */
static void send_continue(struct client *c)
{
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec iov = { text, sizeof text - 1 };

    c->x.awaits_continue = false;
    client_send(c, &iov, 1);
}

/* Reads away what nobody wants any more. Nothing depends on its framing once the connection is to end. */
static size_t discard(struct exchange *x, struct span in)
{
    size_t used = 0;

    while (used < in.n && !x->body.done) {
        struct http_piece piece;
        ssize_t n = x->close ? -1 : http_body_next(&x->body, span_skip(in, used), &piece);

        if (n < 0) {
            x->close = true;
            return in.n;
        }
        used += (size_t)n;
    }
    if (x->body.done)
        x->request = REQUEST_DONE;
    return used;
}

ssize_t request_next_piece(struct client *c, struct span in, struct http_piece *piece)
{
    struct exchange *x = &c->x;
    uint64_t max = x->settings->conf->server.max_body_size;
    ssize_t n = http_body_next(&x->body, in, piece);

    if (n < 0) {
        x->close = true;
        exchange_fail(c, FAIL_BAD_REQUEST, x->body.why);
        return -1;
    }
    x->body_bytes += piece->data.n;
    if (max > 0 && x->body_bytes > max) {
        exchange_fail(c, FAIL_BODY_SIZE, "the request's body is larger than max_body_size");
        return -1;
    }
    return n;
}

/* Passes the body on as it is. Returns how much of in was used. */
static size_t relay(struct client *c, struct span head, struct span in)
{
    struct worker *w = c->worker;
    struct exchange *x = &c->x;
    struct http_frame *f = &w->frame;
    size_t used = 0;

    http_frame_init(f, x->send_framing);
    http_frame_raw(f, head);
    while (used < in.n && !x->body.done && http_frame_room(f)) {
        struct http_piece piece;
        ssize_t n = request_next_piece(c, span_skip(in, used), &piece);

        if (n < 0)
            return in.n;
        bodylog_show(c, BODYLOG_REQUEST, piece.data);
        http_frame_piece(f, &piece);
        used += (size_t)n;
    }
    if (x->body.done) {
        http_frame_end(f);
        x->request = REQUEST_DONE;
    }
    if (f->bytes > 0 && attempt_send(&x->attempt, &w->pool, w->resolver, x->settings, f->iov, f->n))
        exchange_fail(c, (enum failure)x->attempt.failure, x->attempt.why);
    return used;
}

size_t request_feed(struct client *c, struct span in)
{
    struct exchange *x = &c->x;
    size_t used;

    if (x->request == REQUEST_DISCARD)
        used = discard(x, in);
    else
        used = x->rewrite ? rewrite_feed(c, in) : relay(c, SPAN(""), in);
    x->bytes_in += used;
    return used;
}

size_t request_unseen(const struct client *c)
{
    const struct exchange *x = &c->x;
    const struct attempt *a = &x->attempt;
    bool plain = c->phase == CLIENT_EXCHANGE && x->request == REQUEST_BODY && x->body.framing == HTTP_LENGTH && !x->rewrite && !x->bodylog;

    if (!plain || !a->conn || a->dial || a->deaf || a->conn->top != &a->conn->tcp.stream || c->in.end > 0)
        return 0;
    return splice_share(x->body.left);
}

ssize_t request_pass_unseen(struct client *c, size_t max)
{
    struct exchange *x = &c->x;
    ssize_t n = outq_splice(&x->attempt.conn->out, &c->worker->blocks, &c->tcp, max);

    if (n <= 0)
        return n;
    http_body_skip(&x->body, (uint64_t)n);
    x->body_bytes += (uint64_t)n;
    x->bytes_in += (uint64_t)n;
    attempt_flush(&x->attempt);
    return n;
}

/* What is wrong with a request that its head alone tells. Returns the failure, or -1, with why. */
static int check_head(const struct client *c, const struct http_head *h, const char **why)
{
    const struct settings *s = c->x.settings;
    uint64_t max = s->conf->server.max_body_size;

    if (c->worker->draining) {
        *why = "the proxy is about to stop";
        return FAIL_DRAINING;
    }
    if (max > 0 && h->content_length > 0 && (uint64_t)h->content_length > max) {
        *why = "the request's body is larger than max_body_size";
        return FAIL_BODY_SIZE;
    }
    if (s->rules && http_coding(h).n > 0) {
        *why = "a body with a Content-Encoding cannot be rewritten: send it without";
        return FAIL_CONTENT_ENCODING;
    }
    return -1;
}

/* Sends the first bytes: the head at once where the body goes on as it is, else held back until the body's new length is known. */
static size_t send_start(struct client *c, struct http_out *head, struct span rest)
{
    struct exchange *x = &c->x;
    const struct http_head *h = &c->worker->head;
    size_t used;

    if (x->settings->rules) {
        if (rewrite_begin(c, http_out_span(head)))
            return refuse(c, FAIL_INTERNAL, "out of memory");
        return request_feed(c, rest);
    }
    x->send_framing = x->body.framing == HTTP_CHUNKED ? HTTP_CHUNKED : HTTP_LENGTH;
    forward_framing(head, x->send_framing, h->content_length > 0 ? (uint64_t)h->content_length : 0);
    used = relay(c, http_out_span(head), rest);
    x->bytes_in += used;
    return used;
}

size_t request_begin(struct client *c, struct span rest)
{
    struct worker *w = c->worker;
    struct exchange *x = &c->x;
    const struct http_head *h = &w->head;
    struct http_out o, key;
    const char *why;
    int failure;

    http_out_init(&key, w->text, sizeof w->text / 4);
    why = authorize(x, h, &key);
    if (why)
        return refuse(c, FAIL_API_KEY, why);
    failure = check_head(c, h, &why);
    if (failure >= 0)
        return refuse(c, (enum failure)failure, why);
    if (c->tcp.watch.ready & READY_HUP) {
        c->broken = true;
        return rest.n;
    }
    http_out_init(&o, w->text + key.n, sizeof w->text - key.n - FRAMING_MAX);
    forward_request(&o, h, x->settings, http_out_span(&key));
    if (o.overflow)
        return refuse(c, FAIL_HEAD_SIZE, "the request's head is too large to be passed on");
    o.cap += FRAMING_MAX;
    bodylog_begin(c);
    bodylog_coded(c, BODYLOG_REQUEST, http_coding(h));
    if (x->awaits_continue)
        send_continue(c);
    return send_start(c, &o, rest);
}
