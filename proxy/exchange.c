/* The beginning and the end of an exchange, and the one place that decides what its sockets and timers wait for.
 * Knows neither direction's inside: the request's way up is proxy/request.c, the answer's way down proxy/answer.c.
 * The interface is proxy/exchange.h. */
#include "proxy/exchange.h"
#include "proxy/access.h"
#include "proxy/admission.h"
#include "proxy/bodylog.h"
#include "proxy/cors.h"
#include "proxy/reply.h"
#include "proxy/rewrite.h"

#include <stdio.h>

static struct timer_kind linger_kind = { .ms = 5000 }, acknowledge_kind = { .ms = 200 };

/* An exchange that nothing is known of yet. */
static void open_exchange(struct client *c)
{
    struct exchange *x = &c->x;

    memset(x, 0, sizeof *x);
    x->settings = settings_hold(c->worker->settings);
    x->started = reactor_now(c->worker->reactor);
    x->from = c->peer;
    c->worker->counters->requests++;
    attempt_init(&x->attempt, client_attempt_changed);
    c->phase = CLIENT_EXCHANGE;
}

static void note_head(struct exchange *x, const struct http_head *h)
{
    const struct http_field *id = http_find(h, HTTP_X_REQUEST_ID);

    x->method_n = access_keep(x, x->method, sizeof x->method, h->method);
    x->path_n = access_keep(x, x->path, sizeof x->path, h->path);
    if (id)
        x->client_id_n = access_keep(x, x->client_id, sizeof x->client_id, id->value);
}

static void reply_health(struct client *c)
{
    struct http_out o;

    reply_begin(c, &o, 200);
    reply_end(c, &o, SPAN("{\"status\":\"ok\"}"));
}

static void reply_options(struct client *c, const struct http_head *h, struct span allow)
{
    struct http_out o;

    reply_begin(c, &o, 204);
    http_put_field(&o, SPAN("Allow"), allow);
    if (http_find(h, HTTP_ACCESS_CONTROL_REQUEST_METHOD))
        cors_put_preflight(&o, h, allow, c->x.cors);
    reply_end(c, &o, SPAN(""));
}

static void reply_wrong_method(struct client *c, struct span allow)
{
    char fields[128];
    struct http_out o;

    http_out_init(&o, fields, sizeof fields);
    http_put_field(&o, SPAN("Allow"), allow);
    reply_error(c, FAIL_METHOD, SPAN("this path does not know this method"), http_out_span(&o));
}

/* Everything that is answered without the upstream. */
static void answer_here(struct client *c, const struct http_head *h, struct route_match match)
{
    request_abandon(c);
    switch (match.route) {
    case ROUTE_HEALTH:
        reply_health(c);
        break;
    case ROUTE_OPTIONS:
        reply_options(c, h, match.allow);
        break;
    case ROUTE_WRONG_METHOD:
        reply_wrong_method(c, match.allow);
        break;
    default:
        reply_error(c, FAIL_URL, SPAN("unknown path; this proxy serves POST /v1/chat/completions"), SPAN(""));
    }
}

static void refuse_address(struct client *c)
{
    char ip[ADDR_TEXT_MAX], why[ADDR_TEXT_MAX + 40];

    c->x.close = true;
    snprintf(why, sizeof why, "the address %s is not allowed", addr_text(&c->x.from, ip));
    exchange_fail(c, FAIL_IP, why);
}

size_t exchange_begin(struct client *c, size_t head_n, struct span rest)
{
    struct exchange *x = &c->x;
    const struct http_head *h = &c->worker->head;
    struct route_match match = route_find(h);

    open_exchange(c);
    note_head(x, h);
    x->bytes_in = head_n;
    x->last = !h->keep_alive;
    x->close = x->last || c->worker->draining;
    x->minor0 = h->minor == 0;
    x->head_only = span_eq(h->method, SPAN("HEAD"));
    x->from = admission_client(x->settings, &c->peer, h);
    x->cors = cors_origin(x->settings->conf, h);
    http_body_init(&x->body, http_request_framing(h), h->content_length < 0 ? 0 : (uint64_t)h->content_length);
    x->request = x->body.done ? REQUEST_DONE : REQUEST_BODY;
    x->awaits_continue = h->expect_continue && !x->body.done && rest.n == 0;
    if (match.route != ROUTE_HEALTH && !admission_allows(x->settings, &x->from))
        refuse_address(c);
    else if (match.route == ROUTE_CHAT)
        return request_begin(c, rest);
    else
        answer_here(c, h, match);
    return 0;
}

void exchange_refuse(struct client *c, const struct http_head *h, enum failure f, const char *why)
{
    open_exchange(c);
    c->x.cors = cors_origin(c->x.settings->conf, h);
    c->x.close = true;
    c->x.request = REQUEST_DISCARD;
    if (f == FAIL_REQUEST_TIMEOUT)
        c->x.ending = END_TIMEOUT;
    reply_error(c, f, span_of(why), SPAN(""));
}

