/* Messages over a pair of sockets: whole, in order, with their descriptors, whatever fits at once.
 */
#include "server/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define BIG (3 << 20)

/* One end, and what it heard. */
struct end {
    struct channel c;
    unsigned heard, ended;
    size_t bytes;
    ino_t files[8]; /* that came with each message; 0: none */
    bool closes;
};

static struct reactor *reactor;
static struct end a, b;
static unsigned expected;

static void heard(struct channel *c, struct message *m)
{
    struct end *e = container_of(c, struct end, c);
    struct stat st;

    assert_int_equal(m->type, e->heard);
    assert_non_null(m->payload.p);
    for (size_t i = 0; i < m->payload.n; i += 997)
        assert_int_equal((unsigned char)m->payload.p[i], (m->type + i) & 0xff);
    if (m->fd >= 0 && fstat(m->fd, &st) == 0)
        e->files[e->heard] = st.st_ino;
    e->bytes += m->payload.n;
    if (++e->heard == expected)
        reactor_stop(reactor);
    if (e->closes)
        channel_close(c);
}

static void ended(struct channel *c)
{
    container_of(c, struct end, c)->ended++;
    reactor_stop(reactor);
}

static int open_both(void **state)
{
    int ends[2];

    (void)state;
    a = b = (struct end){ .c = { .heard = heard, .ended = ended } };
    return reactor_make(&reactor) || channel_pair(ends) || channel_open(&a.c, reactor, ends[0]) ||
        channel_open(&b.c, reactor, ends[1]);
}

static int close_both(void **state)
{
    (void)state;
    channel_close(&a.c);
    channel_close(&b.c);
    reactor_free(reactor);
    return 0;
}

static void send_one(struct end *to, unsigned type, size_t n, int fd)
{
    char *bytes = malloc(n + 1);
    struct message m = { .type = type, .fd = fd, .payload = { bytes, n } };

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)((type + i) & 0xff);
    assert_int_equal(channel_send(&to->c, &m), 0);
    free(bytes);
}

static void run(unsigned messages)
{
    expected = messages;
    alarm(10);
    assert_int_equal(reactor_run(reactor), 0);
    alarm(0);
}

static void test_messages_of_every_size(void **state)
{
    static const size_t sizes[] = { 0, 1, 4096, BIG, 0, 100000, BIG };
    size_t all = 0;

    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        send_one(&a, i, sizes[i], -1);
        all += sizes[i];
    }
    assert_non_null(a.c.unsent);
    run(7);
    assert_null(a.c.unsent);
    assert_int_equal(b.bytes, all);
}

static void test_both_ways(void **state)
{
    (void)state;
    send_one(&a, 0, BIG, -1);
    send_one(&b, 0, 10, -1);
    run(1);
    if (b.heard == 0)
        run(1);
    assert_int_equal(a.heard + b.heard, 2);
}

/* Each descriptor comes with its own message, also out of a queue that does not go out at once. */
static void test_descriptors(void **state)
{
    struct stat st;
    int files[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        FILE *f = tmpfile();

        files[i] = dup(fileno(f));
        fclose(f);
    }
    for (unsigned i = 0; i < 3; i++) {
        send_one(&a, 2 * i, i == 0 ? BIG : 10, files[i]);
        send_one(&a, 2 * i + 1, BIG, -1);
    }
    run(6);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(fstat(files[i], &st), 0);
        assert_int_equal(b.files[2 * i], st.st_ino);
        assert_int_equal(b.files[2 * i + 1], 0);
        assert_int_equal(close(files[i]), 0);
    }
}

static void test_the_end(void **state)
{
    struct message m = { .fd = -1 };

    (void)state;
    send_one(&a, 0, 100, -1);
    channel_close(&a.c);
    run(99);
    assert_int_equal(b.heard, 1);
    assert_int_equal(b.ended, 1);
    assert_int_equal(b.c.watch.fd, -1);
    assert_int_equal(channel_send(&b.c, &m), 0);
}

static void test_sending_to_nobody(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    channel_close(&b.c);
    assert_int_equal(channel_send(&a.c, &(struct message){ .type = 1, .fd = -1 }), -EPIPE);
    run(99);
    assert_int_equal(a.ended, 1);
    assert_null(a.c.unsent);
}

static void test_closing_within_a_message(void **state)
{
    (void)state;
    b.closes = true;
    send_one(&a, 0, 100, 0);
    send_one(&a, 1, 100, -1);
    run(1);
    assert_int_equal(b.heard, 1);
}

/* What a child does with its copy is nothing to the parent, who still hears. */
static void test_a_copy(void **state)
{
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        channel_forget(&a.c);
        channel_forget(&b.c);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    send_one(&a, 0, 10, -1);
    run(1);
    assert_int_equal(b.heard, 1);
}

/* An end that is closed while a child holds a copy is not reported any more: its memory may go. */
static void test_a_copy_that_lives_longer(void **state)
{
    struct end *gone = malloc(sizeof *gone);
    int ends[2], told[2];
    char c;
    pid_t pid;

    (void)state;
    *gone = (struct end){ .c = { .heard = heard, .ended = ended } };
    assert_int_equal(channel_pair(ends), 0);
    assert_int_equal(pipe(told), 0);
    assert_int_equal(channel_open(&gone->c, reactor, ends[0]), 0);
    pid = fork();
    if (pid == 0) {
        close(told[1]);
        _exit((int)read(told[0], &c, 1));
    }
    channel_close(&gone->c);
    memset(gone, 0x55, sizeof *gone);
    close(ends[1]);
    send_one(&a, 0, 10, -1);
    run(1);
    free(gone);
    close(told[0]);
    close(told[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(b.heard, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_both, close_both)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_messages_of_every_size),
        TEST(test_both_ways),
        TEST(test_descriptors),
        TEST(test_the_end),
        TEST(test_sending_to_nobody),
        TEST(test_closing_within_a_message),
        TEST(test_a_copy),
        TEST(test_a_copy_that_lives_longer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
