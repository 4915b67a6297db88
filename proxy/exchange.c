/* The beginning, the middle and the end of an exchange. */
#include "proxy/exchange.h"
#include "proxy/access_log.h"
#include "proxy/admission.h"
#include "proxy/bodylog.h"
#include "proxy/cors.h"
#include "proxy/count.h"
#include "proxy/forward.h"
#include "proxy/limits.h"
#include "proxy/local.h"
#include "proxy/plan.h"
#include "proxy/replay.h"
#include "proxy/reply.h"
#include "proxy/request.h"
#include "proxy/request_start.h"
#include "proxy/response.h"
#include "proxy/rewrite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct attempt_ops attempt_ops;

/* The upstream's connection broke after all that counts had come through it. */
static void end_whole(struct client *c)
{
    response_end(c);
    request_abandon(c);
    attempt_drop(&c->x.attempt);
    c->x.fault = FAIL_NONE;
}

/* The error that the client gets, with the time to wait where there is one. What was not a request
 * as it should be counts as none, unless some of it has gone out. */
static void reply_failure(struct client *c, const char *why)
{
    char text[64];
    struct out fields;

    out_init(&fields, text, sizeof text);
    if (failure_is_of_shape(c->x.fault) && !c->x.attempt.sent)
        limits_give_back(c);
    if (failure_info(c->x.fault)->status == 429)
        http_put_uint_field(&fields, SPAN("retry-after"), c->worker->retry_after);
    reply_error(c, c->x.fault, span_of(why), out_span(&fields));
}

/* True if the request was not acted on, so that sending it again bills nothing twice: there was no
 * connection, or the upstream has refused it. */
static bool was_not_acted_on(const struct exchange *x)
{
    switch (x->fault) {
    case FAIL_DECLINED:
        return true;
    case FAIL_DNS:
    case FAIL_CONNECT:
    case FAIL_TLS:
    case FAIL_PROXY:
    case FAIL_DIAL_TIMEOUT:
    case FAIL_OVERLOADED:
        return x->tries > 0 && !x->attempt.sent;
    default:
        return false;
    }
}

/* Sends the request again, by another key or to another upstream, until one try begins. Returns
 * false if none does, x.fault telling what became of the last. */
static bool try_again(struct client *c)
{
    struct exchange *x = &c->x;
    struct upstream *from = x->attempt.upstream;

    while (was_not_acted_on(x) && plan_next(c)) {
        if (from)
            counter_add(&from->counts->numbers[TALLY_RETRIES + failure_reason(x->fault)], 1);
        log_say(c->worker->log, LOG_INFO_LEVEL, "trying %s: %s", plan_target(x)->conf->name,
                x->fault == FAIL_DECLINED ? "the request was declined" : c->worker->why);
        attempt_drop(&x->attempt);
        attempt_init(&x->attempt, NULL, &attempt_ops);
        x->fault = FAIL_NONE;
        if (request_try_again(c) == 0)
            return true;
        from = x->attempt.upstream;
    }
    return false;
}

/* Where nobody else could be reached, the last response is the one that declined the request, and
 * was set aside. Returns false if there is none, or if it cannot be passed on, x.fault telling
 * why. */
static bool take_back(struct client *c)
{
    struct exchange *x = &c->x;

    if (!was_not_acted_on(x) || !plan_back(c))
        return false;
    request_abandon(c);
    x->fault = FAIL_NONE;
    return response_resume(c, x->request == REQUEST_DONE && !c->worker->draining) == 0;
}

