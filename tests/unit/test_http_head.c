/* What a request or response head that is taken means.
 * How the bytes are fed is in tests/unit/http_feed.h. */
#include "http/emit.h"
#include "tests/unit/http_feed.h"

/* What heads mean: path, query, length (-1: none, -2: chunked), and whether the connection stays.
 */
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
    { GET "Host: [::1]\r\n\r\n", "/", NULL, -1, true, false },
    { GET "Host: [fe80::1%25eth0]:1\r\n\r\n", "/", NULL, -1, true, false },
    { GET "Host: a:\r\n\r\n", "/", NULL, -1, true, false },
    { GET "Host: a:65535\r\n\r\n", "/", NULL, -1, true, false },
    { GET "Host: a:0080\r\n\r\n", "/", NULL, -1, true, false },
    { GET "Host: a_b.c%41\r\n\r\n", "/", NULL, -1, true, false },
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
        if (!says(head.path, c->path) || !says(head.query, c->query) ||
            head.content_length != (c->length < 0 ? -1 : c->length) ||
            head.chunked != (c->length == -2) || head.keep_alive != c->keep_alive ||
            head.expect_continue != c->expect_continue)
            fail_msg("%s: misunderstood", c->text);
    }
}

static const struct {
    const char *text, *reason;
    int status;
    int64_t length;
    bool keep_alive, says_so;
} good_responses[] = {
    { OK "\r\n", "OK", 200, -1, true, false },
    { "HTTP/1.1 200\r\n\r\n", "", 200, -1, true, false },
    { "HTTP/1.1 200 \r\n\r\n", "", 200, -1, true, false },
    { "HTTP/1.1 200  \xC3\xA4\t!\r\n\r\n", " \xC3\xA4\t!", 200, -1, true, false },
    { "HTTP/1.0 999 x\r\n\r\n", "x", 999, -1, false, false },
    { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", "OK", 200, -1, true, true },
    { "HTTP/1.1 100 Continue\r\n\r\n", "Continue", 100, -1, true, false },
    { OK "Connection: close\r\nContent-Length: 5\r\n\r\n", "OK", 200, 5, false, false },
    { OK "transfer-encoding: chunked\r\n\r\n", "OK", 200, -2, true, false },
    { OK "Host: a, b\r\nHost: c\r\nExpect: nothing\r\n\r\n", "OK", 200, -1, true, false },
    { OK "Connection: x, Keep-Alive\r\n\r\n", "OK", 200, -1, true, true },
    { OK "Connection: keep-alive\r\nConnection: close\r\n\r\n", "OK", 200, -1, false, false },
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
        if (!span_eq(head.reason, span_of(good_responses[i].reason)) ||
            head.status != good_responses[i].status ||
            head.content_length != (length < 0 ? -1 : length) || head.chunked != (length == -2) ||
            head.keep_alive != good_responses[i].keep_alive ||
            head.says_keep_alive != good_responses[i].says_so || head.tolerated)
            fail_msg("%s: misunderstood", in.p);
    }
}

/* Responses that break the RFC, and the clean field lines that remain of them. */
static const struct {
    const char *text, *lines;
    int64_t length;
} tolerated[] = {
    { "HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\n", "A: b\r\nContent-Length: 2\r\n", 2 },
    { "HTTP/1.1 200\n\n", "", -1 },
    { "HTTP/1.1 200 OK\r\nA: b\nC:  d \n\r\n", "A: b\r\nC: d\r\n", -1 },
    { OK "A: b\r\n\n", "A: b\r\n", -1 },
    { "HTTP/1.1 200 OK\n\r\n", "", -1 },
    { OK "A:\n\n", "A: \r\n", -1 },
    { OK "Content-Length: 5\r\nA: b\r\ncontent-length: 05\r\nC: d\r\n\r\n",
      "Content-Length: 5\r\nA: b\r\nC: d\r\n", 5 },
    { OK "Content-Length: 5\t, 005,5\r\nA: b\r\n\r\n", "Content-Length: 5\r\nA: b\r\n", 5 },
    { OK "Content-Length: 0, 00\r\n\r\n", "Content-Length: 0\r\n", 0 },
    { OK "Content-Length: 5\r\nContent-Length: 5, 5\r\n\r\n", "Content-Length: 5\r\n", 5 },
    { OK "Content-Length: 5, 5\r\nContent-Length: 5\r\n\r\n", "Content-Length: 5\r\n", 5 },
    { OK "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", "Content-Length: 0\r\n", 0 },
    { "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding: chunked\r\n",
      -2 },
    { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
      "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", -2 },
    { OK "A: \x01 b\x1B[2J\x7F \r\nC: d\r\n\r\n", "A: \x01 b\x1B[2J\x7F \r\nC: d\r\n", -1 },
    { OK "A: b\x01\n\n", "A: b\x01\r\n", -1 },
    { "HTTP/1.1 200 O\x01\x7FK\r\n\r\n", "", -1 },
    { OK "A \t: b\r\nTransfer-Encoding : chunked\r\n\r\n", "A: b\r\nTransfer-Encoding: chunked\r\n",
      -2 },
    { OK "Content-Length\t:5\r\n\r\n", "Content-Length: 5\r\n", 5 },
};

