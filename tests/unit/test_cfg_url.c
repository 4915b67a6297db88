/* base_url and proxy, the path of requests, and the proxies that the environment names. no_proxy is
 * tested entry by entry against curl's behaviour. */
#include "tests/unit/cfg_text.h"

#include "cfg/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static const struct good {
    enum conf_url_kind kind;
    const char *text;
    const char *scheme, *host;
    int port;
    const char *path, *user, *password;
    const char *masked; /* NULL: as text */
} good[] = {
    { URL_BASE, "https://api.openai.com", "https", "api.openai.com", 443, "", NULL, NULL, NULL },
    { URL_BASE, "http://h", "http", "h", 80, "", NULL, NULL, NULL },
    { URL_BASE, "HTTP://Host.Example:8080/", "http", "host.example", 8080, "", NULL, NULL, NULL },
    { URL_BASE, "https://h/api/v1//", "https", "h", 443, "/api/v1", NULL, NULL, NULL },
    { URL_BASE, "https://[::1]:1/x", "https", "::1", 1, "/x", NULL, NULL, NULL },
    { URL_BASE, "https://[2001:DB8::1]", "https", "2001:db8::1", 443, "", NULL, NULL, NULL },
    { URL_BASE, "http://127.0.0.1:65535", "http", "127.0.0.1", 65535, "", NULL, NULL, NULL },
    { URL_BASE, "http://my_service.internal.", "http", "my_service.internal.", 80, "", NULL, NULL,
      NULL },
    { URL_BASE, "http://h/a@b:c", "http", "h", 80, "/a@b:c", NULL, NULL, NULL },
    { URL_PROXY, "http://proxy", "http", "proxy", 80, "", NULL, NULL, NULL },
    { URL_PROXY, "http://proxy:3128/", "http", "proxy", 3128, "", NULL, NULL, NULL },
    { URL_PROXY, "https://u:p@proxy", "https", "proxy", 443, "", "u", "p", "https://***@proxy" },
    { URL_PROXY, "socks5://u@[::1]", "socks5", "::1", 1080, "", "u", "", "socks5://***@[::1]" },
    { URL_PROXY, "SOCKS5H://a%40b:p%3A%2f%20x:y@h:9", "socks5h", "h", 9, "", "a@b", "p:/ x:y",
      "SOCKS5H://***@h:9" },
    { URL_PROXY, "http://u:p@x@h", "http", "h", 80, "", "u", "p@x", "http://***@h" },
    { URL_PROXY, "socks4://u@h", "socks4", "h", 1080, "", "u", "", "socks4://***@h" },
    { URL_PROXY, "Socks4a://h:9", "socks4a", "h", 9, "", NULL, NULL, NULL },
    { URL_PROXY, "socks://h", "socks", "h", 1080, "", NULL, NULL, NULL },
    { URL_PROXY_ENV, "socks4a://h", "socks4a", "h", 1080, "", NULL, NULL, "socks4a://h:1080" },
    { URL_BASE, "https://h//api///v3//", "https", "h", 443, "/api/v3", NULL, NULL, NULL },
    { URL_BASE, "https://h//", "https", "h", 443, "", NULL, NULL, NULL },
    { URL_PROXY_ENV, "proxy:3128", "http", "proxy", 3128, "", NULL, NULL, "http://proxy:3128" },
    { URL_PROXY_ENV, "u:p@proxy", "http", "proxy", 1080, "", "u", "p", "http://***@proxy:1080" },
    { URL_PROXY_ENV, "http://[::1]/some/path", "http", "::1", 1080, "", NULL, NULL,
      "http://[::1]:1080" },
    { URL_PROXY_ENV, "https://proxy", "https", "proxy", 443, "", NULL, NULL, "https://proxy:443" },
};

static void same(const char *a, const char *b)
{
    if (a && b)
        assert_string_equal(a, b);
    else
        assert_ptr_equal(a, b);
}

static void takes_urls_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const struct good *g = &good[i];
        const char *why = NULL;
        struct conf_url u;
        int err = conf_url_parse(&u, span_of(g->text), g->kind, &why);

        if (err != 0)
            fail_msg("%s: %s", g->text, why);
        same(u.scheme, g->scheme);
        same(u.host, g->host);
        assert_int_equal(u.port, g->port);
        same(u.path, g->path);
        same(u.user, g->user);
        same(u.password, g->password);
        same(u.text, g->masked ? g->masked : g->text);
        assert_int_equal(u.is_address, strchr(g->host, ':') || strcmp(g->host, "127.0.0.1") == 0);
        conf_url_free(&u);
    }
}

