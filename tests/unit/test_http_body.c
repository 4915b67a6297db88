/* The body decoder: payload and verdict are the same however the bytes come, and every refusal;
 * flush against a guard page. */
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
static bool as_response; /* what begin begins */

/* A piece that goes on as it lies has nothing around its data that any reader could take another
 * way. */
static void check_whole(const struct http_piece *piece)
{
    char size[20];
    int n = snprintf(size, sizeof size, "%zx\r\n", piece->data.n);

    assert_true(piece->wire.n == (size_t)n + piece->data.n + 2);
    for (int i = 0; i < n; i++)
        assert_int_equal(ascii_lower(piece->wire.p[i]), size[i]);
    assert_ptr_equal(piece->data.p, piece->wire.p + n);
    assert_memory_equal(piece->data.p + piece->data.n, "\r\n", 2);
}

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
        assert_true(piece.data.n == 0 ||
                    (piece.data.p >= in.p && piece.data.p + piece.data.n <= in.p + r));
        if (piece.whole)
            check_whole(&piece);
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
    if (as_response)
        http_body_init_response(&body, framing, length);
    else
        http_body_init(&body, framing, length);
    got.done = body.done;
}

struct wire {
    const char *bytes;
    size_t n;
    const char *payload; /* before the end or the refusal */
    size_t rest;         /* bytes after the end of the body */
    bool done;
};

static void check(const struct wire *w, int error)
{
    if (got.error != error || got.done != w->done || got.n != strlen(w->payload) ||
        memcmp(got.payload, w->payload, got.n) != 0)
        fail_msg("%.*s: %d %s, payload %.*s", (int)w->n, w->bytes, got.error,
                 body.why ? body.why : "", (int)got.n, got.payload);
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
    { WIRE("3 \t;a=\"b;\\\" c\"\r\nabc\r\n0\r\n\r\n"), "abc", 0, true },
    { WIRE("3;a;b \t=\t!#$ ;c\r\nabc\r\n0 ; a=\"\"\r\n\r\n"), "abc", 0, true },
    { WIRE("3;a=\"\x80\\\\\t\\\x80\" ; b=\"=;\"\r\nabc\r\n0\r\n\r\n"), "abc", 0, true },
    { WIRE("3\r\n\r\n\n\r\n0\r\n\r\n"), "\r\n\n", 0, true },
    { WIRE("0\r\nA: b\r\nX-Y:\r\nC:\t\x80 d \r\n\r\nrest"), "", 4, true },
    { WIRE("5\r\nhel"), "hel", 0, false },
    { WIRE("5\r\nhello\r\n0\r\nA: b\r\n"), "hello", 0, false },
    { WIRE("7fffffffffffffff\r\nx"), "x", 0, false },
    { WIRE(""), "", 0, false },
};

/* Refused in a request, taken in a response. well: as other responses are. */
static const struct {
    struct wire wire;
    bool well;
} kind[] = {
    { { WIRE("3\nabc\n0\n\n"), "abc", 0, true }, false },
    { { WIRE("3\r\nabc\n0\r\n\r\nrest"), "abc", 4, true }, false },
    { { WIRE("3\nabc\r\n1\r\nd\n0\n\r\n"), "abcd", 0, true }, false },
    { { WIRE("3\r\nabc\r\n0\r\n\nrest"), "abc", 4, true }, false },
    { { WIRE("3 \t\r\nabc\r\n0 \r\n\r\n"), "abc", 0, true }, false },
    { { WIRE("3 \nabc\r\n0\r\n\r\n"), "abc", 0, true }, false },
    { { WIRE("3\n\r\n\n\n0\n\n"), "\r\n\n", 0, true }, false },
    { { WIRE("3;a\nabc\r\n0\r\n\r\n"), "abc", 0, true }, false },
    { { WIRE("3;a\x01\x7F\r\nabc\r\n0\r\n\r\n"), "abc", 0, true }, false },
    { { WIRE("3;a=\"\n\r\nab\n0\n\n"), "\r\na", 0, false }, false },
    { { WIRE("0\nA: b\nC\t : d\x01\n\n"), "", 0, true }, false },
    { { WIRE("0\r\nA: b\n\r\n"), "", 0, true }, false },
    { { WIRE("0\r\nA : b\r\n\r\n"), "", 0, true }, false },
    { { WIRE("3;\r\nabc\r\n0;\x80\r\n\r\n"), "abc", 0, true }, true },
    { { WIRE("3;a=\"b\r\nabc\r\n0;=;\r\n\r\n"), "abc", 0, true }, true },
};

