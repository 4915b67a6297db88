/* Which fields a head's names mean, and which of them belong to the connection.
 * How the bytes are fed is in tests/unit/http_feed.h. */
#include "tests/unit/http_feed.h"

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
    { "Access-Control-Request-Private-Network", HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK,
      false },
    { "Alt-Svc", HTTP_ORIGIN_POLICY, false },
    { "Api-Key", HTTP_API_KEY, false },
    { "X-Api-Key", HTTP_API_KEY, false },
    { "Clear-Site-Data", HTTP_ORIGIN_POLICY, false },
    { "Location", HTTP_LOCATION, false },
    { "NEL", HTTP_ORIGIN_POLICY, false },
    { "Public-Key-Pins", HTTP_ORIGIN_POLICY, false },
    { "Public-Key-Pins-Report-Only", HTTP_ORIGIN_POLICY, false },
    { "Referer", HTTP_PAGE, false },
    { "Report-To", HTTP_ORIGIN_POLICY, false },
    { "Sec-Fetch-Mode", HTTP_PAGE, false },
    { "Set-Cookie", HTTP_ORIGIN_POLICY, false },
    { "Strict-Transport-Security", HTTP_ORIGIN_POLICY, false },
    { "Via", HTTP_VIA, false },
    { "X-Accel-Buffering", HTTP_X_ACCEL_BUFFERING, false },
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
    { "Accept-Encoding", HTTP_ACCEPT_ENCODING, false },
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
    if (name.n > 10 && span_eq_nocase((struct span){ name.p, 10 }, SPAN("sec-fetch-")))
        return true;
    return name.n > 12 &&
        (span_eq_nocase((struct span){ name.p, 12 }, SPAN("x-forwarded-")) ||
         (name.n > 15 && span_eq_nocase((struct span){ name.p, 15 }, SPAN("access-control-"))));
}

static enum http_name id_of(const char *name)
{
    char text[200];
    int n = snprintf(text, sizeof text, OK "%s: chunked\r\n\r\n", name);

    if (http_response_parse(&head, (struct span){ text, (size_t)n }, MAX, 0) != n)
        return http_response_parse(&head, (struct span){ text, (size_t)n }, MAX, 0) == -EBADMSG
            ? HTTP_CONTENT_LENGTH
            : HTTP_OTHER;
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
    static const char secure[] =
        POST "Connection: authorization, Host, content-length, content-type, x-forwarded-for, "
             "x-real-ip, X-A, close\r\n"
             "Authorization: a\r\nContent-Length: 1\r\nContent-Type: a\r\nX-Forwarded-For: "
             "a\r\nX-Real-IP: a\r\nx-a: b\r\nX-B: b\r\n\r\n";
    static const char *const kept[] = {
        "Authorization", "Host", "Content-Length", "Content-Type", "X-Forwarded-For",
        "X-Real-IP",     "X-B"
    };

    (void)state;
    for (size_t i = 0; i < COUNT(kept); i++)
        assert_false(hop(secure, http_request_parse, kept[i]));
    assert_true(hop(secure, http_request_parse, "X-A"));
    assert_true(hop(secure, http_request_parse, "Connection"));
    assert_false(head.keep_alive);
    assert_true(
        hop(GET H "A: b\r\nConnection: x\r\nConnection: y, a\r\n\r\n", http_request_parse, "A"));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_told_apart),
        cmocka_unit_test(connection_names_fields),
        cmocka_unit_test(connection_names_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
