/* Names and their addresses: whose turn it is, who rests, and look-ups that hang. The C library's
 * getaddrinfo is replaced by one that knows a few names, and some of them hang. */
#include "net/connect.h"
#include "net/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static const struct {
    const char *name, *addrs;
} hosts[] = {
    { "three.test", "192.0.2.1 192.0.2.2 192.0.2.3" },
    { "both.test", "2001:db8::1 2001:db8::2 192.0.2.1 192.0.2.2" },
    { "scopes.test", "2001:db8::1 fd00::1 2002::1 2001::1 fe80::1 ::1 192.0.2.1" },
    { "v4-first.test", "192.0.2.1 192.0.2.2 169.254.0.1 fd00::1" },
    { "local.test", "127.0.0.3 127.0.0.2" },
    { "quick.test", "192.0.2.9" },
};

/* Names that hang do so while this lock is held by the test. */
static pthread_mutex_t hang = PTHREAD_MUTEX_INITIALIZER;

static struct addrinfo *make_info(const char *text)
{
    struct sockaddr_storage *ss = calloc(1, sizeof *ss);
    struct addrinfo *ai = calloc(1, sizeof *ai);
    struct addr a;

    if (!ss || !ai || !addr_parse(&a, span_of(text)))
        abort();
    ai->ai_addrlen = addr_to_sockaddr(&a, ss);
    ai->ai_addr = (struct sockaddr *)ss;
    ai->ai_family = ss->ss_family;
    return ai;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    (void)service;
    (void)hints;
    if (strncmp(host, "hang", 4) == 0) {
        pthread_mutex_lock(&hang);
        pthread_mutex_unlock(&hang);
        *out = make_info("192.0.2.77");
        return 0;
    }
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char text[200], *rest = text;

        if (strcmp(hosts[i].name, host) != 0)
            continue;
        snprintf(text, sizeof text, "%s", hosts[i].addrs);
        for (char *one; (one = strtok_r(rest, " ", &rest)); out = &(*out)->ai_next)
            *out = make_info(one);
        return 0;
    }
    return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *ai)
{
    while (ai) {
        struct addrinfo *next = ai->ai_next;

        free(ai->ai_addr);
        free(ai);
        ai = next;
    }
}

static struct reactor *loop;
static struct resolver *resolver;

static int start(void **state)
{
    (void)state;
    return reactor_make(&loop) || resolver_make(&resolver, loop);
}

static int end(void **state)
{
    (void)state;
    resolver_free(resolver);
    reactor_free(loop);
    return 0;
}

/* A question, and what it came to. */
struct question {
    struct resolve_query query;
    struct lookup_answer answer;
    bool answered;
};

static void on_answer(struct resolve_query *q, const struct lookup_answer *a)
{
    struct question *question = container_of(q, struct question, query);

    question->answer = *a;
    question->answered = true;
    reactor_stop(loop);
}

static void ask(struct question *q, const char *host)
{
    int err;

    *q = (struct question){ .query.fn = on_answer };
    err = resolver_ask(resolver, &q->query, host, 443, &q->answer);
    assert_true(err == 0 || err == -EAGAIN);
    q->answered = err == 0;
}

static void give_up(struct timer *t)
{
    (void)t;
    reactor_stop(loop);
}

/* Waits up to ms for an answer. Returns whether it came. */
static bool wait_for(const struct question *q, uint64_t ms)
{
    struct timer_kind kind = { .ms = ms };
    struct timer timer = { .fn = give_up };

    timer_arm(loop, &timer, &kind);
    while (!q->answered && timer.kind)
        assert_int_equal(reactor_run(loop), 0);
    timer_disarm(&timer);
    timer_kind_forget(loop, &kind);
    return q->answered;
}

/* The addresses of a name in the order in which they are to be tried now. */
static const char *order(const char *host)
{
    static char text[LOOKUP_ADDRS_MAX * ADDR_TEXT_MAX];
    struct question q;
    char one[ADDR_TEXT_MAX];
    size_t n = 0;

    ask(&q, host);
    assert_true(wait_for(&q, 5000));
    text[0] = '\0';
    for (unsigned i = 0; i < q.answer.n; i++) {
        assert_int_equal(q.answer.addrs[i].port, 443);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? " " : "",
                              addr_text(&q.answer.addrs[i], one));
    }
    return text;
}

static void failed(const char *host, const char *address)
{
    struct addr a;

    assert_true(addr_parse(&a, span_of(address)));
    a.port = 443;
    resolver_failed(resolver, host, &a);
}

static void addresses_take_turns(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_string_equal(order("three.test"), "192.0.2.1 192.0.2.2 192.0.2.3");
        assert_string_equal(order("three.test"), "192.0.2.2 192.0.2.3 192.0.2.1");
        assert_string_equal(order("three.test"), "192.0.2.3 192.0.2.1 192.0.2.2");
    }
    assert_string_equal(order("quick.test"), "192.0.2.9");
    assert_string_equal(order("quick.test"), "192.0.2.9");
    assert_string_equal(order("none.test"), "");
}

