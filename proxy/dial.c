/* From a name to an open stream.
 * Knows nothing of requests.
 * The interface is proxy/dial.h. */
#include "proxy/dial.h"
#include "net/socks.h"
#include "proxy/http_tunnel.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The arithmetic of one handshake takes milliseconds. When it has taken as many within one turn of the loop, the next handshake
 * waits for the next turn, so that hundreds of them at once do not stop everything else. */
#define HANDSHAKE_MS_PER_TURN 4

static void dial_free(struct retired *r)
{
    free(container_of(r, struct dial, retired));
}

void dial_cancel(struct dial *d)
{
    if (!d)
        return;
    resolver_cancel(&d->query);
    connector_cancel(&d->connector);
    timer_disarm(&d->timer);
    reactor_retire(d->conn->pool->reactor, &d->retired, dial_free);
}

/* The end, good (failure < 0) or bad. */
static void finish(struct dial *d, int failure)
{
    dial_cancel(d);
    d->done(d, failure);
}

static const struct conf_url *upstream_of(const struct dial *d)
{
    return &d->conn->settings->conf->upstream.base_url;
}

/* The proxy on the way, or NULL. */
static const struct conf_url *proxy_of(const struct dial *d)
{
    const struct conf_url *proxy = &d->conn->settings->conf->upstream.proxy;

    return proxy->host ? proxy : NULL;
}

/* Who the socket is connected to. */
static const struct conf_url *next_hop(const struct dial *d)
{
    return proxy_of(d) ? proxy_of(d) : upstream_of(d);
}

/* What can go wrong, and the words around who it went wrong with. */
struct mishap {
    enum failure failure;
    const char *before, *behind;
};

static const struct mishap no_name = { FAIL_DNS, "cannot resolve ", ": " };
static const struct mishap no_connection = { FAIL_CONNECT, "cannot connect to ", ": " };
static const struct mishap no_tls = { FAIL_TLS, "TLS with ", " failed: " };
static const struct mishap no_tunnel = { FAIL_PROXY, "", " " };

/* Ends the dial. Whatever goes wrong with the proxy is the proxy's failure. */
static void fail(struct dial *d, const struct mishap *m, const struct conf_url *whom, const char *why)
{
    bool proxy = whom == proxy_of(d);

    snprintf(d->why, sizeof d->why, "%s%s%s port %u%s%s", m->before, proxy ? "the proxy " : "", whom->host, (unsigned)whom->port,
             m->behind, why);
    finish(d, proxy ? FAIL_PROXY : m->failure);
}

/* What goes wrong while a layer is opened is that layer's failure. */
static void fail_layer(struct dial *d, int err)
{
    const char *why = stream_why(d->conn->top);

    fail(d, d->layer == DIAL_TUNNEL ? &no_tunnel : &no_tls, d->layer == DIAL_TLS ? upstream_of(d) : proxy_of(d), why ? why : strerror(-err));
}

static bool is_socks(const struct conf_url *proxy)
{
    return conf_url_is(proxy, "socks5") || conf_url_is(proxy, "socks5h");
}

static bool is_needed(const struct dial *d, enum dial_layer layer)
{
    const struct conf_url *proxy = proxy_of(d);

    switch (layer) {
    case DIAL_PROXY_TLS:
        return proxy && conf_url_is(proxy, "https");
    case DIAL_TUNNEL:
        return proxy && (is_socks(proxy) || conf_url_is(upstream_of(d), "https"));
    case DIAL_TLS:
        return conf_url_is(upstream_of(d), "https");
    default:
        return true;
    }
}

static int make_tunnel(struct dial *d, struct stream **out)
{
    const struct settings *s = d->conn->settings;
    const struct conf_url *proxy = proxy_of(d), *to = upstream_of(d);
    struct socks_request socks = {
        .addr = d->upstream.family ? &d->upstream : NULL, .host = to->host, .port = to->port, .user = proxy->user, .password = proxy->password,
    };
    struct dialogue *talk;
    int err = is_socks(proxy) ? socks_dialogue_make(&talk, &socks) : http_tunnel_make(&talk, s->authority, s->proxy_credentials);

    if (err)
        return err;
    err = tunnel_stream_make(out, d->conn->top, talk);
    if (err)
        talk->free(talk);
    return err;
}

static int make_tls(struct dial *d, struct stream **out, const struct conf_url *whom)
{
    struct conn *c = d->conn;

    return tls_stream_make(out, c->settings->tls, c->top, &c->tcp.watch, whom->host);
}

