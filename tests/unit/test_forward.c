/* What a request's head becomes for the upstream, and a response's for the client. */
#include "proxy/forward.h"
#include "proxy_text.h"

#define UPSTREAM "[access]\ncors_origins = none\n[upstream]\nproxy = none\nbase_url = "
#define POST "POST /v1/chat/completions HTTP/1.1\r\n"
#define HOST "Host: proxy.test\r\n"

static char text[8192];

static char *const patterns[] = { "/v1", "/v1/*", "/v12/*", "/files/*" };
static const struct pass_paths pass = { patterns, 4 };

/* The head that the request of these bytes becomes, without framing. */
static const char *forwarded(struct settings *s, const char *request, struct authorization auth)
{
    struct forward to = { .settings = s, .target = &s->targets.list[TARGET_DEFAULT], .key = &auth };
    struct http_head h;
    struct route r;
    struct out o;

    request_of(&h, request);
    r = route_find(&h, &pass);
    out_init(&o, text, sizeof text - 1);
    forward_request(&o, &h, &r, &to);
    assert_false(o.overflow);
    text[o.n] = '\0';
    return text;
}

/* The head is start, the instance's name, and end. */
static void expect(const char *ini, const char *request, struct authorization auth,
                   const char *start, const char *end)
{
    struct settings *s = settings_of(ini);
    char whole[4096];

    snprintf(whole, sizeof whole, "%s%s%s\r\n", start, s->instance, end);
    assert_string_equal(forwarded(s, request, auth), whole);
    settings_release(s, NULL);
}

static const struct authorization no_key = { 0 };

static void end_to_end_fields_go_on_as_they_came(void **state)
{
    (void)state;
    expect(UPSTREAM "https://api.test",
           POST HOST "ACCEPT:  text/event-stream \r\nX-A:\r\nContent-Type: application/json\r\n"
                     "Content-Length: 2\r\nx-a: \xc3\xa9;\t\"q\"\r\n\r\n",
           no_key,
           POST "Host: api.test\r\nACCEPT:  text/event-stream \r\nX-A:\r\n"
                "Content-Type: application/json\r\nx-a: \xc3\xa9;\t\"q\"\r\nVia: 1.1 ",
           "");
}

/* Each between two fields that stay. */
static void fields_that_end_here_stay_here(void **state)
{
    static const char *const fields[] = {
        "Host: other.test",
        "Authorization: Bearer client",
        "api-key: client",
        "X-Api-Key: client",
        "Cookie: a=b",
        "Expect: 100-continue",
        "Content-Length: 2",
        "Connection: keep-alive",
        "Connection: close",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eDp5",
        "TE: trailers",
        "Trailer: x",
        "Upgrade: websocket",
        "Forwarded: for=1.2.3.4",
        "X-Forwarded-For: 1.2.3.4",
        "x-forwarded-host: evil.test",
        "X-Forwarded-Anything: x",
        "X-Real-IP: 1.2.3.4",
    };

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        bool is_host = strncmp(fields[i], "Host", 4) == 0;
        char request[512];

        snprintf(request, sizeof request, POST "X-First: 1\r\n%s\r\nX-Last: 2\r\n%s\r\n", fields[i],
                 is_host ? "" : HOST);
        expect(UPSTREAM "http://api.test", request, no_key,
               POST "Host: api.test\r\nX-First: 1\r\nX-Last: 2\r\nVia: 1.1 ", "");
    }
}

static void connection_names_further_fields_that_end_here(void **state)
{
    (void)state;
    expect(UPSTREAM "http://api.test",
           POST HOST "X-One: 1\r\nConnection: x-two, X-THREE\r\nX-Two: 2\r\nx-three: 3\r\n"
                     "X-Four: 4\r\n\r\n",
           no_key, POST "Host: api.test\r\nX-One: 1\r\nX-Four: 4\r\nVia: 1.1 ", "");
}

/* A browser's page was let in here; the upstream would judge it once more. */
static void a_page_is_not_told_of_where_it_was_let_in(void **state)
{
    static const char page[] =
        POST HOST "Origin: https://page.test\r\nReferer: https://page.test/x\r\n"
                  "Sec-Fetch-Mode: cors\r\nX-A: 1\r\n\r\n";

    (void)state;
    expect("[upstream]\nproxy = none\nbase_url = http://api.test\n", page, no_key,
           POST "Host: api.test\r\nX-A: 1\r\nVia: 1.1 ", "");
    expect(UPSTREAM "http://api.test\n", page, no_key,
           POST "Host: api.test\r\nOrigin: https://page.test\r\nReferer: https://page.test/x\r\n"
                "Sec-Fetch-Mode: cors\r\nX-A: 1\r\nVia: 1.1 ",
           "");
}

