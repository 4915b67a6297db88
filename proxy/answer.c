/* The answer's way down: the upstream's head, rewritten, and the body as it comes, each event at once.
 * Knows nothing of the request but whether all of it was sent.
 * The interface is proxy/exchange.h; event streams are watched by sse/watch.h. */
#include "http/error.h"
#include "proxy/access.h"
#include "proxy/bodylog.h"
#include "proxy/cors.h"
#include "proxy/exchange.h"
#include "proxy/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define READS_PER_TURN 4
#define HEAD_MAX (60 * 1024)
#define EVENT_MAX 2048

static bool is_event_stream(const struct http_head *h)
{
    const struct http_field *type = http_find(h, HTTP_CONTENT_TYPE);
    size_t n = 0;

    if (!type || http_coding(h).n > 0)
        return false;
    while (n < type->value.n && type->value.p[n] != ';' && type->value.p[n] != ' ' && type->value.p[n] != '\t')
        n++;
    return span_eq_nocase((struct span){ type->value.p, n }, SPAN("text/event-stream"));
}

/* The framing towards the client. A watched stream never goes out with a length: there must be room for an error event behind it. */
static enum http_framing framing_for(const struct exchange *x, enum http_framing in)
{
    if (in == HTTP_NO_BODY || (in == HTTP_LENGTH && !x->watched))
        return in;
    return x->minor0 ? HTTP_UNTIL_CLOSE : HTTP_CHUNKED;
}

static void note_id(struct exchange *x, struct http_out *o, const struct http_head *h)
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

/* "Keep-Alive: timeout=5" (RFC 2068, 19.7.1.1): half a second is left for what may still be under way. A proxy that passes requests on has to say that it stays:
 * some close after each answer without a word, and the next request would meet that. */
static void note_keep_alive(struct exchange *x, const struct http_head *h, uint64_t now)
{
    const struct http_field *f = http_find(h, HTTP_KEEP_ALIVE);
    struct span rest = f ? f->value : SPAN(""), item;
    bool stays = x->settings->absolute_form ? h->says_keep_alive : h->keep_alive;

    x->attempt.conn->usable_until = stays ? UINT64_MAX : 0;
    if (!stays)
        return;
    while (http_list_next(&rest, &item)) {
        char digits[12] = "";

        if (item.n < 9 || item.n >= 8 + sizeof digits || !span_eq_nocase((struct span){ item.p, 8 }, SPAN("timeout=")))
            continue;
        memcpy(digits, item.p + 8, item.n - 8);
        x->attempt.conn->usable_until = now + strtoull(digits, NULL, 10) * 1000 - 500;
    }
}

/* Writes the head for the client into the worker's text and puts it before the body's first bytes. */
static void put_head(struct client *c, const struct http_head *h, enum http_framing in)
{
    struct exchange *x = &c->x;
    struct http_out o;

    http_out_init(&o, c->worker->text, sizeof c->worker->text);
    forward_answer(&o, h, x->answer_framing == HTTP_LENGTH || (in == HTTP_NO_BODY && h->status == 304), x->cors != NULL);
    note_id(x, &o, h);
    cors_put(&o, x->settings->conf, x->cors);
    if (x->close)
        http_put_field(&o, SPAN("Connection"), SPAN("close"));
    else if (x->minor0)
        http_put_field(&o, SPAN("Connection"), SPAN("keep-alive"));
    forward_framing(&o, x->answer_framing == HTTP_CHUNKED ? HTTP_CHUNKED : HTTP_NO_BODY, 0);
    http_frame_init(&c->worker->frame, x->answer_framing);
    http_frame_raw(&c->worker->frame, http_out_span(&o));
}

static void begin(struct client *c, const struct http_head *h)
{
    struct exchange *x = &c->x;
    enum http_framing in = http_response_framing(h);

    x->watched = is_event_stream(h);
    x->status = h->status;
    x->answer = ANSWER_BODY;
    x->answer_framing = framing_for(x, in);
    http_body_init(&x->answer_body, in, h->content_length < 0 ? 0 : (uint64_t)h->content_length);
    sse_watch_init(&x->watch);
    if (x->request != REQUEST_DONE || c->worker->draining || x->answer_framing == HTTP_UNTIL_CLOSE)
        x->close = true;
    bodylog_coded(c, BODYLOG_ANSWER, http_coding(h));
    note_keep_alive(x, h, reactor_now(c->worker->reactor));
    put_head(c, h, in);
}

/* An event that says why, in the shape that the SDKs raise as an error; the blank line ends whatever event was under way. */
static void put_error_event(struct http_frame *f, struct http_out *o, enum failure cause, const char *why)
{
    const struct failure_info *info = failure_info(cause);
    struct http_error e = { .message = span_of(why), .type = span_of(info->type), .code = span_of(info->code) };

    http_put(o, SPAN("\n\ndata: "));
    http_put_error(o, &e);
    http_put(o, SPAN("\n\n"));
    http_frame_data(f, http_out_span(o));
}

