/* A body on its way: decoded, kept, renamed and framed, in this order. What is kept is sent from
 * where it is kept, the rest from where it was read. */
#include "proxy/request.h"
#include "proxy/bodylog.h"
#include "proxy/forward.h"
#include "proxy/plan.h"
#include "proxy/replay.h"
#include "proxy/rewrite.h"
#include "proxy/state.h"

#include <errno.h>
#include <stdio.h>

#define QUEUE_IOV 24 /* blocks of a queue that holds at most one buffer */
/* A longer rest of a body is not worth keeping the connection for. */
#define DISCARD_MAX (256 * 1024)

/* How far the body is after something was added to the writer; negative after exchange_fault. */
enum {
    BODY_USED,  /* all input is used, more may come */
    BODY_MORE,  /* there is more to add */
    BODY_ENDED, /* all of the body was added */
};

int request_check_size(struct client *c, uint64_t bytes)
{
    uint64_t max = c->x.settings->conf->server.max_body_size;

    if (max > 0 && bytes > max)
        return exchange_fault(c, FAIL_BODY_SIZE, "the request's body is larger than max_body_size");
    return 0;
}

/* Decodes the next piece of the body with b. Returns how much of in it took, or -1 after
 * exchange_fault. */
static ssize_t next_piece(struct client *c, struct http_body *b, struct span in,
                          struct http_piece *piece)
{
    ssize_t n = http_body_next(b, in, piece);

    if (n < 0) {
        exchange_must_close(&c->x);
        return exchange_fault(c, FAIL_BAD_REQUEST, b->why);
    }
    return request_check_size(c, c->x.body_bytes + piece->data.n) ? -1 : n;
}

/* True while the body goes on from where it is kept. */
static bool is_kept(const struct exchange *x)
{
    return x->replay && !x->replay->lost;
}

/* True if all of the body has come in and gone through the renamer or the framing. */
static bool is_complete(const struct exchange *x)
{
    return x->body.done && !(is_kept(x) && replay_pending(x->replay));
}

void request_init(struct client *c, const struct http_head *h)
{
    struct exchange *x = &c->x;

    http_body_init(&x->body, http_request_framing(h),
                   h->content_length < 0 ? 0 : (uint64_t)h->content_length);
    x->request = x->body.done ? REQUEST_DONE : REQUEST_BODY;
}

bool request_takes(const struct client *c)
{
    const struct exchange *x = &c->x;

    if (x->request != REQUEST_BODY)
        return x->request == REQUEST_DISCARD;
    return !x->body.done && !x->attempt.write_closed && attempt_backlog(&x->attempt) == 0 &&
        (x->choosing || !(is_kept(x) && replay_pending(x->replay)));
}

void request_abandon(struct client *c)
{
    struct exchange *x = &c->x;

    x->choosing = false; /* what is still to come is read away */
    if (x->request != REQUEST_BODY)
        return;
    x->request = x->body.done ? REQUEST_DONE : REQUEST_DISCARD;
    if (x->awaits_continue || x->body.framing != HTTP_LENGTH || x->body.left > DISCARD_MAX)
        exchange_must_close(x);
}

static int no_room(struct client *c, int err)
{
    uint64_t max = c->worker->settings->conf->server.buffer_memory;

    if (err == -ENOMEM)
        return exchange_fault(c, FAIL_INTERNAL, "out of memory");
    if (c->x.body_bytes > max)
        return exchange_fault(c, FAIL_BODY_SIZE,
                              "the request's body is larger than buffer_memory, in which its model "
                              "has to be found");
    return exchange_fault(c, FAIL_OVERLOADED, "too many requests wait for their models");
}

