/* Every refusal of a request or response head: its status, that it does not hang on how the bytes
 * come, and how soon it comes. How the bytes are fed is in tests/unit/http_feed.h. */
#include "tests/unit/http_feed.h"

struct refusal {
    int status;
    const char *text;
    size_t n; /* of text, where it has a NUL */
};

static void refused(parser *parse, const struct refusal *c, int status)
{
    struct span in = { c->text, c->n ? c->n : strlen(c->text) };
    const struct http_fault *fault;
    size_t at;
    ssize_t r = verdict_of(parse, in, MAX, &fault, &at);

    if (r != -EBADMSG || (status && fault->status != status) || !strstr(fault->why, "(RFC "))
        fail_msg("%.*s: %zd, %s", (int)in.n, in.p, r, fault ? fault->why : "no fault");
}

#define BAD(line)                                                                                  \
    {                                                                                              \
        400, POST line "\r\n\r\n", 0                                                               \
    }
#define NUL(text)                                                                                  \
    {                                                                                              \
        400, text, sizeof(text) - 1                                                                \
    }

static const struct refusal bad_requests[] = {
    /* framing */
    BAD("Content-Length: 5\r\nTransfer-Encoding: chunked"),
    BAD("Transfer-Encoding: chunked\r\nContent-Length: 0"),
    BAD("Content-Length: 5\r\nContent-Length: 6"),
    BAD("Content-Length: 0\r\nContent-Length: 6"),
    BAD("Content-Length: 5\r\nContent-Length: 5"),
    BAD("Content-Length: 5\r\ncontent-length: 5"),
    BAD("Content-Length: 5, 5"),
    BAD("Content-Length: 5,"),
    BAD("Content-Length:"),
    BAD("Content-Length: +5"),
    BAD("Content-Length: -1"),
    BAD("Content-Length: -0"),
    BAD("Content-Length: 0x5"),
    BAD("Content-Length: 5 5"),
    BAD("Content-Length: 5;"),
    BAD("Content-Length: 5.0"),
    BAD("Content-Length: 1e3"),
    BAD("Content-Length: \"5\""),
    BAD("Content-Length: 5\xA0"),
    BAD("Content-Length: 9223372036854775808"),
    BAD("Content-Length: 18446744073709551621"),
    BAD("Content-Length: 99999999999999999999999999999999"),
    BAD("Transfer-Encoding:"),
    BAD("Transfer-Encoding: ,"),
    BAD("Transfer-Encoding: chunked,"),
    BAD("Transfer-Encoding: , chunked"),
    BAD("Transfer-Encoding: chunked, chunked"),
    BAD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    BAD("Transfer-Encoding: chunked, gzip"),
    BAD("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip"),
    BAD("Transfer-Encoding: chunked\r\nTransfer-Encoding:"),
    { 501, POST "Transfer-Encoding: gzip\r\n\r\n", 0 },
    { 501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 0 },
    { 501, POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 0 },
    { 501, POST "Transfer-Encoding: identity\r\n\r\n", 0 },
    { 501, POST "Transfer-Encoding: xchunked\r\n\r\n", 0 },
    { 501, POST "Transfer-Encoding: chunkedchunked\r\n\r\n", 0 },
    { 501, POST "Transfer-Encoding: chunked;a=b\r\n\r\n", 0 },
    { 501, POST "Transfer-Encoding: \"chunked\"\r\n\r\n", 0 },
    { 501, POST "Transfer-Encoding: chun ked\r\n\r\n", 0 },
    { 501, POST "Transfer-Encoding: ch\xC3\xBCnked\r\n\r\n", 0 },
    { 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 0 },
    /* field lines */
    BAD("A: b\r\n c"),
    BAD("A: b\r\n\tc: d"),
    BAD("A: b\r\n \r\n"),
    BAD("Transfer-Encoding:\r\n chunked"),
    { 400, GET " Host: a\r\n\r\n", 0 },
    BAD("A : b"),
    BAD("A\t: b"),
    BAD("Transfer-Encoding : chunked"),
    BAD(": b"),
    BAD("A"),
    BAD("A b: c"),
    BAD("A(: c"),
    BAD("A/b: c"),
    BAD("A\x80: c"),
    BAD("A\x0B: c"),
    BAD("\"A\": c"),
    BAD("A: b\nB: c"),
    BAD("A: b\rB: c"),
    BAD("A:\rB: c"),
    BAD("A:\nB: c"),
    BAD("A: b\r\r"),
    BAD("A\n: b"),
    BAD("A\r\n: b"),
    BAD("A: \x01"),
    BAD("A: b\x0Bt"),
    BAD("A: b\x0C"),
    BAD("A: \x1B[2J"),
    BAD("A: b\x7F"),
    { 400, GET H "\n", 0 },
    { 400, GET H "\r\r\n", 0 },
    { 400, GET H "\n\n", 0 },
    { 400, GET "Host: a\n\r\n", 0 },
    { 400, GET H "\rX", 0 },
    NUL(GET H "A: b\0c\r\n\r\n"),
    NUL(GET H "A\0: b\r\n\r\n"),
    NUL(GET H "\0\r\n\r\n"),
    NUL("GET /\0 HTTP/1.1\r\n" H "\r\n"),
    NUL("\0GET / HTTP/1.1\r\n" H "\r\n"),
    NUL("GET / HTTP/1.1\0\r\n" H "\r\n"),
    /* the request line */
    { 400, "GET  / HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET /  HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET / a HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET / HTTP/1.1 \r\n" H "\r\n", 0 },
    { 400, " GET / HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET\t/ HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET /\tHTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET / HTTP/1.1\n" H "\r\n", 0 },
    { 400, "GET / HTTP/1.1\r" H "\r\n", 0 },
    { 400, "GET / HTTP/1.1\r\r\n" H "\r\n", 0 },
    { 400, "GET /\r\n", 0 },
    { 400, "GET /\n", 0 },
    { 400, "GET\r\n", 0 },
    { 400, "GET / \r\n\r\n", 0 },
    { 400, "\n" GET H "\r\n", 0 },
    { 400, "\rGET / HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" GET H "\r\n", 0 },
    { 400, "G(T / HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "G\xC3\x89T / HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "{\"model\": 1}\r\n", 0 },
    { 400, "\x16\x03\x01\x02", 0 },
    { 400, "GET /a#b HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET /a\x01 HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET /a\x7F HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET /\xC3\xA4 HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET a HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET * HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "OPTIONS ** HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET a:80 HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET ftp://a/ HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET sftp://a/ HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET http:/a HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET http:// HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET https:///a HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET http://?a HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET http://u:p@a/ HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET http://a\\b/ HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "CONNECT / HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "CONNECT http://a:1/ HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET / HTTP/1\r\n" H "\r\n", 0 },
    { 400, "GET / HTTP/1.\r\n" H "\r\n", 0 },
    { 400, "GET / HTTP/1.10\r\n" H "\r\n", 0 },
    { 400, "GET / HTTP/01.1\r\n" H "\r\n", 0 },
    { 400, "GET / HTTP/1,1\r\n" H "\r\n", 0 },
    { 400, "GET / http/1.1\r\n" H "\r\n", 0 },
    { 400, "GET / HTTP/a.1\r\n" H "\r\n", 0 },
    { 400, "GET / ICE/1.0\r\n" H "\r\n", 0 },
    { 505, "GET / HTTP/2.0\r\n" H "\r\n", 0 },
    { 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0 },
    { 505, "GET / HTTP/0.9\r\n\r\n", 0 },
    { 505, "GET / HTTP/9.9\r\n\r\n", 0 },
    /* Host and Expect */
    { 400, GET "\r\n", 0 },
    { 400, GET "Hosts: a\r\n\r\n", 0 },
    { 400, GET H H "\r\n", 0 },
    { 400, "GET / HTTP/1.0\r\n" H "host: a\r\n\r\n", 0 },
    { 400, GET "Host: a b\r\n\r\n", 0 },
    { 400, GET "Host: a, b\r\n\r\n", 0 },
    { 400, GET "Host: a,b\r\n\r\n", 0 },
    { 400, GET "Host: a/b\r\n\r\n", 0 },
    { 400, GET "Host: u@a\r\n\r\n", 0 },
    { 400, GET "Host: a\\b\r\n\r\n", 0 },
    { 400, GET "Host: a?b\r\n\r\n", 0 },
    { 400, GET "Host: \xC3\xA4\r\n\r\n", 0 },
    { 400, GET "Host: a:b\r\n\r\n", 0 },
    { 400, GET "Host: a:80b\r\n\r\n", 0 },
    { 400, GET "Host: a:65536\r\n\r\n", 0 },
    { 400, GET "Host: a:70000\r\n\r\n", 0 },
    { 400, GET "Host: a:4294967376\r\n\r\n", 0 },
    { 400, GET "Host: a:-1\r\n\r\n", 0 },
    { 400, GET "Host: a:+1\r\n\r\n", 0 },
    { 400, GET "Host: a:1:2\r\n\r\n", 0 },
    { 400, GET "Host: a::\r\n\r\n", 0 },
    { 400, GET "Host: :80\r\n\r\n", 0 },
    { 400, GET "Host: :\r\n\r\n", 0 },
    { 400, GET "Host: ::1\r\n\r\n", 0 },
    { 400, GET "Host: [::1\r\n\r\n", 0 },
    { 400, GET "Host: [\r\n\r\n", 0 },
    { 400, GET "Host: []\r\n\r\n", 0 },
    { 400, GET "Host: []:80\r\n\r\n", 0 },
    { 400, GET "Host: [[::1]]\r\n\r\n", 0 },
    { 400, GET "Host: [::1]]\r\n\r\n", 0 },
    { 400, GET "Host: [::1]80\r\n\r\n", 0 },
    { 400, GET "Host: [::1]:x\r\n\r\n", 0 },
    { 400, GET "Host: ::1]\r\n\r\n", 0 },
    { 400, GET "Host: a[::1]\r\n\r\n", 0 },
    { 400, GET "Host: a]\r\n\r\n", 0 },
    { 400, "GET http://a:b/ HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET http://a:65536/ HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET http://[::1/ HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "GET http://:80/ HTTP/1.1\r\n" H "\r\n", 0 },
    { 400, "CONNECT a:x HTTP/1.1\r\n" H "\r\n", 0 },
    { 417, POST "Expect: 200-ok\r\n\r\n", 0 },
    { 417, POST "Expect:\r\n\r\n", 0 },
    { 417, POST "Expect: 100-continue, a\r\n\r\n", 0 },
    { 417, POST "Expect: 100-continue\r\nExpect: a\r\n\r\n", 0 },
};

static void requests_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_requests); i++)
        refused(http_request_parse, &bad_requests[i], bad_requests[i].status);
}