void answer_cut(struct client *c, enum failure cause, const char *why)
{
    struct exchange *x = &c->x;
    struct http_frame *f = &c->worker->frame;
    char text[EVENT_MAX];
    struct http_out o;

    x->answer = ANSWER_DONE;
    if (!x->watched || x->watch.done) {
        x->close = x->cut = true;
        return;
    }
    http_out_init(&o, text, sizeof text);
    http_frame_init(f, x->answer_framing);
    put_error_event(f, &o, cause, why);
    http_frame_end(f);
    client_send(c, f->iov, f->n);
}

/* The whole body has come. A stream of completion chunks that never said it was finished is not taken for one that did. */
static void finish(struct client *c, bool garbage)
{
    struct exchange *x = &c->x;
    struct http_frame *f = &c->worker->frame;
    struct conn *u = x->attempt.conn;
    bool reusable = !garbage && x->request == REQUEST_DONE && u->out.bytes == 0 && !x->attempt.deaf && u->usable_until > 0 &&
                    x->answer_body.framing != HTTP_UNTIL_CLOSE && !(u->tcp.watch.ready & READY_HUP);
    char text[EVENT_MAX];
    struct http_out o;

    http_out_init(&o, text, sizeof text);
    if (x->watched && sse_cut_short(&x->watch)) {
        x->ending = END_UPSTREAM_LOST;
        put_error_event(f, &o, FAIL_UPSTREAM, "the upstream ended its stream without finishing the completion");
    }
    http_frame_end(f);
    client_send(c, f->iov, f->n);
    x->answer = ANSWER_DONE;
    request_abandon(c);
    attempt_end(&x->attempt, reusable);
}

/* How much of in is whole lines in whole chunks, which is what most of an event stream is: they may go on as they lie, and all at once. 0 where
 * their payload is wanted alone, or the watcher is within a line. */
static size_t whole_lines(const struct exchange *x, struct span in)
{
    bool wanted = x->watched && sse_at_line_start(&x->watch) && x->answer_framing == HTTP_CHUNKED && !x->bodylog;

    return wanted ? http_body_lines(&x->answer_body, in) : 0;
}

/* Puts the next piece of in into the frame. Returns its length, or -EBADMSG as http_body_next does. */
static ssize_t frame_piece(struct client *c, struct span in)
{
    struct exchange *x = &c->x;
    struct http_piece piece;
    struct span lines = { in.p, whole_lines(x, in) };
    ssize_t n;

    if (lines.n > 0) {
        sse_watch(&x->watch, lines);
        http_frame_raw(&c->worker->frame, lines);
        return (ssize_t)lines.n;
    }
    n = http_body_next(&x->answer_body, in, &piece);
    if (n < 0)
        return n;
    if (x->watched)
        sse_watch(&x->watch, piece.data);
    bodylog_show(c, BODYLOG_ANSWER, piece.data);
    http_frame_piece(&c->worker->frame, &piece);
    return n;
}

/* Passes on body bytes, behind what stands in the frame already. */
static void pass_on(struct client *c, struct span in)
{
    struct exchange *x = &c->x;
    struct http_frame *f = &c->worker->frame;

    for (;;) {
        while (in.n > 0 && !x->answer_body.done && http_frame_room(f)) {
            ssize_t n = frame_piece(c, in);

            if (n < 0) {
                client_send(c, f->iov, f->n);
                exchange_fail(c, FAIL_UPSTREAM, x->answer_body.why);
                return;
            }
            in = span_skip(in, (size_t)n);
        }
        if (x->answer_body.done) {
            finish(c, in.n > 0);
            return;
        }
        if (f->n > 0)
            client_send(c, f->iov, f->n);
        if (in.n == 0)
            return;
        http_frame_init(f, x->answer_framing);
    }
}

/* 1xx: what the client's SDK can use goes on (RFC 9110, 15.2); 100 answers an expectation that was never passed on. */
static void pass_interim(struct client *c, const struct http_head *h)
{
    struct http_out o;
    struct iovec iov;

    if (h->status == 100 || c->x.minor0)
        return;
    http_out_init(&o, c->worker->text, sizeof c->worker->text);
    forward_answer(&o, h, false, false);
    http_put(&o, SPAN("\r\n"));
    iov = (struct iovec){ o.p, o.n };
    client_send(c, &iov, 1);
}

/* Parses the head at the start of in, of which seen bytes were seen before. Returns its length; 0 if more is needed; -1 after the exchange was failed. */
static ssize_t take_head(struct client *c, struct span in, size_t seen)
{
    struct http_head *h = &c->worker->head;
    ssize_t n = http_response_parse(h, in, HEAD_MAX, seen);
    char why[512];

    if (n == -EAGAIN)
        return 0;
    if (n < 0 || h->status == 101) {
        snprintf(why, sizeof why, "the upstream's answer is not HTTP/1.1 as it should be: %s", n < 0 ? h->fault->why : "unasked 101");
        exchange_fail(c, FAIL_UPSTREAM, why);
        return -1;
    }
    if (h->status == 407 && c->x.settings->absolute_form) {
        exchange_fail(c, FAIL_PROXY, c->x.settings->proxy_credentials ? "the outgoing proxy does not accept its user and password"
                                                                      : "the outgoing proxy wants a user and a password");
        return -1;
    }
    if (h->status < 200)
        pass_interim(c, h);
    else
        begin(c, h);
    return n;
}

