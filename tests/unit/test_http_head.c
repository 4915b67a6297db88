/* Request and response heads: what is taken and what it means, and every refusal; whole, byte by byte and at every split, each time
 * flush against a guard page. */
#include "http/head.h"
#include "tests/unit/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define MAX 4096
#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define H "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" H
#define OK "HTTP/1.1 200 OK\r\n"

typedef ssize_t parser(struct http_head *h, struct span in, size_t max, size_t seen);

static struct http_head head;

/* Parses a copy of the first n bytes that ends at a guard page. The spans in head are not valid afterwards. */
static ssize_t parse_copy(parser *parse, struct span in, size_t max, size_t seen)
{
    char *p = guard_end(in.p, in.n);
    ssize_t r = parse(&head, (struct span){ p, in.n }, max, seen);

    guard_free(p, in.n);
    return r;
}

/* Gives in step bytes at a time after the first, and expects the verdict, at once or later. Returns how many bytes it took. */
static size_t fed(parser *parse, struct span in, size_t max, size_t first, size_t step, ssize_t verdict, const struct http_fault *fault)
{
    size_t n = first < in.n ? first : in.n, seen = 0;
    ssize_t r;

    for (;;) {
        r = parse_copy(parse, (struct span){ in.p, n }, max, seen);
        if (r != -EAGAIN || n == in.n)
            break;
        seen = n;
        n = in.n - n < step ? in.n : n + step;
    }
    assert_int_equal(r, verdict);
    assert_ptr_equal(head.fault, fault);
    return n;
}

/* The verdict about in, however it comes; *at is how many bytes it takes when they come one by one. */
static ssize_t verdict_of(parser *parse, struct span in, size_t max, const struct http_fault **fault, size_t *at)
{
    ssize_t r = parse_copy(parse, in, max, 0);

    *fault = r == -EBADMSG ? head.fault : NULL;
    if (r == -EBADMSG)
        assert_non_null(*fault);
    *at = fed(parse, in, max, 1, 1, r, *fault);
    for (size_t k = 1; k < in.n; k++)
        fed(parse, in, max, k, in.n, r, *fault);
    return r;
}