/* Fails the exchange by the fault that was noted. */
static void exchange_fail(struct client *c)
{
    struct exchange *x = &c->x;
    const char *why = c->worker->why;
    enum ending ending;

    if (try_again(c) || take_back(c))
        return;
    if (response_is_whole(c)) {
        end_whole(c);
        return;
    }
    ending = exchange_ending_of(x->fault);
    if (x->response == RESPONSE_BODY && ending == END_COMPLETE)
        ending = END_CLIENT_GONE; /* it has broken its own request off */
    exchange_ends_as(x, ending);
    if (failure_info(x->fault)->status >= 500 || x->response == RESPONSE_BODY)
        log_say(c->worker->log, LOG_WARNING_LEVEL, "%s", why);
    request_abandon(c);
    local_end(c);
    x->failure = x->fault;
    if (x->response == RESPONSE_BODY)
        response_cut(c);
    else if (x->response == RESPONSE_WAIT)
        reply_failure(c, why);
    rewrite_end(x->rewrite, c->worker);
    x->rewrite = NULL;
    attempt_drop(&x->attempt);
    x->fault = FAIL_NONE;
}

void exchange_abort(struct client *c, enum failure f, const char *why)
{
    exchange_fault(c, f, why);
    exchange_fail(c);
}

static struct client *client_of(struct attempt *a)
{
    return container_of(a, struct client, x.attempt);
}

/* The response is complete. Its connection can be used again if the request is, too. */
static void release_upstream(struct client *c)
{
    bool sent = c->x.request == REQUEST_DONE;

    request_abandon(c);
    if (sent)
        attempt_release(&c->x.attempt);
    else
        attempt_drop(&c->x.attempt);
}

static void exchange_on_ready(struct attempt *a, bool sent)
{
    struct client *c = client_of(a);
    struct exchange *x = &c->x;
    bool may_keep = x->request == REQUEST_DONE && !c->worker->draining;
    int moved = response_takes(c) ? response_read(c, may_keep) : 0;
    size_t used;

    if (moved < 0)
        exchange_fail(c);
    else if (x->response == RESPONSE_DONE)
        release_upstream(c);
    else if (request_is_pending(c) && request_feed(c, SPAN(""), SPAN(""), &used))
        exchange_fail(c);
    if (x->response != RESPONSE_WAIT)
        request_forget(c);
    c->worker->exchange_moved(c, sent || moved > 0 ? MOVED_UPSTREAM : 0);
}

static void exchange_on_failure(struct attempt *a)
{
    struct client *c = client_of(a);

    exchange_abort(c, failure_of_dial(a->fault), attempt_why(a));
    c->worker->exchange_moved(c, MOVED_UPSTREAM);
}

static void exchange_on_timeout(struct attempt *a)
{
    struct client *c = client_of(a);
    char why[128];

    if (a->write_error) {
        snprintf(why, sizeof why, "the upstream took only a part of the request: %s",
                 strerror(-a->write_error));
        exchange_abort(c, FAIL_UPSTREAM, why);
    } else {
        exchange_abort(c, FAIL_RESPONSE_TIMEOUT,
                       c->x.response == RESPONSE_WAIT
                           ? "the upstream did not answer in time"
                           : "the upstream fell silent within its answer");
    }
    c->worker->exchange_moved(c, 0);
}

static const struct attempt_ops attempt_ops = {
    .ready = exchange_on_ready,
    .failed = exchange_on_failure,
    .expired = exchange_on_timeout,
};

/* Begins an exchange. h is the request's head; NULL: it has none that can be read. */
static void open_exchange(struct client *c, const struct http_head *h)
{
    struct exchange *x = &c->x;

    memset(x, 0, sizeof *x);
    x->settings = settings_hold(c->worker->settings);
    x->started = reactor_now(c->worker->reactor);
    x->from = c->peer;
    x->cors = cors_origin(x->settings->conf, h);
    x->head_only = h && span_eq(h->method, SPAN("HEAD"));
    counter_add(&c->worker->tally->exchanges, 1);
    attempt_init(&x->attempt, NULL, &attempt_ops);
}

/* The path of a chat completion holds no key. */
static void note_head(struct exchange *x, const struct http_head *h, const struct route *r)
{
    const struct http_field *id = http_find(h, HTTP_X_REQUEST_ID);

    if (id || r->handler != ROUTE_CHAT)
        access_note_key(x, authorization_sent(h));
    x->method_n = access_keep(x, x->method, sizeof x->method, h->method);
    x->path_n = access_keep(x, x->path, sizeof x->path, h->path);
    if (id)
        x->client_id_n = access_keep(x, x->client_id, sizeof x->client_id, id->value);
}

