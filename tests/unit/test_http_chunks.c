/* Chunks: what is said of each that is refused, what ends an extension of a response, and which
 * chunks go on as they lie. */
#include "http/body.h"
#include "tests/unit/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define INVALID "A chunk size is not a hexadecimal number"
#define RANGE "A chunk size is out of range"
#define WHITE "White space after a chunk size"
#define EXTENSION "A malformed chunk extension"
#define LINE "A control byte, or CR or LF alone, in a chunk-size line"
#define LONG_LINE "A chunk-size line is too long"
#define DATA_END "No CRLF after the data of a chunk"
#define TRAILER "A malformed field in the trailer section"

enum side { REQUEST, RESPONSE };

static void begin(struct http_body *b, enum side side)
{
    if (side == RESPONSE)
        http_body_init_response(b, HTTP_CHUNKED, 0);
    else
        http_body_init(b, HTTP_CHUNKED, 0);
}

/* Decodes bytes, which end at a guard page, to their end or a refusal. Returns the last result. */
static ssize_t decode(struct http_body *b, const char *bytes, size_t n)
{
    char *copy = guard_end(bytes, n);
    struct span in = { copy, n };
    struct http_piece piece;
    ssize_t r = 0;

    while (in.n > 0 && !b->done && (r = http_body_next(b, in, &piece)) > 0)
        in = span_skip(in, (size_t)r);
    guard_free(copy, n);
    return r;
}

