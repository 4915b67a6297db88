/* The dialogues with proxies at every split, and the stream that carries them, over a lower stream
 * that stalls. */
#include "net/socks.h"
#include "upstream/http_tunnel.h"
#include "tests/unit/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static struct dialogue *make_socks_of(int version, const struct addr *addr, const char *user)
{
    struct socks_request r = { .version = version,
                               .addr = addr,
                               .host = "api.example",
                               .port = 443,
                               .user = user,
                               .password = user ? "pw" : NULL };
    struct dialogue *d;

    assert_int_equal(socks_dialogue_make(&d, &r), 0);
    return d;
}

static struct dialogue *make_socks(const struct addr *addr, const char *user)
{
    return make_socks_of(5, addr, user);
}

static struct dialogue *make_http(const char *credentials)
{
    struct dialogue *d;

    assert_int_equal(http_tunnel_make(&d, "api.example:443", credentials), 0);
    return d;
}

static void said(const struct dialogue *d, struct span expected)
{
    assert_int_equal(d->say.n, expected.n);
    assert_memory_equal(d->say.p, expected.p, expected.n);
}

/* Feeds d every prefix of the reply, each flush against unreadable memory, and then all of it. */
static ssize_t hear(struct dialogue *d, struct span answer)
{
    ssize_t n = -EAGAIN;

    for (size_t i = 1; i <= answer.n && n == -EAGAIN; i++) {
        char *p = guard_end(answer.p, i);

        n = d->hear(d, (struct span){ p, i });
        guard_free(p, i);
    }
    return n;
}

static void socks_without_a_password(void **state)
{
    struct dialogue *d = make_socks(NULL, NULL);

    (void)state;
    said(d, SPAN("\x05\x01\x00"));
    assert_int_equal(hear(d, SPAN("\x05\x00")), 2);
    said(d,
         SPAN("\x05\x01\x00\x03\x0b"
              "api.example\x01\xbb"));
    assert_false(d->done);
    assert_int_equal(hear(d, SPAN("\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x40")), 10);
    assert_true(d->done);
    d->free(d);
}

static void socks_with_a_password(void **state)
{
    struct addr addr = { .family = 6, .port = 8443, .ip = { 0x20, 1, 0xd, 0xb8, [15] = 7 } };
    struct dialogue *d = make_socks(&addr, "me");

    (void)state;
    said(d, SPAN("\x05\x02\x00\x02"));
    assert_int_equal(hear(d, SPAN("\x05\x02")), 2);
    said(d, SPAN("\x01\x02me\x02pw"));
    assert_int_equal(hear(d, SPAN("\x01\x00")), 2);
    said(d, SPAN("\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\xfb"));
    assert_int_equal(hear(d, SPAN("\x05\x00\x00\x03\x04name\x00\x01")), 11);
    assert_true(d->done);
    d->free(d);
}

static void socks_may_do_without_the_password_that_was_offered(void **state)
{
    struct addr addr = { .family = 4, .port = 80, .ip = { 192, 0, 2, 1 } };
    struct dialogue *d = make_socks(&addr, "me");

    (void)state;
    assert_int_equal(hear(d, SPAN("\x05\x00")), 2);
    said(d, SPAN("\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50"));
    assert_int_equal(hear(d,
                          SPAN("\x05\x00\x00\x04"
                               "0123456789abcdef\x00\x01")),
                     22);
    assert_true(d->done);
    d->free(d);
}

