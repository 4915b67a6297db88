/* The body decoder: payload and verdict are the same however the bytes come, and every refusal; flush against a guard page. */
#include "http/body.h"
#include "tests/unit/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct {
    char payload[20000];
    size_t n, used;
    int error;
    bool done;
} got;

static struct http_body body;

/* Decodes a copy of the n bytes at p, all that it takes, and adds to got. */
static void take(const char *p, size_t n)
{
    char *copy = guard_end(p, n);
    struct span in = { copy, n };

    while (in.n > 0 && !body.done && got.error == 0) {
        struct http_piece piece;
        ssize_t r = http_body_next(&body, in, &piece);

        if (r < 0) {
            got.error = (int)r;
            assert_non_null(strstr(body.why, "(RFC "));
            break;
        }
        assert_true(r > 0 && (size_t)r == piece.wire.n && piece.wire.p == in.p);
        assert_true(piece.data.n == 0 || (piece.data.p >= in.p && piece.data.p + piece.data.n <= in.p + r));
        memcpy(got.payload + got.n, piece.data.p, piece.data.n);
        got.n += piece.data.n;
        got.used += (size_t)r;
        in = span_skip(in, (size_t)r);
    }
    got.done = body.done;
    guard_free(copy, n);
}

static void begin(enum http_framing framing, uint64_t length)
{
    got.n = got.used = 0;
    got.error = 0;
    http_body_init(&body, framing, length);
    got.done = body.done;
}

struct wire {
    const char *bytes;
    size_t n;
    const char *payload;                /* before the end or the refusal */
    size_t rest;                        /* bytes after the end of the body */
    bool done;
};

static void check(const struct wire *w, int error)
{
    if (got.error != error || got.done != w->done || got.n != strlen(w->payload) || memcmp(got.payload, w->payload, got.n) != 0)
        fail_msg("%.*s: %d %s, payload %.*s", (int)w->n, w->bytes, got.error, body.why ? body.why : "", (int)got.n, got.payload);
    if (w->done)
        assert_int_equal(got.used, w->n - w->rest);
}

static void every_way(enum http_framing framing, uint64_t length, const struct wire *w, int error)
{
    begin(framing, length);
    take(w->bytes, w->n);
    check(w, error);
    begin(framing, length);
    for (size_t i = 0; i < w->n; i++)
        take(w->bytes + i, 1);
    check(w, error);
    for (size_t i = 0; i <= w->n; i++)
        for (size_t k = i; k <= w->n; k++) {
            begin(framing, length);
            take(w->bytes, i);
            take(w->bytes + i, k - i);
            take(w->bytes + k, w->n - k);
            check(w, error);
        }
}

#define WIRE(bytes) bytes, sizeof(bytes) - 1

static const struct wire good[] = {
    { WIRE("0\r\n\r\n"), "", 0, true },
    { WIRE("5\r\nhello\r\n0\r\n\r\n"), "hello", 0, true },
    { WIRE("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nGET /"), "hello!", 5, true },
    { WIRE("a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n"), "0123456789abcdefghij", 0, true },
    { WIRE("0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n"), "abc", 0, true },
    { WIRE("3;a\r\nabc\r\n0;b=c\r\n\r\n"), "abc", 0, true },
    { WIRE("3 \t;a=\"b;\\\" c\"\t\r\nabc\r\n0\r\n\r\n"), "abc", 0, true },
    { WIRE("3;\r\nabc\r\n0;\x80\r\n\r\n"), "abc", 0, true },
    { WIRE("3\r\n\r\n\n\r\n0\r\n\r\n"), "\r\n\n", 0, true },
    { WIRE("0\r\nA: b\r\nX-Y:\r\nC:\t\x80 d \r\n\r\nrest"), "", 4, true },
    { WIRE("5\r\nhel"), "hel", 0, false },
    { WIRE("5\r\nhello\r\n0\r\nA: b\r\n"), "hello", 0, false },
    { WIRE("7fffffffffffffff\r\nx"), "x", 0, false },
    { WIRE(""), "", 0, false },
};

