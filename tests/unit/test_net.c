/* The loop, and queues, addresses, listeners and connecting on top of it. */
#include "net/connect.h"
#include "net/inbuf.h"
#include "net/listen.h"
#include "net/outq.h"
#include "net/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static struct reactor *loop;

static int make_loop(void **state)
{
    (void)state;
    return reactor_make(&loop);
}

static int free_loop(void **state)
{
    (void)state;
    reactor_free(loop);
    return 0;
}

/* Time-outs */

static char order[8];

static void note_a(struct timer *t)
{
    (void)t;
    strcat(order, "a");
}

static void note_b_and_stop(struct timer *t)
{
    (void)t;
    strcat(order, "b");
    reactor_stop(loop);
}

static void test_timers_expire_in_order(void **state)
{
    struct timer_kind shorter = { .ms = 5 }, longer = { .ms = 30 }, never = { 0 };
    struct timer a = { .fn = note_a }, again = { .fn = note_a }, b = { .fn = note_b_and_stop },
                 off = { .fn = note_a }, gone = { .fn = note_a };

    (void)state;
    order[0] = 0;
    timer_arm(loop, &b, &longer);
    timer_arm(loop, &a, &shorter);
    timer_arm(loop, &again, &shorter);
    timer_arm(loop, &gone, &shorter);
    timer_arm(loop, &off, &never);
    timer_disarm(&gone);
    timer_disarm(&gone);
    assert_null(off.kind);
    assert_int_equal(reactor_run(loop), 0);
    assert_string_equal(order, "aab");
    timer_kind_forget(loop, &shorter);
    timer_kind_forget(loop, &longer);
}

/* The loop wakes up for the first of them, finds it disarmed, and must not forget the others. */
static void test_a_disarmed_timer_holds_up_no_other(void **state)
{
    struct timer_kind shorter = { .ms = 5 }, longer = { .ms = 30 };
    struct timer a = { .fn = note_a }, b = { .fn = note_b_and_stop };

    (void)state;
    order[0] = 0;
    timer_arm(loop, &a, &shorter);
    timer_arm(loop, &b, &longer);
    timer_disarm(&a);
    assert_int_equal(reactor_run(loop), 0);
    assert_string_equal(order, "b");
    timer_kind_forget(loop, &shorter);
    timer_kind_forget(loop, &longer);
}

/* Readiness */

struct end {
    struct tcp tcp;
    struct retired retired;
    int calls;
    char got[64];
    ssize_t last;
};

static int freed;

static void note_freed(struct retired *r)
{
    (void)r;
    freed++;
}

static void read_some(struct watch *w)
{
    struct end *e = container_of(w, struct end, tcp.watch);

    e->calls++;
    e->last = stream_read(&e->tcp.stream, e->got, sizeof e->got);
    if (e->last == 0) {
        stream_close(&e->tcp.stream);
        reactor_retire(loop, &e->retired, note_freed);
        assert_int_equal(freed, 0);
        reactor_stop(loop);
    }
}

static void make_pair(struct end *e, int *other)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    memset(e, 0, sizeof *e);
    tcp_init(&e->tcp, loop, read_some);
    assert_int_equal(tcp_attach(&e->tcp, fds[0]), 0);
    *other = fds[1];
}

static void stop_soon(struct timer *t)
{
    (void)t;
    reactor_stop(loop);
}

static void test_interest_is_a_mask(void **state)
{
    static struct timer_kind soon = { .ms = 20 };
    struct timer timer = { .fn = stop_soon };
    struct end e;
    int other;

    (void)state;
    freed = 0;
    make_pair(&e, &other);
    assert_int_equal(write(other, "hello", 5), 5);
    timer_arm(loop, &timer, &soon);
    assert_int_equal(reactor_run(loop), 0);
    assert_int_equal(e.calls, 0);
    assert_true(stream_pending(&e.tcp.stream));

    stream_want(&e.tcp.stream, READY_READ);
    timer_arm(loop, &timer, &soon);
    assert_int_equal(reactor_run(loop), 0);
    assert_int_equal(e.calls, 1);
    assert_int_equal(e.last, 5);
    assert_false(stream_pending(&e.tcp.stream));

    close(other);
    assert_int_equal(reactor_run(loop), 0);
    assert_int_equal(e.last, 0);
    assert_false(tcp_is_open(&e.tcp));
    assert_int_equal(freed, 1);
    timer_kind_forget(loop, &soon);
}

/* Queues */

static void test_outq_keeps_what_is_not_taken(void **state)
{
    static char sent[300000], got[sizeof sent + 3];
    struct blocks pool = { 0 };
    struct outq q = { 0 };
    struct end e;
    size_t have = 0;
    int other;

    (void)state;
    make_pair(&e, &other);
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i * 31 + i / 256);
    struct iovec iov[] = { { (char *)"abc", 3 },
                           { sent, 100000 },
                           { sent + 100000, sizeof sent - 100000 } };

    assert_int_equal(outq_send(&q, &pool, &e.tcp.stream, iov, 3), 0);
    assert_true(q.bytes > 0);
    while (have < sizeof got) {
        ssize_t n = read(other, got + have, 7777 < sizeof got - have ? 7777 : sizeof got - have);

        assert_true(n > 0);
        have += (size_t)n;
        assert_int_equal(outq_send(&q, &pool, &e.tcp.stream, NULL, 0), 0);
    }
    assert_int_equal(q.bytes, 0);
    assert_null(q.first);
    assert_memory_equal(got, "abc", 3);
    assert_memory_equal(got + 3, sent, sizeof sent);
    stream_close(&e.tcp.stream);
    close(other);
    blocks_free(&pool);
}