static void socks_refusals(void **state)
{
    static const struct {
        const char *user;
        struct span answer;
        const char *why;
    } cases[] = {
        { NULL, { "\x04\x00", 2 }, "SOCKS5" },
        { NULL, { "\x05\xff", 2 }, "wants a user" },
        { NULL, { "\x05\x02", 2 }, "wants a user" },
        { "me", { "\x05\xff", 2 }, "accepts neither" },
        { "me", { "\x05\x01", 2 }, "accepts neither" },
        { NULL, { "HTTP/1.1 400 Bad Request\r\n\r\n", 28 }, "SOCKS5" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dialogue *d = make_socks(NULL, cases[i].user);

        assert_int_equal(hear(d, cases[i].answer), -EPROTO);
        assert_non_null(strstr(d->why, cases[i].why));
        d->free(d);
    }
}

static void socks4_with_an_address(void **state)
{
    struct addr addr = { .family = 4, .port = 80, .ip = { 192, 0, 2, 1 } };
    struct dialogue *d = make_socks_of(4, &addr, "me");

    (void)state;
    said(d, SPAN("\x04\x01\x00\x50\xc0\x00\x02\x01me\0"));
    assert_int_equal(hear(d, SPAN("\x00\x5a\x00\x50\xc0\x00\x02\x01")), 8);
    assert_true(d->done);
    d->free(d);
}

/* 4A: the proxy looks up the name. */
static void socks4_with_a_name(void **state)
{
    struct dialogue *d = make_socks_of(4, NULL, NULL);

    (void)state;
    said(d,
         SPAN("\x04\x01\x01\xbb\x00\x00\x00\x01\0"
              "api.example\0"));
    assert_int_equal(hear(d, SPAN("\x00\x5a\xff\xff\xff\xff\xff\xff")), 8);
    assert_true(d->done);
    d->free(d);
}

/* The longest texts fit, and there is no IPv6. */
static void socks4_limits(void **state)
{
    static char longest[256];
    struct addr addr = { .family = 6, .ip = { [15] = 1 } };
    struct socks_request r = { .version = 4, .host = longest, .port = 1, .user = longest };
    struct dialogue *d;

    (void)state;
    memset(longest, 'x', 255);
    assert_int_equal(socks_dialogue_make(&d, &r), 0);
    assert_int_equal(d->say.n, 8 + 256 + 256);
    assert_int_equal(d->say.p[d->say.n - 1], 0);
    d->free(d);
    r.addr = &addr;
    assert_int_equal(socks_dialogue_make(&d, &r), -EAFNOSUPPORT);
    assert_null(d);
}

static void socks4_refusals(void **state)
{
    static const struct {
        struct span answer;
        const char *why;
    } cases[] = {
        { { "\x00\x5b", 2 }, "could not connect" },
        { { "\x00\x5c", 2 }, "does not accept the user" },
        { { "\x00\x5d", 2 }, "does not accept the user" },
        { { "\x00\x00", 2 }, "for a reason that SOCKS4 does not know" },
        { { "\x05\xff", 2 }, "does not speak SOCKS4" },
        { { "HTTP/1.1 400 Bad Request\r\n\r\n", 28 }, "does not speak SOCKS4" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dialogue *d = make_socks_of(4, NULL, "me");

        assert_int_equal(hear(d, cases[i].answer), -EPROTO);
        assert_non_null(strstr(d->why, cases[i].why));
        d->free(d);
    }
}

static void connect_says_no_more_than_it_must(void **state)
{
    struct dialogue *d = make_http(NULL);

    (void)state;
    said(d, SPAN("CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n"));
    d->free(d);
    d = make_http("Basic bWU6cHc=");
    said(d,
         SPAN("CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\nProxy-Authorization: "
              "Basic bWU6cHc=\r\n\r\n"));
    d->free(d);
}

static void connect_answers(void **state)
{
    static const struct {
        const char *answer;
        bool opens;
        const char *why;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\n\r\n", true, "" },
        { "HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n", true, "" },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 204 "
          "No\r\nContent-Length: 5\r\n\r\n",
          true, "" },
        { "HTTP/1.1 407 Secret pw\r\n\r\n", false,
          "refused a tunnel with 407 Proxy Authentication Required: it does not accept" },
        { "HTTP/1.1 403 pw\r\n\r\n", false, "refused a tunnel with 403 Forbidden" },
        { "HTTP/1.1 301 Moved\r\nLocation: x\r\n\r\n", false, "refused a tunnel with 301" },
        { "SSH-2.0-OpenSSH\r\n", false, "does not answer CONNECT in HTTP/1.1" },
        { "<html>\r\n\r\n", false, "does not answer CONNECT in HTTP/1.1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dialogue *d = make_http("Basic bWU6cHc=");
        ssize_t n = hear(d, span_of(cases[i].answer));

        assert_int_equal(n, cases[i].opens ? (ssize_t)strlen(cases[i].answer) : -EPROTO);
        assert_int_equal(d->done, cases[i].opens);
        assert_true(strncmp(d->why, cases[i].why, strlen(cases[i].why)) == 0);
        assert_null(strstr(d->why, "pw"));
        d->free(d);
    }
}

/* The lower stream: gives and takes one byte at a time, and stalls in between. */
struct below {
    struct stream stream;
    const char *in;
    size_t in_n;
    int in_end; /* what read says behind the bytes: 0 or a negative errno */
    char out[512];
    size_t out_n;
    bool may_read, may_write;
    int write_error;
    unsigned want;
    bool closed;
};

static struct below *below_of(const struct stream *s)
{
    return container_of(s, struct below, stream);
}

static ssize_t below_read(struct stream *s, void *buf, size_t n)
{
    struct below *b = below_of(s);

    if (!b->may_read)
        return -EAGAIN;
    b->may_read = false;
    if (b->in_n == 0)
        return b->in_end;
    assert_true(n > 0);
    *(char *)buf = *b->in++;
    b->in_n--;
    return 1;
}

static bool below_pending(const struct stream *s)
{
    return below_of(s)->may_read;
}

static ssize_t below_write(struct stream *s, const struct iovec *iov, int n)
{
    struct below *b = below_of(s);

    assert_int_equal(n, 1);
    if (b->write_error)
        return b->write_error;
    if (!b->may_write)
        return -EAGAIN;
    b->may_write = false;
    b->out[b->out_n++] = *(const char *)iov->iov_base;
    return 1;
}

static void below_want(struct stream *s, unsigned mask)
{
    below_of(s)->want = mask;
}

static void below_close(struct stream *s)
{
    below_of(s)->closed = true;
}

static const struct stream_ops below_ops = {
    .read = below_read,
    .pending = below_pending,
    .write = below_write,
    .want = below_want,
    .close = below_close,
};

/* Opens a tunnel step by step and gives it only the bytes that it asked for. Returns the last
 * result of open. */
static int open_tunnel(struct below *b, struct dialogue *d, struct stream **out)
{
    int err = -EAGAIN;

    b->stream.ops = &below_ops;
    assert_int_equal(tunnel_stream_make(out, &b->stream, d), 0);
    for (int i = 0; i < 1000 && err == -EAGAIN; i++) {
        err = stream_open(*out);
        if (err != -EAGAIN)
            break;
        stream_want(*out, READY_READ | READY_WRITE | READY_HUP);
        assert_true(b->want == (READY_HUP | READY_READ) || b->want == (READY_HUP | READY_WRITE));
        b->may_read = b->want & READY_READ;
        b->may_write = b->want & READY_WRITE;
    }
    return err;
}

static void a_tunnel_over_a_stream_that_stalls(void **state)
{
    struct below b = { .in = "\x05\x02\x01\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x40Z",
                       .in_n = 14 };
    struct iovec iov = { (char[]){ "x" }, 1 };
    struct stream *s;
    char byte;

    (void)state;
    assert_int_equal(open_tunnel(&b, make_socks(NULL, "me"), &s), 0);
    assert_int_equal(b.out_n, 4 + 7 + 18);
    assert_int_equal(stream_open(s), 0);
    assert_null(stream_why(s));
    b.in_n = 1;
    b.may_read = b.may_write = true;
    assert_true(stream_pending(s));
    assert_int_equal(stream_read(s, &byte, 1), 1);
    assert_int_equal(byte, 'Z');
    assert_int_equal(stream_write(s, &iov, 1), 1);
    assert_int_equal(b.out[b.out_n - 1], 'x');
    stream_want(s, READY_WRITE);
    assert_int_equal(b.want, READY_WRITE);
    stream_close(s);
    assert_true(b.closed);
}

static void a_tunnel_that_fails(void **state)
{
    static const struct {
        struct below below;
        int err;
        const char *why;
    } cases[] = {
        { { .in = "HTTP/1.1 200 OK\r\n\r", .in_n = 18 }, -EPROTO, "closed the connection instead" },
        { { .in = "", .in_end = -ECONNRESET }, -ECONNRESET, "closed the connection instead" },
        { { .write_error = -EPIPE }, -EPIPE, "before it was told where to lead" },
        { { .in = "HTTP/1.1 403 No\r\n\r\n", .in_n = 19 }, -EPROTO, "403" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct below b = cases[i].below;
        struct stream *s;

        assert_int_equal(open_tunnel(&b, make_http(NULL), &s), cases[i].err);
        assert_int_equal(stream_open(s), cases[i].err);
        assert_non_null(strstr(stream_why(s), cases[i].why));
        stream_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(socks_without_a_password),
        cmocka_unit_test(socks_with_a_password),
        cmocka_unit_test(socks_may_do_without_the_password_that_was_offered),
        cmocka_unit_test(socks_refusals),
        cmocka_unit_test(socks4_with_an_address),
        cmocka_unit_test(socks4_with_a_name),
        cmocka_unit_test(socks4_limits),
        cmocka_unit_test(socks4_refusals),
        cmocka_unit_test(connect_says_no_more_than_it_must),
        cmocka_unit_test(connect_answers),
        cmocka_unit_test(a_tunnel_over_a_stream_that_stalls),
        cmocka_unit_test(a_tunnel_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
