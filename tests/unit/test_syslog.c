/* Lines to a syslog daemon that the test plays itself: messages, daemons that restart, streams,
 * lines that are too long. */
#include "log/syslog.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define HUGE_LINE (1024 * 1024)

static char dir[64], path[80];
static char got[HUGE_LINE + 1024];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test-syslog-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/log", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

/* A daemon that starts. An older socket at its path is removed. */
static int start_daemon(int type)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type, 0);

    strcpy(un.sun_path, path);
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 5), 0);
    return fd;
}

/* Receives one message into got, from a datagram or, up to its NUL, from a stream, and ends it with
 * a NUL. Returns its length. */
static size_t receive(int fd, int type)
{
    size_t n = 0;
    ssize_t r;

    if (type == SOCK_DGRAM)
        n = (size_t)recv(fd, got, sizeof got - 1, 0);
    else
        do {
            r = recv(fd, got + n, 1, 0);
            assert_int_equal(r, 1);
        } while (got[n++] != 0);
    assert_true(n < sizeof got);
    got[n] = 0;
    return n;
}

/* Checks the header before the line in got. Returns the line. */
static const char *check_header(int severity)
{
    char month[4], expected[100];
    int priority, day, hour, minute, second, at = 0;
    long pid;
    time_t now = time(NULL);
    struct tm tm;

    localtime_r(&now, &tm);
    strftime(expected, sizeof expected, "%b", &tm);
    assert_int_equal(sscanf(got, "<%d>%3s %2d %2d:%2d:%2d openai-chat-proxy[%ld]: %n", &priority,
                            month, &day, &hour, &minute, &second, &pid, &at),
                     7);
    assert_true(at > 0);
    assert_int_equal(priority, 24 + severity);
    assert_int_equal(pid, getpid());
    /* Midnight may just have passed. */
    assert_true(day == tm.tm_mday || hour == 23);
    assert_true(strcmp(month, expected) == 0 || hour == 23);
    snprintf(expected, sizeof expected,
             "<%d>%s %2d %02d:%02d:%02d openai-chat-proxy[%ld]: ", priority, month, day, hour,
             minute, second, pid);
    assert_memory_equal(got, expected, (size_t)at);
    return got + at;
}

static void expect_line(int fd, int type, int severity, const char *line)
{
    receive(fd, type);
    assert_string_equal(check_header(severity), line);
}

static struct syslog *open_log(void)
{
    struct syslog *s;

    assert_int_equal(syslog_open(&s, path), 0);
    return s;
}

static void test_messages(void **state)
{
    int fd = start_daemon(SOCK_DGRAM);
    struct syslog *s = open_log();

    (void)state;
    assert_true(syslog_write(s, SYSLOG_INFO, SPAN("hello world")));
    expect_line(fd, SOCK_DGRAM, 6, "hello world");
    assert_true(syslog_write(s, SYSLOG_ERROR, SPAN("with an end\n")));
    expect_line(fd, SOCK_DGRAM, 3, "with an end");
    assert_true(syslog_write(s, SYSLOG_DEBUG, SPAN("")));
    expect_line(fd, SOCK_DGRAM, 7, "");
    assert_true(syslog_write(s, SYSLOG_WARNING, SPAN("%s %n \xc3\xa9")));
    expect_line(fd, SOCK_DGRAM, 4, "%s %n \xc3\xa9");
    syslog_close(s);
    close(fd);
}

static void test_lines_of_more_than_a_kilobyte(void **state)
{
    int fd = start_daemon(SOCK_DGRAM);
    struct syslog *s = open_log();
    char line[1500];

    (void)state;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = 0;
    assert_true(syslog_write(s, SYSLOG_INFO, span_of(line)));
    expect_line(fd, SOCK_DGRAM, 6, line);
    syslog_close(s);
    close(fd);
}

/* Writes a line that no datagram takes. Returns how many bytes of it came, which end in the text
 * given. */
static size_t write_huge(struct syslog *s, int fd, const char *unit)
{
    char *line = malloc(HUGE_LINE);
    const char *begin, *cut;
    size_t n, missing;

    for (size_t i = 0; i < HUGE_LINE; i++)
        line[i] = unit[i % strlen(unit)];
    assert_true(syslog_write(s, SYSLOG_INFO, (struct span){ line, HUGE_LINE }));
    receive(fd, SOCK_DGRAM);
    begin = check_header(6);
    cut = strchr(begin, '[');
    assert_non_null(cut);
    n = (size_t)(cut - begin) - 1;
    assert_int_equal(sscanf(cut, "[%zu bytes cut off]", &missing), 1);
    assert_int_equal(missing + n, HUGE_LINE);
    assert_memory_equal(begin, line, n);
    free(line);
    return n;
}