/* Malformed extensions, of a request alone. */
static const struct wire bad_extensions[] = {
    { WIRE("3;\r\n"), "", 0, false },
    { WIRE("3; \r\n"), "", 0, false },
    { WIRE("3;;a\r\n"), "", 0, false },
    { WIRE("3;=a\r\n"), "", 0, false },
    { WIRE("3;a=\r\n"), "", 0, false },
    { WIRE("3;a= \r\n"), "", 0, false },
    { WIRE("3;a=;b\r\n"), "", 0, false },
    { WIRE("3;a b\r\n"), "", 0, false },
    { WIRE("3;a=b c\r\n"), "", 0, false },
    { WIRE("3;a=b=c\r\n"), "", 0, false },
    { WIRE("3;a \r\n"), "", 0, false },
    { WIRE("3;a=b\t\r\n"), "", 0, false },
    { WIRE("3;a=\"b\"\t\r\n"), "", 0, false },
    { WIRE("3;a=\"b\r\n"), "", 0, false },
    { WIRE("3;a=\"b\\\r\n"), "", 0, false },
    { WIRE("3;a=\"b\"c\r\n"), "", 0, false },
    { WIRE("3;a=b\"c\"\r\n"), "", 0, false },
    { WIRE("3;\"a\"=b\r\n"), "", 0, false },
    { WIRE("3;a,b\r\n"), "", 0, false },
    { WIRE("3;\x80\r\n"), "", 0, false },
    { WIRE("3;a=\x80\r\n"), "", 0, false },
    { WIRE("3;a=\"\x7F\"\r\n"), "", 0, false },
    { WIRE("3;a=\"\\\x01\"\r\n"), "", 0, false },
};

/* Refused in a response too, for what it says is in doubt. */
static const struct wire bad_responses[] = {
    { WIRE("\n"), "", 0, false },
    { WIRE(" 3\n"), "", 0, false },
    { WIRE("3x\n"), "", 0, false },
    { WIRE("3 3\n"), "", 0, false },
    { WIRE("3,3\n"), "", 0, false },
    { WIRE("3\rabc"), "", 0, false },
    { WIRE("3\r\r\nabc"), "", 0, false },
    { WIRE("3 \rabc"), "", 0, false },
    { WIRE("3\0\nabc"), "", 0, false },
    { WIRE("3 \0\nabc"), "", 0, false },
    { WIRE("3;a\0\nabc"), "", 0, false },
    { WIRE("3;a\rb\nabc"), "", 0, false },
    { WIRE("8000000000000000\n"), "", 0, false },
    { WIRE("3\nabcd"), "abc", 0, false },
    { WIRE("3\nabc\rd"), "abc", 0, false },
    { WIRE("3\nabc0\n"), "abc", 0, false },
    { WIRE("3\nabc\n\n"), "abc", 0, false },
    { WIRE("3\nabc\r\r\n"), "abc", 0, false },
    { WIRE("0\n\rX"), "", 0, false },
    { WIRE("0\nA\n\n"), "", 0, false },
    { WIRE("0\nA b: c\n\n"), "", 0, false },
    { WIRE("0\n: b\n\n"), "", 0, false },
    { WIRE("0\n A: b\n\n"), "", 0, false },
    { WIRE("0\nA: b\n c\n\n"), "", 0, false },
    { WIRE("0\nA: b\0\n\n"), "", 0, false },
    { WIRE("0\nA: b\rB: c\n\n"), "", 0, false },
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
    for (int side = 0; side < 2; side++) {
        as_response = side;
        for (size_t i = 0; i < COUNT(good); i++) {
            every_way(HTTP_CHUNKED, 0, &good[i], 0);
            assert_false(body.tolerated);
        }
    }
    as_response = false;
}

static void chunks_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        every_way(HTTP_CHUNKED, 0, &bad[i], -EBADMSG);
    for (size_t i = 0; i < COUNT(bad_extensions); i++)
        every_way(HTTP_CHUNKED, 0, &bad_extensions[i], -EBADMSG);
}

static void responses_are_tolerated(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(kind); i++) {
        begin(HTTP_CHUNKED, 0);
        take(kind[i].wire.bytes, kind[i].wire.n);
        assert_true(got.error == -EBADMSG && !body.tolerated);
        as_response = true;
        if (kind[i].wire.done) {
            every_way(HTTP_CHUNKED, 0, &kind[i].wire, 0);
            assert_int_equal(body.tolerated, !kind[i].well);
        } else {
            every_way(HTTP_CHUNKED, 0, &kind[i].wire, -EBADMSG);
        }
        as_response = false;
    }
}

static void responses_are_refused(void **state)
{
    (void)state;
    as_response = true;
    for (size_t i = 0; i < COUNT(bad_responses); i++)
        every_way(HTTP_CHUNKED, 0, &bad_responses[i], -EBADMSG);
    as_response = false;
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

/* n bytes of filler between two texts, the last byte of them being where a bound is kept or broken.
 */
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
        n += (size_t)snprintf(text + n, sizeof text - n, "%zd/%.*s%s ", r, (int)piece.data.n,
                              piece.data.p, piece.whole ? "*" : "");
        in = span_skip(in, (size_t)r);
    }
    return text;
}

