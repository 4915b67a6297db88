/* Passing a response on. */
#include "proxy/response.h"
#include "http/error.h"
#include "proxy/bodylog.h"
#include "proxy/hide.h"
#include "proxy/plan.h"
#include "proxy/response_head.h"
#include "proxy/state.h"

#include <errno.h>
#include <stdio.h>

#define READS_PER_TURN 4
#define EVENT_MAX 2048
#define INTERIM_MAX 32

bool response_takes(const struct client *c)
{
    return c->x.response != RESPONSE_DONE && c->out.bytes == 0 && !c->broken;
}

void response_replied(struct client *c)
{
    c->x.response = RESPONSE_DONE;
    c->x.response_framing = HTTP_LENGTH;
}

void response_no_stream(struct client *c)
{
    if (c->x.watched)
        counter_add(&c->worker->tally->streams, UINT64_MAX);
}

/* An event that says why, in the shape that the SDKs raise as an error; the blank line ends
 * whatever event was under way. */
static void put_error_event(struct http_writer *out, struct out *o, enum failure cause,
                            const char *why)
{
    const struct failure_info *info = failure_info(cause);
    struct http_error e = { .message = span_of(why),
                            .type = span_of(info->type),
                            .code = span_of(info->code) };

    out_put(o, SPAN("\n\ndata: "));
    http_put_error(o, &e);
    out_put(o, SPAN("\n\n"));
    http_writer_data(out, out_span(o));
}

/* True if events of the response are hidden. */
static bool hides(const struct exchange *x)
{
    return x->tokens && (x->tokens->flags & TOKENS_SIFT);
}

/* The whole body has come, out holding the last of it. A stream of completion chunks that never
 * said it was finished is not taken for one that did. */
static void response_finish(struct client *c, struct http_writer *out)
{
    struct exchange *x = &c->x;
    char text[EVENT_MAX];
    struct out o;

    out_init(&o, text, sizeof text);
    response_no_stream(c);
    if (hides(x))
        hide_end(c, out);
    if (x->watched && sse_cut_short(&x->judge)) {
        exchange_ends_as(x, END_UPSTREAM_LOST);
        put_error_event(out, &o, FAIL_UPSTREAM,
                        "the upstream ended its stream without finishing the completion");
    }
    http_writer_end(out);
    client_send(c, out->iov, out->n);
    x->response = RESPONSE_DONE;
}

bool response_can_be_pinged(const struct client *c)
{
    const struct exchange *x = &c->x;

    return x->response == RESPONSE_BODY && x->watched && !sse_is_done(&x->judge);
}

void response_ping(struct client *c)
{
    struct http_writer out;

    if (!response_can_be_pinged(c) || !response_takes(c) || !sse_between_events(&c->x.judge) ||
        c->x.judge.cr) /* an LF may belong to it */
        return;
    http_writer_init(&out, c->x.response_framing);
    http_writer_data(&out, SPAN(": ping\n\n"));
    client_send(c, out.iov, out.n);
}

bool response_is_whole(const struct client *c)
{
    return c->x.response == RESPONSE_BODY && c->x.watched && sse_is_done(&c->x.judge);
}

void response_end(struct client *c)
{
    struct http_writer out;

    http_writer_init(&out, c->x.response_framing);
    response_finish(c, &out);
}

void response_cut(struct client *c)
{
    struct exchange *x = &c->x;
    struct http_writer out;
    char text[EVENT_MAX];
    struct out o;

    response_no_stream(c);
    x->response = RESPONSE_DONE;
    if (!x->watched) {
        exchange_must_close(x);
        x->cut = true;
        return;
    }
    out_init(&o, text, sizeof text);
    http_writer_init(&out, x->response_framing);
    if (!sse_has_error(&x->judge) || !sse_between_events(&x->judge))
        put_error_event(&out, &o, x->fault, c->worker->why);
    http_writer_end(&out);
    client_send(c, out.iov, out.n);
}

/* Notes the first event of the stream, which comments may come before. One whose "data:" comes in
 * two parts is noted with the next. */
static void note_event(struct client *c, struct span text)
{
    struct exchange *x = &c->x;

    if (!memmem(text.p, text.n, "data:", 5))
        return;
    x->evented = true;
    tally_observe(x->attempt.upstream->counts, TALLY_FIRST_EVENT,
                  (uint32_t)(*c->worker->now - x->started));
}

/* How much of in is whole lines in whole chunks, which is what most of an event stream is: they may
 * go on as they lie, and all at once. 0 where their payload is wanted alone, or the watcher is
 * within a line. */
static size_t whole_lines(const struct exchange *x, struct span in)
{
    bool wanted = x->watched && sse_at_line_start(&x->judge) &&
        x->response_framing == HTTP_CHUNKED && !x->bodylog && !x->tokens;

    return wanted ? http_body_lines(&x->response_body, in) : 0;
}