/* The fields of head as a proxy may send them on. */
static const char *clean_lines(void)
{
    static char text[500];
    struct out o;

    out_init(&o, text, sizeof text - 1);
    for (unsigned i = 0; i < head.n_fields; i++) {
        if (head.fields[i].line.n > 0)
            out_put(&o, head.fields[i].line);
        else
            http_put_field(&o, head.fields[i].name, head.fields[i].value);
    }
    text[o.n] = '\0';
    return text;
}

static void responses_are_tolerated(void **state)
{
    const struct http_fault *fault;
    size_t at;

    (void)state;
    for (size_t i = 0; i < COUNT(tolerated); i++) {
        struct span in = span_of(tolerated[i].text);
        int64_t length = tolerated[i].length;

        if (verdict_of(http_response_parse, in, MAX, &fault, &at) != (ssize_t)in.n || at != in.n)
            fail_msg("%s: %s", in.p, fault ? fault->why : "no verdict");
        assert_int_equal(http_response_parse(&head, in, MAX, 0), in.n);
        assert_string_equal(clean_lines(), tolerated[i].lines);
        assert_int_equal(head.content_length, length < 0 ? -1 : length);
        assert_int_equal(head.chunked, length == -2);
        assert_true(head.tolerated && !head.keep_alive && !head.says_keep_alive);
        assert_true(http_request_parse(&head, in, MAX, 0) == -EBADMSG && !head.tolerated);
    }
    assert_int_equal(http_response_parse(&head, SPAN(OK "\r\n"), MAX, 0), sizeof OK + 1);
    assert_false(head.tolerated);
}

static void spans_point_at_what_was_sent(void **state)
{
    static const char text[] =
        "\r\nPUT /x?y HTTP/1.1\r\nHost: a:1\r\nX-Odd_Name:  b c \t\r\nEmpty:\r\n\r\nbody";
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

/* A head that comes byte by byte is parsed while its first line comes, and at the ends of lines
 * that may end it: not for each of its bytes. An unfinished head that was parsed shows its
 * fields. */
static void slow_heads_are_left_alone(void **state)
{
    static const char *const heads[] = { OK "A: b\r\nC: d\r\nE: f\r\n\r\n",
                                         "HTTP/1.1 200 OK\nA: b\nC: d\nE: f\n\n",
                                         GET H "A: b\r\nC: d\r\nE: f\r\n\r\n" };

    (void)state;
    for (size_t i = 0; i < COUNT(heads); i++) {
        parser *parse = heads[i][0] == 'G' ? http_request_parse : http_response_parse;
        size_t n = strlen(heads[i]), first = (size_t)(strchr(heads[i], '\n') + 1 - heads[i]);

        for (size_t k = 1; k < n; k++) {
            assert_int_equal(parse(&head, (struct span){ heads[i], k }, MAX, k - 1), -EAGAIN);
            assert_true(k <= first + 1 || head.n_fields == 0);
        }
        assert_int_equal(parse(&head, (struct span){ heads[i], n }, MAX, n - 1), n);
        assert_int_equal(head.n_fields, i == 2 ? 4 : 3);
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
    assert_true(http_request_parse(&head, SPAN(GET H "Cookie: a\r\nDate: x\r\ncookie: b\r\n\r\n"),
                                   MAX, 0) > 0);
    assert_true(says(http_find(&head, HTTP_COOKIE)->value, "a"));
    assert_int_equal(http_count(&head, HTTP_COOKIE), 2);
    assert_null(http_find(&head, HTTP_TE));
    assert_int_equal(http_count(&head, HTTP_TE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_understood),   cmocka_unit_test(responses_are_understood),
        cmocka_unit_test(responses_are_tolerated),   cmocka_unit_test(spans_point_at_what_was_sent),
        cmocka_unit_test(slow_heads_are_left_alone), cmocka_unit_test(seen_is_a_hint),
        cmocka_unit_test(lists_are_walked),          cmocka_unit_test(fields_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
