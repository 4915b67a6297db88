/* From a name to an open stream. */
#include "upstream/dial.h"
#include "base/fd.h"
#include "net/socks.h"
#include "upstream/http_tunnel.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

/* The arithmetic of one handshake takes milliseconds. When it has taken as many within one turn of
 * the loop, the next handshake waits for the next turn, so that hundreds of them at once do not
 * stop everything else. */
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

/* The end, good or bad. */
static void dial_finish(struct dial *d, enum dial_fault fault)
{
    dial_cancel(d);
    d->fault = fault;
    d->done(d);
}

/* The proxy on the way, or NULL. */
static const struct upstream_peer *proxy_of(const struct dial *d)
{
    return d->upstream->proxy.host ? &d->upstream->proxy : NULL;
}

/* The peer of the socket. */
static const struct upstream_peer *next_hop(const struct dial *d)
{
    const struct upstream_peer *proxy = proxy_of(d);

    return proxy ? proxy : &d->upstream->origin;
}

/* What can go wrong, and the words around the peer it went wrong with. */
struct error_text {
    enum dial_fault fault;
    const char *before, *after;
};

static const struct error_text no_name = { DIAL_NO_NAME, "cannot resolve ", ": " };
static const struct error_text no_connection = { DIAL_NO_CONNECT, "cannot connect to ", ": " };
static const struct error_text no_tls = { DIAL_NO_TLS, "TLS with ", " failed: " };
static const struct error_text no_tunnel = { DIAL_NO_PROXY, "", " " };

/* Ends the dial. Whatever goes wrong with the proxy is the proxy's failure. */
static void dial_fail(struct dial *d, const struct error_text *m, const struct upstream_peer *whom,
                      const char *why)
{
    bool proxy = whom == proxy_of(d);

    snprintf(d->why, sizeof d->why, "%s%s%s port %u%s%s", m->before, proxy ? "the proxy " : "",
             whom->host, (unsigned)whom->port, m->after, why);
    dial_finish(d, proxy ? DIAL_NO_PROXY : m->fault);
}

/* What goes wrong while a layer is opened is that layer's failure. */
static void fail_layer(struct dial *d, int err)
{
    const char *why = stream_why(d->conn->top);

    dial_fail(d, d->layer == DIAL_TUNNEL ? &no_tunnel : &no_tls,
              d->layer == DIAL_TLS ? &d->upstream->origin : next_hop(d),
              why ? why : strerror(-err));
}

/* What a SOCKS proxy is told of the upstream, by scheme, as curl has it. */
static const struct socks_kind {
    const char *scheme;
    int version;
    bool takes_names;
} socks_kinds[] = {
    { "socks", 4, false },  { "socks4", 4, false }, { "socks4a", 4, true },
    { "socks5", 5, false }, { "socks5h", 5, true },
};

/* NULL: the proxy speaks HTTP, or there is none. */
static const struct socks_kind *socks_of(const struct upstream_peer *proxy)
{
    for (size_t i = 0; proxy && i < sizeof socks_kinds / sizeof *socks_kinds; i++)
        if (upstream_peer_is(proxy, socks_kinds[i].scheme))
            return &socks_kinds[i];
    return NULL;
}

static bool is_needed(const struct dial *d, enum dial_layer layer)
{
    const struct upstream_peer *proxy = proxy_of(d);

    switch (layer) {
    case DIAL_PROXY_TLS:
        return proxy && upstream_peer_is(proxy, "https");
    case DIAL_TUNNEL:
        return socks_of(proxy) || (proxy && upstream_peer_is(&d->upstream->origin, "https"));
    case DIAL_TLS:
        return upstream_peer_is(&d->upstream->origin, "https");
    default:
        return true;
    }
}

static int make_tunnel(struct dial *d, struct stream **out)
{
    const struct upstream *u = d->upstream;
    const struct upstream_peer *proxy = &u->proxy, *to = &u->origin;
    const struct socks_kind *kind = socks_of(proxy);
    struct socks_request socks = {
        .version = kind ? kind->version : 0,
        .addr = d->origin.family ? &d->origin : NULL,
        .host = to->host,
        .port = to->port,
        .user = proxy->user,
        .password = proxy->password,
    };
    struct dialogue *talk;
    int err = kind ? socks_dialogue_make(&talk, &socks)
                   : http_tunnel_make(&talk, u->authority, u->proxy_credentials);

    if (err)
        return err;
    err = tunnel_stream_make(out, d->conn->top, talk);
    if (err)
        talk->free(talk);
    return err;
}

