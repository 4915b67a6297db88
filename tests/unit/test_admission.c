/* Who sent a request, as far as those who name the sender are trusted, and who may come in. */
#include "proxy/admission.h"
#include "proxy_text.h"

static struct addr addr_of(const char *text)
{
    struct addr a;

    assert_true(addr_parse(&a, span_of(text)));
    return a;
}

/* The clients that are served with ini where so many descriptors may be open. */
static unsigned served(const char *ini, uint64_t files)
{
    struct settings *s = settings_of(ini);
    unsigned n = admission_limits(s->conf, files).served;

    settings_release(s, NULL);
    return n;
}

static void descriptors_limit_the_clients(void **state)
{
    static const char usual[] = "[server]\nmax_connections = 5000\n",
                      few[] = "[upstream]\nconnection_limit = 10\n";
    struct settings *s = settings_of(usual);
    uint64_t need = admission_files(s->conf);

    (void)state;
    settings_release(s, NULL);
    assert_int_equal(need, 64 + 128 + 5000 + 1000);
    assert_int_equal(served(usual, need), 5000);
    assert_int_equal(served(usual, need - 1), 4999);
    assert_int_equal(served(usual, UINT64_MAX), 5000);
    assert_int_equal(served(usual, 1024), (1024 - 64 - 64) / 2);
    assert_int_equal(served(few, 1024), 1024 - 64 - 64 - 10);
    assert_int_equal(served(usual, 3), 1);
    assert_int_equal(served(usual, 0), 1);
}

static void lists_decide_who_comes_in(void **state)
{
    static const char both[] = "[access]\nip_whitelist = 10.0.0.0/8, 2001:db8::/32, unix:\n"
                               "ip_blacklist = 10.6.6.0/24, 192.0.2.1\n",
                      black[] = "[access]\nip_blacklist = 192.0.2.0/24\n";
    static const struct {
        const char *ini, *address;
        bool allowed;
    } cases[] = {
        { "", "192.0.2.1", true },     { "", "::1", true },
        { black, "192.0.3.1", true },  { black, "192.0.2.255", false },
        { black, "::1", true },        { black, "::ffff:192.0.2.9", false },
        { both, "10.1.2.3", true },    { both, "10.6.6.6", false },
        { both, "192.0.2.1", false },  { both, "11.0.0.1", false },
        { both, "2001:db8::1", true }, { both, "2001:db9::1", false },
    };
    struct settings *s;
    struct addr local = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addr a = addr_of(cases[i].address);

        s = settings_of(cases[i].ini);
        if (admission_allows(s, &a) != cases[i].allowed)
            fail_msg("%s with %s", cases[i].address, cases[i].ini);
        settings_release(s, NULL);
    }
    s = settings_of(both);
    assert_true(admission_allows(s, &local));
    settings_release(s, NULL);
    s = settings_of("[access]\nip_blacklist = unix:\n");
    assert_false(admission_allows(s, &local));
    settings_release(s, NULL);
}

#define TRUSTED "[access]\ntrusted_proxies = 127.0.0.1, 10.9.0.0/16, ::1\n"

static void expect_client(const char *peer, const char *fields, const char *client)
{
    struct settings *s = settings_of(TRUSTED);
    struct addr from = addr_of(peer), found;
    char text[4096], ip[ADDR_TEXT_MAX];
    struct http_head h;

    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: proxy.test\r\n%s\r\n", fields);
    request_of(&h, text);
    found = admission_client(s, &from, &h);
    assert_string_equal(addr_text(&found, ip), client);
    settings_release(s, NULL);
}

#define XFF(list) "X-Forwarded-For: " list "\r\n"

