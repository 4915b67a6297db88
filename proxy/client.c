/* A client's connection: reading what comes, cutting it into requests, and ending it without losing the last words.
 * Knows nothing of what a request asks for: that begins in proxy/exchange.c.
 * The interface is proxy/client.h for the worker, proxy/exchange.h for the rooms beside it. */
#include "proxy/client.h"
#include "net/proxy_protocol.h"
#include "proxy/admission.h"
#include "proxy/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_PER_TURN 4                /* of WORKER_READ_SIZE each, so that one fast stream starves nobody */
#define LINGER_MAX_MS 30000
#define REFUSED_MAX 128                 /* how many clients beyond max_connections are told so, and how many are there that may not come in */

void client_send(struct client *c, struct iovec *iov, int n)
{
    for (int i = 0; i < n; i++)
        c->x.bytes_out += iov[i].iov_len;
    if (c->broken || outq_send(&c->out, &c->worker->blocks, &c->tcp.stream, iov, n) == 0)
        return;
    c->broken = true;
    if (c->x.ending == END_COMPLETE)
        c->x.ending = END_CLIENT_GONE;
}

static void client_free(struct retired *r)
{
    free(container_of(r, struct client, retired));
}

static bool owes_bytes(const struct client *c)
{
    return c->x.answer != ANSWER_DONE || c->out.bytes > 0;
}

