/* The table of paths, and the paths that go on as they are. */
#include "proxy/route.h"
#include "proxy_text.h"

#define CHAT_ALLOW "POST, OPTIONS"
#define HEALTH_ALLOW "GET, HEAD, OPTIONS"

static char *const patterns[] = { "/v1/models", "/v1/models/*", "/files/*", "/v1/embeddings" };
static const struct pass_paths pass = { patterns, 4 };

static struct route route_of(const char *method, const char *target)
{
    static struct http_head h;
    static char text[512];

    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: proxy.test\r\n\r\n", method, target);
    request_of(&h, text);
    return route_find(&h, &pass);
}

static void each_path_has_its_handler(void **state)
{
    static const struct {
        const char *method, *target;
        enum route_handler handler;
    } cases[] = {
        { "POST", "/v1/chat/completions", ROUTE_CHAT },
        { "POST", "/v1/chat/completions?a=/healthz", ROUTE_CHAT },
        { "POST", "/v1/chat/completions/", ROUTE_CHAT },
        { "POST", "//v1/chat/completions", ROUTE_CHAT },
        { "POST", "///v1/chat/completions/", ROUTE_CHAT },
        { "POST", "/chat/completions", ROUTE_CHAT },
        { "POST", "//chat/completions/", ROUTE_CHAT },
        { "POST", "http://proxy.test/v1/chat/completions", ROUTE_CHAT },
        { "GET", "/v1/chat/completions", ROUTE_METHOD },
        { "post", "/v1/chat/completions", ROUTE_METHOD },
        { "TRACE", "/v1/chat/completions", ROUTE_METHOD },
        { "OPTIONS", "/v1/chat/completions", ROUTE_OPTIONS },
        { "GET", "/healthz", ROUTE_HEALTH },
        { "HEAD", "/healthz", ROUTE_HEALTH },
        { "GET", "/healthz?x", ROUTE_HEALTH },
        { "POST", "/healthz", ROUTE_METHOD },
        { "GET", "/readyz", ROUTE_READY },
        { "HEAD", "/readyz?x", ROUTE_READY },
        { "POST", "/readyz", ROUTE_METHOD },
        { "GET", "/metrics", ROUTE_METRICS },
        { "HEAD", "/metrics?x=/healthz", ROUTE_METRICS },
        { "PUT", "/metrics", ROUTE_METHOD },
        { "OPTIONS", "/metrics", ROUTE_OPTIONS },
        { "GET", "/metrics/", ROUTE_UNKNOWN },
        { "GET", "/status", ROUTE_STATUS },
        { "HEAD", "/status?x", ROUTE_STATUS },
        { "POST", "/status", ROUTE_METHOD },
        { "GET", "/status/", ROUTE_UNKNOWN },
        { "GET", "/status/events", ROUTE_EVENTS },
        { "DELETE", "/status/events", ROUTE_METHOD },
        { "OPTIONS", "/status/events", ROUTE_OPTIONS },
        { "GET", "/status/event", ROUTE_UNKNOWN },
        { "GET", "/healthz/", ROUTE_UNKNOWN },
        { "GET", "//healthz", ROUTE_UNKNOWN },
        { "OPTIONS", "*", ROUTE_OPTIONS },
        { "OPTIONS", "/nowhere", ROUTE_OPTIONS },
        { "POST", "/", ROUTE_UNKNOWN },
        { "POST", "/v1/chat/completion", ROUTE_UNKNOWN },
        { "POST", "/v1/chat/completions/x", ROUTE_UNKNOWN },
        { "POST", "/v1/chat//completions", ROUTE_UNKNOWN },
        { "POST", "/V1/chat/completions", ROUTE_UNKNOWN },
        { "POST", "/v1/chat%2Fcompletions", ROUTE_UNKNOWN },
        { "GET", "/v1/models", ROUTE_PASS },
        { "DELETE", "/v1/models/a/b", ROUTE_PASS },
        { "WHATEVER", "/files/", ROUTE_PASS },
        { "OPTIONS", "/files/x", ROUTE_OPTIONS },
        { "GET", "/v1/models2", ROUTE_UNKNOWN },
        { "GET", "/v1/model", ROUTE_UNKNOWN },
        { "GET", "/files", ROUTE_UNKNOWN },
        { "POST", "/v1/embeddings/", ROUTE_UNKNOWN },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route r = route_of(cases[i].method, cases[i].target);

        if (r.handler != cases[i].handler)
            fail_msg("%s %s: %d", cases[i].method, cases[i].target, r.handler);
        assert_int_equal(route_forwards(&r), r.handler == ROUTE_CHAT || r.handler == ROUTE_PASS);
    }
}

/* How the same requests are seen by who may not look after the program, and on an address that
 * serves nothing else. */