/* Puts the next stream that is needed on top of the others. Returns 0, or a negative errno. */
static int add_layer(struct dial *d)
{
    struct stream *s = d->conn->top;
    int err = 0;

    do
        d->layer++;
    while (!is_needed(d, d->layer));
    if (d->layer == DIAL_TUNNEL)
        err = make_tunnel(d, &s);
    else if (d->layer != DIAL_COMPLETE)
        err = make_tls(d, &s, d->layer == DIAL_TLS ? upstream_of(d) : proxy_of(d));
    if (!err)
        d->conn->top = s;
    return err;
}

static bool turn_is_over(const struct dial *d)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 >= reactor_now(d->conn->pool->reactor) + HANDSHAKE_MS_PER_TURN;
}

static void start_connecting(struct dial *d)
{
    connector_start(&d->connector, d->conn->pool->reactor, d->resolver, next_hop(d)->host, next_hop(d)->port);
}

/* Nothing of a request has been sent yet, so a second connection does no harm. */
static void connect_again(struct dial *d)
{
    struct conn *c = d->conn;

    stream_close(c->top);
    c->top = &c->tcp.stream;
    d->layer = DIAL_SOCKET;
    d->again = true;
    start_connecting(d);
}

/* Opens one layer after the other, each as far as it goes. */
static void open_layers(struct dial *d)
{
    int err = 0;

    while (!err && d->layer != DIAL_COMPLETE) {
        err = d->layer != DIAL_SOCKET && turn_is_over(d) ? -EAGAIN : stream_open(d->conn->top);
        if (!err)
            err = add_layer(d);
    }
    if (err == -EAGAIN)
        stream_want(d->conn->top, READY_READ | READY_WRITE);
    else if (err == -ECONNABORTED && !d->again)
        connect_again(d);
    else if (err)
        fail_layer(d, err);
    else
        finish(d, -1);
}

void dial_ready(struct dial *d)
{
    open_layers(d);
}

static void connected(struct connector *connector, struct watch *watch)
{
    struct dial *d = container_of(connector, struct dial, connector);
    struct conn *c = d->conn;

    if (watch && reactor_move(c->pool->reactor, watch, &c->tcp.watch) == 0)
        open_layers(d);
    else if (!watch && connector->resolve_error)
        fail(d, &no_name, next_hop(d), gai_strerror(connector->resolve_error));
    else
        fail(d, &no_connection, next_hop(d), strerror(watch ? ENOMEM : connector->last_error));
}

static void expired(struct timer *t)
{
    struct dial *d = container_of(t, struct dial, timer);
    const struct conf_url *to = upstream_of(d), *proxy = proxy_of(d);

    snprintf(d->why, sizeof d->why, "connecting to %s port %u%s%s took longer than %llu ms", to->host, (unsigned)to->port,
             proxy ? " through the proxy " : "", proxy ? proxy->host : "", (unsigned long long)d->conn->settings->timeouts.dial.ms);
    finish(d, FAIL_DIAL_TIMEOUT);
}

/* One address is all that a SOCKS proxy takes, and it tells too little to try another: an IPv4 one, where there is one, is the safer
 * bet on what the proxy reaches. */
static void resolved(struct dial *d, const struct resolve_answer *a)
{
    if (a->n == 0) {
        fail(d, &no_name, upstream_of(d), gai_strerror(a->error));
        return;
    }
    d->upstream = a->addrs[0];
    for (unsigned i = 0; i < a->n && d->upstream.family != 4; i++)
        if (a->addrs[i].family == 4)
            d->upstream = a->addrs[i];
    start_connecting(d);
}

static void on_answer(struct resolve_query *q, const struct resolve_answer *a)
{
    resolved(container_of(q, struct dial, query), a);
}

/* The first look-up is the upstream's where a SOCKS proxy is to get an address and no name: socks5, and any address. */
static void start(struct dial *d)
{
    const struct conf_url *proxy = proxy_of(d), *to = upstream_of(d);
    struct resolve_answer now;
    int err;

    if (!proxy || !is_socks(proxy) || (conf_url_is(proxy, "socks5h") && !to->is_address)) {
        start_connecting(d);
        return;
    }
    err = resolver_ask(d->resolver, &d->query, to->host, to->port, &now);
    if (err == 0)
        resolved(d, &now);
    else if (err != -EAGAIN)
        fail(d, &no_name, to, strerror(-err));
}

struct dial *dial_start(struct conn *conn, struct resolver *resolver, void (*done)(struct dial *d, int failure))
{
    struct dial *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->conn = conn;
    d->resolver = resolver;
    d->done = done;
    d->timer.fn = expired;
    d->query.fn = on_answer;
    d->connector.done = connected;
    timer_arm(conn->pool->reactor, &d->timer, &conn->settings->timeouts.dial);
    start(d);
    return d;
}
