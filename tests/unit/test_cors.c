/* Which pages may call, and the fields that tell the browser. */
#include "proxy/cors.h"
#include "proxy_text.h"

#define HEAD(fields) "POST / HTTP/1.1\r\nHost: proxy.test\r\n" fields "\r\n"

static const char all[] = "", none[] = "[access]\ncors_origins = none\n",
                  two[] = "[access]\ncors_origins = https://a.test, http://b.test:8080\n";

static void who_is_let_in(void **state)
{
    static const struct {
        const char *ini, *fields, *origin;
    } cases[] = {
        { all, HEAD("Origin: https://anyone.test\r\n"), "*" },
        { all, HEAD("Origin: null\r\n"), "*" },
        { all, HEAD(""), NULL },
        { none, HEAD("Origin: https://a.test\r\n"), NULL },
        { two, HEAD("Origin: https://a.test\r\n"), "https://a.test" },
        { two, HEAD("origin: HTTPS://A.TEST\r\n"), "https://a.test" },
        { two, HEAD("Origin: http://b.test:8080\r\n"), "http://b.test:8080" },
        { two, HEAD("Origin: http://b.test\r\n"), NULL },
        { two, HEAD("Origin: https://a.test.evil\r\n"), NULL },
        { two, HEAD("Origin: https://a.tes\r\n"), NULL },
        { two, HEAD("Origin: https://a.test, http://b.test:8080\r\n"), NULL },
        { two, HEAD(""), NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings *s = settings_of(cases[i].ini);
        struct http_head h;
        const char *origin;

        request_of(&h, cases[i].fields);
        origin = cors_origin(s->conf, &h);
        if (!origin != !cases[i].origin || (origin && strcmp(origin, cases[i].origin) != 0))
            fail_msg("%s: %s", cases[i].fields, origin ? origin : "nobody");
        settings_release(s, NULL);
    }
}

/* A page has to be able to read why its request was refused. */
static void a_request_that_was_not_understood_may_be_a_pages(void **state)
{
    struct settings *s = settings_of(all), *listed = settings_of(two), *closed = settings_of(none);
    struct http_head h;

    (void)state;
    assert_int_equal(http_request_parse(&h, SPAN(HEAD("Bad field\r\n")), 1000, 0), -EBADMSG);
    assert_string_equal(cors_origin(s->conf, &h), "*");
    assert_string_equal(cors_origin(s->conf, NULL), "*");
    assert_null(cors_origin(listed->conf, NULL));
    assert_null(cors_origin(closed->conf, NULL));
    settings_release(s, NULL);
    settings_release(listed, NULL);
    settings_release(closed, NULL);
}

static void expect_put(const char *ini, const char *origin, const char *fields)
{
    struct settings *s = settings_of(ini);
    char text[512];
    struct out o;

    out_init(&o, text, sizeof text);
    cors_put(&o, s->conf, origin);
    text[o.n] = '\0';
    assert_string_equal(text, fields);
    settings_release(s, NULL);
}

/* What depends on the origin says so even where this origin got nothing: a cache would hand the
 * answer to the next. */
static void responses_say_what_they_vary_by(void **state)
{
    (void)state;
    expect_put(all, "*", "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: *\r\n");
    expect_put(all, NULL, "");
    expect_put(none, NULL, "");
    expect_put(two, NULL, "Vary: Origin\r\n");
    expect_put(two, "https://a.test",
               "Access-Control-Allow-Origin: https://a.test\r\n"
               "Access-Control-Expose-Headers: *\r\nVary: Origin\r\n");
}

static void expect_preflight(const char *head, const char *origin, const char *fields)
{
    char text[512];
    struct out o;
    struct http_head h;

    request_of(&h, head);
    out_init(&o, text, sizeof text);
    cors_put_preflight(&o, &h, SPAN("POST, OPTIONS"), origin);
    text[o.n] = '\0';
    assert_string_equal(text, fields);
}

#define METHODS "Access-Control-Allow-Methods: POST, OPTIONS\r\n"
#define REST "Access-Control-Max-Age: 600\r\nVary: Access-Control-Request-Headers\r\n"
#define PRIVATE "Access-Control-Request-Private-Network: true\r\n"

static void a_preflight_gets_back_the_fields_it_asks_for(void **state)
{
    (void)state;
    expect_preflight(HEAD("Access-Control-Request-Headers: x-a, authorization\r\n"), "*",
                     METHODS "Access-Control-Allow-Headers: x-a, authorization\r\n" REST);
    expect_preflight(HEAD(""), "https://a.test", METHODS REST);
    expect_preflight(HEAD("Access-Control-Request-Headers: x-a\r\n"), NULL, "");
}

/* Any page of the web could reach into the house otherwise. */
static void the_private_network_is_for_listed_pages(void **state)
{
    (void)state;
    expect_preflight(HEAD(PRIVATE), "https://a.test",
                     METHODS "Access-Control-Allow-Private-Network: true\r\n" REST);
    expect_preflight(HEAD(PRIVATE), "*", METHODS REST);
    expect_preflight(HEAD(PRIVATE), NULL, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_let_in),
        cmocka_unit_test(a_request_that_was_not_understood_may_be_a_pages),
        cmocka_unit_test(responses_say_what_they_vary_by),
        cmocka_unit_test(a_preflight_gets_back_the_fields_it_asks_for),
        cmocka_unit_test(the_private_network_is_for_listed_pages),
    };

    return cmocka_run_group_tests(tests, clean_setup, NULL);
}