int request_keep(struct client *c, struct span in, size_t *used)
{
    struct exchange *x = &c->x;

    *used = 0;
    while (*used < in.n && !x->body.done) {
        struct http_piece piece;
        ssize_t n = next_piece(c, &x->body, span_skip(in, *used), &piece);
        int err;

        if (n < 0)
            return -1;
        x->body_bytes += piece.data.n;
        *used += (size_t)n;
        err = replay_keep(x->replay, c->worker, piece.data);
        if (err)
            return no_room(c, err);
    }
    return 0;
}

/* Keeps the input, to be sent from there. What is too much for retry_buffer or buffer_memory is not
 * kept once nothing that is kept waits to be sent: then the request cannot be sent again. */
static int keep_or_lose(struct client *c, struct span in, size_t *used)
{
    struct exchange *x = &c->x;
    struct replay *r = x->replay;
    uint64_t max = plan_target(x)->conf->retry_buffer;
    bool too_much = r->body.bytes + in.n > max || !replay_fits(c->worker, in.n);

    if (in.n == 0 || x->body.done)
        return 0;
    if (!too_much || (!x->attempt.sent && replay_fits(c->worker, in.n)))
        return request_keep(c, in, used);
    if (!replay_pending(r))
        replay_lose(r, c->worker);
    return 0;
}

/* Adds the body as it is kept. Returns 1 if there is more. */
static int relay_kept(struct client *c, struct http_writer *out)
{
    struct replay *r = c->x.replay;

    while (replay_pending(r) && http_writer_room(out)) {
        struct span data = outq_read(&r->body, &r->at);

        outq_pass(&r->at, data.n);
        bodylog_show(c, BODYLOG_REQUEST, data);
        http_writer_data(out, data);
    }
    return replay_pending(r);
}

/* Adds the body as it comes. Returns 0, or -1 after exchange_fault. */
static int relay_live(struct client *c, struct span in, size_t *used, struct http_writer *out)
{
    struct exchange *x = &c->x;

    while (*used < in.n && !x->body.done && http_writer_room(out)) {
        struct http_piece piece;
        ssize_t n = next_piece(c, &x->body, span_skip(in, *used), &piece);

        if (n < 0)
            return -1;
        x->body_bytes += piece.data.n;
        bodylog_show(c, BODYLOG_REQUEST, piece.data);
        http_writer_piece(out, &piece);
        *used += (size_t)n;
    }
    return 0;
}

/* Adds the body without a change. Returns BODY_*, or -1 after exchange_fault. */
static int relay(struct client *c, struct span in, size_t *used, struct http_writer *out)
{
    struct exchange *x = &c->x;
    int more = is_kept(x) ? relay_kept(c, out) : relay_live(c, in, used, out);

    if (more != 0 || !is_complete(x))
        return more < 0 ? -1 : more ? BODY_MORE : BODY_USED;
    http_writer_end(out);
    return BODY_ENDED;
}

static int json_fault(struct client *c)
{
    const struct json_renamer *r = &c->x.rewrite->renamer;
    unsigned long long at = r->offset;
    const struct span a = r->twins[0], b = r->twins[1];
    char why[512];

    if (!a.p)
        return exchange_json_fault(c, r->why, at);
    snprintf(why, sizeof why,
             "the request's body has '%.*s' and '%.*s' in one object: %s, at byte %llu", (int)a.n,
             a.p, (int)b.n, b.p, r->why, at);
    return exchange_fault(c, FAIL_INVALID_JSON, why);
}

/* Renames the next piece of the body into out. The decoder takes no more than the renamer did, so
 * that what is left of in begins where both go on. Returns how much of in that is, or -1 after
 * exchange_fault. */
static ssize_t rewrite_piece(struct client *c, struct span in, struct out *out)
{
    struct exchange *x = &c->x;
    struct http_body ahead = x->body;
    struct http_piece piece;
    ssize_t n = next_piece(c, &ahead, in, &piece);
    ssize_t renamed = n < 0 ? 0 : rewrite_take(x->rewrite, piece.data, out);

    if (n < 0)
        return -1;
    if (renamed < 0)
        return json_fault(c);
    x->body_bytes += (size_t)renamed;
    if ((size_t)renamed == piece.data.n) {
        x->body = ahead;
        return n;
    }
    in.n = (size_t)(piece.data.p + renamed - in.p);
    return http_body_next(&x->body, in, &piece);
}