/* Takes bytes while the head is not complete. Those of an unfinished head are kept in the connection. */
static void take_start(struct client *c, struct span in)
{
    struct conn *u = c->x.attempt.conn;
    size_t seen = u->in.end - u->in.start;
    struct inbuf all = { 0 };

    if (seen > 0) {
        if (inbuf_put(&u->in, in)) {
            exchange_fail(c, FAIL_INTERNAL, "out of memory");
            return;
        }
        all = u->in;
        u->in = (struct inbuf){ 0 };
        in = inbuf_span(&all);
    }
    while (c->x.answer == ANSWER_WAIT && in.n > 0) {
        ssize_t n = take_head(c, in, seen);

        if (n <= 0) {
            if (n == 0 && inbuf_put(&u->in, in))
                exchange_fail(c, FAIL_INTERNAL, "out of memory");
            break;
        }
        in = span_skip(in, (size_t)n);
        seen = 0;
    }
    if (c->x.answer == ANSWER_BODY)
        pass_on(c, in);
    inbuf_clear(&all);
}

/* The connection has ended (n == 0) or failed. */
static void ended(struct client *c, ssize_t n)
{
    struct exchange *x = &c->x;
    const char *cause;
    char why[512];

    if (n == 0 && x->attempt.reset && x->attempt.conn->top == &x->attempt.conn->tcp.stream)
        n = -ECONNRESET;                /* above the socket an end is one that the other side has spoken */
    cause = n < 0 ? stream_why(x->attempt.conn->top) : "";
    if (!cause)
        cause = strerror((int)-n);
    if (n == 0 && x->answer == ANSWER_BODY && x->answer_body.framing == HTTP_UNTIL_CLOSE) {
        http_frame_init(&c->worker->frame, x->answer_framing);
        finish(c, false);
        return;
    }
    snprintf(why, sizeof why, "the upstream closed the connection %s%s%s",
             x->answer == ANSWER_WAIT ? "without an answer" : "within its answer", n < 0 ? ": " : "", cause);
    exchange_fail(c, FAIL_UPSTREAM, why);
}

/* How much of the body may go on unseen, because nobody looks at it and both ends are plain sockets; 0: none. */
static size_t unseen(const struct client *c)
{
    const struct exchange *x = &c->x;
    const struct conn *u = x->attempt.conn;
    bool plain = x->answer == ANSWER_BODY && x->answer_body.framing == HTTP_LENGTH && x->answer_framing == HTTP_LENGTH && !x->watched;

    if (!plain || x->bodylog || u->top != &u->tcp.stream || c->out.bytes > 0)
        return 0;
    return splice_share(x->answer_body.left);
}

/* Passes on bytes of the body without reading them. Returns as stream_read does, or -ENOSYS. */
static ssize_t pass_unseen(struct client *c, size_t max)
{
    struct exchange *x = &c->x;
    ssize_t n = max > 0 ? outq_splice(&c->out, &c->worker->blocks, &x->attempt.conn->tcp, max) : -ENOSYS;

    if (n <= 0)
        return n;
    http_body_skip(&x->answer_body, (uint64_t)n);
    x->bytes_out += (uint64_t)n;
    client_send(c, NULL, 0);
    return n;
}

/* Takes what was read. */
static void take(struct client *c, struct span in)
{
    struct exchange *x = &c->x;

    if (!x->first)
        x->first = reactor_now(c->worker->reactor);
    if (x->answer == ANSWER_WAIT) {
        take_start(c, in);
    } else {
        http_frame_init(&c->worker->frame, x->answer_framing);
        pass_on(c, in);
    }
}

bool answer_read(struct client *c)
{
    struct worker *w = c->worker;
    struct exchange *x = &c->x;
    bool progress = false;

    for (int budget = READS_PER_TURN; budget > 0; budget--) {
        struct stream *top = x->attempt.conn->top;
        bool seen;
        ssize_t n;

        if (!stream_pending(top))
            break;
        n = pass_unseen(c, unseen(c));
        seen = n == -ENOSYS;
        if (seen)
            n = stream_read(top, w->in, sizeof w->in);
        if (n == -EAGAIN)
            break;
        if (n <= 0) {
            ended(c, n);
            break;
        }
        progress = true;
        if (seen)
            take(c, (struct span){ w->in, (size_t)n });
        if (x->answer == ANSWER_DONE || c->broken || c->out.bytes > 0)
            break;
    }
    return progress;
}