static int make_tls(struct dial *d, struct stream **out, const struct upstream_peer *whom)
{
    struct conn *c = d->conn;

    return tls_stream_make(out, d->upstream->tls, c->top, &c->tcp.watch, whom->host);
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
        err = make_tls(d, &s, d->layer == DIAL_TLS ? &d->upstream->origin : next_hop(d));
    if (!err)
        d->conn->top = s;
    return err;
}

static bool turn_is_over(const struct dial *d)
{
    return reactor_spent(d->conn->pool->reactor) >= HANDSHAKE_MS_PER_TURN;
}

static void open_layers(struct dial *d);

/* A unix socket takes a connection at once, or does not. */
static void connect_local(struct dial *d)
{
    const char *path = d->upstream->socket;
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = fd_socket(AF_UNIX, SOCK_STREAM), err = fd < 0 ? fd : 0;

    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    if (!err && connect(fd, (struct sockaddr *)&to, sizeof to)) {
        err = -errno;
        close(fd);
    }
    if (!err)
        err = tcp_attach(&d->conn->tcp, fd);
    if (!err) {
        d->conn->tcp.watch.ready |= READY_WRITE;
        open_layers(d);
        return;
    }
    snprintf(d->why, sizeof d->why, "cannot connect to the socket %s: %s", path, strerror(-err));
    dial_finish(d, DIAL_NO_CONNECT);
}

static void start_connecting(struct dial *d)
{
    if (d->upstream->socket) {
        connect_local(d);
        return;
    }
    connector_start(&d->connector, d->conn->pool->reactor, d->upstream->resolver, next_hop(d)->host,
                    next_hop(d)->port);
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
        dial_finish(d, DIAL_OK);
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
        dial_fail(d, &no_name, next_hop(d), gai_strerror(connector->resolve_error));
    else
        dial_fail(d, &no_connection, next_hop(d), strerror(watch ? ENOMEM : connector->last_error));
}

static void expired(struct timer *t)
{
    struct dial *d = container_of(t, struct dial, timer);
    const struct upstream_peer *to = &d->upstream->origin, *proxy = proxy_of(d);

    snprintf(d->why, sizeof d->why, "connecting to %s port %u%s%s took longer than %llu ms",
             to->host, (unsigned)to->port, proxy ? " through the proxy " : "",
             proxy ? proxy->host : "", (unsigned long long)d->upstream->timeout.ms);
    dial_finish(d, DIAL_TIMEOUT);
}

/* One address is all that a SOCKS proxy takes, and it tells too little to try another: an IPv4 one,
 * where there is one, is the safer bet on what the proxy reaches. */
static void resolved(struct dial *d, const struct lookup_answer *a)
{
    if (a->n == 0) {
        dial_fail(d, &no_name, &d->upstream->origin, gai_strerror(a->error));
        return;
    }
    d->origin = a->addrs[0];
    for (unsigned i = 0; i < a->n && d->origin.family != 4; i++)
        if (a->addrs[i].family == 4)
            d->origin = a->addrs[i];
    if (socks_of(proxy_of(d))->version == 4 && d->origin.family != 4)
        dial_fail(d, &no_tunnel, proxy_of(d),
                  "speaks SOCKS4, which knows no IPv6, and the upstream has no other address");
    else
        start_connecting(d);
}

static void on_answer(struct resolve_query *q, const struct lookup_answer *a)
{
    resolved(container_of(q, struct dial, query), a);
}

/* The first look-up is the upstream's where a SOCKS proxy is to get an address and no name. */
static void start(struct dial *d)
{
    const struct socks_kind *kind = socks_of(proxy_of(d));
    const struct upstream_peer *to = &d->upstream->origin;
    struct lookup_answer now;
    int err;

    if (!kind || (kind->takes_names && !to->is_address)) {
        start_connecting(d);
        return;
    }
    err = resolver_ask(d->upstream->resolver, &d->query, to->host, to->port, &now);
    if (err == 0)
        resolved(d, &now);
    else if (err != -EAGAIN)
        dial_fail(d, &no_name, to, strerror(-err));
}

struct dial *dial_start(struct conn *conn, struct upstream *u, void (*done)(struct dial *d))
{
    struct dial *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->conn = conn;
    d->upstream = u;
    d->done = done;
    d->timer.fn = expired;
    d->query.fn = on_answer;
    d->connector.done = connected;
    d->connector.unacked_max = u->timeout.ms;
    timer_arm(conn->pool->reactor, &d->timer, &u->timeout);
    start(d);
    return d;
}