/* Adds the next piece of in to out. Returns its length, or -EBADMSG as http_body_next does. */
static ssize_t add_piece(struct client *c, struct span in, struct http_writer *out)
{
    struct exchange *x = &c->x;
    struct http_piece piece;
    struct span lines = { in.p, whole_lines(x, in) };
    ssize_t n;

    if (lines.n > 0) {
        sse_judge_chunks(&x->judge, lines);
        if (!x->evented)
            note_event(c, lines);
        http_writer_raw(out, lines);
        return (ssize_t)lines.n;
    }
    n = http_body_next(&x->response_body, in, &piece);
    if (n < 0)
        return n;
    if (x->watched)
        sse_judge(&x->judge, piece.data);
    if (x->watched && !x->evented)
        note_event(c, piece.data);
    if (hides(x)) {
        hide_add(c, &piece, out);
        return n;
    }
    if (x->tokens)
        tokens_read(x->tokens, piece.data);
    bodylog_show(c, BODYLOG_RESPONSE, piece.data);
    http_writer_piece(out, &piece);
    return n;
}

/* Passes on body bytes, after what stands in out. What follows a complete body is no part of it,
 * and its connection is not used again; neither is one whose framing was only tolerated. Returns 0,
 * or -1 after exchange_fault. */
static int pass_on(struct client *c, struct span in, struct http_writer *out)
{
    struct exchange *x = &c->x;

    for (;;) {
        while (in.n > 0 && !x->response_body.done && http_writer_room(out)) {
            ssize_t n = add_piece(c, in, out);

            if (n < 0) {
                client_send(c, out->iov, out->n);
                return exchange_fault(c, FAIL_UPSTREAM, x->response_body.why);
            }
            in = span_skip(in, (size_t)n);
        }
        if (x->response_body.done) {
            if (in.n > 0 || x->response_body.framing == HTTP_UNTIL_CLOSE ||
                x->response_body.tolerated)
                x->attempt.conn->usable_until = 0;
            response_finish(c, out);
            return 0;
        }
        if (out->n > 0)
            client_send(c, out->iov, out->n);
        if (in.n == 0)
            return 0;
        http_writer_init(out, x->response_framing);
    }
}

/* What a head that was parsed means: a fault, an interim response, or the beginning of the final
 * one, which is put into out. Returns 0, or -1 after exchange_fault. */
static int take_head(struct client *c, const struct http_head *h, bool may_keep,
                     struct http_writer *out)
{
    const struct upstream *u = c->x.attempt.upstream;

    if (h->status == 101)
        return exchange_fault(c, FAIL_UPSTREAM,
                              "the upstream's answer is not HTTP/1.1 as it should be: unasked 101");
    if (h->status == 407 && u->absolute_form)
        return exchange_fault(c, FAIL_PROXY,
                              u->proxy_credentials
                                  ? "the outgoing proxy does not accept its user and password"
                                  : "the outgoing proxy wants a user and a password");
    if (h->status < 200 && ++c->x.interims > INTERIM_MAX)
        return exchange_fault(c, FAIL_UPSTREAM,
                              "the upstream sent too many interim responses (1xx)");
    if (h->status >= 400 && c->x.settings->targets.retries && plan_declines(c, h))
        return exchange_fault(c, FAIL_DECLINED, "the upstream declined the request");
    if (h->status < 200) {
        response_interim(c, h);
        return 0;
    }
    response_begin(c, h, may_keep, out);
    c->x.response = RESPONSE_BODY;
    return 0;
}

/* Takes heads off the start of in, of which seen bytes were seen before, until the final one is
 * there. Returns how many bytes were used, or -1 after exchange_fault. */
static ssize_t take_heads(struct client *c, struct span in, size_t seen, bool may_keep,
                          struct http_writer *out)
{
    struct http_head h;
    size_t used = 0;
    bool tolerated = false;

    while (c->x.response == RESPONSE_WAIT && used < in.n) {
        ssize_t n = http_response_parse(&h, span_skip(in, used), RESPONSE_HEAD_MAX, seen);
        char why[256];

        if (n == -EAGAIN)
            break;
        if (n < 0) {
            snprintf(why, sizeof why, "the upstream's answer is not HTTP/1.1 as it should be: %s",
                     h.fault->why);
            return exchange_fault(c, FAIL_UPSTREAM, why);
        }
        if (take_head(c, &h, may_keep, out))
            return -1;
        tolerated |= h.tolerated;
        used += (size_t)n;
        seen = 0;
    }
    if (tolerated && c->x.response == RESPONSE_BODY)
        c->x.attempt.conn->usable_until = 0;
    return (ssize_t)used;
}

/* Takes in while the head is not complete; seen bytes of it were seen before. What of a head is
 * unfinished, or was declined, is kept in the connection. */