/* An answer that ends with the connection looks complete when the connection ends: only a reset tells that it was cut. */
static void tell_a_cut(struct client *c)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    if (c->x.answer_framing == HTTP_UNTIL_CLOSE && (c->x.cut || owes_bytes(c)))
        setsockopt(c->tcp.watch.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void client_close(struct client *c)
{
    struct worker *w = c->worker;

    tell_a_cut(c);
    c->phase = CLIENT_GONE;
    timer_disarm(&c->timer);
    stream_close(&c->tcp.stream);
    inbuf_clear(&c->in);
    outq_clear(&c->out, &w->blocks);
    *(c->prev ? &c->prev->next : &w->clients) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    w->n_clients--;
    w->n_unwelcome -= c->unwelcome;
    reactor_retire(w->reactor, &c->retired, client_free);
    worker_client_gone(w);
}

/* All is sent. Where the client may still be sending, closing at once would answer it with a reset, and a reset throws away what it has
 * not read yet (RFC 9112, 9.6): so our side is shut first, and theirs read to its end. Not so where it has said that this was all, has nothing
 * more to lose, or is to see a reset. */
static void finish_closing(struct client *c)
{
    const struct exchange *x = &c->x;
    bool quiet = x->request == REQUEST_DONE && c->in.end == 0 && !stream_pending(&c->tcp.stream);

    if ((x->cut && x->answer_framing == HTTP_UNTIL_CLOSE) || (quiet && (x->last || tcp_all_taken(&c->tcp)))) {
        client_close(c);
        return;
    }
    tcp_shutdown(&c->tcp);
    inbuf_clear(&c->in);
    c->phase = CLIENT_LINGER;
    c->linger_until = reactor_now(c->worker->reactor) + LINGER_MAX_MS;
}

bool client_head_begun(const struct client *c)
{
    struct span in = inbuf_span(&c->in);
    size_t n = 0;

    while (n < in.n && (in.p[n] == '\r' || in.p[n] == '\n'))
        n++;
    return c->phase == CLIENT_HEAD && n < in.n;
}

/* Ends what is to be ended: the exchange when both its directions are done, the connection after the last one. */
static void advance(struct client *c)
{
    struct exchange *x = &c->x;

    if (c->phase == CLIENT_GONE)
        return;
    if (c->broken) {
        if (c->phase == CLIENT_EXCHANGE) {
            if (x->ending == END_COMPLETE && owes_bytes(c))
                x->ending = END_CLIENT_GONE;
            exchange_end(c);
        }
        client_close(c);
        return;
    }
    if (c->phase == CLIENT_EXCHANGE && !owes_bytes(c) && (x->request == REQUEST_DONE || x->close)) {
        exchange_end(c);
        c->served = true;
        c->phase = x->close || c->worker->draining ? CLIENT_CLOSING : CLIENT_HEAD;
    }
    if (c->phase == CLIENT_CLOSING && c->out.bytes == 0)
        finish_closing(c);
}

static bool takes_input(const struct client *c)
{
    const struct exchange *x = &c->x;

    switch (c->phase) {
    case CLIENT_PREFACE:
        return true;
    case CLIENT_HEAD:
        return c->out.bytes == 0;
    case CLIENT_EXCHANGE:
        return x->request == REQUEST_DISCARD || (x->request == REQUEST_BODY && !x->attempt.deaf && attempt_backlog(&x->attempt) == 0);
    case CLIENT_LINGER:
        return true;
    default:
        return false;
    }
}

/* Takes the header in which a trusted proxy names the client; whoever is named is then looked at like one that came by himself. */
static size_t take_preface(struct client *c, struct span in)
{
    char ip[ADDR_TEXT_MAX];
    ssize_t n = proxy_protocol_parse(in, &c->peer);

    if (n == -EAGAIN)
        return 0;
    if (n < 0) {
        log_say(c->worker->log, LOG_WARNING_LEVEL, "the connection from %s has no PROXY header as it should, and is closed", addr_text(&c->peer, ip));
        c->broken = true;
        return in.n;
    }
    c->phase = CLIENT_HEAD;
    return (size_t)n;
}

/* Takes a head, if it is all there, and with it as much of what follows as belongs to it. Returns how many bytes were used. */
static size_t take_head(struct client *c, struct span in)
{
    struct worker *w = c->worker;
    ssize_t n = http_request_parse(&w->head, in, w->settings->conf->server.max_header_size, c->head_seen);

    if (n == -EAGAIN) {
        c->head_seen = (uint32_t)in.n;
        return 0;
    }
    c->head_seen = 0;
    if (n < 0) {
        exchange_refuse(c, &w->head, failure_of_status(w->head.fault->status), w->head.fault->why);
        c->x.bytes_in = in.n;
        return in.n;
    }
    return (size_t)n + exchange_begin(c, (size_t)n, span_skip(in, (size_t)n));
}

static size_t take(struct client *c, struct span in)
{
    switch (c->phase) {
    case CLIENT_PREFACE:
        return take_preface(c, in);
    case CLIENT_HEAD:
        return take_head(c, in);
    case CLIENT_EXCHANGE:
        return request_feed(c, in);
    default:
        return in.n;
    }
}

/* Uses input for as long as there is some and somebody takes it. Returns how many bytes were used. */
static size_t consume(struct client *c, struct span in)
{
    size_t used = 0;

    while (used < in.n && takes_input(c)) {
        size_t n = take(c, span_skip(in, used));

        used += n;
        advance(c);
        if (n == 0)
            break;
    }
    return used;
}

/* Takes fresh bytes, behind those that were kept; what cannot be used yet is kept. */
static void input(struct client *c, struct span fresh)
{
    bool kept = c->in.end > 0;
    size_t used;

    if (kept && inbuf_put(&c->in, fresh)) {
        c->broken = true;
        return;
    }
    if (kept)
        fresh = inbuf_span(&c->in);
    used = consume(c, fresh);
    if (c->phase == CLIENT_GONE || c->phase == CLIENT_LINGER)
        return;
    if (kept)
        inbuf_drop(&c->in, used);
    else if (inbuf_put(&c->in, span_skip(fresh, used)))
        c->broken = true;
}

/* Reads once, or has bytes passed on that nobody needs to see. Returns as stream_read does. */
static ssize_t read_once(struct client *c)
{
    struct worker *w = c->worker;
    size_t unseen = request_unseen(c);
    ssize_t n = unseen ? request_pass_unseen(c, unseen) : -ENOSYS;

    if (n != -ENOSYS)
        return n;
    n = stream_read(&c->tcp.stream, w->in, sizeof w->in);
    if (n > 0)
        input(c, (struct span){ w->in, (size_t)n });
    return n;
}

/* Reads while somebody takes the bytes. Returns true if any came. */
static bool read_client(struct client *c)
{
    bool progress = false;

    for (int budget = READS_PER_TURN; budget > 0 && !c->broken && takes_input(c) && stream_pending(&c->tcp.stream); budget--) {
        ssize_t n = read_once(c);

        if (n == -EAGAIN)
            break;
        if (n <= 0) {
            c->broken = true;
            break;
        }
        progress = true;
    }
    return progress;
}

void client_settle(struct client *c, bool client_progress, bool upstream_progress)
{
    advance(c);
    if (c->in.end > 0 && takes_input(c)) {
        input(c, SPAN(""));
        advance(c);
    }
    if (c->phase != CLIENT_GONE)
        exchange_steer(c, client_progress, upstream_progress);
}

/* A client that ends its direction while it is owed an answer has left: nothing else tells so on the wire, and every further token costs money. */
static void on_ready(struct watch *w)
{
    struct client *c = container_of(w, struct client, tcp.watch);
    bool progress = false;

    if (c->phase == CLIENT_EXCHANGE && (w->ready & READY_HUP))
        c->broken = true;
    if (c->out.bytes > 0 && (w->ready & READY_WRITE)) {
        client_send(c, NULL, 0);
        progress = true;
    }
    if (!c->broken)
        progress |= read_client(c);
    client_settle(c, progress, false);
}

static void head_is_late(struct client *c)
{
    exchange_refuse(c, NULL, FAIL_REQUEST_TIMEOUT, "the request's head did not come in time");
    c->x.bytes_in = c->in.end;
}

/* What is left of the body may come at any time, and would be taken for the next request (RFC 9110, 15.5.9). */
static void body_is_late(struct client *c)
{
    c->x.close = true;
    exchange_fail(c, FAIL_REQUEST_TIMEOUT, "the request's body did not come in time");
}

/* A client that owes nothing more has only to have taken what was sent. */
static bool awaits_acknowledgement(const struct client *c)
{
    return c->phase == CLIENT_LINGER && c->x.request == REQUEST_DONE && !tcp_all_taken(&c->tcp) && reactor_now(c->worker->reactor) < c->linger_until;
}

static void on_timer(struct timer *t)
{
    struct client *c = container_of(t, struct client, timer);

    if (client_head_begun(c))
        head_is_late(c);
    else if (c->phase == CLIENT_EXCHANGE && c->out.bytes == 0 && c->x.answer != ANSWER_DONE)
        body_is_late(c);
    else if (!awaits_acknowledgement(c))
        c->broken = true;
    if (c->broken && c->phase == CLIENT_EXCHANGE && owes_bytes(c))
        c->x.ending = END_TIMEOUT;
    client_settle(c, false, false);
}

/* Beyond the limit a client is told so, and those that are being told are limited too. */
static void refuse_full(struct client *c)
{
    exchange_refuse(c, NULL, FAIL_OVERLOADED, "the proxy has as many connections as it may have");
    client_settle(c, false, false);
}

/* Decides about an address as early as it is known to be the client's: whoever may not come in gets little time and few places, so that a flood of them costs
 * next to nothing. /healthz is still for everybody. Returns false if the connection is to be closed unheard. */
static bool admit(struct client *c, bool preface)
{
    struct worker *w = c->worker;
    const struct settings *s = w->settings;
    char ip[ADDR_TEXT_MAX];

    if (preface && !admission_trusts(s, &c->peer)) {
        log_say(w->log, LOG_WARNING_LEVEL, "%s is no trusted proxy, and its connection is closed", addr_text(&c->peer, ip));
        return false;
    }
    if (preface || admission_trusts(s, &c->peer) || admission_allows(s, &c->peer))
        return true;
    c->unwelcome = w->n_unwelcome < REFUSED_MAX;
    w->n_unwelcome += c->unwelcome;
    return c->unwelcome;
}

static struct client *client_make(struct worker *w, int fd, const struct addr *peer)
{
    unsigned max = w->settings->conf->server.max_connections;
    struct client *c = w->n_clients < max + REFUSED_MAX ? calloc(1, sizeof *c) : NULL;

    if (!c) {
        close(fd);
        return NULL;
    }
    tcp_init(&c->tcp, w->reactor, on_ready);
    if (tcp_attach(&c->tcp, fd)) {
        free(c);
        return NULL;
    }
    c->timer.fn = on_timer;
    c->worker = w;
    c->peer = *peer;
    c->next = w->clients;
    if (c->next)
        c->next->prev = c;
    w->clients = c;
    w->n_clients++;
    w->counters->connections++;
    return c;
}

void client_accept(struct worker *w, int fd, const struct addr *peer, bool preface)
{
    struct client *c = client_make(w, fd, peer);

    if (!c)
        return;
    c->phase = preface ? CLIENT_PREFACE : CLIENT_HEAD;
    c->tcp.watch.ready = READY_READ | READY_WRITE;
    if (!admit(c, preface))
        client_close(c);
    else if (w->n_clients > w->settings->conf->server.max_connections)
        refuse_full(c);
    else
        client_settle(c, read_client(c), false);
}

void client_drain(struct client *c)
{
    if (c->phase == CLIENT_PREFACE || (c->phase == CLIENT_HEAD && !client_head_begun(c) && c->out.bytes == 0))
        client_close(c);
}

void client_settings_changed(struct client *c)
{
    exchange_steer(c, false, false);
}

struct client *client_following(const struct client *c)
{
    return c->next;
}

/* Whoever is still owed an answer is told; where the upstream has the request already, without a word of trying again. */
void client_kill(struct client *c)
{
    struct exchange *x = &c->x;
    bool owed = c->phase == CLIENT_EXCHANGE && owes_bytes(c);

    if (owed && x->answer != ANSWER_DONE)
        exchange_fail(c, x->answer == ANSWER_WAIT && x->attempt.sent ? FAIL_UPSTREAM : FAIL_DRAINING, "the proxy was stopped before the answer was complete");
    if (owed)
        x->ending = END_TIMEOUT;
    c->broken = true;
    advance(c);
}

void client_attempt_changed(struct attempt *a)
{
    struct client *c = container_of(a, struct client, x.attempt);

    if (a->failure >= 0)
        exchange_fail(c, (enum failure)a->failure, a->why);
    client_settle(c, false, true);
}

static struct client *client_of(struct conn *conn)
{
    return container_of(conn->attempt, struct client, x.attempt);
}

void client_upstream_ready(struct conn *conn)
{
    struct client *c = client_of(conn);
    bool progress = false;

    if (c->x.attempt.dial) {
        dial_ready(c->x.attempt.dial);
        return;
    }
    if (conn->out.bytes > 0 && (conn->tcp.watch.ready & READY_WRITE)) {
        attempt_flush(&c->x.attempt);
        progress = true;
    }
    if (c->out.bytes == 0 && c->x.answer != ANSWER_DONE)
        progress |= answer_read(c);
    client_settle(c, false, progress);
}

void client_upstream_expired(struct conn *conn)
{
    struct client *c = client_of(conn);

    if (c->x.answer == ANSWER_WAIT)
        exchange_fail(c, FAIL_ANSWER_TIMEOUT, "the upstream did not answer in time");
    else
        exchange_fail(c, FAIL_ANSWER_TIMEOUT, "the upstream fell silent within its answer");
    client_settle(c, false, false);
}