static void the_sender_is_named_from_the_right(void **state)
{
    static const struct {
        const char *peer, *fields, *client;
    } cases[] = {
        { "127.0.0.1", "", "127.0.0.1" },
        { "192.0.2.1", XFF("192.0.2.9"), "192.0.2.1" },
        { "127.0.0.1", XFF("192.0.2.9"), "192.0.2.9" },
        { "::1", XFF("2001:db8::9"), "2001:db8::9" },
        { "127.0.0.1", XFF("1.1.1.1, 192.0.2.9"), "192.0.2.9" },
        { "127.0.0.1", XFF("1.1.1.1, 192.0.2.9, 10.9.1.1"), "192.0.2.9" },
        { "127.0.0.1", XFF("10.9.1.1, 10.9.2.2"), "10.9.1.1" },
        { "127.0.0.1", XFF("1.1.1.1") XFF("192.0.2.9"), "192.0.2.9" },
        { "127.0.0.1", XFF("192.0.2.9") XFF("10.9.0.1, 10.9.0.2"), "192.0.2.9" },
        { "127.0.0.1", XFF("192.0.2.9") "X-Real-IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n",
          "192.0.2.9" },
        { "127.0.0.1", XFF("192.0.2.9:4711"), "192.0.2.9" },
        { "127.0.0.1", XFF("[2001:db8::9]:4711"), "2001:db8::9" },
        { "127.0.0.1", XFF("[2001:db8::9]"), "2001:db8::9" },
        { "127.0.0.1", XFF("192.0.2.9, ,"), "192.0.2.9" },
        { "127.0.0.1", XFF("::ffff:192.0.2.9"), "192.0.2.9" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_client(cases[i].peer, cases[i].fields, cases[i].client);
}

/* Further left nothing can be believed either. */
static void what_is_no_address_ends_the_search(void **state)
{
    (void)state;
    expect_client("127.0.0.1", XFF("unknown"), "127.0.0.1");
    expect_client("127.0.0.1", XFF("192.0.2.9, _hidden, 10.9.0.1"), "10.9.0.1");
    expect_client("127.0.0.1", XFF("192.0.2.9, 10.9.0.1.evil"), "127.0.0.1");
    expect_client("127.0.0.1", XFF("192.0.2.9, \"10.9.0.1\""), "127.0.0.1");
    expect_client("127.0.0.1", XFF("192.0.2.9, 010.9.0.1"), "127.0.0.1");
    expect_client("127.0.0.1", XFF("192.0.2.9, [10.9.0.1"), "127.0.0.1");
    expect_client("127.0.0.1", XFF("192.0.2.9, []"), "127.0.0.1");
    expect_client("127.0.0.1", XFF("192.0.2.9, :"), "127.0.0.1");
}

/* The list may be longer than what is kept of it: the right end counts. */
static void a_long_chain_of_proxies_is_followed_a_while(void **state)
{
    char fields[2048] = "X-Forwarded-For: 192.0.2.9";

    (void)state;
    for (int i = 0; i < 31; i++)
        strcat(fields, ", 10.9.0.1");
    strcat(fields, "\r\n");
    expect_client("127.0.0.1", fields, "192.0.2.9");
    strcpy(fields, "X-Forwarded-For: 192.0.2.9");
    for (int i = 0; i < 40; i++)
        strcat(fields, ", 10.9.0.1");
    strcat(fields, "\r\n");
    expect_client("127.0.0.1", fields, "10.9.0.1");
}

static void without_a_head_it_is_the_peer(void **state)
{
    struct settings *s = settings_of(TRUSTED);
    struct addr peer = addr_of("127.0.0.1"), found = admission_client(s, &peer, NULL);
    char ip[ADDR_TEXT_MAX];

    (void)state;
    assert_string_equal(addr_text(&found, ip), "127.0.0.1");
    settings_release(s, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(descriptors_limit_the_clients, clean_setup),
        cmocka_unit_test(lists_decide_who_comes_in),
        cmocka_unit_test(the_sender_is_named_from_the_right),
        cmocka_unit_test(what_is_no_address_ends_the_search),
        cmocka_unit_test(a_long_chain_of_proxies_is_followed_a_while),
        cmocka_unit_test(without_a_head_it_is_the_peer),
    };

    return cmocka_run_group_tests(tests, clean_setup, NULL);
}
