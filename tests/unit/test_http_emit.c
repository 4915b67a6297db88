/* Writing heads and error bodies: what comes out, at every size of the buffer. */
#include "http/error.h"
#include "tests/unit/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void write_all(struct out *o)
{
    out_put(o, SPAN("HTTP/1.1 "));
    out_uint(o, 200);
    out_put(o, SPAN("\r\n"));
    http_put_field(o, SPAN("A"), SPAN("b c"));
    http_put_uint_field(o, SPAN("N"), UINT64_MAX);
    out_uint(o, 0);
    out_json(o, SPAN("\"\xC3\xA4\n"));
}

static void text_is_written(void **state)
{
    static const char expected[] =
        "HTTP/1.1 200\r\nA: b c\r\nN: 18446744073709551615\r\n0\\\"\xC3\xA4\\n";
    size_t n = sizeof expected - 1;

    (void)state;
    for (size_t cap = 0; cap <= n + 1; cap++) {
        char room[100] = { 0 };
        char *p = guard_end(room, cap);
        struct out o;

        out_init(&o, p, cap);
        write_all(&o);
        assert_int_equal(o.overflow, cap < n);
        assert_true(o.n <= cap && o.n <= n);
        assert_memory_equal(p, expected, o.n);
        assert_int_equal(out_span(&o).n, o.n);
        if (cap >= n)
            assert_int_equal(o.n, n);
        guard_free(p, cap);
    }
}

static void json_is_escaped(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "", "" },
        { "plain /'<>", "plain /'<>" },
        { "\"\\\b\f\n\r\t", "\\\"\\\\\\b\\f\\n\\r\\t" },
        { "\x01\x1F\x7F", "\\u0001\\u001f\\u007f" },
        { "\xC2\xA0\xDF\xBF", "\xC2\xA0\xDF\xBF" },
        { "\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF",
          "\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF" },
        { "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF" },
        { "\x80", "\xEF\xBF\xBD" },
        { "\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xE0\x9F\xBF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xFF"
          "a\xE4\xBD",
          "\xEF\xBF\xBD"
          "a\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xE4\xBD\xA0\xC3", "\xE4\xBD\xA0\xEF\xBF\xBD" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = strlen(cases[i].in);
        char *p = guard_end(cases[i].in, n);
        char room[64];
        struct out o;

        out_init(&o, room, sizeof room);
        out_json(&o, (struct span){ p, n });
        assert_false(o.overflow);
        if (!span_eq(out_span(&o), span_of(cases[i].out)))
            fail_msg("case %zu: %.*s", i, (int)o.n, room);
        guard_free(p, n);
    }
}

static void errors_have_the_known_shape(void **state)
{
    struct http_error e = {
        SPAN("no \"key\"\n"), SPAN("invalid_request_error"), { NULL, 0 }, SPAN("invalid_api_key")
    };
    char room[200];
    struct out o;

    (void)state;
    out_init(&o, room, sizeof room);
    http_put_error(&o, &e);
    assert_true(span_eq(out_span(&o),
                        SPAN("{\"error\":{\"message\":\"no "
                             "\\\"key\\\"\\n\",\"type\":\"invalid_request_error\",\"param\":null,"
                             "\"code\":\"invalid_api_key\"}}")));
    e.param = SPAN("model");
    e.code = (struct span){ NULL, 0 };
    out_init(&o, room, sizeof room);
    http_put_error(&o, &e);
    assert_true(
        span_eq(out_span(&o),
                SPAN("{\"error\":{\"message\":\"no "
                     "\\\"key\\\"\\n\",\"type\":\"invalid_request_error\",\"param\":\"model\","
                     "\"code\":null}}")));
    out_init(&o, room, 20);
    http_put_error(&o, &e);
    assert_true(o.overflow && o.n <= 20);
}

static void reasons_go_with_statuses(void **state)
{
    static const int statuses[] = { 100, 200, 204, 304, 400, 401, 403, 404, 405, 408, 413,
                                    414, 415, 417, 429, 431, 500, 501, 502, 503, 504, 505 };

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        assert_false(span_eq(http_reason(statuses[i]), SPAN("Unknown")));
    assert_true(span_eq(http_reason(404), SPAN("Not Found")));
    assert_true(span_eq(http_reason(299), SPAN("Unknown")));
    assert_true(span_eq(http_reason(0), SPAN("Unknown")));
}

static void what_cannot_be_seen_is_escaped(void **state)
{
    char text[128];
    struct out o;

    (void)state;
    out_init(&o, text, sizeof text);
    out_json(&o, SPAN("a\x7f\xC2\x9B\xC2\xA0\xE2\x80\xA8\xE2\x80\xAE\xE2\x81\xA6\xE2\x82\xAC\xC2"));
    assert_true(
        span_eq(out_span(&o),
                SPAN("a\\u007f\\u009b\xC2\xA0\\u2028\\u202e\\u2066\xE2\x82\xAC\xEF\xBF\xBD")));
}

static void base64_as_the_rfc_has_it(void **state)
{
    /* RFC 4648, 10 */
    static const char *const cases[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
        { "\xff\xfe\xfd\xfb", "//79+w==" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[16];
        struct out o;

        out_init(&o, text, sizeof text);
        out_base64(&o, span_of(cases[i][0]));
        assert_true(span_eq(out_span(&o), span_of(cases[i][1])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_written),
        cmocka_unit_test(json_is_escaped),
        cmocka_unit_test(errors_have_the_known_shape),
        cmocka_unit_test(reasons_go_with_statuses),
        cmocka_unit_test(what_cannot_be_seen_is_escaped),
        cmocka_unit_test(base64_as_the_rfc_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
