/* What a configuration says of the upstream: the URL that base_url leads to, the fields of
 * [upstream_headers], ways that lead back, and the mends of what is often written. */
#include "tests/unit/cfg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

/* base_url and proxy_url_path (NULL: not given), and the URL that comes of them. */
static const struct {
    const char *base, *path, *url;
} targets[] = {
    { "https://h", NULL, "https://h/v1/chat/completions" },
    { "https://h/", NULL, "https://h/v1/chat/completions" },
    { "https://h/v1", NULL, "https://h/v1/chat/completions" },
    { "https://h//v1//", NULL, "https://h/v1/chat/completions" },
    { "https://h/V1", NULL, "https://h/V1/chat/completions" },
    { "https://h/api", NULL, "https://h/api/v1/chat/completions" },
    { "https://h/api/v3", NULL, "https://h/api/v3/chat/completions" },
    { "https://h/api/paas/v4/", NULL, "https://h/api/paas/v4/chat/completions" },
    { "https://h/v1beta/openai/", NULL, "https://h/v1beta/openai/chat/completions" },
    { "https://h/v1beta2", NULL, "https://h/v1beta2/chat/completions" },
    { "https://h/v1/account/gateway/openai", NULL,
      "https://h/v1/account/gateway/openai/chat/completions" },
    { "https://h/vendor", NULL, "https://h/vendor/v1/chat/completions" },
    { "https://h/v", NULL, "https://h/v/v1/chat/completions" },
    { "https://h/v1.2", NULL, "https://h/v1.2/v1/chat/completions" },
    { "https://h/xv1", NULL, "https://h/xv1/v1/chat/completions" },
    { "https://h/v1/chat/completions", NULL, "https://h/v1/chat/completions" },
    { "https://h/v1/chat/completions/", NULL, "https://h/v1/chat/completions" },
    { "https://h/v1//chat//completions", NULL, "https://h/v1/chat/completions" },
    { "https://h/chat/completions", NULL, "https://h/chat/completions" },
    { "https://h/api/chat/completions", NULL, "https://h/api/chat/completions" },
    { "https://h/notchat/completions", NULL, "https://h/notchat/completions/v1/chat/completions" },
    { "http://h:80/x", "/chat", "http://h/x/chat" },
    { "http://h:8080/x", "/chat?a=b", "http://h:8080/x/chat?a=b" },
    { "https://[::1]:80", NULL, "https://[::1]:80/v1/chat/completions" },
    { "https://h/v1", "/v1/chat/completions", "https://h/v1/chat/completions" },
    { "https://h/api/v3", "/v1/chat/completions", "https://h/api/v3/v1/chat/completions" },
    { "https://h/v1/chat/completions", "/v1/chat/completions", "https://h/v1/chat/completions" },
    { "https://h/v1/chat/completions", "/chat/completions", "https://h/v1/chat/completions" },
};

static void base_urls_as_people_have_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        char text[300], *shown;
        struct loaded l, again;

        snprintf(text, sizeof text, "[upstream]\nbase_url = %s\n%s%s\n", targets[i].base,
                 targets[i].path ? "proxy_url_path = " : "",
                 targets[i].path ? targets[i].path : "");
        l = load_text(text);
        assert_string_equal(l.errors, "");
        assert_string_equal(l.c->upstreams[0].url, targets[i].url);
        shown = printed(l.c);
        snprintf(text, sizeof text, "\n; requests go to %s\n", targets[i].url);
        assert_non_null(strstr(shown, text));
        again = load_text(shown);
        assert_string_equal(again.errors, "");
        assert_string_equal(again.c->upstreams[0].url, targets[i].url);
        loaded_free(&again);
        loaded_free(&l);
        free(shown);
    }
}

/* The SDKs put /chat/completions behind it, whatever it is. */
static void the_base_url_of_the_sdks(void **state)
{
    static const char *const rows[][2] = {
        { "https://h/v1", "/v1/chat/completions" },
        { " https://h/v1/ ", "/v1/chat/completions" },
        { "https://h", "/chat/completions" },
        { "https://h/api", "/api/chat/completions" },
        { "https://h/api/v3", "/api/v3/chat/completions" },
        { "https://h/v1/chat/completions", "/v1/chat/completions" },
    };
    char before[1000];

    (void)state;
    if (access("/etc/openai-chat-proxy/proxy.ini", F_OK) == 0)
        skip();
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir("/"), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct files *files;
        struct conf *c;

        assert_int_equal(files_make(&files), 0);
        setenv("OPENAI_BASE_URL", rows[i][0], 1);
        assert_int_equal(conf_load(&c, NULL, files, NULL, stderr), 0);
        files_free(files);
        assert_string_equal(c->upstreams[0].target, rows[i][1]);
        conf_free(c);
    }
    clean_environment();
    assert_int_equal(chdir(before), 0);
}