static int take_start(struct client *c, struct span in, size_t seen, bool may_keep)
{
    struct inbuf *kept = &c->x.attempt.conn->in;
    struct http_writer out;
    ssize_t used;

    http_writer_init(&out, c->x.response_framing);
    used = take_heads(c, in, seen, may_keep, &out);
    if (used < 0) {
        if (c->x.fault == FAIL_DECLINED)
            inbuf_put(kept, in); /* without memory for it, it is gone */
        return -1;
    }
    in = span_skip(in, (size_t)used);
    if (c->x.response == RESPONSE_BODY)
        return pass_on(c, in, &out);
    return inbuf_put(kept, in) ? exchange_fault(c, FAIL_INTERNAL, "out of memory") : 0;
}

/* Takes what is kept in the connection, of which seen bytes were seen before. */
static int take_kept(struct client *c, size_t seen, bool may_keep)
{
    struct inbuf *kept = &c->x.attempt.conn->in, all = *kept;
    int err;

    *kept = (struct inbuf){ 0 };
    err = take_start(c, inbuf_span(&all), seen, may_keep);
    inbuf_clear(&all);
    return err;
}

/* Takes bytes of the head, behind those that are kept. */
static int take_more(struct client *c, struct span in, bool may_keep)
{
    struct inbuf *kept = &c->x.attempt.conn->in;
    size_t seen = kept->end - kept->start;

    if (seen == 0)
        return take_start(c, in, 0, may_keep);
    if (inbuf_put(kept, in))
        return exchange_fault(c, FAIL_INTERNAL, "out of memory");
    return take_kept(c, seen, may_keep);
}

int response_resume(struct client *c, bool may_keep)
{
    return take_kept(c, 0, may_keep);
}

/* The connection has ended (n == 0) or failed. Above the socket an end is one that the other side
 * has spoken. Returns 0 where that ends the response, or -1 after exchange_fault. */
static int take_end(struct client *c, ssize_t n)
{
    struct exchange *x = &c->x;
    struct http_writer out;
    const char *cause;
    char why[256];

    if (n == 0 && x->attempt.write_error == -ECONNRESET && attempt_socket(&x->attempt))
        n = -ECONNRESET;
    if (n == 0 && x->response == RESPONSE_BODY && x->response_body.framing == HTTP_UNTIL_CLOSE) {
        x->attempt.conn->usable_until = 0;
        http_writer_init(&out, x->response_framing);
        response_finish(c, &out);
        return 0;
    }
    cause = n < 0 ? stream_why(x->attempt.conn->top) : "";
    if (!cause)
        cause = strerror((int)-n);
    snprintf(why, sizeof why, "the upstream closed the connection %s%s%s",
             x->response == RESPONSE_WAIT ? "without an answer" : "within its answer",
             n < 0 ? ": " : "", cause);
    return exchange_fault(c, FAIL_UPSTREAM, why);
}

/* How much of the body may go on from socket to socket, because nobody looks at it and both ends
 * are plain sockets; 0: none. */
static size_t spliceable(const struct client *c)
{
    const struct exchange *x = &c->x;
    bool plain = x->response == RESPONSE_BODY && x->response_body.framing == HTTP_LENGTH &&
        x->response_framing == HTTP_LENGTH && !x->watched;

    if (!plain || !client_is_plain(c) || x->bodylog || x->tokens || !attempt_socket(&x->attempt))
        return 0;
    return splice_share(x->response_body.left);
}

/* Passes on bytes of the body without reading them. Returns as stream_read does, or -ENOSYS. */
static ssize_t response_splice(struct client *c, size_t max)
{
    struct exchange *x = &c->x;
    ssize_t n = max > 0 ? outq_splice(&c->out, &c->worker->blocks, attempt_socket(&x->attempt), max)
                        : -ENOSYS;

    if (n <= 0)
        return n;
    http_body_skip(&x->response_body, (uint64_t)n);
    x->bytes_out += (uint64_t)n;
    client_send(c, NULL, 0);
    return n;
}

int response_read(struct client *c, bool may_keep)
{
    struct worker *w = c->worker;
    struct exchange *x = &c->x;
    struct stream *top = x->attempt.conn->top;
    struct http_writer out;
    struct span in;
    int moved = 0;

    for (int budget = READS_PER_TURN; budget > 0; budget--) {
        ssize_t n;

        if (!response_takes(c) || !stream_pending(top))
            break;
        n = response_splice(c, spliceable(c));
        if (n == -EAGAIN)
            break;
        moved |= n > 0;
        if (n > 0)
            continue;
        if (n == -ENOSYS)
            n = stream_read(top, w->in, sizeof w->in);
        if (n == -EAGAIN)
            break;
        if (n <= 0)
            return take_end(c, n) ? -1 : moved;
        moved = 1;
        if (!x->first)
            x->first = (uint32_t)(reactor_now(w->reactor) - x->started) + 1;
        in = (struct span){ w->in, (size_t)n };
        http_writer_init(&out, x->response_framing);
        if (x->response == RESPONSE_WAIT ? take_more(c, in, may_keep) : pass_on(c, in, &out))
            return -1;
    }
    return moved;
}
