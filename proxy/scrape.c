/* Pages under way. Each piece waits in the client's queue for the next turn of the loop, so that a
 * long page holds nobody up. */
#include "proxy/scrape.h"
#include "proxy/exposition.h"
#include "proxy/reply.h"
#include "proxy/response.h"
#include "proxy/state.h"

#include <stdlib.h>

#define SCRAPES_MAX 8 /* at once: each holds a snapshot */

struct scrape {
    struct client *client;
    struct scrape *next;
    struct exposition page;
};

static struct scrape **find(struct client *c)
{
    struct scrape **at = &c->worker->scrapes;

    while (*at && (*at)->client != c)
        at = &(*at)->next;
    return at;
}

static bool is_full(const struct worker *w)
{
    unsigned n = 0;

    for (const struct scrape *s = w->scrapes; s; s = s->next)
        n++;
    return n >= SCRAPES_MAX;
}

static struct scrape *scrape_make(struct client *c)
{
    struct worker *w = c->worker;
    struct scrape *s = is_full(w) ? NULL : calloc(1, sizeof *s);

    if (s && snapshot_take(&s->page.now, w->tallies, c->x.settings->conf, *w->now)) {
        free(s);
        s = NULL;
    }
    if (s) {
        s->client = c;
        s->next = w->scrapes;
        w->scrapes = s;
    }
    return s;
}

/* Puts what out has into the queue. */
static void queue(struct client *c, const struct http_writer *out)
{
    for (int i = 0; i < out->n && !c->broken; i++) {
        struct span piece = { out->iov[i].iov_base, out->iov[i].iov_len };

        c->x.bytes_out += piece.n;
        c->broken = outq_put(&c->out, &c->worker->blocks, piece) != 0;
    }
}

static void put_piece(struct client *c, struct http_writer *out)
{
    struct worker *w = c->worker;
    struct out text;
    bool complete;

    out_init(&text, w->out, sizeof w->out);
    complete = exposition_put(&(*find(c))->page, &text);
    http_writer_data(out, out_span(&text));
    if (complete) {
        http_writer_end(out);
        c->x.response = RESPONSE_DONE;
        scrape_end(c);
    }
    queue(c, out);
}

void scrape_begin(struct client *c)
{
    struct exchange *x = &c->x;
    struct http_writer out;
    struct out head;

    if (!scrape_make(c)) {
        reply_error(c, FAIL_OVERLOADED, SPAN("too many ask for the metrics at once"), SPAN(""));
        return;
    }
    reply_begin_body(c, &head, SPAN(EXPOSITION_TYPE));
    out_put(&head, SPAN("\r\n"));
    http_writer_init(&out, x->response_framing);
    http_writer_raw(&out, out_span(&head));
    if (x->head_only) {
        response_replied(c);
        scrape_end(c);
        queue(c, &out);
        return;
    }
    x->response = RESPONSE_BODY;
    put_piece(c, &out);
}

void scrape_go_on(struct client *c)
{
    struct http_writer out;

    if (TALLY_ROUTE(c->x.kind.what) != ROUTE_METRICS || c->x.response != RESPONSE_BODY || c->broken)
        return;
    http_writer_init(&out, c->x.response_framing);
    put_piece(c, &out);
}

void scrape_end(struct client *c)
{
    struct scrape **at = find(c), *s = *at;

    if (!s)
        return;
    *at = s->next;
    snapshot_free(&s->page.now);
    free(s);
}