static void add_data(struct client *c, struct http_writer *out, struct span data)
{
    bodylog_show(c, BODYLOG_REQUEST, data);
    http_writer_data(out, data);
}

/* Adds what was held and decides its framing: length is what the renamer has written beside it,
 * last tells that this is all of the body. */
static void add_held(struct client *c, struct http_writer *out, size_t length, bool last)
{
    struct exchange *x = &c->x;
    struct rewrite *r = x->rewrite;
    struct iovec iov[QUEUE_IOV];
    int n = outq_iov(&r->head, iov, QUEUE_IOV);
    struct out framing;

    x->send_framing = last ? HTTP_LENGTH : HTTP_CHUNKED;
    http_writer_init(out, x->send_framing);
    for (int i = 0; i < n; i++)
        http_writer_raw(out, (struct span){ iov[i].iov_base, iov[i].iov_len });
    out_init(&framing, c->worker->text, sizeof c->worker->text);
    forward_framing(&framing, x->send_framing, r->body.bytes + length);
    http_writer_raw(out, out_span(&framing));
    n = outq_iov(&r->body, iov, QUEUE_IOV);
    for (int i = 0; i < n; i++)
        add_data(c, out, (struct span){ iov[i].iov_base, iov[i].iov_len });
    r->framed = true;
}

/* Renames what is kept into o. Returns 0, or -1 after exchange_fault. */
static int fill_kept(struct client *c, struct out *o)
{
    struct replay *r = c->x.replay;

    while (replay_pending(r) && o->n < o->cap) {
        ssize_t n = rewrite_take(c->x.rewrite, outq_read(&r->body, &r->at), o);

        if (n < 0)
            return json_fault(c);
        outq_pass(&r->at, (size_t)n);
    }
    return 0;
}

/* Renames the input into o. Returns 0, or -1 after exchange_fault. */
static int fill_live(struct client *c, struct span in, size_t *used, struct out *o)
{
    while (*used < in.n && !c->x.body.done && o->n < o->cap) {
        ssize_t n = rewrite_piece(c, span_skip(in, *used), o);

        if (n < 0)
            return -1;
        *used += (size_t)n;
    }
    return 0;
}

/* Renames up to one buffer of the body. Returns 1 if the buffer is full, 0 if the input is used or
 * the body complete, or -1 after exchange_fault. */
static int fill_buffer(struct client *c, struct span in, size_t *used, struct out *o)
{
    struct exchange *x = &c->x;
    int err = is_kept(x) ? fill_kept(c, o) : fill_live(c, in, used, o);

    if (err)
        return -1;
    if (is_complete(x))
        err = rewrite_finish(x->rewrite, o);
    if (err == -EBADMSG)
        return json_fault(c);
    return err == -EAGAIN || (o->n == o->cap && !is_complete(x));
}

/* Adds the next buffer of the body, renamed into the worker's out; what may still fit one buffer is
 * held. What the renamer adds at the end does not wait for the upstream: it is no longer than the
 * settings make it. Returns BODY_*, or -1 after exchange_fault. */
static int rewrite(struct client *c, struct span in, size_t *used, struct http_writer *out)
{
    struct worker *w = c->worker;
    struct exchange *x = &c->x;
    struct rewrite *r = x->rewrite;
    struct out o;
    bool ended;
    int full;

    if (r->framed)
        rewrite_sent(r, w);
    out_init(&o, w->out, sizeof w->out - r->body.bytes);
    full = fill_buffer(c, in, used, &o);
    if (full < 0)
        return -1;
    ended = !full && is_complete(x);
    if (!full && !ended && !r->framed)
        return outq_put(&r->body, &w->blocks, out_span(&o))
            ? exchange_fault(c, FAIL_INTERNAL, "out of memory")
            : BODY_USED;
    if (!r->framed)
        add_held(c, out, o.n, ended);
    add_data(c, out, out_span(&o));
    if (ended)
        http_writer_end(out);
    return ended ? BODY_ENDED : full ? BODY_MORE : BODY_USED;
}

