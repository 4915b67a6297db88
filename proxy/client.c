/* A client's connection: reading what comes, cutting it into requests, and ending it without losing
 * the last words. What a request asks for begins in proxy/exchange.c. */
#include "proxy/client.h"
#include "net/tls_server.h"
#include "proxy/entry.h"
#include "proxy/exchange.h"
#include "proxy/local.h"
#include "proxy/request.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads of WORKER_READ_SIZE each, so that one fast stream starves nobody. */
#define READS_PER_TURN 4
#define LINGER_MAX_MS 30000

static void client_free(struct retired *r)
{
    free(container_of(r, struct client, retired));
}

static void client_close(struct client *c)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    struct worker *w = c->worker;

    if (c->how == CLOSE_BY_RESET && !client_is_plain(c))
        tls_accept_break(c->top);
    if (c->how == CLOSE_BY_RESET)
        setsockopt(c->tcp.watch.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    c->phase = CLIENT_GONE;
    timer_disarm(&c->timer);
    stream_close(c->top);
    inbuf_clear(&c->in);
    outq_clear(&c->out, &w->blocks);
    *(c->prev ? &c->prev->next : &w->clients) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    w->n_denied -= c->denied;
    reactor_retire(w->reactor, &c->retired, client_free);
    counter_add(&w->tally->clients, UINT64_MAX);
    w->n_admins -= c->admin;
    if (--w->n_clients == w->n_admins && w->draining)
        reactor_stop(w->reactor);
}

/* True if between requests something has come that is more than empty lines (RFC 9112, 2.2). */
static bool head_begun(const struct client *c)
{
    struct span in = inbuf_span(&c->in);
    size_t n = 0;

    while (n < in.n && (in.p[n] == '\r' || in.p[n] == '\n'))
        n++;
    return c->phase == CLIENT_HEAD && n < in.n;
}

/* The last exchange has ended: closes the connection as that exchange decided. */
static void client_finish(struct client *c)
{
    switch (c->how) {
    case CLOSE_NOT:
        c->phase = CLIENT_HEAD;
        break;
    case CLOSE_AT_ONCE:
    case CLOSE_BY_RESET:
        client_close(c);
        break;
    case CLOSE_ACKNOWLEDGED:
    case CLOSE_LINGERING:
        inbuf_clear(&c->in);
        c->phase = CLIENT_LINGER;
        c->linger_until = reactor_now(c->worker->reactor) + LINGER_MAX_MS;
        break;
    }
}

/* Ends what is to be ended: the exchange when both its directions are done, the connection after
 * the last one. */
static void client_advance(struct client *c)
{
    bool under_way = c->phase == CLIENT_EXCHANGE;

    if (c->phase == CLIENT_GONE)
        return;
    if (c->broken) {
        if (under_way)
            c->how = exchange_end(c);
        client_close(c);
    } else if (under_way && exchange_is_over(c)) {
        c->served = true;
        c->how = exchange_end(c);
        client_finish(c);
    }
}

static bool takes_input(const struct client *c)
{
    switch (c->phase) {
    case CLIENT_HEAD:
        return c->out.bytes == 0;
    case CLIENT_EXCHANGE:
        return request_takes(c);
    case CLIENT_PROXY_HEADER:
    case CLIENT_LINGER:
        return true;
    default:
        return false;
    }
}

/* True if the exchange goes on only when the client sends or takes bytes. */
static bool waits_for_client(const struct client *c)
{
    return request_takes(c) || c->out.bytes > 0;
}

/* What the client's side waits for while an exchange is under way. */
static struct timer_kind *exchange_interest(const struct client *c, unsigned *want)
{
    bool receiving = request_takes(c);

    *want |= READY_HUP;
    if (receiving || (!client_is_plain(c) && tls_accept_can_hear(c->top)))
        *want |= READY_READ;
    return receiving || c->out.bytes > 0 ? &c->x.settings->timeouts.body : exchange_look_kind(c);
}

/* Ends our side, once all of it is out. */
static void client_shut(struct client *c)
{
    if (c->shut || (!client_is_plain(c) && tls_accept_end(c->top) == -EAGAIN))
        return;
    tcp_shutdown(&c->tcp);
    c->shut = true;
}

/* Decides what the sockets and timers of c wait for. Called at the end of every callback. moved:
 * MOVED_* or 0. */
static void client_update_interest(struct client *c, unsigned moved)
{
    struct worker *w = c->worker;
    struct timer_kind *kind = NULL;
    unsigned want = c->out.bytes > 0 ? READY_WRITE : 0;
    bool progress = moved & MOVED_CLIENT;

    switch (c->phase) {
    case CLIENT_PROXY_HEADER:
    case CLIENT_HANDSHAKE:
    case CLIENT_HEAD:
        want |= c->out.bytes == 0 ? READY_READ : 0;
        kind = c->denied                  ? &w->linger_kind
            : head_begun(c) || !c->served ? &w->settings->timeouts.header
                                          : &w->settings->timeouts.idle;
        progress = false;
        break;
    case CLIENT_EXCHANGE:
        kind = exchange_interest(c, &want);
        if (kind == &c->x.settings->timeouts.ping)
            progress = moved & MOVED_UPSTREAM;
        exchange_update_interest(c, moved);
        break;
    case CLIENT_LINGER:
        client_shut(c);
        want = READY_READ;
        kind = c->how == CLOSE_ACKNOWLEDGED ? &w->acknowledge_kind : &w->linger_kind;
        progress &= reactor_now(w->reactor) < c->linger_until;
        break;
    case CLIENT_GONE:
        return;
    }
    stream_want(c->top, want);
    timer_follow(w->reactor, &c->timer, kind, progress);
}

