/* Which idle connection is used again, and when one is dropped. Sockets stand for upstreams. */
#include "net/connect.h"
#include "upstream/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define PEERS_MAX 8

static struct reactor *loop;
static struct blocks blocks;
static struct counter dials, connections;
static unsigned times_emptied;
static struct pool pool;
static int peers[PEERS_MAX]; /* the upstream's ends */
static unsigned n_peers;

static void note_emptied(struct pool *p)
{
    assert_ptr_equal(p, &pool);
    times_emptied++;
}

static int make_pool(void **state)
{
    (void)state;
    times_emptied = n_peers = 0;
    dials = connections = (struct counter){ 0 };
    pool = (struct pool){ .blocks = &blocks,
                          .dials = &dials,
                          .open = &connections,
                          .keeps = true,
                          .keepalive = { .ms = 10000 },
                          .emptied = note_emptied };
    if (reactor_make(&loop))
        return -1;
    pool.reactor = loop;
    return 0;
}

static int free_pool(void **state)
{
    (void)state;
    pool_close(&pool);
    assert_int_equal(pool.n, 0);
    assert_int_equal(counter_read(&connections), 0);
    for (unsigned i = 0; i < n_peers; i++)
        close(peers[i]);
    timer_kind_forget(loop, &pool.keepalive);
    reactor_free(loop);
    return 0;
}

/* An open connection to the next of peers. */
static struct conn *open_conn(void)
{
    struct conn *c = pool_new(&pool);
    int pair[2];

    assert_non_null(c);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(tcp_attach(&c->tcp, pair[0]), 0);
    peers[n_peers++] = pair[1];
    return c;
}

static void stop(struct timer *t)
{
    (void)t;
    reactor_stop(loop);
}

/* Lets the loop run for so many milliseconds. */
static void run_for(uint64_t ms)
{
    struct timer_kind kind = { .ms = ms };
    struct timer t = { .fn = stop };

    timer_arm(loop, &t, &kind);
    assert_int_equal(reactor_run(loop), 0);
    timer_kind_forget(loop, &kind);
}

static bool peer_sees_the_end(unsigned i)
{
    char byte;

    return recv(peers[i], &byte, 1, MSG_DONTWAIT) == 0;
}

static void the_connection_used_last_is_used_first(void **state)
{
    struct conn *a = open_conn(), *b = open_conn(), *c = open_conn();

    (void)state;
    assert_null(pool_take(&pool));
    pool_keep(a);
    pool_keep(b);
    pool_keep(c);
    assert_ptr_equal(pool_take(&pool), c);
    assert_ptr_equal(pool_take(&pool), b);
    pool_keep(c);
    assert_ptr_equal(pool_take(&pool), c);
    assert_ptr_equal(pool_take(&pool), a);
    assert_null(pool_take(&pool));
    assert_int_equal(pool.n, 3);
    assert_int_equal(counter_read(&dials), 3);
    pool_drop(a);
    pool_drop(b);
    pool_drop(c);
    assert_int_equal(times_emptied, 1);
}

static void a_connection_knows_that_it_was_used_before(void **state)
{
    struct conn *c = open_conn();

    (void)state;
    assert_false(c->reused);
    pool_keep(c);
    assert_true(pool_take(&pool)->reused);
    pool_drop(c);
}

/* Before its own callback has run: whatever the order of the events in a turn. */
static void a_connection_that_the_upstream_closed_is_not_handed_out(void **state)
{
    struct conn *a = open_conn(), *b = open_conn();

    (void)state;
    pool_keep(a);
    pool_keep(b);
    b->tcp.watch.ready |= READY_HUP;
    assert_ptr_equal(pool_take(&pool), a);
    assert_true(peer_sees_the_end(1));
    assert_null(pool_take(&pool));
    pool_drop(a);
}

/* A session ticket, which TLS reads away itself. */
static void an_event_without_bytes_is_no_reason_to_drop_it(void **state)
{
    struct conn *c = open_conn();

    (void)state;
    pool_keep(c);
    c->tcp.watch.ready |= READY_READ;
    assert_ptr_equal(pool_take(&pool), c);
    pool_drop(c);
}