static void pieces_are_chunks(void **state)
{
    (void)state;
    begin(HTTP_CHUNKED, 0);
    assert_string_equal(
        pieces(SPAN("2\r\nab\r\n3;x\r\ncde\r\n02\r\nfg\r\n1\r\nh\r\n0\r\nA: b\r\n\r\nrest")),
        "7/ab* 10/cde 8/fg 6/h* 11/ ");
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

/* Takes `in` with at most max bytes of payload at a time, as "consumed/payload", with a star where
 * the piece is whole. */
static const char *limited(struct span in, size_t max)
{
    static char text[400];
    struct http_piece piece;
    size_t n = 0;
    ssize_t r;

    text[0] = '\0';
    while ((r = http_body_take(&body, in, max, &piece)) > 0) {
        assert_true(piece.data.n <= max);
        n += (size_t)snprintf(text + n, sizeof text - n, "%zd/%.*s%s ", r, (int)piece.data.n,
                              piece.data.p, piece.whole ? "*" : "");
        in = span_skip(in, (size_t)r);
    }
    return text;
}

static void pieces_are_limited(void **state)
{
    static const char wire[] = "4\r\nabcd\r\n1\r\ne\r\n0\r\n\r\nrest";

    (void)state;
    begin(HTTP_CHUNKED, 0);
    assert_string_equal(limited(SPAN(wire), 4), "9/abcd* 6/e* 5/ ");
    assert_true(body.done);
    begin(HTTP_CHUNKED, 0);
    assert_string_equal(limited(SPAN(wire), 3), "6/abc 3/d 6/e* 5/ ");
    assert_true(body.done);
    begin(HTTP_CHUNKED, 0);
    assert_string_equal(limited(SPAN(wire), 1), "4/a 1/b 1/c 3/d 6/e* 5/ ");
    assert_true(body.done);
    begin(HTTP_CHUNKED, 0);
    assert_string_equal(limited(SPAN(wire), 0), "3/ ");
    assert_string_equal(limited(SPAN("abcd"), 0), "");
    assert_string_equal(limited(SPAN("abcd\r\n0\r\n\r\n"), 9), "6/abcd 5/ ");
    assert_true(body.done);
    begin(HTTP_LENGTH, 5);
    assert_string_equal(limited(SPAN("hello!"), 0), "");
    assert_string_equal(limited(SPAN("hello!"), 3), "3/hel 2/lo ");
    assert_true(body.done);
    begin(HTTP_UNTIL_CLOSE, 0);
    assert_string_equal(limited(SPAN("hello"), 2), "2/he 2/ll 1/o ");
}

/* Decodes the n bytes at p ahead, uses some of each piece, and goes as far with the decoder that
 * counts. */
static void take_some(const char *p, size_t n)
{
    char *copy = guard_end(p, n);
    struct span in = { copy, n };

    for (unsigned turn = 0; in.n > 0 && !body.done && got.error == 0; turn++) {
        struct http_body ahead = body;
        struct http_piece piece;
        ssize_t r = http_body_next(&ahead, in, &piece);
        size_t used = turn % 2 && piece.data.n > 0 ? piece.data.n - 1 : piece.data.n;

        if (r > 0 && used < piece.data.n)
            r = http_body_take(&body, in, used, &piece);
        else
            body = ahead;
        if (r < 0) {
            got.error = (int)r;
            break;
        }
        memcpy(got.payload + got.n, piece.data.p, piece.data.n);
        got.n += piece.data.n;
        got.used += (size_t)r;
        in = span_skip(in, (size_t)r);
    }
    got.done = body.done;
    guard_free(copy, n);
}

static void some_at_every_split(const struct wire *w, int error)
{
    for (size_t i = 0; i <= w->n; i++) {
        begin(HTTP_CHUNKED, 0);
        take_some(w->bytes, i);
        take_some(w->bytes + i, w->n - i);
        check(w, error);
    }
}

static void what_is_taken_in_part_goes_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        some_at_every_split(&good[i], 0);
    for (size_t i = 0; i < COUNT(bad); i++)
        some_at_every_split(&bad[i], -EBADMSG);
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
        { 200, false, -1, HTTP_UNTIL_CLOSE }, { 200, false, 0, HTTP_LENGTH },
        { 200, true, -1, HTTP_CHUNKED },      { 500, false, 7, HTTP_LENGTH },
        { 100, false, -1, HTTP_NO_BODY },     { 101, true, -1, HTTP_NO_BODY },
        { 204, false, 5, HTTP_NO_BODY },      { 304, false, 5, HTTP_NO_BODY },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        h.status = cases[i].status;
        h.chunked = cases[i].chunked;
        h.content_length = cases[i].length;
        assert_int_equal(http_response_framing(&h), cases[i].framing);
        if (h.status < 300 && h.status >= 200 && h.status != 204)
            assert_int_equal(http_request_framing(&h),
                             h.chunked                  ? HTTP_CHUNKED
                                 : h.content_length < 0 ? HTTP_NO_BODY
                                                        : HTTP_LENGTH);
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
        cmocka_unit_test(pieces_are_limited),
        cmocka_unit_test(what_is_taken_in_part_goes_on),
        cmocka_unit_test(responses_are_tolerated),
        cmocka_unit_test(responses_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
