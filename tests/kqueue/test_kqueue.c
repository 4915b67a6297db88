/* Tests of the kqueue that the tests play: what net/poller_kqueue.c relies on, as kevent(2) of
 * FreeBSD tells it. Knows nothing of the poller. It passes on a real kqueue as well, but for the
 * numbers in data. The thing tested is tests/kqueue/kqueue.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cmocka.h>

static const struct timespec now = { 0, 0 };

static void change_one(int kq, int fd, int filter, int flags, void *udata)
{
    struct kevent c;

    EV_SET(&c, fd, (short)filter, flags, 0, 0, udata);
    assert_int_equal(kevent(kq, &c, 1, NULL, 0, NULL), 0);
}

static int poll_now(int kq, struct kevent *events)
{
    return kevent(kq, NULL, 0, events, 4, &now);
}

static void an_edge_is_told_once_and_per_filter(void **state)
{
    int kq = kqueue(), pair[2], mark;
    struct kevent e[4];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    change_one(kq, pair[0], EVFILT_READ, EV_ADD | EV_CLEAR, &mark);
    change_one(kq, pair[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, &mark);
    assert_int_equal(poll_now(kq, e), 1);
    assert_int_equal(e[0].filter, EVFILT_WRITE);
    assert_int_equal(poll_now(kq, e), 0);
    assert_int_equal(write(pair[1], "abc", 3), 3);
    assert_int_equal(poll_now(kq, e), 1);
    assert_int_equal(e[0].filter, EVFILT_READ);
    assert_int_equal(e[0].ident, pair[0]);
    assert_int_equal(e[0].data, 3);
    assert_ptr_equal(e[0].udata, &mark);
    assert_int_equal(e[0].flags & EV_EOF, 0);
    assert_int_equal(poll_now(kq, e), 0);
    assert_int_equal(write(pair[1], "d", 1), 1);
    assert_int_equal(poll_now(kq, e), 1);
    assert_int_equal(e[0].data, 4);
    close(pair[0]);
    close(pair[1]);
    close(kq);
}

static void the_peers_end_is_told_by_the_read_filter(void **state)
{
    int kq = kqueue(), pair[2];
    struct kevent e[4];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    change_one(kq, pair[0], EVFILT_READ, EV_ADD | EV_CLEAR, NULL);
    assert_int_equal(poll_now(kq, e), 0);
    assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
    assert_int_equal(poll_now(kq, e), 1);
    assert_int_equal(e[0].flags & EV_EOF, EV_EOF);
    assert_int_equal(e[0].data, 0);
    close(pair[0]);
    close(pair[1]);
    close(kq);
}

static int listener(struct sockaddr_in *at)
{
    socklen_t len = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    *at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

static void a_listener_is_told_as_long_as_a_client_waits(void **state)
{
    struct sockaddr_in at;
    int kq = kqueue(), fd = listener(&at), client = socket(AF_INET, SOCK_STREAM, 0);
    struct kevent e[4];

    (void)state;
    change_one(kq, fd, EVFILT_READ, EV_ADD, NULL);
    assert_int_equal(poll_now(kq, e), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(poll_now(kq, e), 1);
    assert_int_equal(e[0].data, 1);
    assert_int_equal(poll_now(kq, e), 1);
    change_one(kq, fd, EVFILT_READ, EV_DELETE, NULL);
    assert_int_equal(poll_now(kq, e), 0);
    change_one(kq, fd, EVFILT_READ, EV_ADD, NULL);
    assert_int_equal(poll_now(kq, e), 1);
    close(client);
    close(fd);
    close(kq);
}

static void a_reset_is_told_by_both_filters(void **state)
{
    struct sockaddr_in at;
    struct linger hard = { 1, 0 };
    int kq = kqueue(), fd = listener(&at), client = socket(AF_INET, SOCK_STREAM, 0), peer;
    struct kevent e[4];

    (void)state;
    assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof at), 0);
    peer = accept(fd, NULL, NULL);
    change_one(kq, client, EVFILT_READ, EV_ADD | EV_CLEAR, NULL);
    change_one(kq, client, EVFILT_WRITE, EV_ADD | EV_CLEAR, NULL);
    assert_int_equal(poll_now(kq, e), 1);
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    close(peer);
    assert_int_equal(poll_now(kq, e), 2);
    assert_int_equal(e[0].flags & e[1].flags & EV_EOF, EV_EOF);
    assert_int_not_equal(e[0].fflags, 0);
    assert_int_equal(read(client, &at, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    close(client);
    close(fd);
    close(kq);
}

static void adding_again_replaces_and_tells_anew(void **state)
{
    int kq = kqueue(), pair[2], first, second;
    struct kevent e[4];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    change_one(kq, pair[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, &first);
    assert_int_equal(poll_now(kq, e), 1);
    change_one(kq, pair[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, &second);
    assert_int_equal(poll_now(kq, e), 1);
    assert_ptr_equal(e[0].udata, &second);
    close(pair[0]);
    close(pair[1]);
    close(kq);
}

static void a_closed_descriptor_is_forgotten(void **state)
{
    int kq = kqueue(), pair[2], again[2];
    struct kevent e[4], del;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    change_one(kq, pair[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, NULL);
    close(pair[0]);
    assert_int_equal(poll_now(kq, e), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, again), 0);
    assert_int_equal(again[0], pair[0]);
    EV_SET(&del, again[0], EVFILT_WRITE, EV_DELETE, 0, 0, NULL);
    assert_int_equal(kevent(kq, &del, 1, NULL, 0, NULL), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(kevent(kq, &del, 1, e, 4, NULL), 1);
    assert_int_equal(e[0].flags & EV_ERROR, EV_ERROR);
    assert_int_equal(e[0].data, ENOENT);
    close(again[0]);
    close(again[1]);
    close(pair[1]);
    close(kq);
}

static void changes_and_events_go_in_one_call_and_the_time_out_holds(void **state)
{
    int kq = kqueue(), pair[2];
    struct timespec t0, t1, ms20 = { 0, 20000000 };
    struct kevent c, e[4];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    EV_SET(&c, pair[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL);
    assert_int_equal(kevent(kq, &c, 1, e, 4, NULL), 1);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    assert_int_equal(kevent(kq, NULL, 0, e, 4, &ms20), 0);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    assert_true((t1.tv_sec - t0.tv_sec) * 1000000000L + t1.tv_nsec - t0.tv_nsec >= ms20.tv_nsec);
    close(pair[0]);
    close(pair[1]);
    close(kq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edge_is_told_once_and_per_filter),
        cmocka_unit_test(the_peers_end_is_told_by_the_read_filter),
        cmocka_unit_test(a_listener_is_told_as_long_as_a_client_waits),
        cmocka_unit_test(a_reset_is_told_by_both_filters),
        cmocka_unit_test(adding_again_replaces_and_tells_anew),
        cmocka_unit_test(a_closed_descriptor_is_forgotten),
        cmocka_unit_test(changes_and_events_go_in_one_call_and_the_time_out_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
