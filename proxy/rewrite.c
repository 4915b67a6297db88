/* Driving the renamer: payload in, renamed payload out, in blocks of one buffer.
 * Knows nothing of JSON but that a fault has an offset.
 * The interface is proxy/rewrite.h. */
#include "proxy/rewrite.h"
#include "proxy/bodylog.h"
#include "proxy/exchange.h"
#include "proxy/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define QUEUE_IOV 24                    /* blocks of a queue that holds at most one buffer */
#define SPARE_MAX 32

int rewrite_begin(struct client *c, struct span head)
{
    struct worker *w = c->worker;
    struct rewrite *r = w->spare_rewrites;

    if (r) {
        w->spare_rewrites = r->next;
        w->n_spare_rewrites--;
    } else {
        r = malloc(sizeof *r);
        if (!r)
            return -ENOMEM;
    }
    r->next = NULL;
    r->framed = false;
    r->ahead = r->ahead_data = 0;
    r->head = r->body = (struct outq){ 0 };
    json_rename_init(&r->renamer, c->x.settings->rules);
    c->x.rewrite = r;
    return outq_put(&r->head, &w->blocks, head);
}

void rewrite_end(struct client *c)
{
    struct worker *w = c->worker;
    struct rewrite *r = c->x.rewrite;

    if (!r)
        return;
    c->x.rewrite = NULL;
    outq_clear(&r->head, &w->blocks);
    outq_clear(&r->body, &w->blocks);
    if (w->n_spare_rewrites >= SPARE_MAX) {
        free(r);
        return;
    }
    r->next = w->spare_rewrites;
    w->spare_rewrites = r;
    w->n_spare_rewrites++;
}

void rewrite_free_spares(struct rewrite *r)
{
    while (r) {
        struct rewrite *next = r->next;

        free(r);
        r = next;
    }
}

static void add_head(struct http_frame *f, const struct outq *q)
{
    struct iovec iov[QUEUE_IOV];
    int n = outq_iov(q, iov, QUEUE_IOV);

    for (int i = 0; i < n; i++)
        http_frame_raw(f, (struct span){ iov[i].iov_base, iov[i].iov_len });
}

static void add_data(struct client *c, struct span data)
{
    bodylog_show(c, BODYLOG_REQUEST, data);
    http_frame_data(&c->worker->frame, data);
}

static void add_body(struct client *c, const struct outq *q)
{
    struct iovec iov[QUEUE_IOV];
    int n = outq_iov(q, iov, QUEUE_IOV);

    for (int i = 0; i < n; i++)
        add_data(c, (struct span){ iov[i].iov_base, iov[i].iov_len });
}

/* Sends what is held and then out. The first time the head goes before it, and its framing is decided: last tells that all of the body is here.
 * Returns 0, or -1 after the exchange was failed. */
static int send_block(struct client *c, struct span out, bool last)
{
    struct exchange *x = &c->x;
    struct rewrite *r = x->rewrite;
    struct worker *w = c->worker;
    struct http_frame *f = &w->frame;
    char text[64];
    struct http_out o;

    if (!r->framed)
        x->send_framing = last ? HTTP_LENGTH : HTTP_CHUNKED;
    http_frame_init(f, x->send_framing);
    if (!r->framed) {
        http_out_init(&o, text, sizeof text);
        forward_framing(&o, x->send_framing, r->body.bytes + out.n);
        add_head(f, &r->head);
        http_frame_raw(f, http_out_span(&o));
        r->framed = true;
    }
    add_body(c, &r->body);
    add_data(c, out);
    if (last)
        http_frame_end(f);
    if (f->bytes > 0 && attempt_send(&x->attempt, &w->pool, w->resolver, x->settings, f->iov, f->n)) {
        exchange_fail(c, (enum failure)x->attempt.failure, x->attempt.why);
        return -1;
    }
    outq_clear(&r->head, &w->blocks);
    outq_clear(&r->body, &w->blocks);
    return 0;
}