static const struct wire bad[] = {
    { WIRE("\r\n"), "", 0, false },
    { WIRE("\n"), "", 0, false },
    { WIRE(" 5\r\n"), "", 0, false },
    { WIRE("+5\r\n"), "", 0, false },
    { WIRE("-5\r\n"), "", 0, false },
    { WIRE("0x5\r\n"), "", 0, false },
    { WIRE("5h\r\n"), "", 0, false },
    { WIRE("g\r\n"), "", 0, false },
    { WIRE(";a\r\n"), "", 0, false },
    { WIRE("5 \r\nhello\r\n"), "", 0, false },
    { WIRE("5\t\r\nhello\r\n"), "", 0, false },
    { WIRE("5 5\r\n"), "", 0, false },
    { WIRE("5,5\r\n"), "", 0, false },
    { WIRE("5\nhello\r\n"), "", 0, false },
    { WIRE("5\rhello\r\n"), "", 0, false },
    { WIRE("5\r\r\nhello\r\n"), "", 0, false },
    { WIRE("5\0\r\nhello\r\n"), "", 0, false },
    { WIRE("5;a\nhello\r\n"), "", 0, false },
    { WIRE("5;a\rb\r\nhello\r\n"), "", 0, false },
    { WIRE("5;a\0b\r\nhello\r\n"), "", 0, false },
    { WIRE("5;a=\"\n\"\r\nhello\r\n"), "", 0, false },
    { WIRE("5;\x01\r\nhello\r\n"), "", 0, false },
    { WIRE("5;\x7F\r\nhello\r\n"), "", 0, false },
    { WIRE("8000000000000000\r\n"), "", 0, false },
    { WIRE("ffffffffffffffff\r\n"), "", 0, false },
    { WIRE("10000000000000005\r\n"), "", 0, false },
    { WIRE("00000000000000005\r\n"), "", 0, false },
    { WIRE("5\r\nhello0\r\n\r\n"), "hello", 0, false },
    { WIRE("5\r\nhello!\r\n0\r\n\r\n"), "hello", 0, false },
    { WIRE("5\r\nhello\n0\r\n\r\n"), "hello", 0, false },
    { WIRE("5\r\nhello\r0\r\n\r\n"), "hello", 0, false },
    { WIRE("5\r\nhello\r\r\n0\r\n\r\n"), "hello", 0, false },
    { WIRE("5\r\nhello\r\n\r\n0\r\n\r\n"), "hello", 0, false },
    { WIRE("0\r\n\n"), "", 0, false },
    { WIRE("0\r\n\rX"), "", 0, false },
    { WIRE("0\r\n \r\n\r\n"), "", 0, false },
    { WIRE("0\r\nA\r\n\r\n"), "", 0, false },
    { WIRE("0\r\nA : b\r\n\r\n"), "", 0, false },
    { WIRE("0\r\n: b\r\n\r\n"), "", 0, false },
    { WIRE("0\r\nA: b\r\n c\r\n\r\n"), "", 0, false },
    { WIRE("0\r\nA: b\nB: c\r\n\r\n"), "", 0, false },
    { WIRE("0\r\nA: b\rB: c\r\n\r\n"), "", 0, false },
    { WIRE("0\r\nA: b\0\r\n\r\n"), "", 0, false },
    { WIRE("0\r\nGET / HTTP/1.1\r\n\r\n"), "", 0, false },
};

static void chunks_are_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        every_way(HTTP_CHUNKED, 0, &good[i], 0);
}

static void chunks_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        every_way(HTTP_CHUNKED, 0, &bad[i], -EBADMSG);
}

static void other_framings_are_decoded(void **state)
{
    static const struct wire five = { WIRE("helloGET /"), "hello", 5, true };
    static const struct wire ten = { WIRE("hello"), "hello", 0, false };
    static const struct wire none = { WIRE("GET /"), "", 5, true };

    (void)state;
    every_way(HTTP_LENGTH, 5, &five, 0);
    every_way(HTTP_LENGTH, 10, &ten, 0);
    every_way(HTTP_UNTIL_CLOSE, 0, &ten, 0);
    every_way(HTTP_LENGTH, 0, &none, 0);
    every_way(HTTP_NO_BODY, 0, &none, 0);
}

/* n bytes of filler between two texts, the last byte of them being where a bound is kept or broken. */
static void bound(const char *before, const char *after, size_t n, int error)
{
    static char bytes[20000];
    size_t a = strlen(before), b = strlen(after);

    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, before, a);
    memcpy(bytes + a + n, after, b);
    for (int step = 1; step < 20000; step *= 20) {
        begin(HTTP_CHUNKED, 0);
        for (size_t i = 0; i < a + n + b; i += (size_t)step)
            take(bytes + i, a + n + b - i < (size_t)step ? a + n + b - i : (size_t)step);
        assert_int_equal(got.error, error);
        assert_int_equal(got.done, error == 0);
    }
}

static void lines_are_bounded(void **state)
{
    (void)state;
    bound("0;", "\r\n\r\n", 256 - 4, 0);
    bound("0;", "\r\n\r\n", 256 - 3, -EBADMSG);
    bound("1;a\r\nx\r\n0;", "\r\n\r\n", 256 - 4, 0);
    bound("0\r\na:", "\r\n\r\n", 8192 - 6, 0);
    bound("0\r\na:", "\r\n\r\n", 8192 - 5, -EBADMSG);
    bound("0\r\na:b\r\n", ":\r\n\r\n", 8192 - 10, 0);
    bound("0\r\na:b\r\n", ":\r\n\r\n", 8192 - 9, -EBADMSG);
}

