/* Beginning requests, choosing their upstreams, and beginning them again. */
#include "proxy/request_start.h"
#include "proxy/access_log.h"
#include "proxy/bodylog.h"
#include "proxy/choice.h"
#include "proxy/forward.h"
#include "proxy/limits.h"
#include "proxy/plan.h"
#include "proxy/replay.h"
#include "proxy/request.h"
#include "proxy/rewrite.h"
#include "proxy/state.h"

#include <errno.h>

/* The client is told to go on only when everything that can be known without the body has been
 * checked (RFC 9110, 10.1.1). */
static void send_continue(struct client *c)
{
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec iov = { text, sizeof text - 1 };

    c->x.awaits_continue = false;
    client_send(c, &iov, 1);
}

/* A request without a body has no framing field, but for a POST, which many servers want one of
 * (RFC 9110, 8.6). */
static enum http_framing framing_up(const struct exchange *x, const struct http_head *h)
{
    if (x->body.framing == HTTP_CHUNKED)
        return HTTP_CHUNKED;
    return h->content_length >= 0 || span_eq(h->method, SPAN("POST")) ? HTTP_LENGTH : HTTP_NO_BODY;
}

/* The rules by which the body is rewritten for the try under way; NULL: it is not looked at. */
static const struct json_rules *rules_of(const struct exchange *x, const struct route *r,
                                         const struct target *t)
{
    if (r->handler != ROUTE_CHAT)
        return NULL;
    if (t->rules || !x->by_model || (x->checked && !choice_renames(x)))
        return t->rules;
    return x->settings->targets.no_rules;
}

static int begin_rewrite(struct client *c, const struct json_rules *rules, struct span head)
{
    struct exchange *x = &c->x;

    if (rewrite_begin(&x->rewrite, c->worker, rules, head))
        return exchange_fault(c, FAIL_INTERNAL, "out of memory");
    if (x->by_model && x->replay)
        choice_rename(c);
    return 0;
}

/* Sends the head and the first bytes of the body. The head is built in the worker's text. It goes
 * out at once where the body goes on as it is; else it is held back until the body's new length is
 * known. */
static int start(struct client *c, const struct http_head *h, const struct route *r,
                 const struct authorization *auth, struct span rest, size_t *used)
{
    struct exchange *x = &c->x;
    const struct target *t = plan_target(x);
    struct authorization key = plan_authorization(x, auth);
    struct forward to = { x->settings, t, &key };
    const struct json_rules *rules = rules_of(x, r, t);
    struct out head;

    x->attempt.upstream = t->upstream;
    x->hides_usage = r->handler == ROUTE_CHAT && t->conf->include_usage;
    out_init(&head, c->worker->text, sizeof c->worker->text);
    forward_request(&head, h, r, &to);
    x->send_framing = framing_up(x, h);
    if (!rules)
        forward_framing(&head, x->send_framing,
                        h->content_length > 0 ? (uint64_t)h->content_length : 0);
    if (head.overflow)
        return exchange_fault(c, FAIL_HEAD_SIZE, "the request's head is too large to be passed on");
    if (rules && begin_rewrite(c, rules, out_span(&head)))
        return -1;
    return request_feed(c, rules ? SPAN("") : out_span(&head), rest, used);
}

/* Passed paths say nothing of a model: a client that may use some only gets none of them, but for
 * the list of models. */
static int check_path(struct client *c, const struct http_head *h, const struct route *r)
{
    const struct exchange *x = &c->x;
    bool lists = span_eq(r->path, SPAN("/v1/models")) && !span_eq(h->method, SPAN("POST"));

    if (r->handler == ROUTE_PASS && x->key && x->key->n_models > 0 && !lists)
        return exchange_fault(c, FAIL_MODEL_NOT_ALLOWED,
                              "this key may use some models only, and the path names none");
    return 0;
}

/* What is wrong with a request that its head alone tells. Returns 0, or -1 after exchange_fault. */
static int check_head(struct client *c, const struct http_head *h, const struct route *r)
{
    const struct exchange *x = &c->x;
    bool reads = x->by_model || (r->handler == ROUTE_CHAT && x->settings->targets.reads);

    if (check_path(c, h, r))
        return -1;
    if (c->worker->draining)
        return exchange_fault(c, FAIL_DRAINING, "the proxy is about to stop");
    if (h->content_length > 0 && request_check_size(c, (uint64_t)h->content_length))
        return -1;
    if (reads && http_coding(h).n > 0)
        return exchange_fault(c, FAIL_CONTENT_ENCODING,
                              "a body with a Content-Encoding cannot be read: send it without");
    return 0;
}

/* The body, if in has all of it and nothing of it has been taken; else nothing. */
static struct span whole_body(const struct exchange *x, struct span in)
{
    const struct http_body *b = &x->body;
    bool whole = b->framing == HTTP_LENGTH && x->body_bytes == 0 && !b->done && b->left <= in.n;

