/* The request's way up: the key check, the head for the upstream, and the body as it comes in.
 * Knows nothing of the answer.
 * The interface is proxy/exchange.h; heads are rewritten by proxy/forward.h, sent by proxy/attempt.h. */
#include "proxy/exchange.h"
#include "proxy/forward.h"

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
    x->request = REQUEST_DISCARD;
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

size_t request_begin(struct client *c, struct span rest)
{
    struct worker *w = c->worker;
    struct exchange *x = &c->x;
    const struct http_head *h = &w->head;
    uint64_t max = x->settings->conf->server.max_body_size;
    struct http_out o, key;
    const char *why;

    http_out_init(&key, w->text, sizeof w->text / 4);
    why = authorize(x, h, &key);
    if (why)
        return refuse(c, FAIL_API_KEY, why);
    if (w->draining)
        return refuse(c, FAIL_DRAINING, "the proxy is about to stop");
    if (max > 0 && h->content_length > 0 && (uint64_t)h->content_length > max)
        return refuse(c, FAIL_BODY_SIZE, "the request's body is larger than max_body_size");
    if (c->tcp.watch.ready & READY_HUP) {
        c->broken = true;
        return rest.n;
    }
    x->send_framing = x->body.framing == HTTP_CHUNKED ? HTTP_CHUNKED : HTTP_LENGTH;
    http_out_init(&o, w->text + key.n, sizeof w->text - key.n);
    forward_request(&o, h, x->settings, http_out_span(&key));
    forward_framing(&o, x->send_framing, h->content_length > 0 ? (uint64_t)h->content_length : 0);
    if (o.overflow)
        return refuse(c, FAIL_HEAD_SIZE, "the request's head is too large to be passed on");
    if (x->awaits_continue)
        send_continue(c);
    return request_feed(c, http_out_span(&o), rest);
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

/* Strings pieces of the body into the frame. Returns how much of in they took, or -1 after the exchange was failed. */
static ssize_t take_pieces(struct client *c, struct http_frame *f, struct span in)
{
    struct exchange *x = &c->x;
    uint64_t max = x->settings->conf->server.max_body_size;
    size_t used = 0;

    while (used < in.n && !x->body.done && http_frame_room(f)) {
        struct http_piece piece;
        ssize_t n = http_body_next(&x->body, span_skip(in, used), &piece);

        if (n < 0) {
            x->close = true;
            exchange_fail(c, FAIL_BAD_REQUEST, x->body.why);
            return -1;
        }
        used += (size_t)n;
        x->body_bytes += piece.data.n;
        if (max > 0 && x->body_bytes > max) {
            exchange_fail(c, FAIL_BODY_SIZE, "the request's body is larger than max_body_size");
            return -1;
        }
        http_frame_piece(f, &piece);
    }
    return (ssize_t)used;
}

size_t request_feed(struct client *c, struct span head, struct span in)
{
    struct worker *w = c->worker;
    struct exchange *x = &c->x;
    struct http_frame *f = &w->frame;
    ssize_t used;

    if (x->request == REQUEST_DISCARD) {
        size_t n = discard(x, in);

        x->bytes_in += n;
        return n;
    }
    http_frame_init(f, x->send_framing);
    http_frame_raw(f, head);
    used = take_pieces(c, f, in);
    if (used < 0) {
        x->bytes_in += in.n;
        return in.n;
    }
    x->bytes_in += (size_t)used;
    if (x->body.done) {
        http_frame_end(f);
        x->request = REQUEST_DONE;
    }
    if (f->bytes > 0 && attempt_send(&x->attempt, &w->pool, w->resolver, x->settings, f->iov, f->n))
        exchange_fail(c, (enum failure)x->attempt.failure, x->attempt.why);
    return (size_t)used;
}