/* Takes a head, if it is all there, and with it as much of what follows as belongs to it. Returns
 * how many bytes were used. */
static size_t take_head(struct client *c, struct span in)
{
    size_t max = (size_t)c->worker->settings->conf->server.max_header_size;
    struct http_head *h = &c->worker->head;
    ssize_t n = http_request_parse(h, in, max, c->head_seen);

    if (n == -EAGAIN) {
        c->head_seen = (uint32_t)in.n;
        return 0;
    }
    c->head_seen = 0;
    c->phase = CLIENT_EXCHANGE;
    if (n < 0) {
        exchange_refuse(c, h, failure_of_status(h->fault->status), h->fault->why);
        c->x.bytes_in = in.n;
        return in.n;
    }
    return (size_t)n + exchange_begin(c, h, (size_t)n, span_skip(in, (size_t)n));
}

/* Takes fresh bytes, after those that were kept, for as long as they are taken; the rest is
 * kept. */
static void client_input(struct client *c, struct span fresh)
{
    bool kept = c->in.end > 0;
    size_t used = 0, n = 1;

    if (kept && inbuf_put(&c->in, fresh)) {
        c->broken = true;
        return;
    }
    if (kept)
        fresh = inbuf_span(&c->in);
    while (n > 0 && used < fresh.n && takes_input(c)) {
        struct span rest = span_skip(fresh, used);

        if (c->phase == CLIENT_EXCHANGE)
            n = exchange_feed(c, rest);
        else if (c->phase == CLIENT_HEAD)
            n = take_head(c, rest);
        else
            n = c->phase == CLIENT_PROXY_HEADER ? entry_take_proxy_header(c, rest) : rest.n;
        used += n;
        client_advance(c);
    }
    if (c->phase == CLIENT_GONE || c->phase == CLIENT_LINGER)
        return;
    if (kept)
        inbuf_drop(&c->in, used);
    else if (inbuf_put(&c->in, span_skip(fresh, used)))
        c->broken = true;
}

/* The end of every callback: goes on with what can go on, ends what is to be ended, and updates
 * what is waited for. */
static void client_settle(struct client *c, unsigned moved)
{
    client_advance(c);
    if (c->in.end > 0 && takes_input(c)) {
        client_input(c, SPAN(""));
        client_advance(c);
    }
    client_update_interest(c, moved);
}

/* Reads once while an exchange may splice, or into the worker's buffer. Returns as stream_read
 * does; *read tells whether the bytes are in the buffer. */
static ssize_t read_once(struct client *c, bool *read)
{
    struct worker *w = c->worker;
    ssize_t n = c->phase == CLIENT_EXCHANGE ? exchange_splice(c) : -ENOSYS;

    *read = n == -ENOSYS;
    return *read ? stream_read(c->top, w->in, sizeof w->in) : n;
}

static void client_on_ready(struct watch *w);

/* Beyond the limit a client is told so, and those that are being told are limited too. */
static void refuse_full(struct client *c)
{
    c->phase = CLIENT_EXCHANGE;
    exchange_refuse(c, NULL, FAIL_OVERLOADED, "the proxy has as many connections as it may have");
    client_settle(c, 0);
}

/* What has come behind the handshake is announced to client_on_ready, in this turn yet. */
static void client_on_handshake(struct watch *w)
{
    struct client *c = container_of(w, struct client, tcp.watch);

    if (entry_shake(c))
        w->fn = client_on_ready;
    if (c->phase == CLIENT_HEAD && c->full)
        refuse_full(c);
    else
        client_settle(c, 0);
}

/* True if the client has ended its direction by close_notify, which its socket does not tell. While
 * a request is being received, reading tells. */
static bool has_said_so(struct client *c)
{
    return !client_is_plain(c) && (c->tcp.watch.ready & READY_READ) && !takes_input(c) &&
        tls_accept_has_left(c->top);
}

/* A client that ends its direction while it is owed a response has left: nothing else tells so on
 * the wire, and every further token costs money. */
