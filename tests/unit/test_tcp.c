/* What is done about peers that vanish. One that vanishes is a socket with a filter that drops all
 * that comes in: it acknowledges nothing, and its kernel says nothing. */
#include "net/connect.h"
#include "net/listen.h"
#include "net/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#ifdef __linux__
#include <linux/filter.h>

#define LIMIT 400 /* milliseconds that bytes may be unacknowledged */

static struct reactor *loop;

static void stop(struct timer *t)
{
    (void)t;
    reactor_stop(loop);
}

/* Turns the loop for that long, so that its clock goes on. */
static void run_for(uint64_t ms)
{
    struct timer_kind kind = { .ms = ms };
    struct timer timer = { .fn = stop };

    timer_arm(loop, &timer, &kind);
    assert_int_equal(reactor_run(loop), 0);
    timer_kind_forget(loop, &kind);
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

/* A first probe within 60 s of silence, and more than one before the end. */
static void check_options(int fd)
{
    assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_in_range(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 1, 60);
    assert_in_range(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 2, 10);
    assert_in_range(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) +
                        option(fd, IPPROTO_TCP, TCP_KEEPCNT) *
                            option(fd, IPPROTO_TCP, TCP_KEEPINTVL),
                    2, 120);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
}

/* Two ends of a connection: ours, as a stream, and the peer's. */
struct pair {
    struct acceptor acceptor;
    struct connector connector;
    struct tcp tcp;
    uint32_t since;
    int peer;
};

static void pair_accepted(struct acceptor *l, int fd, const struct addr *peer)
{
    struct pair *p = container_of(l, struct pair, acceptor);

    (void)peer;
    check_options(fd);
    p->peer = fd;
    reactor_stop(loop);
}

static void pair_connected(struct connector *c, struct watch *watch)
{
    struct pair *p = container_of(c, struct pair, connector);

    assert_non_null(watch);
    assert_int_equal(reactor_move(loop, watch, &p->tcp.watch), 0);
}

static void nothing(struct watch *w)
{
    (void)w;
}

static void pair_open(struct pair *p)
{
    struct resolver *resolver;
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    struct addr a;
    int fd;

    assert_int_equal(reactor_make(&loop), 0);
    assert_int_equal(resolver_make(&resolver, loop), 0);
    *p = (struct pair){ .acceptor.accepted = pair_accepted, .connector.done = pair_connected };
    tcp_init(&p->tcp, loop, nothing);
    assert_true(addr_parse(&a, SPAN("127.0.0.1")));
    fd = listen_tcp(&a, LISTEN_FIRST);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    assert_int_equal(acceptor_start(&p->acceptor, loop, fd), 0);
    connector_start(&p->connector, loop, resolver, "127.0.0.1", ntohs(in.sin_port));
    assert_int_equal(reactor_run(loop), 0);
    if (!tcp_is_open(&p->tcp))
        run_for(50);
    assert_true(tcp_is_open(&p->tcp));
    acceptor_stop(&p->acceptor);
    resolver_free(resolver);
}

static void pair_close(struct pair *p)
{
    stream_close(&p->tcp.stream);
    close(p->peer);
    reactor_free(loop);
}

static void vanish(struct pair *p)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog prog = { 1, &drop };

    assert_int_equal(setsockopt(p->peer, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog), 0);
}

static void come_back(struct pair *p)
{
    int zero = 0;

    assert_int_equal(setsockopt(p->peer, SOL_SOCKET, SO_DETACH_FILTER, &zero, sizeof zero), 0);
}

static void say(struct pair *p)
{
    struct iovec iov = { (char[]){ "hello" }, 5 };

    assert_int_equal(stream_write(&p->tcp.stream, &iov, 1), 5);
}

/* Looks every quarter of limit, n times. Returns how often until the peer was lost, or 0. */
static int look_by(struct pair *p, uint64_t limit, int n)
{
    for (int i = 1; i <= n; i++) {
        run_for(limit / 4);
        if (tcp_is_lost(&p->tcp, limit, &p->since))
            return i;
    }
    return 0;
}

static int look(struct pair *p, int n)
{
    return look_by(p, LIMIT, n);
}

static void both_sides_probe(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p);
    check_options(p.tcp.watch.fd);
    pair_close(&p);
}

static void a_peer_that_vanishes_is_lost(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p);
    say(&p);
    assert_int_equal(look(&p, 5), 0);
    vanish(&p);
    assert_int_equal(look(&p, 5), 0); /* nothing is out */
    say(&p);
    assert_int_equal(look(&p, 8), 4);
    pair_close(&p);
}

/* The kernel sends again 200 ms after the bytes, and 400 ms later: the peer misses the first. */
static void a_peer_that_comes_back_is_not_lost(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p);
    for (int i = 0; i < 3; i++) {
        vanish(&p);
        say(&p);
        assert_int_equal(look_by(&p, 3 * LIMIT, 1), 0);
        come_back(&p);
        assert_int_equal(look_by(&p, 3 * LIMIT, 3), 0);
    }
    pair_close(&p);
}

/* Its window is closed, and it answers every probe. */
static void a_peer_that_does_not_read_is_there(void **state)
{
    static char much[1 << 20];
    struct iovec iov = { much, sizeof much };
    struct pair p;

    (void)state;
    pair_open(&p);
    while (stream_write(&p.tcp.stream, &iov, 1) > 0)
        ;
    assert_int_equal(look(&p, 12), 0);
    vanish(&p);
    assert_int_not_equal(look(&p, 60), 0);
    pair_close(&p);
}

static void a_local_peer_is_never_lost(void **state)
{
    struct iovec iov = { (char[]){ "hello" }, 5 };
    struct tcp t;
    uint32_t since = 0;
    int fds[2];

    (void)state;
    assert_int_equal(reactor_make(&loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    tcp_watch_peer(fds[0], LIMIT);
    tcp_init(&t, loop, nothing);
    assert_int_equal(tcp_attach(&t, fds[0]), 0);
    assert_int_equal(stream_write(&t.stream, &iov, 1), 5);
    assert_false(tcp_is_lost(&t, 0, &since));
    stream_close(&t.stream);
    close(fds[1]);
    reactor_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_probe),
        cmocka_unit_test(a_peer_that_vanishes_is_lost),
        cmocka_unit_test(a_peer_that_comes_back_is_not_lost),
        cmocka_unit_test(a_peer_that_does_not_read_is_there),
        cmocka_unit_test(a_local_peer_is_never_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    return 0; /* only Linux tells what it has heard from a peer */
}
#endif