static int fail_json(struct client *c)
{
    const struct json_renamer *r = &c->x.rewrite->renamer;
    char why[256];

    snprintf(why, sizeof why, "the request's body is not valid JSON: %s, at byte %llu", r->why, (unsigned long long)r->offset);
    exchange_fail(c, FAIL_INVALID_JSON, why);
    return -1;
}

/* Takes the next payload off the input, or what is left of the last one. Returns how much of in it took, or -1 after the exchange was failed. */
static ssize_t take_payload(struct client *c, struct span in, struct span *payload)
{
    struct rewrite *r = c->x.rewrite;
    struct http_piece piece;
    ssize_t n;

    if (r->ahead > 0) {
        n = (ssize_t)r->ahead;
        *payload = (struct span){ in.p, r->ahead_data };
        r->ahead = r->ahead_data = 0;
        return n;
    }
    n = request_next_piece(c, in, &piece);
    *payload = piece.data;
    return n;
}

/* Renames one payload into w->out behind the *have bytes that are there, sending the buffer whenever it is full. Returns how much of it was renamed, less than all
 * when the upstream has to be waited for; or -1 after the exchange was failed. */
static ssize_t rename_payload(struct client *c, struct span payload, size_t *have)
{
    struct worker *w = c->worker;
    struct rewrite *r = c->x.rewrite;
    size_t used = 0;

    while (used < payload.n) {
        size_t written;
        ssize_t n;

        if (r->body.bytes + *have >= sizeof w->out) {
            if (send_block(c, (struct span){ w->out, *have }, false))
                return -1;
            *have = 0;
            if (attempt_backlog(&c->x.attempt) > 0)
                break;
        }
        n = json_rename(&r->renamer, span_skip(payload, used), w->out + *have, sizeof w->out - r->body.bytes - *have, &written);
        if (n < 0)
            return fail_json(c);
        *have += written;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

/* The whole body is in. What the renamer still has to say does not wait for the upstream: it is no longer than the settings make it. */
static void finish(struct client *c, size_t have)
{
    struct worker *w = c->worker;
    struct rewrite *r = c->x.rewrite;

    for (;;) {
        size_t written;
        int err = json_rename_end(&r->renamer, w->out + have, sizeof w->out - r->body.bytes - have, &written);

        have += written;
        if (err == -EBADMSG) {
            fail_json(c);
            return;
        }
        if (err == 0)
            break;
        if (send_block(c, (struct span){ w->out, have }, false))
            return;
        have = 0;
    }
    c->x.request = REQUEST_DONE;
    if (send_block(c, (struct span){ w->out, have }, true) == 0)
        rewrite_end(c);
}

/* What was renamed in this call goes on its way, or is held while it may still fit one buffer. */
static void pass_on(struct client *c, size_t have)
{
    struct worker *w = c->worker;
    struct rewrite *r = c->x.rewrite;
    struct span out = { w->out, have };

    if (r->framed) {
        if (have > 0)
            send_block(c, out, false);
    } else if (outq_put(&r->body, &w->blocks, out)) {
        exchange_fail(c, FAIL_INTERNAL, "out of memory");
    }
}

size_t rewrite_feed(struct client *c, struct span in)
{
    struct exchange *x = &c->x;
    size_t used = 0, have = 0;

    while (used < in.n && (!x->body.done || x->rewrite->ahead > 0)) {
        struct span payload;
        ssize_t took = take_payload(c, span_skip(in, used), &payload);
        ssize_t renamed = took < 0 ? -1 : rename_payload(c, payload, &have);

        if (renamed < 0)
            return took < 0 ? in.n : used + (size_t)took;
        if ((size_t)renamed < payload.n) {
            size_t until = (size_t)(payload.p + renamed - in.p);    /* a chunk's size line may stand before the payload */

            x->rewrite->ahead = used + (size_t)took - until;
            x->rewrite->ahead_data = payload.n - (size_t)renamed;
            return until;
        }
        used += (size_t)took;
    }
    if (x->body.done)
        finish(c, have);
    else
        pass_on(c, have);
    return used;
}
