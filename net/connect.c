/* The race: addresses in order, one more whenever one fails or a quarter of a second has passed.
 * Knows nothing of who waits for the winner.
 * The interface is net/connect.h. */
#include "net/connect.h"

#include <errno.h>
#include <fcntl.h>
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

/* The others are closed; the winner's socket is still registered with its racer while done runs, and closed if done did not take it. */
static void finish(struct connector *c, struct connect_racer *winner)
{
    struct watch *watch = winner ? &winner->watch : NULL;

    resolver_cancel(&c->query);
    timer_disarm(&c->stagger);
    for (int i = 0; i < CONNECT_RACERS; i++)
        if (&c->racers[i] != winner)
            racer_close(&c->racers[i]);
    c->done(c, watch);
}

static void on_ready(struct watch *w)
{
    struct connect_racer *x = container_of(w, struct connect_racer, watch);
    struct connector *c = x->connector;
    int err = 0;
    socklen_t len = sizeof err;

    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &err, &len))
        err = errno;
    if (err == 0) {
        finish(c, x);
        return;
    }
    c->last_error = err;
    c->last_addr = x->to;
    racer_close(x);
    race(c);
}

/* Opens a socket and starts its connect. Returns the descriptor or a negative errno. */
static int start_socket(const struct addr *to)
{
    struct sockaddr_storage ss;
    socklen_t len = addr_to_sockaddr(to, &ss);
    int fd = socket(ss.ss_family, SOCK_STREAM, 0);
    int one = 1;

    if (fd < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) || (connect(fd, (struct sockaddr *)&ss, len) && errno != EINPROGRESS)) {
        int err = -errno;

        close(fd);
        return err;
    }
    return fd;
}

static int racer_start(struct connect_racer *x, const struct addr *to)
{
    struct connector *c = x->connector;
    int fd = start_socket(to);
    int err;

    if (fd < 0)
        return fd;
    x->watch.fn = on_ready;
    err = reactor_add(c->reactor, &x->watch, fd, false);
    if (err) {
        close(fd);
        return err;
    }
    x->to = *to;
    reactor_want(c->reactor, &x->watch, READY_WRITE);
    return 0;
}

/* The free lane, or NULL; *running says whether any socket is still trying. */
static struct connect_racer *free_lane(struct connector *c, bool *running)
{
    struct connect_racer *lane = NULL;

    *running = false;
    for (int i = 0; i < CONNECT_RACERS; i++) {
        if (c->racers[i].watch.fd < 0)
            lane = &c->racers[i];
        else
            *running = true;
    }
    return lane;
}

/* Opens the next socket. Addresses that fail at once are passed over; when none is left and none is trying, the race is lost. */
static void race(struct connector *c)
{
    bool running;
    struct connect_racer *lane = free_lane(c, &running);

    timer_disarm(&c->stagger);
    while (lane && c->next_addr < c->answer.n) {
        const struct addr *to = &c->answer.addrs[c->next_addr++];
        int err = racer_start(lane, to);

        if (err == 0) {
            if (c->next_addr < c->answer.n)
                timer_arm(c->reactor, &c->stagger, &stagger_kind);
            return;
        }
        c->last_error = -err;
        c->last_addr = *to;
    }
    if (!running)
        finish(c, NULL);
}

static void on_stagger(struct timer *t)
{
    race(container_of(t, struct connector, stagger));
}

static void start_race(struct connector *c, const struct resolve_answer *a)
{
    c->answer = *a;
    c->resolve_error = a->error;
    race(c);
}

static void on_answer(struct resolve_query *q, const struct resolve_answer *a)
{
    start_race(container_of(q, struct connector, query), a);
}

void connector_start(struct connector *c, struct reactor *r, struct resolver *resolver, const char *host, uint16_t port)
{
    struct resolve_answer now;
    int err;

    c->reactor = r;
    c->resolver = resolver;
    c->query = (struct resolve_query){ .fn = on_answer };
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
        finish(c, NULL);
    }
}
