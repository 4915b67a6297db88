/* What a request or response head that is taken means.
 * How the bytes are fed is in tests/unit/http_feed.h. */
#include "tests/unit/http_feed.h"

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
        if (!span_eq(head.reason, span_of(good_responses[i].reason)) || head.status != good_responses[i].status ||
            head.content_length != (length < 0 ? -1 : length) || head.chunked != (length == -2) ||
            head.keep_alive != good_responses[i].keep_alive || head.says_keep_alive != good_responses[i].says_so)
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
        cmocka_unit_test(requests_are_understood),
        cmocka_unit_test(responses_are_understood),
        cmocka_unit_test(spans_point_at_what_was_sent),
        cmocka_unit_test(names_are_told_apart),
        cmocka_unit_test(connection_names_fields),
        cmocka_unit_test(connection_names_are_bounded),
        cmocka_unit_test(seen_is_a_hint),
        cmocka_unit_test(lists_are_walked),
        cmocka_unit_test(fields_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