static void test_outq_copy(void **state)
{
    static char text[10000], copy[sizeof text];
    struct blocks pool = { 0 };
    struct outq q = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7);
    assert_int_equal(outq_put(&q, &pool, (struct span){ text, 5000 }), 0);
    assert_int_equal(outq_put(&q, &pool, (struct span){ text + 5000, sizeof text - 5000 }), 0);
    outq_copy(&q, copy);
    assert_memory_equal(copy, text, sizeof text);
    outq_clear(&q, &pool);
    assert_int_equal(pool.n_free, 3);
    blocks_free(&pool);
}

/* Reads what has come. Returns how many bytes. */
static size_t receive(int fd, char *got, size_t have, size_t room)
{
    ssize_t n = read(fd, got + have, room);

    return n > 0 ? (size_t)n : 0;
}

/* A source has more bytes than the pipe and the destination take, and more are queued after those
 * in the pipe. All arrive in order. */
static void test_outq_splice(void **state)
{
    static char sent[400000], got[sizeof sent + 8];
    struct blocks pool = { 0 };
    struct outq q = { 0 };
    struct end from, to;
    int source, sink;
    size_t put = 0, taken = 0, have = 0;
    bool put_behind = false;
    ssize_t n = 0;

    (void)state;
    make_pair(&from, &source);
    make_pair(&to, &sink);
    fcntl(source, F_SETFL, O_NONBLOCK);
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i * 31 + i / 256);
    while (have < sizeof got) {
        ssize_t w = put < sizeof sent ? write(source, sent + put, sizeof sent - put) : 0;

        put += w > 0 ? (size_t)w : 0;
        if (q.bytes == 0 && taken < sizeof sent) {
            n = outq_splice(&q, &pool, &from.tcp, SPLICE_MAX);
            if (n == -ENOSYS)
                skip();
            taken += n > 0 ? (size_t)n : 0;
            assert_true(n > 0 || n == -EAGAIN);
        }
        assert_int_equal(outq_send(&q, &pool, &to.tcp.stream, NULL, 0), 0);
        if (!put_behind && q.pipe && taken == sizeof sent) {
            assert_int_equal(outq_put(&q, &pool, SPAN("the end!")), 0);
            assert_null(q.pipe);
            put_behind = true;
        }
        if (!put_behind && taken == sizeof sent && q.bytes == 0) {
            assert_int_equal(outq_put(&q, &pool, SPAN("the end!")), 0);
            put_behind = true;
        }
        have += receive(sink, got, have, 9999 < sizeof got - have ? 9999 : sizeof got - have);
    }
    assert_memory_equal(got, sent, sizeof sent);
    assert_memory_equal(got + sizeof sent, "the end!", 8);
    assert_int_equal(q.bytes, 0);
    close(source);
    assert_int_equal(outq_splice(&q, &pool, &from.tcp, SPLICE_MAX), 0);
    stream_close(&from.tcp.stream);
    stream_close(&to.tcp.stream);
    close(sink);
    blocks_free(&pool);
    assert_int_equal(pool.pipes.n, 0);
}

static void test_outq_clear_forgets_what_is_in_the_pipe(void **state)
{
    struct blocks pool = { 0 };
    struct outq q = { 0 };
    struct end from;
    int source;
    ssize_t n;

    (void)state;
    make_pair(&from, &source);
    assert_int_equal(write(source, "gone", 4), 4);
    n = outq_splice(&q, &pool, &from.tcp, SPLICE_MAX);
    if (n == -ENOSYS)
        skip();
    assert_int_equal(n, 4);
    assert_int_equal(q.bytes, 4);
    outq_clear(&q, &pool);
    assert_int_equal(q.bytes, 0);
    assert_int_equal(pool.pipes.n, 0);
    assert_int_equal(outq_splice(&q, &pool, &from.tcp, SPLICE_MAX), -EAGAIN);
    assert_int_equal(from.tcp.watch.ready & READY_READ, 0);
    stream_close(&from.tcp.stream);
    close(source);
    blocks_free(&pool);
    assert_int_equal(pool.pipes.n, 0);
}

static void test_inbuf(void **state)
{
    struct inbuf b = { 0 };
    char text[3000];

    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(inbuf_put(&b, SPAN("hello ")), 0);
    assert_int_equal(inbuf_put(&b, SPAN("world")), 0);
    inbuf_drop(&b, 6);
    assert_true(span_eq(inbuf_span(&b), SPAN("world")));
    assert_int_equal(inbuf_put(&b, (struct span){ text, sizeof text }), 0);
    assert_int_equal(inbuf_span(&b).n, sizeof text + 5);
    inbuf_drop(&b, sizeof text + 5);
    assert_null(b.p);
}