static const struct refusal bad_responses[] = {
    { 0, OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0 },
    { 0, OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 0 },
    { 0, OK "Content-Length: 0\r\nContent-Length: 6\r\n\r\n", 0 },
    { 0, OK "Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 0 },
    { 0, OK "Content-Length: 5, 6\r\n\r\n", 0 },
    { 0, OK "Content-Length: 5, 5\r\nContent-Length: 6\r\n\r\n", 0 },
    { 0, OK "Content-Length: 6\r\nContent-Length: 5, 5\r\n\r\n", 0 },
    { 0, OK "Content-Length: 5, 5, x\r\n\r\n", 0 },
    { 0, OK "Content-Length: 5, 5,\r\n\r\n", 0 },
    { 0, OK "Content-Length: 5,, 5\r\n\r\n", 0 },
    { 0, OK "Content-Length: , 5\r\n\r\n", 0 },
    { 0, OK "Content-Length: 5 5\r\n\r\n", 0 },
    { 0, OK "Content-Length: 5\x0B\r\n\r\n", 0 },
    { 0, OK "Content-Length:\r\n\r\n", 0 },
    { 0, OK "Content-Length: 5\r\nContent-Length:\r\n\r\n", 0 },
    { 0, OK "Content-Length: 18446744073709551621, 5\r\n\r\n", 0 },
    { 0, OK "Content-Length: x\r\n\r\n", 0 },
    { 0, OK "Content-Length : 5\nTransfer-Encoding : chunked\n\n", 0 },
    { 0,
      OK "Transfer-Encoding: \x0B"
         "chunked\r\n\r\n",
      0 },
    { 0, OK "Transfer-Encoding: chunked\x01\r\n\r\n", 0 },
    { 0, OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0 },
    { 0, OK "Transfer-Encoding: gzip, chunked\r\n\r\n", 0 },
    { 0, OK "Transfer-Encoding: chunked, gzip\r\n\r\n", 0 },
    { 0, OK "A: b\r\n c\r\n\r\n", 0 },
    { 0, OK "A: b\n c\n\n", 0 },
    { 0, OK " A: b\r\n\r\n", 0 },
    { 0, OK "A b: c\r\n\r\n", 0 },
    { 0, OK "A \t\r\n\r\n", 0 },
    { 0, OK " : b\r\n\r\n", 0 },
    { 0, OK ": b\r\n\r\n", 0 },
    { 0, OK "A\x01: b\r\n\r\n", 0 },
    { 0, OK "A: b\r\r\n\r\n", 0 },
    { 0, OK "A: b\rB: c\r\n\r\n", 0 },
    { 0, OK "A: b\0c\r\n\r\n", sizeof OK "A: b\0c\r\n\r\n" - 1 },
    { 0, OK "\r\r\n", 0 },
    { 0, OK "\rX", 0 },
    { 0, "HTTP/1.1 200 OK\rA: b\r\n\r\n", 0 },
    { 0, "HTTP/1.1 200 O\0K\r\n\r\n", 20 },
    { 0, "HTTP/1.1 200\tOK\r\n\r\n", 0 },
    { 0, "HTTP/1.1  200 OK\r\n\r\n", 0 },
    { 0, "HTTP/1.1\t200 OK\r\n\r\n", 0 },
    { 0, "HTTP/1.1 20 OK\r\n\r\n", 0 },
    { 0, "HTTP/1.1 2000 OK\r\n\r\n", 0 },
    { 0, "HTTP/1.1 099 OK\r\n\r\n", 0 },
    { 0, "HTTP/1.1 2x0 OK\r\n\r\n", 0 },
    { 0, "HTTP/1.1 OK\r\n\r\n", 0 },
    { 0, "HTTP/1.1\r\n\r\n", 0 },
    { 0, "HTTP/2.0 200 OK\r\n\r\n", 0 },
    { 0, "HTTP/0.9 200 OK\r\n\r\n", 0 },
    { 0, "http/1.1 200 OK\r\n\r\n", 0 },
    { 0, "ICY 200 OK\r\n\r\n", 0 },
    { 0, "\r\nHTTP/1.1 200 OK\r\n\r\n", 0 },
    { 0, "<html>", 0 },
};

static void responses_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_responses); i++)
        refused(http_response_parse, &bad_responses[i], 0);
}