static void the_target_is_the_upstreams(void **state)
{
    static const struct {
        const char *base, *target, *line;
    } cases[] = {
        { "http://api.test", "/v1/chat/completions", "/v1/chat/completions" },
        { "http://api.test/v1", "/chat/completions", "/v1/chat/completions" },
        { "http://api.test/v1/", "//v1/chat/completions/", "/v1/chat/completions" },
        { "http://api.test/openai", "/v1/chat/completions", "/openai/v1/chat/completions" },
        { "http://api.test", "/v1/chat/completions?a=b&c", "/v1/chat/completions?a=b&c" },
        { "http://api.test", "/v1/chat/completions?", "/v1/chat/completions?" },
        { "http://api.test\nproxy_url_path = /x?api-version=1", "/v1/chat/completions?a=b",
          "/x?api-version=1&a=b" },
        { "http://api.test", "/v1/models", "/v1/models" },
        { "http://api.test/v1", "/v1/models/a%20b?c=d", "/v1/models/a%20b?c=d" },
        { "http://api.test/api/v3", "/v1/models", "/api/v3/models" },
        { "http://api.test/openai", "/v1/models", "/openai/v1/models" },
        { "http://api.test/api/v3", "/v1", "/api/v3" },
        { "http://api.test/api/v3", "/v12/x", "/api/v3/v12/x" },
        { "http://api.test/api/v3", "/files/x", "/api/v3/files/x" },
        { "http://api.test/api/vx", "/v1/models", "/api/vx/v1/models" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char ini[256], request[256], line[256];

        snprintf(ini, sizeof ini, UPSTREAM "%s\n", cases[i].base);
        snprintf(request, sizeof request, "POST %s HTTP/1.1\r\n" HOST "\r\n", cases[i].target);
        snprintf(line, sizeof line, "POST %s HTTP/1.1\r\nHost: api.test\r\nVia: 1.1 ",
                 cases[i].line);
        expect(ini, request, no_key, line, "");
    }
}

static void the_host_has_its_port_where_it_is_not_the_usual_one(void **state)
{
    (void)state;
    expect(UPSTREAM "https://api.test:8443", POST HOST "\r\n", no_key,
           POST "Host: api.test:8443\r\nVia: 1.1 ", "");
    expect(UPSTREAM "http://[::1]:80", POST HOST "\r\n", no_key, POST "Host: [::1]\r\nVia: 1.1 ",
           "");
}

static void the_key_goes_in_the_field_that_the_upstream_wants(void **state)
{
    static const char request[] = POST HOST "Authorization: Bearer client\r\n\r\n",
                      other[] = POST HOST "api-key: client\r\n\r\n";
    struct authorization real = { .token = SPAN("sk-real") }, own = { .as_sent = true };

    (void)state;
    expect(UPSTREAM "http://api.test", request, real,
           POST "Host: api.test\r\nAuthorization: Bearer sk-real\r\nVia: 1.1 ", "");
    expect(UPSTREAM "http://api.test\nauth_header = api-key", request, real,
           POST "Host: api.test\r\napi-key: sk-real\r\nVia: 1.1 ", "");
    expect(UPSTREAM "http://api.test", request, own,
           POST "Host: api.test\r\nAuthorization: Bearer client\r\nVia: 1.1 ", "");
    expect(UPSTREAM "http://api.test", other, real,
           POST "Host: api.test\r\nAuthorization: Bearer sk-real\r\nVia: 1.1 ", "");
}

static void an_http_proxy_gets_the_whole_url(void **state)
{
    (void)state;
    expect("[access]\ncors_origins = none\n[upstream]\nbase_url = http://api.test:81/v1\n"
           "proxy = http://me:pw@out.test:3128\n",
           POST HOST "\r\n", no_key,
           "POST http://api.test:81/v1/chat/completions HTTP/1.1\r\nHost: api.test:81\r\nVia: 1.1 ",
           "\r\nProxy-Authorization: Basic bWU6cHc=\r\nConnection: keep-alive");
    expect("[access]\ncors_origins = none\n[upstream]\nbase_url = http://api.test\n"
           "proxy = http://out.test:3128\n",
           POST HOST "\r\n", no_key,
           "POST http://api.test/v1/chat/completions HTTP/1.1\r\nHost: api.test\r\nVia: 1.1 ",
           "\r\nConnection: keep-alive");
}

static void without_a_pool_the_connection_is_said_to_end(void **state)
{
    (void)state;
    expect(UPSTREAM "http://api.test\nkeepalive_timeout = 0", POST HOST "\r\n", no_key,
           POST "Host: api.test\r\nVia: 1.1 ", "\r\nConnection: close");
}

/* Whatever names and proxies lie between, a request that comes back carries our name. */
static void a_request_that_was_here_is_known(void **state)
{
    struct settings *s = settings_of(UPSTREAM "http://api.test"), *other;
    struct http_head h;
    char again[8192];

    (void)state;
    other = settings_of(UPSTREAM "http://api.test");
    request_of(&h, POST HOST "Via: 1.1 openai-chat-proxy, 1.0 fred (a)\r\n\r\n");
    assert_false(forward_is_loop(&h, s));
    snprintf(again, sizeof again, "%s\r\n",
             forwarded(s, "POST /v1/chat/completions HTTP/1.0\r\nVia: 1.1 x\r\n\r\n", no_key));
    assert_non_null(strstr(again, "Via: 1.0 openai-chat-proxy-"));
    request_of(&h, again);
    assert_true(forward_is_loop(&h, s));
    assert_false(forward_is_loop(&h, other));
    settings_release(s, NULL);
    settings_release(other, NULL);
}

static void framing_ends_the_head(void **state)
{
    struct out o;

    (void)state;
    out_init(&o, text, sizeof text);
    forward_framing(&o, HTTP_CHUNKED, 7);
    forward_framing(&o, HTTP_LENGTH, 18446744073709551615u);
    forward_framing(&o, HTTP_NO_BODY, 7);
    forward_framing(&o, HTTP_UNTIL_CLOSE, 7);
    text[o.n] = '\0';
    assert_string_equal(text,
                        "Transfer-Encoding: chunked\r\n\r\n"
                        "Content-Length: 18446744073709551615\r\n\r\n\r\n\r\n");
}

/* Responses */

static void expect_response(const char *base, const char *head, unsigned flags, const char *becomes)
{
    char ini[256];
    struct settings *s;
    struct http_head h;
    struct out o;

    snprintf(ini, sizeof ini, UPSTREAM "%s\n", base);
    s = settings_of(ini);
    response_of(&h, head);
    out_init(&o, text, sizeof text - 1);
    forward_response(&o, &h, s->targets.list[TARGET_DEFAULT].upstream, flags);
    text[o.n] = '\0';
    assert_string_equal(text, becomes);
    settings_release(s, NULL);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void a_response_goes_on_without_what_is_this_hops_or_its_origins(void **state)
{
    static const char *const fields[] = {
        "Connection: x-gone",
        "x-gone: 1",
        "Keep-Alive: timeout=5",
        "Transfer-Encoding: chunked",
        "Trailer: x",
        "Upgrade: h2c",
        "Proxy-Authenticate: Basic realm=x",
        "Set-Cookie: a=b",
        "Alt-Svc: h3=\":443\"",
        "Strict-Transport-Security: max-age=1",
        "Clear-Site-Data: \"*\"",
        "NEL: {}",
        "Report-To: {}",
        "Public-Key-Pins: x",
        "Public-Key-Pins-Report-Only: x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char head[512];

        snprintf(head, sizeof head, OK "X-First: 1\r\n%s\r\n%sretry-after:  2 \r\n\r\n", fields[i],
                 strncmp(fields[i], "x-gone", 6) == 0 ? "Connection: X-Gone\r\n" : "");
        expect_response("http://api.test", head, 0, OK "X-First: 1\r\nretry-after:  2 \r\n");
    }
}

static void a_status_line_is_written_again(void **state)
{
    (void)state;
    expect_response("http://api.test", "HTTP/1.0 429 Slow  down\r\n\r\n", 0,
                    "HTTP/1.1 429 Slow  down\r\n");
    expect_response("http://api.test", "HTTP/1.1 599\r\n\r\n", 0, "HTTP/1.1 599 \r\n");
}

static void length_and_cors_depend_on_who_speaks_for_them(void **state)
{
    static const char head[] = OK "Content-Length: 2\r\nAccess-Control-Allow-Origin: *\r\n"
                                  "Access-Control-Max-Age: 1\r\nX-A: 1\r\n\r\n";

    (void)state;
    expect_response("http://api.test", head, 0,
                    OK "Access-Control-Allow-Origin: *\r\nAccess-Control-Max-Age: 1\r\n"
                       "X-A: 1\r\n");
    expect_response("http://api.test", head, FORWARD_LENGTH | FORWARD_OWN_CORS,
                    OK "Content-Length: 2\r\nX-A: 1\r\n");
}

/* Only what leads to the upstream's own target leads past the proxy. */
static void a_redirection_to_the_target_comes_back_here(void **state)
{
    static const char ours[] = "/v1/chat/completions";
    static const struct {
        const char *location, *becomes; /* NULL: as it came */
    } cases[] = {
        { "https://api.test/base/v1/chat/completions", ours },
        { "https://api.test:443/base/v1/chat/completions", ours },
        { "HTTPS://API.test/base/v1/chat/completions?a=b", "/v1/chat/completions?a=b" },
        { "//api.test/base/v1/chat/completions#x", "/v1/chat/completions#x" },
        { "/base/v1/chat/completions/", "/v1/chat/completions/" },
        { "/base/v1/chat/completions2", NULL },
        { "/v1/chat/completions", NULL },
        { "http://api.test/base/v1/chat/completions", NULL },
        { "https://api.test.evil/base/v1/chat/completions", NULL },
        { "https://api.test@evil/base/v1/chat/completions", NULL },
        { "https://other.test/base/v1/chat/completions", NULL },
        { "https://api.test:8443/base/v1/chat/completions", NULL },
        { "//other.test/base/v1/chat/completions", NULL },
        { "https://api.test", NULL },
        { "https/base/v1/chat/completions", NULL },
        { "base/v1/chat/completions", NULL },
        { "/base", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *becomes = cases[i].becomes;
        char head[256], expected[256];

        snprintf(head, sizeof head, "HTTP/1.1 307 T\r\nLocation: %s\r\nX-A: 1\r\n\r\n",
                 cases[i].location);
        if (becomes)
            snprintf(expected, sizeof expected, "HTTP/1.1 307 T\r\nLocation: %s\r\nX-A: 1\r\n",
                     becomes);
        else
            snprintf(expected, sizeof expected, "%.*s", (int)strlen(head) - 2, head);
        expect_response("https://api.test/base", head, 0, expected);
    }
    expect_response("https://api.test/base", OK "Location: /base/v1/chat/completions\r\n\r\n", 0,
                    OK "Location: /base/v1/chat/completions\r\n");
}

/* What was read with kindness is passed on without its faults. */
static void a_tolerated_head_is_written_clean(void **state)
{
    (void)state;
    expect_response("http://api.test", "HTTP/1.1 200 OK\nX-A :  1 \nX-B: 2\r\n\n", 0,
                    OK "X-A: 1\r\nX-B: 2\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_to_end_fields_go_on_as_they_came),
        cmocka_unit_test(fields_that_end_here_stay_here),
        cmocka_unit_test(connection_names_further_fields_that_end_here),
        cmocka_unit_test(a_page_is_not_told_of_where_it_was_let_in),
        cmocka_unit_test(the_target_is_the_upstreams),
        cmocka_unit_test(the_host_has_its_port_where_it_is_not_the_usual_one),
        cmocka_unit_test(the_key_goes_in_the_field_that_the_upstream_wants),
        cmocka_unit_test(an_http_proxy_gets_the_whole_url),
        cmocka_unit_test(without_a_pool_the_connection_is_said_to_end),
        cmocka_unit_test(a_request_that_was_here_is_known),
        cmocka_unit_test(framing_ends_the_head),
        cmocka_unit_test(a_response_goes_on_without_what_is_this_hops_or_its_origins),
        cmocka_unit_test(a_status_line_is_written_again),
        cmocka_unit_test(length_and_cors_depend_on_who_speaks_for_them),
        cmocka_unit_test(a_redirection_to_the_target_comes_back_here),
        cmocka_unit_test(a_tolerated_head_is_written_clean),
    };

    return cmocka_run_group_tests(tests, clean_setup, NULL);
}
