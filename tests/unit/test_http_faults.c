/* What a head that is refused is told, and the questions that a head is asked once it is taken. */
#include "http/host.h"
#include "tests/unit/http_feed.h"

struct fault_case {
    const char *text, *why;
};

/* Expects the fault of each text, with an empty line behind it, however the bytes come. */
static void told(parser *parse, const struct fault_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct http_fault *fault;
        char text[200];
        size_t at;

        snprintf(text, sizeof text, "%s\r\n\r\n", cases[i].text);
        assert_int_equal(verdict_of(parse, span_of(text), MAX, &fault, &at), -EBADMSG);
        if (strncmp(fault->why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s is told '%s'", cases[i].text, fault->why);
    }
}

static void a_request_is_told_what_is_wrong(void **state)
{
    static const struct fault_case cases[] = {
        { "\x16\x03\x01", "This is TLS" },
        { "\x01", "The method is not a token" },
        { "GE\x16T / HTTP/1.1\r\n", "The method is not a token" },
        { " / HTTP/1.1\r\n", "The method is not a token" },
        { "GET  / HTTP/1.1\r\n", "No request target" },
        { "GET /a\r\n", "The first line has no valid HTTP version" },
        { "GET /a\n", "The first line has no valid HTTP version" },
        { "GET /a\x01 HTTP/1.1\r\n", "A byte in the request target" },
        { "GET /a# HTTP/1.1\r\n", "A byte in the request target" },
        { "GET / HTTP/x.1\r\n", "The first line has no valid HTTP version" },
        { "GET / HTTP/2.0\r\n", "HTTP/1.0 and HTTP/1.1" },
        { "GET / HTTP/0.9\r\n", "HTTP/1.0 and HTTP/1.1" },
        { "GET * HTTP/1.1\r\n", "The request target has none of the forms" },
        { "GET ftp://a/ HTTP/1.1\r\n", "The request target has none of the forms" },
        { "GET http:///b HTTP/1.1\r\n", "The request target has none of the forms" },
        { GET "\n", "LF without CR" },
        { GET "A: b\n", "LF without CR" },
        { GET "A\n", "LF without CR" },
        { GET "A: b\rc", "CR without LF" },
        { GET "\rA", "CR without LF" },
        { "GET / HTTP/1.1\n", "LF without CR" },
        { "GET / HTTP/1.1\ra", "CR without LF" },
        { "GET / HTTP/1.1 \r\n", "Something else than CRLF" },
        { GET " A: b\r\n", "A field line begins with white space" },
        { GET "\tA: b\r\n", "A field line begins with white space" },
        { GET "A : b\r\n", "White space before the colon" },
        { GET "A\t: b\r\n", "White space before the colon" },
        { GET ": b\r\n", "A field without a name" },
        { GET "A\x01: b\r\n", "A byte that a field name may not have" },
        { GET "(: b\r\n", "A byte that a field name may not have" },
        { GET "A\r\n", "A byte that a field name may not have" },
        { GET "A: \x01\r\n", "A control byte in a field value" },
        { GET "A: \x7F\r\n", "A control byte in a field value" },
        { GET "\r\n", "No Host" },
        { GET H H "\r\n", "More than one Host" },
        { GET "Host: a b\r\n\r\n", "Host is not a host and port" },
        { POST "Content-Length: x\r\n\r\n", "Content-Length is not a decimal number" },
        { POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", "More than one Content-Length" },
        { POST "Transfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding other than chunked" },
        { POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding other than chunked" },
        { POST "Transfer-Encoding: chunked, gzip\r\n\r\n",
          "Transfer-Encoding is not chunked, once" },
        { POST "Transfer-Encoding: chunked, chunked\r\n\r\n",
          "Transfer-Encoding is not chunked, once" },
        { POST "Transfer-Encoding: ,\r\n\r\n", "Transfer-Encoding is not chunked, once" },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
          "Transfer-Encoding in an HTTP/1.0 message" },
        { POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
          "Content-Length and Transfer-Encoding" },
        { POST "Expect: a miracle\r\n\r\n", "Expect other than 100-continue" },
    };

    (void)state;
    told(http_request_parse, cases, COUNT(cases));
}

static void a_response_is_told_what_is_wrong(void **state)
{
    static const struct fault_case cases[] = {
        { "HTTP/1.1 20\r\n", "The status line has no status of three digits" },
        { "HTTP/1.1 099 x\r\n", "The status line has no status of three digits" },
        { "HTTP/1.1\t200\r\n", "The status line has no status of three digits" },
        { "HTTP/3.1 200 OK\r\n", "HTTP/1.0 and HTTP/1.1" },
        { "ICY 200 OK\r\n", "The first line has no valid HTTP version" },
        { "HTTP/1.1 200\ra", "CR without LF" },
        { "HTTP/1.1 2000\r\n", "Something else than CRLF" },
        { OK " A: b\r\n", "A field line begins with white space" },
        { OK "A \t\r\n", "White space before the colon" },
        { OK "A b: c\r\n", "White space before the colon" },
        { OK ": b\r\n", "A field without a name" },
        { OK "A\n", "LF without CR" },
        { OK "A: b\rc", "CR without LF" },
        { OK "Content-Length: 1, 2\r\n\r\n", "More than one Content-Length" },
        { OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "More than one Content-Length" },
        { OK "Content-Length: x, 1\r\n\r\n", "Content-Length is not a decimal number" },
        { OK "Transfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding other than chunked" },
        { OK "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
          "Content-Length and Transfer-Encoding" },
    };

    (void)state;
    told(http_response_parse, cases, COUNT(cases));
}

/* Each text ends at a guard page. */
static void a_host_is_told_from_other_text(void **state)
{
    static const struct {
        const char *text;
        bool is;
    } cases[] = {
        { "", true },          { "a", true },       { "a.b-c_d", true },  { "a:", true },
        { "a:0", true },       { "a:65535", true }, { "a:65536", false }, { "a:99999", false },
        { "a:655350", false }, { "a:/", false },    { "a::", false },     { "a:8:0", false },
        { ":80", false },      { "[::1]", true },   { "[::1]:1", true },  { "[", false },
        { "[]", false },       { "[a", false },     { "[::1", false },    { "[::1]a", false },
        { "a[", false },       { "a/b", false },    { "a@b", false },     { "a b", false },
        { "a:9x", false },     { "[a]]", false },   { "[[a]", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n = strlen(cases[i].text);
        char *p = guard_end(cases[i].text, n);

        if (http_is_host((struct span){ p, n }) != cases[i].is)
            fail_msg("'%s' is %sa host", cases[i].text, cases[i].is ? "" : "not ");
        guard_free(p, n);
    }
}

static void parse_response(const char *text)
{
    assert_int_equal(http_response_parse(&head, span_of(text), MAX, 0), strlen(text));
}

static void the_first_coding_that_changes_the_body_is_told(void **state)
{
    static const struct {
        const char *text, *coding;
    } cases[] = {
        { OK "\r\n", "" },
        { OK "A: b\r\nContent-Encoding: gzip\r\n\r\n", "gzip" },
        { OK "Content-Encoding: identity\r\n\r\n", "" },
        { OK "Content-Encoding: Identity, br, gzip\r\n\r\n", "br" },
        { OK "Content-Encoding: identity\r\nA: deflate\r\nContent-Encoding: zstd\r\n\r\n", "zstd" },
        { OK "Content-Encoding: ,\r\n\r\n", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        parse_response(cases[i].text);
        assert_true(span_eq(http_coding(&head), span_of(cases[i].coding)));
    }
}

/* The array of fields is not cleared between heads. */
static void fields_of_an_earlier_head_are_forgotten(void **state)
{
    (void)state;
    parse_response(OK "Vary: a\r\nContent-Encoding: gzip\r\nVary: b\r\n\r\n");
    assert_int_equal(http_count(&head, HTTP_VARY), 2);
    assert_true(span_eq(http_find(&head, HTTP_VARY)->value, SPAN("a")));
    parse_response(OK "Content-Encoding: identity\r\n\r\n");
    assert_int_equal(http_coding(&head).n, 0);
    assert_int_equal(http_count(&head, HTTP_VARY), 0);
    assert_null(http_find(&head, HTTP_VARY));
    parse_response(OK "A: b\r\nVary: c\r\n\r\n");
    assert_int_equal(http_count(&head, HTTP_VARY), 1);
    assert_int_equal(http_count(&head, HTTP_CONTENT_ENCODING), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_told_what_is_wrong),
        cmocka_unit_test(a_response_is_told_what_is_wrong),
        cmocka_unit_test(a_host_is_told_from_other_text),
        cmocka_unit_test(the_first_coding_that_changes_the_body_is_told),
        cmocka_unit_test(fields_of_an_earlier_head_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