/* A head whose length is n bytes by the length of one value or of the target. */
static void put_head(char *text, size_t n, const char *before, const char *after)
{
    size_t a = strlen(before), b = strlen(after);

    memset(text, 'x', n);
    memcpy(text, before, a);
    memcpy(text + n - b, after, b);
}

static void lengths_are_bounded(void **state)
{
    static const struct {
        const char *before, *after;
        int status;
    } cases[] = {
        { "GET /", " HTTP/1.1\r\n" H "\r\n", 431 },
        { GET H "A: ", "\r\n\r\n", 431 },
        { "GET /", " HTTP/1.1\r\nHost:a\r\n\r\n", 431 },
    };
    const struct http_fault *fault;
    char text[301];
    size_t at;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        put_head(text, 300, cases[i].before, cases[i].after);
        assert_int_equal(
            verdict_of(http_request_parse, (struct span){ text, 300 }, 300, &fault, &at), 300);
        assert_int_equal(
            verdict_of(http_request_parse, (struct span){ text, 300 }, 299, &fault, &at), -EBADMSG);
        assert_int_equal(fault->status, cases[i].status);
        assert_int_equal(at, 299);
    }
    put_head(text, 300, "GET /", " HTTP/1.1\r\n");
    for (size_t max = 10; max < 300; max += 17) {
        assert_int_equal(
            verdict_of(http_request_parse, (struct span){ text, 300 }, max, &fault, &at), -EBADMSG);
        assert_int_equal(fault->status, 414);
        assert_int_equal(at, max);
    }
    /* A fault within the bound is the same fault whether it is looked at before the bound is
     * reached or then. */
    put_head(text, 300, GET H "A: b\r\nB\x01: ", "\r\n\r\n");
    assert_int_equal(verdict_of(http_request_parse, (struct span){ text, 300 }, 200, &fault, &at),
                     -EBADMSG);
    assert_int_equal(fault->status, 400);
}