static enum ending ending_of(enum failure f)
{
    switch (f) {
    case FAIL_DIAL_TIMEOUT:
    case FAIL_ANSWER_TIMEOUT:
    case FAIL_REQUEST_TIMEOUT:
        return END_TIMEOUT;
    case FAIL_DNS:
    case FAIL_CONNECT:
    case FAIL_TLS:
    case FAIL_PROXY:
    case FAIL_UPSTREAM:
        return END_UPSTREAM_LOST;
    default:
        return END_COMPLETE;
    }
}

void exchange_fail(struct client *c, enum failure f, const char *why)
{
    struct exchange *x = &c->x;

    x->ending = ending_of(f);
    if (x->answer == ANSWER_BODY && x->ending == END_COMPLETE)
        x->ending = END_CLIENT_GONE;    /* it has broken its own request off */
    if (failure_info(f)->status >= 500 || x->answer == ANSWER_BODY)
        log_say(c->worker->log, LOG_WARNING_LEVEL, "%s", why);
    request_abandon(c);
    if (x->answer == ANSWER_BODY)
        answer_cut(c, f, why);
    else if (x->answer == ANSWER_WAIT)
        reply_error(c, f, span_of(why), SPAN(""));
    rewrite_end(c);
    attempt_end(&x->attempt, false);
}

void exchange_end(struct client *c)
{
    struct exchange *x = &c->x;

    bodylog_end(c);
    access_log(c);
    rewrite_end(c);
    attempt_end(&x->attempt, false);
    settings_release(x->settings, c->worker->reactor);
    x->settings = NULL;
    c->phase = CLIENT_CLOSING;
}

/* Arms t for kind, anew only if something moved or something else is waited for now; NULL: nothing is. */
static void follow(struct reactor *r, struct timer *t, struct timer_kind *kind, bool progress)
{
    if (!kind)
        timer_disarm(t);
    else if (progress || t->kind != kind)
        timer_arm(r, t, kind);
}

/* What the upstream's side waits for: to take more of the request, and to say more as long as the client takes it. */
static void steer_upstream(struct client *c, bool progress)
{
    struct exchange *x = &c->x;
    struct conn *u = x->attempt.conn;
    bool sending = u && u->out.bytes > 0;
    struct timer_kind *kind = NULL;
    unsigned want = 0;

    if (!u || x->attempt.dial)
        return;
    if (sending)
        want |= READY_WRITE;
    if (c->out.bytes == 0)
        want |= READY_READ;
    if (x->answer == ANSWER_WAIT && (sending || x->attempt.deaf || x->request == REQUEST_DONE))
        kind = &x->settings->timeouts.answer;
    else if (x->answer == ANSWER_BODY && c->out.bytes == 0)
        kind = &x->settings->timeouts.silence;
    stream_want(u->top, want);
    follow(c->worker->reactor, &u->timer, kind, progress);
}

/* What the client's side waits for while an exchange is under way. */
static struct timer_kind *steer_exchange(struct client *c, unsigned *want)
{
    struct exchange *x = &c->x;
    bool receiving = x->request == REQUEST_DISCARD ||
                     (x->request == REQUEST_BODY && !x->attempt.deaf && attempt_backlog(&x->attempt) == 0);

    *want |= READY_HUP;
    if (receiving)
        *want |= READY_READ;
    return receiving || c->out.bytes > 0 ? &x->settings->timeouts.body : NULL;
}

void exchange_steer(struct client *c, bool client_progress, bool upstream_progress)
{
    struct worker *w = c->worker;
    struct timer_kind *kind = NULL;
    unsigned want = c->out.bytes > 0 ? READY_WRITE : 0;

    switch (c->phase) {
    case CLIENT_PREFACE:
    case CLIENT_HEAD:
        want |= c->out.bytes == 0 ? READY_READ : 0;
        kind = c->unwelcome ? &linger_kind : client_head_begun(c) || !c->served ? &w->settings->timeouts.header : &w->settings->timeouts.idle;
        client_progress = false;
        break;
    case CLIENT_EXCHANGE:
        kind = steer_exchange(c, &want);
        steer_upstream(c, upstream_progress);
        break;
    case CLIENT_CLOSING:
        kind = &w->settings->timeouts.body;
        break;
    case CLIENT_LINGER:
        want = READY_READ;
        kind = c->x.request == REQUEST_DONE ? &acknowledge_kind : &linger_kind;
        client_progress &= reactor_now(w->reactor) < c->linger_until;
        break;
    case CLIENT_GONE:
        return;
    }
    stream_want(&c->tcp.stream, want);
    follow(w->reactor, &c->timer, kind, client_progress);
}