static void private_paths_are_as_any_others_to_the_public(void **state)
{
    static char *const passes[] = { "/met*", "/status*", "/x" };
    static const struct {
        const char *method, *target;
        enum route_handler open, passed, admin;
    } cases[] = {
        { "GET", "/metrics", ROUTE_UNKNOWN, ROUTE_PASS, ROUTE_METRICS },
        { "POST", "/metrics", ROUTE_UNKNOWN, ROUTE_PASS, ROUTE_METHOD },
        { "GET", "/status", ROUTE_UNKNOWN, ROUTE_PASS, ROUTE_STATUS },
        { "GET", "/status/events", ROUTE_UNKNOWN, ROUTE_PASS, ROUTE_EVENTS },
        { "GET", "/status/x", ROUTE_UNKNOWN, ROUTE_PASS, ROUTE_UNKNOWN },
        { "GET", "/healthz", ROUTE_HEALTH, ROUTE_HEALTH, ROUTE_HEALTH },
        { "GET", "/readyz", ROUTE_READY, ROUTE_READY, ROUTE_READY },
        { "GET", "/x", ROUTE_UNKNOWN, ROUTE_PASS, ROUTE_UNKNOWN },
        { "POST", "/v1/chat/completions", ROUTE_CHAT, ROUTE_CHAT, ROUTE_UNKNOWN },
        { "GET", "/chat/completions", ROUTE_METHOD, ROUTE_METHOD, ROUTE_UNKNOWN },
        { "OPTIONS", "/x", ROUTE_OPTIONS, ROUTE_OPTIONS, ROUTE_OPTIONS },
    };
    const struct pass_paths none = { NULL, 0 }, some = { passes, 3 };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static char text[512];
        struct http_head h;

        snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: proxy.test\r\n\r\n", cases[i].method,
                 cases[i].target);
        request_of(&h, text);
        assert_int_equal(route_is_private(&h),
                         cases[i].open == ROUTE_UNKNOWN && cases[i].admin != ROUTE_UNKNOWN);
        assert_int_equal(route_find_public(&h, &none).handler, cases[i].open);
        assert_int_equal(route_find_public(&h, &some).handler, cases[i].passed);
        assert_int_equal(route_find_admin(&h).handler, cases[i].admin);
    }
}

static void a_path_tells_its_methods(void **state)
{
    (void)state;
    assert_true(span_is(route_of("GET", "/v1/chat/completions").allow, CHAT_ALLOW));
    assert_true(span_is(route_of("OPTIONS", "/chat/completions").allow, CHAT_ALLOW));
    assert_true(span_is(route_of("POST", "/healthz").allow, HEALTH_ALLOW));
    assert_true(span_starts(route_of("OPTIONS", "/v1/models").allow, SPAN("GET, HEAD, POST")));
}

static void a_passed_path_goes_on_as_it_is(void **state)
{
    (void)state;
    assert_true(span_is(route_of("GET", "/v1/models/a%20b?c=d").path, "/v1/models/a%20b"));
    assert_true(span_is(route_of("GET", "/files//x/").path, "/files//x/"));
}

/* What one server takes for a step up, the next takes for a name: such a path would ask for another
 * one than was let through. */
static void steps_in_a_path_are_refused(void **state)
{
    static const char *const bad[] = {
        "/files/..",       "/files/../v1/secret", "/files/./x",       "/files/a/..",
        "/files/%2e%2e/x", "/files/%2E./x",       "/files/.%2e",      "/files/a%2f..%2fb",
        "/files/a\\..\\b", "/files/a%5c..%5Cb",   "/files/a/%2e/b",   "/files//../x",
        "/files/%2e",      "/files/x%2F%2e%2e",   "/v1/models/..%2f",
    };
    static const char *const good[] = {
        "/files/...",  "/files/.x",        "/files/x.", "/files/..x", "/files/a..b",
        "/files/%2ex", "/files/%2e%2e%2e", "/files/%2", "/files/%",   "/files/a/b.json",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (route_of("GET", bad[i]).handler != ROUTE_PATH)
            fail_msg("%s is let through", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (route_of("GET", good[i]).handler != ROUTE_PASS)
            fail_msg("%s is refused", good[i]);
}

/* They would show the client what its request took to the upstream. */
static void methods_that_echo_are_not_passed(void **state)
{
    (void)state;
    assert_int_equal(route_of("TRACE", "/v1/models").handler, ROUTE_METHOD);
    assert_int_equal(route_of("TRACK", "/files/x").handler, ROUTE_METHOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_path_has_its_handler),
        cmocka_unit_test(private_paths_are_as_any_others_to_the_public),
        cmocka_unit_test(a_path_tells_its_methods),
        cmocka_unit_test(a_passed_path_goes_on_as_it_is),
        cmocka_unit_test(steps_in_a_path_are_refused),
        cmocka_unit_test(methods_that_echo_are_not_passed),
    };

    return cmocka_run_group_tests(tests, clean_setup, NULL);
}