static void a_refusal_says_what_is_wrong(void **state)
{
    static const struct {
        const char *bytes, *why;
    } cases[] = {
        { "g", INVALID },
        { "\r", INVALID },
        { "\n", INVALID },
        { "5g", INVALID },
        { "5-", INVALID },
        { "5\n", LINE },
        { "5\r5", LINE },
        { "5\r\r", LINE },
        { "8000000000000000", RANGE },
        { "00000000000000001", RANGE },
        { "5 5", WHITE },
        { "5  x", WHITE },
        { "5 \r", WHITE },
        { "5 \n", LINE },
        { "5\t\x01", LINE },
        { "5;;", EXTENSION },
        { "5;\r", EXTENSION },
        { "5;a=\r", EXTENSION },
        { "5;a b", EXTENSION },
        { "5;a=\"b\"c", EXTENSION },
        { "5;a=\"\x7F", LINE },
        { "5;a\n", LINE },
        { "5;\x01", LINE },
        { "1\r\nab", DATA_END },
        { "1\r\na\n", DATA_END },
        { "1\r\na\r\r", DATA_END },
        { "0\r\n\n", TRAILER },
        { "0\r\n\r\r", TRAILER },
        { "0\r\n:", TRAILER },
        { "0\r\nA ", TRAILER },
        { "0\r\nA: b\n", TRAILER },
        { "0\r\nA: b\rc", TRAILER },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n = strlen(cases[i].bytes);
        struct http_body b;

        begin(&b, REQUEST);
        assert_int_equal(decode(&b, cases[i].bytes, n), -EBADMSG);
        if (strncmp(b.why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s: %s", cases[i].bytes, b.why);
        /* The last byte is the one that is wrong. */
        begin(&b, REQUEST);
        assert_true(decode(&b, cases[i].bytes, n - 1) >= 0);
    }
}

static void a_size_line_is_refused_at_its_257th_byte(void **state)
{
    char line[300];
    struct http_body b;

    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line, "1;", 2);
    for (enum side side = REQUEST; side <= RESPONSE; side++) {
        begin(&b, side);
        assert_int_equal(decode(&b, line, 256), 256);
        assert_int_equal(decode(&b, "x", 1), -EBADMSG);
        assert_int_equal(strncmp(b.why, LONG_LINE, strlen(LONG_LINE)), 0);
    }
}

/* White space may precede an extension; what else follows it hides a second number. */
static void white_space_in_a_response_ends_with_an_extension(void **state)
{
    static const struct {
        const char *bytes, *why;
    } cases[] = {
        { "1 ;a\r\nx\r\n0\r\n\r\n", NULL },
        { "1 \t;3 3\r\nx\r\n0 ;\n\n", NULL },
        { "1;a b\r\nx\r\n0\r\n\r\n", NULL },
        { "1  1", WHITE },
        { "1 \t1", WHITE },
        { "1 ,", WHITE },
        { "1 ;a\r1", LINE },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_body b;

        begin(&b, RESPONSE);
        assert_int_equal(decode(&b, cases[i].bytes, strlen(cases[i].bytes)) < 0,
                         cases[i].why != NULL);
        assert_int_equal(b.done, cases[i].why == NULL);
        if (cases[i].why && strncmp(b.why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s: %s", cases[i].bytes, b.why);
    }
}

/* A chunk of n bytes whose size is written as `size`, and what may follow it, are offered at the
 * end of memory. Returns whether the chunk is one piece that goes on as it lies. */
static bool is_whole(const char *size, size_t n, const char *after)
{
    char bytes[700] = "", *copy;
    struct http_piece piece;
    struct http_body b;
    size_t head, all;
    bool whole;

    head = (size_t)snprintf(bytes, sizeof bytes, "%s\r\n", size);
    memset(bytes + head, 'x', n);
    snprintf(bytes + head + n, sizeof bytes - head - n, "\r\n%s", after);
    all = head + n + 2 + strlen(after);
    copy = guard_end(bytes, all);
    begin(&b, REQUEST);
    assert_int_equal(http_body_next(&b, (struct span){ copy, all }, &piece), head + n + 2);
    assert_int_equal(piece.data.n, n);
    whole = piece.whole;
    guard_free(copy, all);
    return whole;
}

static void a_plain_chunk_goes_on_as_it_lies(void **state)
{
    char size[20];

    (void)state;
    for (size_t n = 1; n < 600; n++)
        for (int after = 0; after < 2; after++) {
            snprintf(size, sizeof size, n % 2 ? "%zx" : "%zX", n);
            assert_true(is_whole(size, n, after ? "1\r\nx\r\n" : ""));
            snprintf(size, sizeof size, "0%zx", n);
            assert_false(is_whole(size, n, after ? "1\r\nx\r\n" : ""));
            snprintf(size, sizeof size, "%zx;a", n);
            assert_false(is_whole(size, n, after ? "1\r\nx\r\n" : ""));
        }
}

static void an_empty_size_is_no_chunk(void **state)
{
    struct http_body b;

    (void)state;
    for (enum side side = REQUEST; side <= RESPONSE; side++) {
        begin(&b, side);
        assert_int_equal(decode(&b, "\r\n\r\n", 4), -EBADMSG);
        begin(&b, side);
        assert_int_equal(decode(&b, "\r\n\r\n0123456789abcdef", 20), -EBADMSG);
    }
}

/* The sizes of what is passed on as it lies have up to eight digits. */
static void no_chunk_that_is_cut_is_whole(void **state)
{
    static const char *const cut[] = { "1",
                                       "1\r",
                                       "1\r\n",
                                       "1\r\nx",
                                       "1\r\nx\r",
                                       "12345678\r\nx\r\n",
                                       "123456789\r\nxxxxxxxxxxxx\r\n",
                                       "fffffffff\r\nxxxx\r\n" };

    (void)state;
    for (size_t i = 0; i < COUNT(cut); i++) {
        size_t n = strlen(cut[i]);
        char *copy = guard_end(cut[i], n);
        struct http_piece piece;
        struct http_body b;

        begin(&b, REQUEST);
        assert_int_equal(http_body_next(&b, (struct span){ copy, n }, &piece), n);
        assert_false(piece.whole || b.done);
        begin(&b, REQUEST);
        assert_int_equal(http_body_lines(&b, (struct span){ copy, n }), 0);
        guard_free(copy, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_says_what_is_wrong),
        cmocka_unit_test(a_size_line_is_refused_at_its_257th_byte),
        cmocka_unit_test(white_space_in_a_response_ends_with_an_extension),
        cmocka_unit_test(a_plain_chunk_goes_on_as_it_lies),
        cmocka_unit_test(an_empty_size_is_no_chunk),
        cmocka_unit_test(no_chunk_that_is_cut_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