struct refusal {
    int status;
    const char *text;
    size_t n;                           /* of text, where it has a NUL */
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

#define BAD(line) { 400, POST line "\r\n\r\n", 0 }
#define NUL(text) { 400, text, sizeof(text) - 1 }

static const struct refusal bad_requests[] = {
    /* framing */
    BAD("Content-Length: 5\r\nTransfer-Encoding: chunked"),
    BAD("Transfer-Encoding: chunked\r\nContent-Length: 0"),
    BAD("Content-Length: 5\r\nContent-Length: 6"),
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
    { 0, OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 0 },
    { 0, OK "Content-Length: 5, 5\r\n\r\n", 0 },
    { 0, OK "Content-Length: x\r\n\r\n", 0 },
    { 0, OK "Transfer-Encoding: gzip, chunked\r\n\r\n", 0 },
    { 0, OK "Transfer-Encoding: chunked, gzip\r\n\r\n", 0 },
    { 0, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0 },
    { 0, OK "A: b\n\r\n", 0 },
    { 0, OK "A: b\r\n c\r\n\r\n", 0 },
    { 0, OK "A : b\r\n\r\n", 0 },
    { 0, "HTTP/1.1 200 OK\n\n", 0 },
    { 0, "HTTP/1.1 200 OK\rA: b\r\n\r\n", 0 },
    { 0, "HTTP/1.1 200 O\x01K\r\n\r\n", 0 },
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

/* What heads mean: path, query, length (-1: none, -2: chunked), and whether the connection stays. */
static const struct taken {
    const char *text, *path, *query;
    int64_t length;
    bool keep_alive, expect_continue;
} good_requests[] = {
    { GET H "\r\n", "/", NULL, -1, true, false },
    { "\r\n\r\n" GET H "\r\n", "/", NULL, -1, true, false },
    { "GET /a/b?c=d?e HTTP/1.1\r\n" H "\r\n", "/a/b", "c=d?e", -1, true, false },
    { "GET /? HTTP/1.1\r\n" H "\r\n", "/", "", -1, true, false },
    { "GET //a\"<>\\^`{|} HTTP/1.1\r\n" H "\r\n", "//a\"<>\\^`{|}", NULL, -1, true, false },
    { "GET http://a HTTP/1.1\r\n" H "\r\n", "/", NULL, -1, true, false },
    { "GET http://a:80?b HTTP/1.1\r\n" H "\r\n", "/", "b", -1, true, false },
    { "GET HTTPS://[::1]:80/b?c HTTP/1.1\r\n" H "\r\n", "/b", "c", -1, true, false },
    { "OPTIONS * HTTP/1.1\r\n" H "\r\n", "*", NULL, -1, true, false },
    { "CONNECT a:443 HTTP/1.1\r\n" H "\r\n", "a:443", NULL, -1, true, false },
    { "m!#$%&'*+-.^_`|~9 / HTTP/1.1\r\n" H "\r\n", "/", NULL, -1, true, false },
    { "GET / HTTP/1.2\r\n" H "\r\n", "/", NULL, -1, true, false },
    { "GET / HTTP/1.0\r\n\r\n", "/", NULL, -1, false, false },
    { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "/", NULL, -1, true, false },
    { "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "/", NULL, -1, false, false },
    { GET H "Connection: close\r\n\r\n", "/", NULL, -1, false, false },
    { GET H "connection: a,,CLOSE ,\tb\r\n\r\n", "/", NULL, -1, false, false },
    { GET H "Connection: keep-alive\r\nConnection: close\r\n\r\n", "/", NULL, -1, false, false },
    { GET H "Connection: closed\r\n\r\n", "/", NULL, -1, true, false },
    { GET "Host:\r\n\r\n", "/", NULL, -1, true, false },
    { GET "Host: [::1]:8000\r\n\r\n", "/", NULL, -1, true, false },
    { POST "Content-Length: 0\r\n\r\n", "/", NULL, 0, true, false },
    { POST "Content-Length:\t 42 \t\r\n\r\n", "/", NULL, 42, true, false },
    { POST "Content-Length:007\r\n\r\n", "/", NULL, 7, true, false },
    { POST "Content-Length: 9223372036854775807\r\n\r\n", "/", NULL, INT64_MAX, true, false },
    { POST "Transfer-Encoding: chunked\r\n\r\n", "/", NULL, -2, true, false },
    { POST "TRANSFER-ENCODING: CHUNKED \r\n\r\n", "/", NULL, -2, true, false },
    { POST "Expect: 100-Continue\r\n\r\n", "/", NULL, -1, true, true },
    { "POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", "/", NULL, -1, false, false },
    { "POST / HTTP/1.0\r\nExpect: a miracle\r\n\r\n", "/", NULL, -1, false, false },
    { GET H "A: \t\xFF\x80 \xC3\xA4\t!\r\n\r\n", "/", NULL, -1, true, false },
    { GET H "A:\r\nB: \r\nC: d\r\n\r\n", "/", NULL, -1, true, false },
};

static bool says(struct span s, const char *text)
{
    return text ? s.p && span_eq(s, span_of(text)) : s.p == NULL && s.n == 0;
}

static void requests_are_understood(void **state)
{
    const struct http_fault *fault;
    size_t at;

    (void)state;
    for (size_t i = 0; i < COUNT(good_requests); i++) {
        const struct taken *c = &good_requests[i];
        struct span in = span_of(c->text);

        if (verdict_of(http_request_parse, in, MAX, &fault, &at) != (ssize_t)in.n || at != in.n)
            fail_msg("%s: %s", c->text, fault ? fault->why : "no verdict");
        assert_int_equal(http_request_parse(&head, in, MAX, 0), in.n);
        if (!says(head.path, c->path) || !says(head.query, c->query) || head.content_length != (c->length < 0 ? -1 : c->length) ||
            head.chunked != (c->length == -2) || head.keep_alive != c->keep_alive || head.expect_continue != c->expect_continue)
            fail_msg("%s: misunderstood", c->text);
    }
}

static const struct {
    const char *text, *reason;
    int status;
    int64_t length;
    bool keep_alive;
} good_responses[] = {
    { OK "\r\n", "OK", 200, -1, true },
    { "HTTP/1.1 200\r\n\r\n", "", 200, -1, true },
    { "HTTP/1.1 200 \r\n\r\n", "", 200, -1, true },
    { "HTTP/1.1 200  \xC3\xA4\t!\r\n\r\n", " \xC3\xA4\t!", 200, -1, true },
    { "HTTP/1.0 999 x\r\n\r\n", "x", 999, -1, false },
    { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", "OK", 200, -1, true },
    { "HTTP/1.1 100 Continue\r\n\r\n", "Continue", 100, -1, true },
    { OK "Connection: close\r\nContent-Length: 5\r\n\r\n", "OK", 200, 5, false },
    { OK "transfer-encoding: chunked\r\n\r\n", "OK", 200, -2, true },
    { OK "Host: a, b\r\nHost: c\r\nExpect: nothing\r\n\r\n", "OK", 200, -1, true },
};

static void responses_are_understood(void **state)
{
    const struct http_fault *fault;
    size_t at;

    (void)state;
    for (size_t i = 0; i < COUNT(good_responses); i++) {
        struct span in = span_of(good_responses[i].text);
        int64_t length = good_responses[i].length;

        if (verdict_of(http_response_parse, in, MAX, &fault, &at) != (ssize_t)in.n || at != in.n)
            fail_msg("%s: %s", in.p, fault ? fault->why : "no verdict");
        assert_int_equal(http_response_parse(&head, in, MAX, 0), in.n);
        if (!span_eq(head.reason, span_of(good_responses[i].reason)) || head.status != good_responses[i].status ||
            head.content_length != (length < 0 ? -1 : length) || head.chunked != (length == -2) ||
            head.keep_alive != good_responses[i].keep_alive)
            fail_msg("%s: misunderstood", in.p);
    }
}

static void spans_point_at_what_was_sent(void **state)
{
    static const char text[] = "\r\nPUT /x?y HTTP/1.1\r\nHost: a:1\r\nX-Odd_Name:  b c \t\r\nEmpty:\r\n\r\nbody";
    struct span in = SPAN(text);

    (void)state;
    assert_int_equal(http_request_parse(&head, in, MAX, 0), in.n - 4);
    assert_true(says(head.method, "PUT"));
    assert_true(says(head.target, "/x?y"));
    assert_int_equal(head.n_fields, 3);
    assert_true(says(head.fields[1].name, "X-Odd_Name"));
    assert_true(says(head.fields[1].value, "b c"));
    assert_true(says(head.fields[1].line, "X-Odd_Name:  b c \t\r\n"));
    assert_int_equal(head.fields[1].id, HTTP_OTHER);
    assert_int_equal(head.fields[2].value.n, 0);
    assert_true(says(head.fields[2].line, "Empty:\r\n"));
    assert_ptr_equal(head.fields[0].line.p + head.fields[0].line.n, head.fields[1].line.p);
}

static const struct {
    const char *name;
    enum http_name id;
    bool hop;
} names[] = {
    { "Access-Control-Allow-Origin", HTTP_ACCESS_CONTROL_ALLOW_ORIGIN, false },
    { "Access-Control-Request-Headers", HTTP_ACCESS_CONTROL_REQUEST_HEADERS, false },
    { "Access-Control-Request-Method", HTTP_ACCESS_CONTROL_REQUEST_METHOD, false },
    { "Access-Control-Max-Age", HTTP_ACCESS_CONTROL_OTHER, false },
    { "Access-Control-Allow-Headers", HTTP_ACCESS_CONTROL_OTHER, false },
    { "Access-Control-Allow-Methods", HTTP_ACCESS_CONTROL_OTHER, false },
    { "Access-Control-Allow-Credentials", HTTP_ACCESS_CONTROL_OTHER, false },
    { "Access-Control-X", HTTP_ACCESS_CONTROL_OTHER, false },
    { "Authorization", HTTP_AUTHORIZATION, false },
    { "Connection", HTTP_CONNECTION, true },
    { "Content-Encoding", HTTP_CONTENT_ENCODING, false },
    { "Content-Length", HTTP_CONTENT_LENGTH, false },
    { "Content-Type", HTTP_CONTENT_TYPE, false },
    { "Cookie", HTTP_COOKIE, false },
    { "Date", HTTP_DATE, false },
    { "Expect", HTTP_EXPECT, false },
    { "Forwarded", HTTP_FORWARDED, false },
    { "Host", HTTP_HOST, false },
    { "Keep-Alive", HTTP_KEEP_ALIVE, true },
    { "Origin", HTTP_ORIGIN, false },
    { "Proxy-Authenticate", HTTP_PROXY_AUTHENTICATE, true },
    { "Proxy-Authorization", HTTP_PROXY_AUTHORIZATION, true },
    { "Proxy-Connection", HTTP_PROXY_CONNECTION, true },
    { "TE", HTTP_TE, true },
    { "Trailer", HTTP_TRAILER, true },
    { "Transfer-Encoding", HTTP_TRANSFER_ENCODING, true },
    { "Upgrade", HTTP_UPGRADE, true },
    { "Vary", HTTP_VARY, false },
    { "X-Forwarded-For", HTTP_X_FORWARDED_FOR, false },
    { "X-Forwarded-Host", HTTP_X_FORWARDED, false },
    { "X-Forwarded-A", HTTP_X_FORWARDED, false },
    { "X-Forwarded-Proto", HTTP_X_FORWARDED, false },
    { "X-Real-IP", HTTP_X_REAL_IP, false },
    { "X-Request-Id", HTTP_X_REQUEST_ID, false },
};

/* Neither longer nor shorter names, nor such with one other byte, may be taken for one of ours. */
static bool is_one_of(struct span name)
{
    for (size_t i = 0; i < COUNT(names); i++)
        if (span_eq_nocase(name, span_of(names[i].name)))
            return true;
    return name.n > 12 && (span_eq_nocase((struct span){ name.p, 12 }, SPAN("x-forwarded-")) ||
                           (name.n > 15 && span_eq_nocase((struct span){ name.p, 15 }, SPAN("access-control-"))));
}

static enum http_name id_of(const char *name)
{
    char text[200];
    int n = snprintf(text, sizeof text, OK "%s: chunked\r\n\r\n", name);

    if (http_response_parse(&head, (struct span){ text, (size_t)n }, MAX, 0) != n)
        return http_response_parse(&head, (struct span){ text, (size_t)n }, MAX, 0) == -EBADMSG ? HTTP_CONTENT_LENGTH : HTTP_OTHER;
    return head.fields[0].id;
}

static void names_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char name[64];
        size_t n = strlen(names[i].name);

        strcpy(name, names[i].name);
        assert_int_equal(id_of(name), names[i].id);
        if (names[i].id != HTTP_CONTENT_LENGTH)
            assert_int_equal(head.fields[0].hop, names[i].hop);
        for (size_t k = 0; k < n; k++)
            name[k] = (char)(ascii_lower(name[k]) ^ (name[k] >= 'A' && k % 2 ? 0x20 : 0));
        assert_int_equal(id_of(name), names[i].id);
        for (size_t k = 0; k < n; k++) {
            char was = name[k];

            name[k] = was == 'z' ? 'q' : 'z';
            if (!is_one_of(span_of(name)))
                assert_int_equal(id_of(name), HTTP_OTHER);
            name[k] = was;
        }
        strcpy(name + n, "s");
        if (!is_one_of(span_of(name)))
            assert_int_equal(id_of(name), HTTP_OTHER);
        name[n - 1] = '\0';
        if (!is_one_of(span_of(name)))
            assert_int_equal(id_of(name), HTTP_OTHER);
    }
}

static bool hop(const char *text, parser *parse, const char *name)
{
    assert_int_equal(parse(&head, span_of(text), MAX, 0), strlen(text));
    for (unsigned i = 0; i < head.n_fields; i++)
        if (span_eq_nocase(head.fields[i].name, span_of(name)))
            return head.fields[i].hop;
    fail_msg("no %s", name);
    return false;
}

static void connection_names_fields(void **state)
{
    static const char secure[] = POST "Connection: authorization, Host, content-length, content-type, x-forwarded-for, x-real-ip, X-A, close\r\n"
        "Authorization: a\r\nContent-Length: 1\r\nContent-Type: a\r\nX-Forwarded-For: a\r\nX-Real-IP: a\r\nx-a: b\r\nX-B: b\r\n\r\n";
    static const char *const kept[] = { "Authorization", "Host", "Content-Length", "Content-Type", "X-Forwarded-For", "X-Real-IP", "X-B" };

    (void)state;
    for (size_t i = 0; i < COUNT(kept); i++)
        assert_false(hop(secure, http_request_parse, kept[i]));
    assert_true(hop(secure, http_request_parse, "X-A"));
    assert_true(hop(secure, http_request_parse, "Connection"));
    assert_false(head.keep_alive);
    assert_true(hop(GET H "A: b\r\nConnection: x\r\nConnection: y, a\r\n\r\n", http_request_parse, "A"));
    assert_false(hop(GET H "A: b\r\nConnection: ab, \"a\"\r\n\r\n", http_request_parse, "A"));
    assert_true(hop(OK "Connection: date\r\nDate: b\r\n\r\n", http_response_parse, "Date"));
    assert_false(hop(OK "Connection: keep-alive\r\nDate: b\r\n\r\n", http_response_parse, "Date"));
}

static void connection_names_are_bounded(void **state)
{
    char text[4000];
    size_t n = (size_t)sprintf(text, "%s", GET H "Connection: ");

    (void)state;
    for (int i = 0; i < HTTP_FIELDS_MAX + 1; i++)
        n += (size_t)sprintf(text + n, "%sn%d", i ? "," : "", i);
    n += (size_t)sprintf(text + n, "\r\n\r\n");
    assert_int_equal(http_request_parse(&head, (struct span){ text, n }, sizeof text, 0), -EBADMSG);
    assert_int_equal(head.fault->status, 431);
    assert_non_null(memcpy(strstr(text, ",n5,"), "   ,", 4));
    assert_int_equal(http_request_parse(&head, (struct span){ text, n }, sizeof text, 0), n);
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
        assert_int_equal(verdict_of(http_request_parse, (struct span){ text, 300 }, 300, &fault, &at), 300);
        assert_int_equal(verdict_of(http_request_parse, (struct span){ text, 300 }, 299, &fault, &at), -EBADMSG);
        assert_int_equal(fault->status, cases[i].status);
        assert_int_equal(at, 299);
    }
    put_head(text, 300, "GET /", " HTTP/1.1\r\n");
    for (size_t max = 10; max < 300; max += 17) {
        assert_int_equal(verdict_of(http_request_parse, (struct span){ text, 300 }, max, &fault, &at), -EBADMSG);
        assert_int_equal(fault->status, 414);
        assert_int_equal(at, max);
    }
    /* A fault within the bound is the same fault whether it is looked at before the bound is reached or then. */
    put_head(text, 300, GET H "A: b\r\nB\x01: ", "\r\n\r\n");
    assert_int_equal(verdict_of(http_request_parse, (struct span){ text, 300 }, 200, &fault, &at), -EBADMSG);
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
    assert_int_equal(verdict_of(http_response_parse, (struct span){ text, n + 2 }, MAX, &fault, &at), n + 2);
    assert_int_equal(head.n_fields, HTTP_FIELDS_MAX);
    memcpy(text + n, "a:\r\n\r\n", 7);
    assert_int_equal(verdict_of(http_response_parse, (struct span){ text, n + 6 }, MAX, &fault, &at), -EBADMSG);
    assert_int_equal(fault->status, 431);
}

/* A first line that cannot be one is refused at its forbidden byte, which is the last of each of these. */
static void garbage_is_refused_at_once(void **state)
{
    static const char *const cases[] = {
        "\x16", "\n", "\rG", "G(", "G:", "GET\x01", "GET  ", "GET /\x80", "GET /#", "GET /\r", "GET / X", "GET / HTTP/x", "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\n", "GET / HTTP/1.1\rX", "GET / HTTP/2.0\r\n", "GET a HTTP/1.1\r\n", "\r\n\r\nGET /\x7F", "{", "GET / \r",
    };
    static const char *const answers[] = { "h", "HTTP/1.1 2x", "HTTP/1.1 200\n", "HTTP/1.1 200 O\x01", "\r", "HTTP/2.0 200 OK\r\n", "HTTP/1.1  " };

    (void)state;
    for (size_t i = 0; i < COUNT(cases) + COUNT(answers); i++) {
        bool request = i < COUNT(cases);
        struct span in = span_of(request ? cases[i] : answers[i - COUNT(cases)]);
        const struct http_fault *fault;
        size_t at;

        if (verdict_of(request ? http_request_parse : http_response_parse, in, MAX, &fault, &at) != -EBADMSG || at != in.n)
            fail_msg("%s: at %zu", in.p, at);
    }
}

/* Nothing may hang on a caller that says nothing of what it has shown before, or too much. */
static void seen_is_a_hint(void **state)
{
    static const char text[] = POST "A: b\r\nContent-Length: 3\r\n\r\n";
    struct span in = SPAN(text);

    (void)state;
    for (size_t n = 1; n < in.n; n++)
        assert_int_equal(http_request_parse(&head, (struct span){ in.p, n }, MAX, 0), -EAGAIN);
    assert_int_equal(http_request_parse(&head, in, MAX, in.n + 5), in.n);
    assert_int_equal(http_request_parse(&head, (struct span){ NULL, 0 }, MAX, 0), -EAGAIN);
}

static void lists_are_walked(void **state)
{
    struct span rest = SPAN(" , a,\tb c ,,\"d, e\","), item;
    static const char *const items[] = { "a", "b c", "\"d", "e\"" };

    (void)state;
    for (size_t i = 0; i < COUNT(items); i++) {
        assert_true(http_list_next(&rest, &item));
        assert_true(says(item, items[i]));
    }
    assert_false(http_list_next(&rest, &item));
    rest = (struct span){ NULL, 0 };
    assert_false(http_list_next(&rest, &item));
}

static void fields_are_found(void **state)
{
    (void)state;
    assert_true(http_request_parse(&head, SPAN(GET H "Cookie: a\r\nDate: x\r\ncookie: b\r\n\r\n"), MAX, 0) > 0);
    assert_true(says(http_find(&head, HTTP_COOKIE)->value, "a"));
    assert_int_equal(http_count(&head, HTTP_COOKIE), 2);
    assert_null(http_find(&head, HTTP_TE));
    assert_int_equal(http_count(&head, HTTP_TE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_refused),
        cmocka_unit_test(responses_are_refused),
        cmocka_unit_test(requests_are_understood),
        cmocka_unit_test(responses_are_understood),
        cmocka_unit_test(spans_point_at_what_was_sent),
        cmocka_unit_test(names_are_told_apart),
        cmocka_unit_test(connection_names_fields),
        cmocka_unit_test(connection_names_are_bounded),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(fields_are_counted),
        cmocka_unit_test(garbage_is_refused_at_once),
        cmocka_unit_test(seen_is_a_hint),
        cmocka_unit_test(lists_are_walked),
        cmocka_unit_test(fields_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