static void an_end_or_bytes_while_it_is_idle_drop_it(void **state)
{
    struct conn *a = open_conn(), *b = open_conn(), *c = open_conn();

    (void)state;
    pool_keep(a);
    pool_keep(b);
    pool_keep(c);
    assert_int_equal(shutdown(peers[0], SHUT_WR), 0);
    assert_int_equal(write(peers[2], "HTTP/1.1 408", 12), 12);
    run_for(5);
    assert_int_equal(pool.n, 1);
    assert_ptr_equal(pool.idle, b);
    assert_true(peer_sees_the_end(0));
}

static void one_that_is_idle_too_long_is_dropped(void **state)
{
    struct conn *a = open_conn(), *b;

    (void)state;
    pool.keepalive.ms = 100;
    pool_keep(a);
    run_for(60);
    b = open_conn();
    pool_keep(b);
    while (pool.n == 2)
        run_for(5);
    assert_ptr_equal(pool.idle, b);
    assert_true(peer_sees_the_end(0));
    assert_false(peer_sees_the_end(1));
    while (pool.n == 1)
        run_for(5);
    assert_int_equal(times_emptied, 1);
}

/* The upstream is told so, and may keep the connection open all the same. */
static void with_a_keepalive_of_0_none_is_kept(void **state)
{
    struct conn *c = open_conn();

    (void)state;
    pool.keepalive.ms = 0;
    pool_keep(c);
    assert_int_equal(pool.n, 0);
    assert_null(pool_take(&pool));
    assert_true(peer_sees_the_end(0));
    assert_int_equal(times_emptied, 1);
}

/* "Keep-Alive: timeout=" of the upstream: it is about to close. */
static void one_is_not_used_beyond_its_own_time(void **state)
{
    struct conn *c = open_conn();

    (void)state;
    c->usable_until = reactor_now(loop) + 1;
    pool_keep(c);
    assert_ptr_equal(pool_take(&pool), c);
    pool_keep(c);
    c->usable_until = reactor_now(loop);
    assert_null(pool_take(&pool));
    assert_true(peer_sees_the_end(0));
}

static void one_that_must_not_be_used_again_is_not(void **state)
{
    struct conn *c = open_conn();

    (void)state;
    c->usable_until = 0;
    pool_keep(c);
    assert_null(pool_take(&pool));
}

/* Counted from its birth, and not from its last use: so a changed address is followed under
 * load. */
static void one_is_not_used_beyond_the_greatest_age(void **state)
{
    struct conn *c = open_conn();

    (void)state;
    pool.max_age = 1000;
    c->born = reactor_now(loop) - 999;
    for (int i = 0; i < 2; i++) {
        pool_keep(c);
        assert_ptr_equal(pool_take(&pool), c);
    }
    c->born--;
    pool_keep(c);
    assert_null(pool_take(&pool));
}

static void a_closed_pool_keeps_nothing(void **state)
{
    struct conn *idle = open_conn(), *used = open_conn();

    (void)state;
    pool_keep(idle);
    pool_close(&pool);
    assert_true(peer_sees_the_end(0));
    assert_int_equal(pool.n, 1);
    assert_int_equal(times_emptied, 0);
    pool_keep(used);
    assert_true(peer_sees_the_end(1));
    assert_null(pool_take(&pool));
    assert_int_equal(times_emptied, 1);
}

static void dropping_twice_is_dropping_once(void **state)
{
    struct conn *a = open_conn(), *b = open_conn();

    (void)state;
    pool_drop(a);
    pool_drop(a);
    assert_int_equal(pool.n, 1);
    pool_drop(b);
    assert_int_equal(times_emptied, 1);
}

int main(void)
{
#define POOL_TEST(f) cmocka_unit_test_setup_teardown(f, make_pool, free_pool)
    const struct CMUnitTest tests[] = {
        POOL_TEST(the_connection_used_last_is_used_first),
        POOL_TEST(a_connection_knows_that_it_was_used_before),
        POOL_TEST(a_connection_that_the_upstream_closed_is_not_handed_out),
        POOL_TEST(an_event_without_bytes_is_no_reason_to_drop_it),
        POOL_TEST(an_end_or_bytes_while_it_is_idle_drop_it),
        POOL_TEST(one_that_is_idle_too_long_is_dropped),
        POOL_TEST(with_a_keepalive_of_0_none_is_kept),
        POOL_TEST(one_is_not_used_beyond_its_own_time),
        POOL_TEST(one_that_must_not_be_used_again_is_not),
        POOL_TEST(one_is_not_used_beyond_the_greatest_age),
        POOL_TEST(a_closed_pool_keeps_nothing),
        POOL_TEST(dropping_twice_is_dropping_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