static const struct bad {
    enum conf_url_kind kind;
    const char *text, *why;
} bad[] = {
    { URL_BASE, "", "is empty" },
    { URL_BASE, "api.openai.com", "must start with http:// or https://" },
    { URL_BASE, "htps://h", "must start with http:// or https://" },
    { URL_BASE, "socks5://h", "must start with http:// or https://" },
    { URL_BASE, "\"https://h\"", "starts with a quote" },
    { URL_BASE, "https://h h", "holds a blank" },
    { URL_BASE, "https://h\r\nx", "control character" },
    { URL_BASE, "https://h\x7f", "control character" },
    { URL_BASE,
      "https://b\xc3\xbc"
      "cher",
      "xn--" },
    { URL_BASE, "https://h\\x", "backslash" },
    { URL_BASE, "https://", "has no host" },
    { URL_BASE, "https:///x", "has no host" },
    { URL_BASE, "https://:80", "has no host" },
    { URL_BASE, "https://h:", "bad port" },
    { URL_BASE, "https://h:0", "bad port" },
    { URL_BASE, "https://h:65536", "bad port" },
    { URL_BASE, "https://h:8o", "bad port" },
    { URL_BASE, "https://h:000080", "bad port" },
    { URL_BASE, "https://::1/", "needs brackets" },
    { URL_BASE, "https://[::1", "'[' without a ']'" },
    { URL_BASE, "https://[]", "no IPv6 address" },
    { URL_BASE, "https://[1.2.3.4]", "no IPv6 address" },
    { URL_BASE, "https://[fe80::1%25eth0]", "no IPv6 address" },
    { URL_BASE, "https://[::1]80", "other than :PORT" },
    { URL_BASE, "https://u:p@h", "user name or password" },
    { URL_BASE, "https://@h", "user name or password" },
    { URL_BASE, "https://h?x", "'?'" },
    { URL_BASE, "https://h/x?y", "'?'" },
    { URL_BASE, "https://h#x", "'#'" },
    { URL_BASE, "https://a..b", "empty part" },
    { URL_BASE, "https://.b", "empty part" },
    { URL_BASE, "https://a,b", "letters, digits" },
    { URL_BASE, "https://1.2.3.400", "looks like an IPv4 address" },
    { URL_BASE, "https://127.1", "looks like an IPv4 address" },
    { URL_PROXY, "proxy:3128",
      "must start with http://, https://, socks5://, socks5h://, socks4:// or socks4a://" },
    { URL_PROXY, "socks6://h", "must start with" },
    { URL_BASE, "socks4://h", "must start with http:// or https://" },
    { URL_PROXY, "http://h/x", "has a path" },
    { URL_PROXY, "http://u:%zz@h", "two hex digits" },
    { URL_PROXY, "http://u:%4@h", "two hex digits" },
    { URL_PROXY, "http://u:%@h", "two hex digits" },
    { URL_PROXY, "http://u%0d:p@h", "control character" },
    { URL_PROXY, "http://u:%00@h", "control character" },
    { URL_PROXY_ENV, "quic://h", "must start with" },
};

static void refuses_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *why = NULL;
        struct conf_url u;
        int err = conf_url_parse(&u, span_of(bad[i].text), bad[i].kind, &why);

        if (err != -EINVAL || !strstr(why, bad[i].why))
            fail_msg("%s: %d, %s", bad[i].text, err, why ? why : "(nothing)");
        conf_url_free(&u);
    }
}

static const struct noproxy {
    const char *list, *host;
    bool covered;
} noproxy[] = {
    { "", "a", false },
    { "*", "anything", true },
    { "*", "10.0.0.1", true },
    { "a,*", "b", false },
    { "example.com", "example.com", true },
    { "example.com", "EXAMPLE.com", true },
    { "example.com", "www.example.com", true },
    { "example.com", "nonexample.com", false },
    { ".example.com", "example.com", true },
    { ".example.com", "www.example.com", true },
    { ".example.com", "nonexample.com", false },
    { "example.com.", "www.example.com", true },
    { "example.com", "example.com.", true },
    { "www.example.com", "example.com", false },
    { "localhost, example.com", "example.com", true },
    { "localhost,,,   ,example.com", "example.com", true },
    { "example.com:443", "example.com", false },
    { ".", "a", false },
    { "127.0.0.1", "127.0.0.1", true },
    { "127.0.0.1", "127.0.0.2", false },
    { "127.0.0.0/8", "127.9.9.9", true },
    { "192.168.0.0/24", "192.168.0.77", true },
    { "192.168.0.0/24", "192.168.1.1", false },
    { "192.168.0.0/23", "192.168.1.1", true },
    { "192.168.0.0/25", "192.168.0.128", false },
    { "192.168.0.0", "192.168.0.1", false },
    { "192.168.0.1/32", "192.168.0.1", true },
    { "192.168.0.0/33", "192.168.0.0", false },
    { "192.168.0.0/x", "192.168.0.0", false },
    { "0.0.0.0/0", "1.2.3.4", false },
    { "10.0.0.0/8", "example.com", false },
    { ".0.0.1", "127.0.0.1", false },
    { "::1", "::1", true },
    { "0::1", "::1", true },
    { "::1/64", "::7", true },
    { "2001:db8::/33", "2001:db8:7fff::1", true },
    { "2001:db8::/33", "2001:db8:8000::1", false },
    { "2001:db8::/129", "2001:db8::", false },
    { "10.0.0.0/8", "::1", false },
    { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaa",
      "::1", false },
};

