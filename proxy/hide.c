/* Passing on, holding and leaving out parts of an event stream. */
#include "proxy/hide.h"
#include "proxy/bodylog.h"
#include "proxy/state.h"

#include <stdlib.h>

#define HELD_IOV (TOKENS_EVENT_MAX / 2048) /* blocks of what is held: more than there are */

struct tokens *hide_make(unsigned flags)
{
    struct hide *h = calloc(1, flags & TOKENS_SIFT ? sizeof *h : sizeof h->tokens);

    if (!h)
        return NULL;
    tokens_init(&h->tokens, flags);
    return &h->tokens;
}

static struct hide *hide_of(const struct client *c)
{
    return container_of(c->x.tokens, struct hide, tokens);
}

static void send_all(struct client *c, struct http_writer *out)
{
    client_send(c, out->iov, out->n);
    http_writer_init(out, c->x.response_framing);
}

static void add(struct client *c, struct span data, struct http_writer *out)
{
    if (!http_writer_room(out))
        send_all(c, out);
    bodylog_show(c, BODYLOG_RESPONSE, data);
    http_writer_data(out, data);
}

/* What is held goes on. It is sent at once, because its memory may be needed for what comes. */
static void release(struct client *c, struct http_writer *out)
{
    struct outq *held = &hide_of(c)->held;
    struct iovec iov[HELD_IOV];
    int n = outq_iov(held, iov, HELD_IOV);

    for (int i = 0; i < n; i++)
        add(c, (struct span){ iov[i].iov_base, iov[i].iov_len }, out);
    if (n > 0)
        send_all(c, out);
    outq_clear(held, &c->worker->blocks);
}

/* Holds data, or without memory for it lets the event pass. Returns what becomes of data. */
static enum tokens_fate hold(struct client *c, struct span data, struct http_writer *out)
{
    struct hide *h = hide_of(c);

    if (outq_put(&h->held, &c->worker->blocks, data) == 0)
        return TOKENS_HOLD;
    h->tokens.passes = true;
    release(c, out);
    return TOKENS_PASS;
}

/* The fate of the next part of data, whose length is stored in *n. What is held has met its own
 * then, unless the part is held, too. */
static enum tokens_fate next_part(struct client *c, struct span data, size_t *n,
                                  struct http_writer *out)
{
    struct hide *h = hide_of(c);
    enum tokens_fate fate;

    *n = tokens_sift(&h->tokens, data, &fate);
    if (fate == TOKENS_HIDE && !c->x.hides_usage)
        fate = TOKENS_PASS;
    if (fate == TOKENS_HOLD)
        return hold(c, (struct span){ data.p, *n }, out);
    if (fate == TOKENS_PASS)
        release(c, out);
    else
        outq_clear(&h->held, &c->worker->blocks);
    return fate;
}

void hide_add(struct client *c, const struct http_piece *piece, struct http_writer *out)
{
    bool whole = hide_of(c)->held.bytes == 0;
    struct span rest = piece->data, run = { rest.p, 0 };
    size_t n;

    while (rest.n > 0) {
        bool passes = next_part(c, rest, &n, out) == TOKENS_PASS;

        rest = span_skip(rest, n);
        if (passes) {
            run.n += n;
            continue;
        }
        add(c, run, out);
        run = (struct span){ rest.p, 0 };
        whole = false;
    }
    if (!whole) {
        add(c, run, out);
        return;
    }
    bodylog_show(c, BODYLOG_RESPONSE, piece->data);
    http_writer_piece(out, piece);
}

void hide_end(struct client *c, struct http_writer *out)
{
    if (!tokens_end_hidden(&hide_of(c)->tokens) || !c->x.hides_usage)
        release(c, out);
}

void hide_free(struct tokens *t, struct blocks *pool)
{
    if (t && (t->flags & TOKENS_SIFT))
        outq_clear(&container_of(t, struct hide, tokens)->held, pool);
    free(t);
}