static void test_lines_that_no_datagram_takes(void **state)
{
    int fd = start_daemon(SOCK_DGRAM);
    struct syslog *s = open_log();

    (void)state;
    assert_true(write_huge(s, fd, "x") > 512);
    /* No character is cut in two. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(write_huge(s, fd, "\xe2\x82\xac") % 3, 0);
    assert_true(syslog_write(s, SYSLOG_INFO, SPAN("short")));
    expect_line(fd, SOCK_DGRAM, 6, "short");
    syslog_close(s);
    close(fd);
}

static void test_a_daemon_that_restarts(void **state)
{
    int fd = start_daemon(SOCK_DGRAM);
    struct syslog *s = open_log();

    (void)state;
    assert_true(syslog_write(s, SYSLOG_INFO, SPAN("one")));
    close(fd);
    assert_false(syslog_write(s, SYSLOG_INFO, SPAN("nobody is there")));
    unlink(path);
    assert_false(syslog_write(s, SYSLOG_INFO, SPAN("nor any socket")));
    fd = start_daemon(SOCK_DGRAM);
    assert_true(syslog_write(s, SYSLOG_INFO, SPAN("two")));
    expect_line(fd, SOCK_DGRAM, 6, "two");
    close(fd);
    fd = start_daemon(SOCK_DGRAM);
    assert_true(syslog_write(s, SYSLOG_INFO, SPAN("three")));
    expect_line(fd, SOCK_DGRAM, 6, "three");
    syslog_close(s);
    close(fd);
}

static void test_a_daemon_that_takes_streams(void **state)
{
    int fd = start_daemon(SOCK_STREAM), one, two;
    struct syslog *s = open_log();
    char line[5000];

    (void)state;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = 0;
    one = accept(fd, NULL, NULL);
    assert_true(syslog_write(s, SYSLOG_INFO, span_of(line)));
    assert_true(syslog_write(s, SYSLOG_INFO, SPAN("next\n")));
    expect_line(one, SOCK_STREAM, 6, line);
    expect_line(one, SOCK_STREAM, 6, "next");
    close(one);
    close(fd);
    assert_false(syslog_write(s, SYSLOG_INFO, SPAN("nobody is there")));
    fd = start_daemon(SOCK_STREAM);
    assert_true(syslog_write(s, SYSLOG_INFO, SPAN("again")));
    two = accept(fd, NULL, NULL);
    expect_line(two, SOCK_STREAM, 6, "again");
    close(two);
    close(fd);
    /* The next one is of another kind. */
    fd = start_daemon(SOCK_DGRAM);
    assert_true(syslog_write(s, SYSLOG_INFO, SPAN("by datagram")));
    expect_line(fd, SOCK_DGRAM, 6, "by datagram");
    syslog_close(s);
    close(fd);
}

static void *read_slowly(void *arg)
{
    const struct timespec pause = { .tv_nsec = 2000000 };
    int fd = *(int *)arg;
    size_t n = 0;
    ssize_t r;

    while ((r = recv(fd, got + n, sizeof got - n < 10000 ? sizeof got - n : 10000, 0)) > 0 &&
           got[n + (size_t)r - 1] != 0) {
        n += (size_t)r;
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void ring(int signal)
{
    (void)signal;
}

/* Signals make the kernel take a long line in pieces. */
static void test_a_stream_that_is_slow(void **state)
{
    int fd = start_daemon(SOCK_STREAM), one;
    struct itimerval often = { { 0, 3000 }, { 0, 3000 } }, never = { 0 };
    struct sigaction action = { .sa_handler = ring };
    struct syslog *s = open_log();
    char *line = malloc(HUGE_LINE);
    pthread_t reader;
    sigset_t alarms;

    (void)state;
    for (size_t i = 0; i < HUGE_LINE; i++)
        line[i] = (char)('!' + i % 89);
    one = accept(fd, NULL, NULL);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    sigaction(SIGALRM, &action, NULL);
    pthread_sigmask(SIG_BLOCK, &alarms, NULL);
    assert_int_equal(pthread_create(&reader, NULL, read_slowly, &one), 0);
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    assert_true(syslog_write(s, SYSLOG_INFO, (struct span){ line, HUGE_LINE }));
    setitimer(ITIMER_REAL, &never, NULL);
    pthread_join(reader, NULL);
    assert_memory_equal(check_header(6), line, HUGE_LINE);
    syslog_close(s);
    close(one);
    close(fd);
    free(line);
}

static void test_no_daemon(void **state)
{
    struct syslog *s = (struct syslog *)path;
    char longer[200];
    int fd;

    (void)state;
    assert_int_equal(syslog_open(&s, path), -ENOENT);
    assert_null(s);
    fd = start_daemon(SOCK_DGRAM);
    close(fd);
    assert_int_equal(syslog_open(&s, path), -ECONNREFUSED);
    fd = start_daemon(SOCK_STREAM);
    close(fd);
    assert_int_equal(syslog_open(&s, path), -ECONNREFUSED);
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(syslog_open(&s, longer), -ENAMETOOLONG);
    assert_null(s);
    syslog_close(NULL);
}

/* The machine may or may not have a daemon. Nothing is written to it. */
static void test_the_usual_places(void **state)
{
    struct syslog *s;
    int err = syslog_open(&s, NULL);

    (void)state;
    assert_true(err == 0 ? s != NULL : s == NULL);
    syslog_close(s);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(test_messages),
        IN_DIR(test_lines_of_more_than_a_kilobyte),
        IN_DIR(test_lines_that_no_datagram_takes),
        IN_DIR(test_a_daemon_that_restarts),
        IN_DIR(test_a_daemon_that_takes_streams),
        IN_DIR(test_a_stream_that_is_slow),
        IN_DIR(test_no_daemon),
        cmocka_unit_test(test_the_usual_places),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