/* True if the body's rest has to wait until the upstream takes more. */
static bool has_to_wait(const struct exchange *x)
{
    return attempt_backlog(&x->attempt) > 0 && !(x->rewrite && is_complete(x));
}

/* Reads away what nobody wants any more. Nothing depends on its framing once the connection is to
 * end. */
static size_t discard(struct exchange *x, struct span in)
{
    size_t used = 0;

    while (used < in.n && !x->body.done) {
        struct http_piece piece;
        ssize_t n = x->close ? -1 : http_body_next(&x->body, span_skip(in, used), &piece);

        if (n < 0) {
            exchange_must_close(x);
            return in.n;
        }
        used += (size_t)n;
    }
    if (x->body.done)
        x->request = REQUEST_DONE;
    return used;
}

int request_feed(struct client *c, struct span head, struct span in, size_t *used)
{
    struct exchange *x = &c->x;
    struct attempt *a = &x->attempt;
    int state = BODY_MORE;

    *used = 0;
    if (x->request == REQUEST_DISCARD) {
        *used = discard(x, in);
        state = BODY_USED;
    } else if (is_kept(x) && keep_or_lose(c, in, used)) {
        state = -1;
    }
    while (state == BODY_MORE) {
        struct http_writer out;

        http_writer_init(&out, x->send_framing);
        http_writer_raw(&out, head);
        state = x->rewrite ? rewrite(c, in, used, &out) : relay(c, in, used, &out);
        if (state >= 0 && out.bytes > 0 && attempt_send(a, out.iov, out.n))
            state = exchange_fault(c, failure_of_dial(a->fault), attempt_why(a));
        if (state == BODY_MORE && has_to_wait(x))
            state = BODY_USED;
        head.n = 0;
    }
    if (state == BODY_ENDED) {
        x->request = REQUEST_DONE;
        if (x->rewrite) {
            x->hides_usage &= !json_rename_asked(&x->rewrite->renamer);
            rewrite_end(x->rewrite, c->worker);
            x->rewrite = NULL;
        }
    }
    x->bytes_in += *used;
    return state < 0 ? -1 : 0;
}

bool request_is_pending(const struct client *c)
{
    const struct exchange *x = &c->x;

    return x->request == REQUEST_BODY && !x->choosing && is_kept(x) && replay_pending(x->replay) &&
        attempt_backlog(&x->attempt) == 0 && !x->attempt.write_closed;
}

void request_forget(struct client *c)
{
    struct exchange *x = &c->x;

    if (x->replay)
        attempt_drop(&x->replay->declined);
    if (is_kept(x) && !replay_pending(x->replay))
        replay_lose(x->replay, c->worker);
}

void request_again(struct client *c)
{
    struct exchange *x = &c->x;

    replay_rewind(x->replay);
    rewrite_end(x->rewrite, c->worker);
    x->rewrite = NULL;
    x->request = REQUEST_BODY;
    bodylog_again(c);
}

size_t request_spliceable(const struct client *c)
{
    const struct exchange *x = &c->x;
    bool plain = x->request == REQUEST_BODY && x->body.framing == HTTP_LENGTH && !x->rewrite &&
        !x->bodylog && !is_kept(x) && !x->choosing;

    if (!plain || !client_is_plain(c) || x->attempt.write_closed || c->in.end > 0 ||
        !attempt_socket(&x->attempt))
        return 0;
    return splice_share(x->body.left);
}

ssize_t request_splice(struct client *c, size_t max)
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