/* Listening and connecting */

static int accepted_fd = -1;

static void take(struct acceptor *l, int fd, const struct addr *peer)
{
    (void)l;
    assert_int_equal(peer->family, 4);
    accepted_fd = fd;
}

static struct watch *won;
static int finished_races;

static void race_done(struct connector *c, struct watch *watch)
{
    struct end *e = calloc(1, sizeof *e);

    won = NULL;
    finished_races++;
    if (watch) {
        tcp_init(&e->tcp, loop, read_some);
        assert_int_equal(reactor_move(loop, watch, &e->tcp.watch), 0);
        won = &e->tcp.watch;
    } else {
        free(e);
    }
    (void)c;
    reactor_stop(loop);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in in;
    socklen_t len = sizeof in;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    return ntohs(in.sin_port);
}

static void test_connect_by_name_and_accept(void **state)
{
    struct acceptor l = { .accepted = take };
    struct connector c = { .done = race_done };
    struct resolver *resolver;
    struct addr a;
    int fd;

    (void)state;
    assert_true(addr_parse(&a, SPAN("127.0.0.1")));
    fd = listen_tcp(&a, LISTEN_FIRST);
    assert_true(fd >= 0);
    assert_int_equal(acceptor_start(&l, loop, fd), 0);
    assert_int_equal(resolver_make(&resolver, loop), 0);
    finished_races = 0;
    connector_start(&c, loop, resolver, "localhost", port_of(fd));
    assert_int_equal(reactor_run(loop), 0);
    assert_int_equal(finished_races, 1);
    assert_non_null(won);
    close(reactor_remove(loop, won));
    free(container_of(won, struct end, tcp.watch));
    if (accepted_fd >= 0)
        close(accepted_fd);
    acceptor_stop(&l);
    resolver_free(resolver);
}

static void test_connect_refused(void **state)
{
    struct connector c = { .done = race_done };
    struct resolver *resolver;
    struct addr a;
    uint16_t port;
    int fd;

    (void)state;
    assert_true(addr_parse(&a, SPAN("127.0.0.1")));
    fd = listen_tcp(&a, LISTEN_FIRST);
    port = port_of(fd);
    close(fd);
    assert_int_equal(resolver_make(&resolver, loop), 0);
    finished_races = 0;
    connector_start(&c, loop, resolver, "127.0.0.1", port);
    if (finished_races == 0)
        assert_int_equal(reactor_run(loop), 0);
    assert_int_equal(finished_races, 1);
    assert_null(won);
    assert_int_equal(c.last_error, ECONNREFUSED);
    connector_cancel(&c);
    resolver_free(resolver);
}

static void test_the_first_claim_is_one_alone(void **state)
{
    struct addr a;
    int first, other;

    (void)state;
    assert_true(addr_parse(&a, SPAN("127.0.0.1")));
    first = listen_tcp(&a, LISTEN_FIRST);
    assert_true(first >= 0);
    a.port = port_of(first);
    assert_int_equal(listen_tcp(&a, LISTEN_FIRST), -EADDRINUSE);
    assert_int_equal(listen_try_tcp(&a, LISTEN_FIRST), -EADDRINUSE);
    assert_int_equal(listen_try_tcp(&a, LISTEN_JOIN), 0);
    other = listen_tcp(&a, LISTEN_JOIN);
    assert_true(other >= 0);
    close(first);
    assert_int_equal(listen_tcp(&a, LISTEN_FIRST), -EADDRINUSE);
    close(other);
    first = listen_tcp(&a, LISTEN_FIRST);
    assert_true(first >= 0);
    close(first);
}

static void test_unix_socket_is_replaced_only_when_stale(void **state)
{
    char path[] = "/tmp/test-net-XXXXXX";
    int fd, again;

    (void)state;
    close(mkstemp(path));
    assert_int_equal(listen_unix(path, 0600), -EEXIST);
    unlink(path);
    fd = listen_unix(path, 0600);
    assert_true(fd >= 0);
    assert_int_equal(listen_unix(path, 0600), -EADDRINUSE);
    close(fd);
    again = listen_unix(path, 0600);
    assert_true(again >= 0);
    close(again);
    unlink(path);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, make_loop, free_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(test_timers_expire_in_order),
        WITH_LOOP(test_a_disarmed_timer_holds_up_no_other),
        WITH_LOOP(test_interest_is_a_mask),
        WITH_LOOP(test_outq_keeps_what_is_not_taken),
        cmocka_unit_test(test_outq_copy),
        WITH_LOOP(test_outq_splice),
        WITH_LOOP(test_outq_clear_forgets_what_is_in_the_pipe),
        cmocka_unit_test(test_inbuf),
        WITH_LOOP(test_connect_by_name_and_accept),
        WITH_LOOP(test_connect_refused),
        cmocka_unit_test(test_the_first_claim_is_one_alone),
        cmocka_unit_test(test_unix_socket_is_replaced_only_when_stale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