static void expect(const char *text, const char *said)
{
    struct loaded l = load_text(text);

    if (said ? l.err != -EINVAL || strcmp(l.errors, said) != 0 : l.err != 0)
        fail_msg("%s\nsaid: %s\nexpected: %s", text, l.errors, said ? said : "(nothing)");
    loaded_free(&l);
}

static void fields_of_every_request(void **state)
{
    struct loaded l = load_text("[upstream_headers]\nHTTP-Referer = https://example.org\n"
                                "X-Title = a b; \xe4\xb8\xad\nCF-AIG-Authorization = Bearer x\n");
    char *shown;

    (void)state;
    assert_string_equal(l.errors, "");
    assert_int_equal(l.c->upstreams[0].n_headers, 3);
    assert_string_equal(l.c->upstreams[0].headers[0].name, "HTTP-Referer");
    assert_string_equal(l.c->upstreams[0].headers[1].value, "a b; \xe4\xb8\xad");
    shown = printed(l.c);
    assert_non_null(strstr(shown, "\nHTTP-Referer = ***    ; test.ini:2\nX-Title = ***"));
    assert_null(strstr(shown, "example.org"));
    assert_null(strstr(shown, "Bearer"));
    free(shown);
    loaded_free(&l);
}

static void fields_that_are_refused(void **state)
{
    static const char *const names[][2] = {
        { "connection", "is about one connection, and never passed on" },
        { "KEEP-ALIVE", "is about one connection, and never passed on" },
        { "Proxy-Connection", "is about one connection, and never passed on" },
        { "TE", "is about one connection, and never passed on" },
        { "trailer", "is about one connection, and never passed on" },
        { "Upgrade", "is about one connection, and never passed on" },
        { "Proxy-Authorization", "goes to the proxy on the way: write its user into proxy" },
        { "Transfer-Encoding", "follows from the body" },
        { "Content-Length", "follows from the body" },
        { "Host", "follows from base_url" },
        { "Authorization", "carries the key: see api_key and auth_header" },
        { "API-Key", "carries the key: see api_key and auth_header" },
        { "X-Api-Key", "carries the key: see api_key and auth_header" },
        { "Via", "names this proxy" },
        { "Expect", "is answered here" },
        { "a b", "is no name of a header field (letters, digits and -)" },
        { "a\xc3\xa4", "is no name of a header field (letters, digits and -)" },
        { "(x)", "is no name of a header field (letters, digits and -)" },
    };
    char text[200], said[200];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(text, sizeof text, "[upstream_headers]\n%s = SECRET\n", names[i][0]);
        snprintf(said, sizeof said, "test.ini:2: [upstream_headers] '%s': %s\n", names[i][0],
                 names[i][1]);
        expect(text, said);
    }
    expect("[upstream_headers]\nx-a = b\nX-A = c\n",
           "test.ini:3: [upstream_headers] 'X-A': given twice, first on line 2\n");
    expect("[upstream_headers]\nx-a =\n", "test.ini:2: [upstream_headers] 'x-a': needs a value\n");
}

static void ways_that_lead_back(void **state)
{
    static const struct {
        const char *listen, *base;
        bool back;

    } rows[] = {
        { "127.0.0.1:8000", "http://127.0.0.1:8000/v1", true },
        { "127.0.0.1:8000", "http://127.0.0.1:8001", false },
        { "127.0.0.1:8000", "http://127.0.0.2:8000", false },
        { "127.0.0.2:8000", "http://127.0.0.2:8000", true },
        { "127.0.0.1:8000", "http://localhost:8000", true },
        { "127.0.0.1:8000", "http://LOCALHOST.:8000", true },
        { "127.0.0.2:8000", "http://localhost:8000", false },
        { "[::1]:8000", "http://localhost:8000", true },
        { "0.0.0.0:8000", "http://localhost:8000", true },
        { "0.0.0.0:8000", "http://127.9.9.9:8000", true },
        { "0.0.0.0:8000", "http://192.0.2.1:8000", false },
        { "0.0.0.0:80", "http://127.0.0.1", true },
        { "0.0.0.0:443", "https://127.0.0.1", true },
        { "0.0.0.0:8000", "http://[::1]:8000", false },
        { "[::]:8000", "http://[::1]:8000", true },
        { "[::]:8000", "http://127.0.0.1:8000", false },
        { "192.0.2.1:8000", "http://192.0.2.1:8000", true },
        { "192.0.2.1:8000", "http://localhost:8000", false },
        { "127.0.0.1:8000", "http://0.0.0.0:8000", true },
        { "[::1]:8000", "http://[::]:8000", true },
        { "127.0.0.1:8000", "http://[::ffff:127.0.0.1]:8000", true },
        { "127.0.0.1:7, 127.0.0.1:8000", "http://127.0.0.1:8000", true },
        { "unix:/run/x", "http://127.0.0.1:8000", false },
        { "127.0.0.1:8000", "http://example.org:8000", false },
    };
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct loaded l;

        snprintf(text, sizeof text, "[server]\nlisten = %s\n[upstream]\nbase_url = %s\n",
                 rows[i].listen, rows[i].base);
        l = load_text(text);
        assert_string_equal(l.errors, "");
        if ((conf_leads_back(l.c, l.c->upstreams) != NULL) != rows[i].back)
            fail_msg("%s", text);
        loaded_free(&l);
    }
}