static void fields_are_counted(void **state)
{
    const struct http_fault *fault;
    char text[1000];
    size_t at, n = (size_t)sprintf(text, "%s", OK);

    (void)state;
    for (int i = 0; i < HTTP_FIELDS_MAX; i++)
        n += (size_t)sprintf(text + n, "a:\r\n");
    memcpy(text + n, "\r\n", 3);
    assert_int_equal(
        verdict_of(http_response_parse, (struct span){ text, n + 2 }, MAX, &fault, &at), n + 2);
    assert_int_equal(head.n_fields, HTTP_FIELDS_MAX);
    memcpy(text + n, "\n", 2);
    assert_int_equal(
        verdict_of(http_response_parse, (struct span){ text, n + 1 }, MAX, &fault, &at), n + 1);
    assert_int_equal(head.n_fields, HTTP_FIELDS_MAX);
    memcpy(text + n, "a:\r\n\r\n", 7);
    assert_int_equal(
        verdict_of(http_response_parse, (struct span){ text, n + 6 }, MAX, &fault, &at), -EBADMSG);
    assert_int_equal(fault->status, 431);
}

/* A first line that cannot be one is refused at its forbidden byte, which is the last of each of
 * these. */
static void garbage_is_refused_at_once(void **state)
{
    static const char *const cases[] = {
        "\x16",
        "\n",
        "\rG",
        "G(",
        "G:",
        "GET\x01",
        "GET  ",
        "GET /\x80",
        "GET /#",
        "GET /\r",
        "GET / X",
        "GET / HTTP/x",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\rX",
        "GET / HTTP/2.0\r\n",
        "GET a HTTP/1.1\r\n",
        "\r\n\r\nGET /\x7F",
        "{",
        "GET / \r",
    };
    static const char *const answers[] = { "h",  "HTTP/1.1 2x",         "HTTP/1.1 200 O\rK",
                                           "\r", "HTTP/2.0 200 OK\r\n", "HTTP/1.1  " };

    (void)state;
    for (size_t i = 0; i < COUNT(cases) + COUNT(answers); i++) {
        bool request = i < COUNT(cases);
        struct span in = span_of(request ? cases[i] : answers[i - COUNT(cases)]);
        const struct http_fault *fault;
        size_t at;

        if (verdict_of(request ? http_request_parse : http_response_parse, in, MAX, &fault, &at) !=
                -EBADMSG ||
            at != in.n)
            fail_msg("%s: at %zu", in.p, at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_refused),       cmocka_unit_test(responses_are_refused),
        cmocka_unit_test(lengths_are_bounded),        cmocka_unit_test(fields_are_counted),
        cmocka_unit_test(garbage_is_refused_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