static void no_proxy_as_curl(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof noproxy / sizeof *noproxy; i++)
        if (conf_no_proxy(noproxy[i].list, noproxy[i].host) != noproxy[i].covered)
            fail_msg("no_proxy '%s' and host '%s'", noproxy[i].list, noproxy[i].host);
    assert_false(conf_no_proxy(NULL, "a"));
}

static const struct environment {
    const char *set[3]; /* NAME=value */
    const char *base;
    const char *host; /* of the proxy; NULL: direct */
} environments[] = {
    { { NULL }, "https://a", NULL },
    { { "https_proxy=http://low:1", "HTTPS_PROXY=http://up:1" }, "https://a", "low" },
    { { "HTTPS_PROXY=http://up:1" }, "https://a", "up" },
    { { "https_proxy=", "HTTPS_PROXY=http://up:1" }, "https://a", "up" },
    { { "https_proxy=http://low:1" }, "http://a", NULL },
    { { "http_proxy=http://low:1" }, "http://a", "low" },
    { { "HTTP_PROXY=http://httpoxy:1" }, "http://a", NULL },
    { { "http_proxy=http://low:1" }, "https://a", NULL },
    { { "all_proxy=socks5h://all:1", "ALL_PROXY=http://x:1" }, "https://a", "all" },
    { { "ALL_PROXY=socks5://all" }, "http://a", "all" },
    { { "all_proxy=socks5://all", "https_proxy=http://low:1" }, "https://a", "low" },
    { { "https_proxy=low:1", "no_proxy=b, .a" }, "https://a", NULL },
    { { "https_proxy=low:1", "NO_PROXY=a" }, "https://a", NULL },
    { { "https_proxy=low:1", "NO_PROXY=a", "no_proxy=b" }, "https://a", "low" },
    { { "https_proxy=low:1", "no_proxy=10.0.0.0/8" }, "https://10.1.1.1", NULL },
    { { "https_proxy=low:1", "no_proxy=::1" }, "https://[::1]:80", NULL },
};

static void proxy_from_environment(void **state)
{
    struct loaded l;

    (void)state;
    for (size_t i = 0; i < sizeof environments / sizeof *environments; i++) {
        const struct environment *e = &environments[i];
        char text[200], name[100];

        clean_environment();
        for (int j = 0; j < 3 && e->set[j]; j++) {
            size_t n = strcspn(e->set[j], "=");

            snprintf(name, sizeof name, "%.*s", (int)n, e->set[j]);
            setenv(name, e->set[j] + n + 1, 1);
        }
        snprintf(text, sizeof text, "[upstream]\nbase_url = %s\n", e->base);
        l = load_text(text);
        assert_string_equal(l.errors, "");
        same(l.c->upstreams[0].proxy.host, e->host);
        loaded_free(&l);
        snprintf(text, sizeof text, "[upstream]\nbase_url = %s\nproxy = none\n", e->base);
        l = load_text(text);
        same(l.c->upstreams[0].proxy.host, NULL);
        loaded_free(&l);
    }
    clean_environment();
    setenv("https_proxy", "quic://SECRET@h", 1);
    l = load_text("[server]\nworkers=1\n");
    assert_int_equal(l.err, -EINVAL);
    assert_non_null(strstr(
        l.errors,
        "test.ini: [upstream] proxy: the URL in the environment's https_proxy must start with"));
    assert_null(strstr(l.errors, "SECRET"));
    loaded_free(&l);
    clean_environment();
}

static void joins_the_target(void **state)
{
    static const char *const rows[][3] = {
        { "https://h", "/v1/chat/completions", "/v1/chat/completions" },
        { "https://h/", "/v1/chat/completions", "/v1/chat/completions" },
        { "https://h/v1", "/v1/chat/completions", "/v1/chat/completions" },
        { "https://h/v1/", "/v1/chat/completions", "/v1/chat/completions" },
        { "https://h/api/v1", "/v1/chat/completions", "/api/v1/chat/completions" },
        { "https://h/api", "/v1/chat/completions", "/api/v1/chat/completions" },
        { "https://h/v1", "/chat", "/v1/chat" },
        { "https://h/v1", "/v10/chat", "/v1/v10/chat" },
        { "https://h/xv1", "/v1/chat", "/xv1/v1/chat" },
        { "https://h/v1", "/v1", "/v1" },
        { "https://h/v1", "/v1?a=b", "/v1?a=b" },
        { "https://h/x", "/?a=b", "/x/?a=b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200];
        struct loaded l;

        snprintf(text, sizeof text, "[upstream]\nbase_url = %s\nproxy_url_path = %s\n", rows[i][0],
                 rows[i][1]);
        l = load_text(text);
        assert_int_equal(l.err, 0);
        assert_string_equal(l.c->upstreams[0].target, rows[i][2]);
        loaded_free(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_urls_apart), cmocka_unit_test(refuses_urls),
        cmocka_unit_test(no_proxy_as_curl), cmocka_unit_test(proxy_from_environment),
        cmocka_unit_test(joins_the_target),
    };

    clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