static void refuse_address(struct client *c)
{
    char ip[ADDR_TEXT_MAX], why[ADDR_TEXT_MAX + 40];

    exchange_must_close(&c->x);
    snprintf(why, sizeof why, "the address %s is not allowed", addr_text(&c->x.from, ip));
    exchange_abort(c, FAIL_IP, why);
}

/* Checks the client's key, and sends its request on. Returns as request_begin does. */
static int begin_forwarding(struct client *c, const struct http_head *h, const struct route *r,
                            struct span rest, size_t *used)
{
    struct exchange *x = &c->x;
    struct authorization auth;
    const char *why = authorize(&auth, x->settings, h);

    x->key = auth.key;
    x->unknown_key = x->settings->keys && !auth.key;
    if (why)
        return exchange_fault(c, auth.expired ? FAIL_KEY_EXPIRED : FAIL_API_KEY, why);
    if (local_lists_models(h, r, x->settings)) {
        if (x->settings->limits && limits_take(c))
            return -1;
        request_abandon(c);
        local_list_models(c, r);
        return 0;
    }
    return request_begin(c, h, r, &auth, rest, used);
}

/* Responds to a request that needs no upstream. Health is everybody's to ask for, and who may look
 * after the program has been found to be one that may. */
static void begin_local(struct client *c, const struct http_head *h, const struct route *r)
{
    bool open = c->admin || route_is_probe(r->handler);

    if (!open && !admission_allows(c->x.settings, &c->x.from)) {
        refuse_address(c);
        return;
    }
    request_abandon(c);
    local_respond(c, h, r);
}

size_t exchange_begin(struct client *c, const struct http_head *h, size_t head_n, struct span rest)
{
    struct exchange *x = &c->x;
    struct route route = route_find(h, &c->worker->settings->pass);
    size_t used = 0;

    open_exchange(c, h);
    note_head(x, h, &route);
    x->bytes_in = head_n;
    x->last = !h->keep_alive;
    if (x->last || c->worker->draining)
        exchange_must_close(x);
    x->minor0 = h->minor == 0;
    x->from = admission_client(x->settings, &c->peer, h);
    x->kind.what = TALLY_WHAT(route.handler, END_COMPLETE);
    request_init(c, h);
    x->awaits_continue = h->expect_continue && !x->body.done && rest.n == 0;
    if (c->admin || !route_forwards(&route)) {
        local_narrow(c, h, &route);
        x->kind.what = TALLY_WHAT(route.handler, END_COMPLETE);
        if (!route_forwards(&route)) {
            begin_local(c, h, &route);
            return 0;
        }
    }
    if (!admission_allows(x->settings, &x->from)) {
        refuse_address(c);
    } else if (forward_is_loop(h, x->settings)) {
        exchange_abort(c, FAIL_LOOP,
                       "the request has been forwarded by this proxy before: its base_url leads "
                       "back to it");
    } else if (begin_forwarding(c, h, &route, rest, &used)) {
        exchange_fail(c);
    }
    return used;
}

void exchange_refuse(struct client *c, const struct http_head *h, enum failure f, const char *why)
{
    open_exchange(c, h);
    c->x.kind.what = TALLY_WHAT(ROUTE_NONE, END_COMPLETE);
    exchange_must_close(&c->x);
    request_abandon(c);
    if (f == FAIL_REQUEST_TIMEOUT)
        exchange_ends_as(&c->x, END_TIMEOUT);
    reply_error(c, f, span_of(why), SPAN(""));
}

size_t exchange_feed(struct client *c, struct span in)
{
    size_t used;
    int err = c->x.choosing ? request_choose(c, in, &used) : request_feed(c, SPAN(""), in, &used);

    if (err)
        exchange_fail(c);
    return used;
}