    return (struct span){ in.p, whole ? (size_t)b->left : 0 };
}

/* Keeps the request where it may be needed again. Without memory for it, it is sent once, unless
 * its model has to be found (choose) in what is kept. Returns 0, or -1 after exchange_fault. */
static int keep(struct client *c, const struct http_head *h, struct span rest, bool choose)
{
    struct exchange *x = &c->x;
    struct span head = { h->method.p, (size_t)(rest.p - h->method.p) };
    int err = 0;

    if (choose || x->settings->targets.retries)
        err = replay_begin(&x->replay, c->worker, head);
    if (!err || !choose)
        return 0;
    if (err == -ENOBUFS)
        return exchange_fault(c, FAIL_OVERLOADED, "too many requests wait for their models");
    return exchange_fault(c, FAIL_INTERNAL, "out of memory");
}

/* Chooses the target of a request that lies whole in memory, or needs no body for that. Returns 1,
 * 0 if its body has to be read for it, or -1 after exchange_fault. */
static int choose_at_once(struct client *c, struct span body)
{
    struct exchange *x = &c->x;

    if (x->by_model)
        return body.n > 0 ? choice_at_once(c, body) : 0;
    return plan_begin(c, x->key && x->key->pin >= 0 ? (unsigned)x->key->pin : TARGET_DEFAULT) ? -1
                                                                                              : 1;
}

int request_begin(struct client *c, const struct http_head *h, const struct route *r,
                  const struct authorization *auth, struct span rest, size_t *used)
{
    struct exchange *x = &c->x;
    struct span body;
    int chosen;

    *used = 0;
    x->by_model = r->handler == ROUTE_CHAT && choice_is_needed(x->settings, x->key);
    if (check_head(c, h, r))
        return -1;
    if (c->tcp.watch.ready & READY_HUP) {
        c->broken = true;
        return 0;
    }
    if (x->settings->limits && limits_take(c))
        return -1;
    body = whole_body(x, rest);
    if (keep(c, h, rest, x->by_model && body.n == 0))
        return -1;
    if (!auth->key && auth->token.n > 0)
        access_note_key(x, auth->token);
    bodylog_begin(c, auth->key ? SPAN("") : auth->token);
    if (x->bodylog)
        bodylog_coded(c, BODYLOG_REQUEST, http_coding(h));
    if (x->awaits_continue)
        send_continue(c);
    chosen = choose_at_once(c, body);
    if (chosen > 0)
        return start(c, h, r, auth, rest, used);
    if (chosen < 0 || (!x->replay && keep(c, h, rest, true)))
        return -1;
    x->choosing = true;
    choice_begin(c);
    return request_choose(c, rest, used);
}

/* Reads the kept head again: it was valid when it came. */
static void read_head(const struct replay *r, struct http_head *h)
{
    http_request_parse(h, (struct span){ r->head, r->head_n }, r->head_n, 0);
}

/* Starts the try under way with the head that is kept, and the body from in or from what is kept of
 * it. */
static int start_kept(struct client *c, struct span in, size_t *used)
{
    struct exchange *x = &c->x;
    struct authorization auth;
    struct http_head *h = &c->worker->kept_head;
    struct route r;

    read_head(x->replay, h);
    r = route_find(h, &x->settings->pass);
    authorize(&auth, x->settings, h);
    return start(c, h, &r, &auth, in, used);
}

/* A body whose model is still looked for gets room for all of it, or none: many that had a part
 * each would all fail. Returns 0, or -1 after exchange_fault. */
static int promise_rest(struct client *c)
{
    struct exchange *x = &c->x;
    uint64_t left = x->body.framing == HTTP_LENGTH ? x->body.left : 0;

    if (left == 0 || x->replay->promised > 0 ||
        x->body_bytes + left > x->settings->conf->server.buffer_memory)
        return 0;
    if (replay_promise(x->replay, c->worker, left))
        return exchange_fault(c, FAIL_OVERLOADED, "too many requests wait for their models");
    return 0;
}

int request_choose(struct client *c, struct span in, size_t *used)
{
    struct exchange *x = &c->x;
    struct span body = whole_body(x, in);
    int chosen = body.n > 0 ? choice_at_once(c, body) : 0;
    size_t none;

    *used = 0;
    if (chosen > 0) {
        x->choosing = false;
        return start_kept(c, in, used);
    }
    if (chosen == 0)
        chosen = request_keep(c, in, used) ? -1 : choice_read(c);
    x->bytes_in += *used;
    if (chosen == 0)
        return promise_rest(c);
    if (chosen < 0)
        return -1;
    x->choosing = false;
    replay_promise_no_more(x->replay, c->worker);
    return start_kept(c, SPAN(""), &none);
}

int request_try_again(struct client *c)
{
    size_t none;

    request_again(c);
    return start_kept(c, SPAN(""), &none);
}