/* Only the first ones of a kind change places, and the families alternate. */
static void what_rfc_6724_tells_apart_stays_in_its_order(void **state)
{
    (void)state;
    assert_string_equal(order("both.test"), "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2");
    assert_string_equal(order("both.test"), "2001:db8::2 192.0.2.1 2001:db8::1 192.0.2.2");
    for (int i = 0; i < 3; i++)
        assert_string_equal(order("scopes.test"),
                            "2001:db8::1 192.0.2.1 fd00::1 2002::1 2001::1 fe80::1 ::1");
    assert_string_equal(order("v4-first.test"), "192.0.2.1 fd00::1 192.0.2.2 169.254.0.1");
    assert_string_equal(order("v4-first.test"), "192.0.2.2 fd00::1 192.0.2.1 169.254.0.1");
}

static void an_address_that_failed_comes_last(void **state)
{
    (void)state;
    assert_string_equal(order("three.test"), "192.0.2.1 192.0.2.2 192.0.2.3");
    failed("three.test", "192.0.2.2");
    assert_string_equal(order("three.test"), "192.0.2.3 192.0.2.1 192.0.2.2");
    assert_string_equal(order("three.test"), "192.0.2.3 192.0.2.1 192.0.2.2");
    assert_string_equal(order("three.test"), "192.0.2.1 192.0.2.3 192.0.2.2");
    failed("three.test", "192.0.2.1");
    failed("three.test", "192.0.2.3");
    failed("three.test", "192.0.2.99");
    failed("other.test", "192.0.2.1");
    assert_string_equal(order("three.test"), "192.0.2.2 192.0.2.3 192.0.2.1");
    order("both.test");
    failed("both.test", "2001:db8::1");
    failed("both.test", "2001:db8::2");
    assert_string_equal(order("both.test"), "192.0.2.1 192.0.2.2 2001:db8::2 2001:db8::1");
}

static struct watch *won;

static void connected(struct connector *c, struct watch *watch)
{
    won = watch;
    if (watch)
        close(reactor_remove(c->reactor, watch));
    reactor_stop(loop);
}

/* The first address refuses; the second connection begins with the other one. */
static void a_refused_address_is_not_tried_first_again(void **state)
{
    struct connector c = { .done = connected };
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    struct addr a;
    int fd;

    (void)state;
    assert_true(addr_parse(&a, SPAN("127.0.0.2")));
    fd = listen_tcp(&a, LISTEN_FIRST);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    for (unsigned tries = 2; tries > 0; tries--) {
        connector_start(&c, loop, resolver, "local.test", ntohs(in.sin_port));
        assert_int_equal(reactor_run(loop), 0);
        assert_non_null(won);
        assert_int_equal(c.next_addr, tries);
    }
    close(fd);
}

static void look_ups_that_hang_delay_no_other(void **state)
{
    struct question hanging[3], quick;

    (void)state;
    pthread_mutex_lock(&hang);
    ask(&hanging[0], "hang0.test");
    ask(&hanging[1], "hang1.test");
    ask(&hanging[2], "hang2.test");
    ask(&quick, "quick.test");
    assert_true(wait_for(&quick, 1000));
    for (int i = 0; i < 3; i++)
        assert_false(hanging[i].answered);
    pthread_mutex_unlock(&hang);
    for (int i = 0; i < 3; i++)
        assert_true(wait_for(&hanging[i], 5000));
}

/* There is a limit, and the oldest goes first. */
static void threads_are_few(void **state)
{
    struct question hanging[4], first, second;

    (void)state;
    pthread_mutex_lock(&hang);
    for (int i = 0; i < 4; i++) {
        char name[] = "hang0.test";

        name[4] = (char)('0' + i);
        ask(&hanging[i], name);
    }
    ask(&first, "quick.test");
    ask(&second, "three.test");
    assert_false(wait_for(&second, 100));
    pthread_mutex_unlock(&hang);
    assert_true(wait_for(&first, 5000));
    assert_true(wait_for(&second, 5000));
    for (int i = 0; i < 4; i++)
        assert_true(wait_for(&hanging[i], 5000));
}

/* It returns, and leaves the thread its memory. */
static void the_end_does_not_wait_for_a_look_up(void **state)
{
    struct question q;
    time_t before;

    (void)state;
    assert_int_equal(start(NULL), 0);
    pthread_mutex_lock(&hang);
    ask(&q, "hang.test");
    assert_false(wait_for(&q, 50));
    resolver_cancel(&q.query);
    before = time(NULL);
    end(NULL);
    assert_in_range(time(NULL) - before, 0, 2);
    pthread_mutex_unlock(&hang);
    usleep(50000);
}

#define WITH_RESOLVER(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RESOLVER(addresses_take_turns),
        WITH_RESOLVER(what_rfc_6724_tells_apart_stays_in_its_order),
        WITH_RESOLVER(an_address_that_failed_comes_last),
        WITH_RESOLVER(a_refused_address_is_not_tried_first_again),
        WITH_RESOLVER(look_ups_that_hang_delay_no_other),
        WITH_RESOLVER(threads_are_few),
        cmocka_unit_test(the_end_does_not_wait_for_a_look_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
