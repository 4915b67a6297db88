/* The race: addresses in order, the next one whenever one fails or a quarter of a second has
 * passed. */
#include "net/connect.h"
#include "base/fd.h"
#include "net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct timer_kind stagger_kind = { .ms = 250 };

static void race(struct connector *c);

static void racer_close(struct connect_racer *x)
{
    int fd = reactor_remove(x->connector->reactor, &x->watch);

    if (fd >= 0)
        close(fd);
}

void connector_cancel(struct connector *c)
{
    if (!c->reactor)
        return;
    resolver_cancel(&c->query);
    timer_disarm(&c->stagger);
    for (int i = 0; i < CONNECT_RACERS; i++)
        racer_close(&c->racers[i]);
}

static void note_failure(struct connector *c, unsigned at)
{
    resolver_failed(c->resolver, c->host, &c->answer.addrs[at]);
}

/* Ends the race. The winner's socket stays registered with its racer until done takes it. */
static void connector_finish(struct connector *c, struct connect_racer *winner)
{
    struct watch *watch = winner ? &winner->watch : NULL;

    resolver_cancel(&c->query);
    timer_disarm(&c->stagger);
    for (int i = 0; i < CONNECT_RACERS; i++) {
        struct connect_racer *x = &c->racers[i];

        if (x == winner)
            continue;
        if (winner && x->watch.fd >= 0 && x->at < winner->at)
            note_failure(c, x->at);
        racer_close(x);
    }
    c->done(c, watch);
}

static void racer_on_ready(struct watch *w)
{
    struct connect_racer *x = container_of(w, struct connect_racer, watch);
    struct connector *c = x->connector;
    int err = 0;
    socklen_t len = sizeof err;

    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &err, &len))
        err = errno;
    if (err == 0) {
        connector_finish(c, x);
        return;
    }
    c->last_error = err;
    note_failure(c, x->at);
    racer_close(x);
    race(c);
}

/* Opens a socket and starts connecting it. Returns the descriptor or a negative errno. */
static int start_socket(const struct addr *to, uint64_t unacked_max)
{
    struct sockaddr_storage ss;
    socklen_t len = addr_to_sockaddr(to, &ss);
    int fd = fd_socket(ss.ss_family, SOCK_STREAM);
    int one = 1;

    if (fd < 0)
        return fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    tcp_watch_peer(fd, unacked_max);
    if (connect(fd, (struct sockaddr *)&ss, len) && errno != EINPROGRESS) {
        int err = -errno;

        close(fd);
        return err;
    }
    return fd;
}

/* Tries the address at of the answer. Returns 0 or a negative errno. */
static int racer_start(struct connect_racer *x, unsigned at)
{
    struct connector *c = x->connector;
    int fd = start_socket(&c->answer.addrs[at], c->unacked_max);
    int err;

    if (fd < 0)
        return fd;
    x->at = at;
    x->watch.fn = racer_on_ready;
    err = reactor_add(c->reactor, &x->watch, fd);
    if (err) {
        close(fd);
        return err;
    }
    reactor_want(c->reactor, &x->watch, READY_WRITE);
    return 0;
}

/* A racer without a socket, or NULL. *running tells whether any has one. */
static struct connect_racer *idle_racer(struct connector *c, bool *running)
{
    struct connect_racer *idle = NULL;

    *running = false;
    for (int i = 0; i < CONNECT_RACERS; i++) {
        if (c->racers[i].watch.fd < 0)
            idle = &c->racers[i];
        else
            *running = true;
    }
    return idle;
}

/* True for errors of an address, and not of this process. */
static bool is_unreachable(int err)
{
    return err == -ECONNREFUSED || err == -ENETUNREACH || err == -EHOSTUNREACH ||
        err == -ENETDOWN || err == -EADDRNOTAVAIL;
}

/* Tries the next address that does not fail at once. Without one, and with no socket still trying,
 * the race is lost. */
static void race(struct connector *c)
{
    bool running;
    struct connect_racer *idle = idle_racer(c, &running);

    timer_disarm(&c->stagger);
    while (idle && c->next_addr < c->answer.n) {
        unsigned at = c->next_addr++;
        int err = racer_start(idle, at);

        if (err == 0) {
            if (c->next_addr < c->answer.n)
                timer_arm(c->reactor, &c->stagger, &stagger_kind);
            return;
        }
        c->last_error = -err;
        if (is_unreachable(err))
            note_failure(c, at);
    }
    if (!running)
        connector_finish(c, NULL);
}

static void on_stagger(struct timer *t)
{
    race(container_of(t, struct connector, stagger));
}

static void start_race(struct connector *c, const struct lookup_answer *a)
{
    c->answer = *a;
    c->resolve_error = a->error;
    race(c);
}

static void connector_on_answer(struct resolve_query *q, const struct lookup_answer *a)
{
    start_race(container_of(q, struct connector, query), a);
}

void connector_start(struct connector *c, struct reactor *r, struct resolver *resolver,
                     const char *host, uint16_t port)
{
    struct lookup_answer now;
    int err;

    c->reactor = r;
    c->resolver = resolver;
    c->host = host;
    c->query = (struct resolve_query){ .fn = connector_on_answer };
    c->stagger = (struct timer){ .fn = on_stagger };
    c->next_addr = 0;
    c->last_error = c->resolve_error = 0;
    c->answer.n = 0;
    for (int i = 0; i < CONNECT_RACERS; i++)
        c->racers[i] = (struct connect_racer){ .watch.fd = -1, .connector = c };
    err = resolver_ask(resolver, &c->query, host, port, &now);
    if (err == 0) {
        start_race(c, &now);
    } else if (err != -EAGAIN) {
        c->last_error = -err;
        connector_finish(c, NULL);
    }
}