/* Each piece of in, as "consumed/payload", with a star where it is whole. */
static const char *pieces(struct span in)
{
    static char text[400];
    struct http_piece piece;
    size_t n = 0;
    ssize_t r;

    text[0] = '\0';
    while ((r = http_body_next(&body, in, &piece)) > 0) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%zd/%.*s%s ", r, (int)piece.data.n, piece.data.p, piece.whole ? "*" : "");
        in = span_skip(in, (size_t)r);
    }
    return text;
}

static void pieces_are_chunks(void **state)
{
    (void)state;
    begin(HTTP_CHUNKED, 0);
    assert_string_equal(pieces(SPAN("2\r\nab\r\n3;x\r\ncde\r\n02\r\nfg\r\n1\r\nh\r\n0\r\nA: b\r\n\r\nrest")), "7/ab* 10/cde 8/fg 6/h* 11/ ");
    assert_true(body.done);
    begin(HTTP_CHUNKED, 0);
    assert_string_equal(pieces(SPAN("4\r\nab")), "5/ab ");
    assert_string_equal(pieces(SPAN("cd\r\n1\r\ne\r\n")), "4/cd 6/e* ");
    assert_string_equal(pieces(SPAN("4\r\nabcd\r")), "8/abcd ");
    assert_string_equal(pieces(SPAN("\n1\r\ne\r\n0\r")), "1/ 6/e* 2/ ");
    assert_string_equal(pieces(SPAN("\n\r")), "2/ ");
    assert_string_equal(pieces(SPAN("\n\n")), "1/ ");
    assert_true(body.done);
    begin(HTTP_CHUNKED, 0);
    assert_string_equal(pieces(SPAN("2\r\nab")), "5/ab ");
    assert_string_equal(pieces(SPAN("\r\n2\r\ncd\r\n")), "2/ 7/cd* ");
}

static void lines_run_over_chunks(void **state)
{
    struct http_piece piece;

    (void)state;
    begin(HTTP_CHUNKED, 0);
    assert_int_equal(http_body_lines(&body, SPAN("2\r\na\n\r\n1\r\n\n\r\n")), 13);
    assert_int_equal(http_body_lines(&body, SPAN("2\r\na\n\r\n2\r\nab\r\n")), 7);
    assert_int_equal(http_body_lines(&body, SPAN("2\r\na\n\r\n2;x\r\nb\n\r\n")), 7);
    assert_int_equal(http_body_lines(&body, SPAN("2\r\na\n\r\n0\r\n\r\n")), 7);
    assert_int_equal(http_body_lines(&body, SPAN("2\r\na\n\r\n2\r\nb\n\r")), 7);
    assert_int_equal(http_body_lines(&body, SPAN("2\r\na\n\rx")), 0);
    assert_int_equal(http_body_lines(&body, SPAN("2\r\na\r\r\n")), 0);
    assert_int_equal(http_body_lines(&body, SPAN("")), 0);
    assert_int_equal(http_body_next(&body, SPAN("4\r\n"), &piece), 3);
    assert_int_equal(http_body_lines(&body, SPAN("2\r\na\n\r\n")), 0);
    begin(HTTP_LENGTH, 100);
    assert_int_equal(http_body_lines(&body, SPAN("2\r\na\n\r\n")), 0);
}

static void framing_follows_the_head(void **state)
{
    static struct http_head h;
    static const struct {
        int status;
        bool chunked;
        int64_t length;
        enum http_framing framing;
    } cases[] = {
        { 200, false, -1, HTTP_UNTIL_CLOSE }, { 200, false, 0, HTTP_LENGTH }, { 200, true, -1, HTTP_CHUNKED }, { 500, false, 7, HTTP_LENGTH },
        { 100, false, -1, HTTP_NO_BODY }, { 101, true, -1, HTTP_NO_BODY }, { 204, false, 5, HTTP_NO_BODY }, { 304, false, 5, HTTP_NO_BODY },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        h.status = cases[i].status;
        h.chunked = cases[i].chunked;
        h.content_length = cases[i].length;
        assert_int_equal(http_response_framing(&h), cases[i].framing);
        if (h.status < 300 && h.status >= 200 && h.status != 204)
            assert_int_equal(http_request_framing(&h), h.chunked ? HTTP_CHUNKED : h.content_length < 0 ? HTTP_NO_BODY : HTTP_LENGTH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_decoded),
        cmocka_unit_test(chunks_are_refused),
        cmocka_unit_test(other_framings_are_decoded),
        cmocka_unit_test(lines_are_bounded),
        cmocka_unit_test(pieces_are_chunks),
        cmocka_unit_test(lines_run_over_chunks),
        cmocka_unit_test(framing_follows_the_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