ssize_t exchange_splice(struct client *c)
{
    size_t max = request_spliceable(c);

    return max > 0 ? request_splice(c, max) : -ENOSYS;
}

bool exchange_is_over(const struct client *c)
{
    return !client_is_owed(c) && (c->x.request == REQUEST_DONE || c->x.close);
}

/* Where the client may still be sending, closing at once would meet it with a reset, and a reset
 * throws away what it has not read yet (RFC 9112, 9.6). Not so where it has said that this was all,
 * or has nothing more to lose. The end of TLS has to go out, too. */
static enum close_how how_to_close(const struct client *c)
{
    const struct exchange *x = &c->x;
    bool until_close = x->response_framing == HTTP_UNTIL_CLOSE;

    if (until_close && (x->cut || client_is_owed(c)))
        return CLOSE_BY_RESET;
    if (c->broken)
        return CLOSE_AT_ONCE;
    if (!x->close && !c->worker->draining)
        return CLOSE_NOT;
    if (x->request != REQUEST_DONE)
        return CLOSE_LINGERING;
    if (c->in.end == 0 && !stream_pending(c->top) &&
        ((x->last && client_is_plain(c)) || tcp_all_taken(&c->tcp)))
        return CLOSE_AT_ONCE;
    return CLOSE_ACKNOWLEDGED;
}

enum close_how exchange_end(struct client *c)
{
    struct exchange *x = &c->x;
    enum close_how how = how_to_close(c);

    if (c->broken && client_is_owed(c)) {
        exchange_ends_as(x, END_CLIENT_GONE);
        if (x->response == RESPONSE_BODY)
            response_no_stream(c);
        local_end(c);
    }
    bodylog_end(c);
    access_log(c);
    if (x->counted)
        limits_leave(c);
    exchange_count(x, c->worker);
    exchange_count_tokens(x, c->worker);
    rewrite_end(x->rewrite, c->worker);
    x->rewrite = NULL;
    replay_end(x->replay, c->worker);
    x->replay = NULL;
    free(x->model);
    attempt_drop(&x->attempt);
    c->worker->stale |= x->settings != c->worker->settings;
    settings_release(x->settings, c->worker->reactor);
    x->settings = NULL;
    return how;
}

struct timer_kind *exchange_look_kind(const struct client *c)
{
    const struct exchange *x = &c->x;

    if (x->response == RESPONSE_WAIT)
        return x->attempt.upstream ? &x->attempt.upstream->check : NULL;
    if (x->settings->timeouts.ping.ms > 0 && response_can_be_pinged(c))
        return &x->settings->timeouts.ping;
    return &x->settings->timeouts.check;
}

void exchange_look_after(struct client *c)
{
    struct exchange *x = &c->x;

    if (x->response == RESPONSE_WAIT) {
        if (attempt_is_lost(&x->attempt))
            exchange_abort(c, FAIL_UPSTREAM,
                           "the upstream has vanished: it acknowledged nothing of the request");
    } else if (tcp_is_lost(&c->tcp, x->settings->timeouts.body.ms, &c->unacked_since)) {
        c->broken = true;
    } else if (x->settings->timeouts.ping.ms > 0) {
        response_ping(c);
    }
}

/* The upstream takes more of the request, and says more as long as the client takes it. */
void exchange_update_interest(struct client *c, unsigned moved)
{
    struct exchange *x = &c->x;
    struct attempt *a = &x->attempt;
    bool takes = response_takes(c);
    bool asked = attempt_backlog(a) > 0 || a->write_closed || x->request == REQUEST_DONE;
    struct timer_kind *kind = NULL;

    if (x->response == RESPONSE_WAIT && asked && a->upstream)
        kind = &a->upstream->response_timeout;
    else if (x->response == RESPONSE_BODY && takes && a->upstream)
        kind = &a->upstream->idle_timeout;
    attempt_want(a, takes ? READY_READ : 0, kind, moved & MOVED_UPSTREAM);
}