/* With a proxy, base_url is for the proxy to reach; the proxy itself may lead back. */
static void proxies_that_lead_back(void **state)
{
    struct loaded l =
        load_text("[server]\nlisten = 127.0.0.1:8000\n[upstream]\n"
                  "base_url = http://127.0.0.1:8000\nproxy = http://192.0.2.1:8000\n");

    (void)state;
    assert_null(conf_leads_back(l.c, l.c->upstreams));
    loaded_free(&l);
    l = load_text("[server]\nlisten = 0.0.0.0:8000\n[upstream]\nproxy = socks5://localhost:8000\n");
    assert_string_equal(conf_leads_back(l.c, l.c->upstreams), "proxy");
    loaded_free(&l);
}

static void mends(void **state)
{
    (void)state;
    expect("[server]\nport = 8000\n",
           "test.ini:2: [server] unknown key 'port'; the port stands behind the address: [server] "
           "listen = 127.0.0.1:8000\n");
    expect("[upstream]\nhost = x\n",
           "test.ini:2: [upstream] unknown key 'host'; the server that answers is base_url = "
           "https://HOST\n");
    expect("[server]\nlisten = 8000\n",
           "test.ini:2: [server] listen: '8000' is a port without an address; write "
           "127.0.0.1:PORT for this machine alone, 0.0.0.0:PORT for everyone\n");
    expect("[server]\nlisten = :8000\n",
           "test.ini:2: [server] listen: ':8000' is a port without an address; write "
           "127.0.0.1:PORT for this machine alone, 0.0.0.0:PORT for everyone\n");
    expect("[defaults]\nmodel = gpt-4o\n",
           "test.ini:2: [defaults] 'model': is no JSON; a text stands in double quotes: NAME = "
           "\"TEXT\"\n");
    expect("[defaults]\nmodel = 'gpt-4o'\n",
           "test.ini:2: [defaults] 'model': is no JSON; a text stands in double quotes: NAME = "
           "\"TEXT\"\n");
    expect("[defaults]\nstream = True\n",
           "test.ini:2: [defaults] 'stream': is no JSON; write true\n");
    expect("[defaults]\nstream = true\nstop = null\nn = 1\nuser = \"x\"\n", NULL);
    expect("[log]\nfile = stdout\n", NULL);
    expect("[upstream]\nbase_url = https://h/v1/chat/completions?a=b\n",
           "test.ini:2: [upstream] base_url: the URL holds a '?' or a '#'; only a scheme, a host, "
           "a port and a path belong here (what follows a '?' goes into proxy_url_path)\n");
    expect("[access]\nip_whitelist = 10.0.0.0/08\n",
           "test.ini:2: [access] ip_whitelist: '10.0.0.0/08' has a bad prefix length; it is 0 to "
           "32\n");
}

static void values_of_settings(void **state)
{
    struct loaded l = load_text("[server]\nping_interval = 15s\n[upstream]\n"
                                "connection_max_age = 90\nauth_header = api-key\n");

    (void)state;
    assert_int_equal(l.err, 0);
    assert_int_equal(l.c->server.ping_interval, 15000);
    assert_int_equal(l.c->upstreams[0].connection_max_age, 90000);
    assert_true(l.c->upstreams[0].auth_api_key);
    loaded_free(&l);
    expect("[upstream]\nauth_header = basic\n",
           "test.ini:2: [upstream] auth_header: 'basic' is none of: authorization or api-key\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_urls_as_people_have_them),
        cmocka_unit_test(the_base_url_of_the_sdks),
        cmocka_unit_test(fields_of_every_request),
        cmocka_unit_test(fields_that_are_refused),
        cmocka_unit_test(ways_that_lead_back),
        cmocka_unit_test(proxies_that_lead_back),
        cmocka_unit_test(mends),
        cmocka_unit_test(values_of_settings),
    };

    clean_environment();
    return cmocka_run_group_tests_name("cfg: upstream", tests, NULL, NULL);
}