static void client_on_ready(struct watch *w)
{
    struct client *c = container_of(w, struct client, tcp.watch);
    unsigned moved = 0;

    if (c->phase == CLIENT_EXCHANGE && ((w->ready & READY_HUP) || has_said_so(c)))
        c->broken = true;
    if (c->out.bytes > 0 && (w->ready & READY_WRITE)) {
        client_send(c, NULL, 0);
        moved = MOVED_CLIENT;
        if (c->out.bytes == 0 && c->phase == CLIENT_EXCHANGE)
            local_go_on(c);
    }
    for (int budget = READS_PER_TURN;
         budget > 0 && !c->broken && takes_input(c) && stream_pending(c->top); budget--) {
        bool read;
        ssize_t n = read_once(c, &read);

        if (n == -EAGAIN)
            break;
        if (n <= 0) {
            c->broken = true;
            break;
        }
        moved = MOVED_CLIENT;
        if (read)
            client_input(c, (struct span){ c->worker->in, (size_t)n });
    }
    if (c->phase == CLIENT_HANDSHAKE) {
        w->fn = client_on_handshake;
        client_on_handshake(w);
        return;
    }
    client_settle(c, moved);
}

static void head_is_late(struct client *c)
{
    c->phase = CLIENT_EXCHANGE;
    exchange_refuse(c, NULL, FAIL_REQUEST_TIMEOUT, "the request's head did not come in time");
    c->x.bytes_in = c->in.end;
}

/* The rest of the body may come at any time, and would be taken for the next request (RFC 9110,
 * 15.5.9). */
static void body_is_late(struct client *c)
{
    exchange_must_close(&c->x);
    exchange_abort(c, FAIL_REQUEST_TIMEOUT, "the request's body did not come in time");
}

/* True while a client whose request is complete has not yet acknowledged all of the response. */
static bool awaits_acknowledgement(const struct client *c)
{
    return c->phase == CLIENT_LINGER && c->how == CLOSE_ACKNOWLEDGED && !tcp_all_taken(&c->tcp) &&
        reactor_now(c->worker->reactor) < c->linger_until;
}

static void client_on_timer(struct timer *t)
{
    struct client *c = container_of(t, struct client, timer);

    if (head_begun(c)) {
        head_is_late(c);
    } else if (c->phase == CLIENT_EXCHANGE && !waits_for_client(c)) {
        exchange_look_after(c);
    } else if (c->phase == CLIENT_EXCHANGE && c->out.bytes == 0 && c->x.response != RESPONSE_DONE) {
        body_is_late(c);
    } else if (!awaits_acknowledgement(c)) {
        c->broken = true;
        if (c->phase == CLIENT_EXCHANGE && client_is_owed(c))
            exchange_ends_as(&c->x, END_TIMEOUT);
    }
    client_settle(c, 0);
}

static struct client *client_make(struct worker *w, int fd, const struct addr *peer)
{
    unsigned max = w->limits.served + w->limits.refused;
    struct client *c = w->n_clients < max ? calloc(1, sizeof *c) : NULL;

    if (!c) {
        close(fd);
        return NULL;
    }
    tcp_init(&c->tcp, w->reactor, client_on_ready);
    if (tcp_attach(&c->tcp, fd)) {
        free(c);
        return NULL;
    }
    c->top = &c->tcp.stream;
    c->timer.fn = client_on_timer;
    c->worker = w;
    c->peer = *peer;
    c->next = w->clients;
    if (c->next)
        c->next->prev = c;
    w->clients = c;
    w->n_clients++;
    counter_add(&w->tally->connections, 1);
    counter_add(&w->tally->clients, 1);
    return c;
}

void client_accept(struct worker *w, int fd, const struct addr *peer, unsigned entry)
{
    struct client *c = client_make(w, fd, peer);

    if (!c)
        return;
    c->tls = entry & ENTRY_TLS;
    c->admin = entry & ENTRY_ADMIN;
    w->n_admins += c->admin;
    c->full = !c->admin && w->n_clients > w->limits.served;
    c->phase = entry & ENTRY_PROXY_HEADER ? CLIENT_PROXY_HEADER
        : c->tls                          ? CLIENT_HANDSHAKE
                                          : CLIENT_HEAD;
    c->tcp.watch.ready = READY_READ | READY_WRITE;
    if (!entry_admit(c, entry & ENTRY_PROXY_HEADER))
        client_close(c);
    else if (c->full && !c->tls)
        refuse_full(c);
    else
        client_on_ready(&c->tcp.watch);
}

void client_exchange_moved(struct client *c, unsigned moved)
{
    client_settle(c, moved);
}

void client_drain(struct client *c)
{
    if (c->phase == CLIENT_PROXY_HEADER || c->phase == CLIENT_HANDSHAKE ||
        (c->phase == CLIENT_HEAD && !head_begun(c) && c->out.bytes == 0))
        client_close(c);
}

void client_settings_changed(struct client *c)
{
    client_update_interest(c, 0);
}

struct client *client_following(const struct client *c)
{
    return c->next;
}

void client_kill(struct client *c)
{
    struct exchange *x = &c->x;

    if (c->phase == CLIENT_EXCHANGE && client_is_owed(c)) {
        exchange_ends_as(x, END_TIMEOUT);
        if (x->response != RESPONSE_DONE)
            exchange_abort(
                c, x->response == RESPONSE_WAIT && x->attempt.sent ? FAIL_UPSTREAM : FAIL_DRAINING,
                "the proxy was stopped before the answer was complete");
    }
    c->broken = true;
    client_advance(c);
}
