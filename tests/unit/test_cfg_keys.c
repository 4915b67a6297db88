/* Every key of proxy.ini with nonsense, twice, empty, too long and in the wrong section, and with
 * every form of value that it takes. */
#include "tests/unit/cfg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static const struct key {
    const char *section, *name;
    const char *good, *bad;
    const char *said; /* about bad, after "[section] name: " */
    bool may_be_empty;
    const char *elsewhere; /* a section that has no such key */
} keys[] = {
    { "server", "listen", "127.0.0.1:1", "localhost:80",
      "'localhost:80' does not start with an address; write 0.0.0.0", false, "log" },
    { "server", "workers", "auto", "many", "'many' is not a whole number, nor the word auto", false,
      "log" },
    { "server", "max_connections", "5", "-5", "'-5' is not a whole number", false, "upstream" },
    { "server", "max_header_size", "1k", "1k5", "'1k5' is not a size", false, "upstream" },
    { "server", "max_body_size", "0", "5T",
      "'5T' is not a size; write a whole number of bytes, or with k, M or G", false, "log" },
    { "server", "header_timeout", "1500ms", "1.5", "'1.5' is not a time", false, "upstream" },
    { "server", "body_timeout", "1m", "soon",
      "'soon' is not a time; write a whole number of seconds, or with ms, s, m or h", false,
      "upstream" },
    { "server", "idle_timeout", "0", "10 s", "'10 s' is not a time", false, "access" },
    { "server", "drain_timeout", "1h", "s", "'s' is not a time", false, "log" },
    { "server", "ping_interval", "15s", "15 s", "'15 s' is not a time", false, "log" },
    { "server", "buffer_memory", "1M", "1k", "'1k' is out of range; allowed is 64k to 1024G", false,
      "log" },
    { "server", "user", "nobody:nogroup", "no body",
      "'no body' is not a user; write USER or USER:GROUP", true, "upstream" },
    { "server", "sandbox", "no", "maybe", "'maybe' is none of: yes, no", false, "log" },
    { "upstream", "base_url", "http://x/y", "ftp://x",
      "the URL must start with http:// or https://", false, "server" },
    { "upstream", "proxy_url_path", "/x?y=z", "x", "must start with '/'", false, "server" },
    { "upstream", "pass_paths", "/v1/files/*", "v1", "'v1' is no path; it starts with '/'", false,
      "server" },
    { "upstream", "models", "a, b* -> c", "a -> b -> c", "'a -> b -> c' has a '>' that is part of",
      true, "server" },
    { "upstream", "fallback", "", "nobody", "there is no [upstream] called 'nobody'", true,
      "server" },
    { "upstream", "retry_buffer", "0", "-1", "'-1' is not a size", false, "server" },
    { "upstream", "socket", "/run/x", "x", "is no path from the root", true, "server" },
    { "upstream", "include_usage", "yes", "maybe", "'maybe' is none of: yes, no", false, "log" },
    { "upstream", "alias_scope", "TOP", "inner", "'inner' is none of: all or top", false, "log" },
    { "upstream", "api_key", "sk-x", "a b", "holds a blank or a control character", true,
      "server" },
    { "upstream", "proxy", "socks5h://x", "x:1",
      "the URL must start with http://, https://, socks5://, socks5h://, socks4:// or socks4a://",
      true, "server" },
    { "upstream", "timeout", "3", "3d", "'3d' is not a time", false, "server" },
    { "upstream", "response_timeout", "3", "x", "'x' is not a time", false, "server" },
    { "upstream", "idle_timeout", "3", "x", "'x' is not a time", false, "log" },
    { "upstream", "keepalive_timeout", "3", "x", "'x' is not a time", false, "server" },
    { "upstream", "connection_max_age", "5m", "old", "'old' is not a time", false, "server" },
    { "upstream", "auth_header", "api-key", "x-api-key",
      "'x-api-key' is none of: authorization or api-key", false, "server" },
    { "upstream", "connection_limit", "1", "0", "'0' is out of range; allowed is 1 to 1000000",
      false, "server" },
    { "upstream", "tls_verify", "OFF", "nope",
      "'nope' is none of: yes, no, on, off, true, false, 1 or 0", false, "server" },
    { "upstream", "ca_file", "/etc/passwd", "/no/such/file",
      "the file /no/such/file cannot be read: No such file", true, "server" },
    { "access", "ip_whitelist", "10.0.0.0/8, ::1", "10.0.0.256",
      "'10.0.0.256' is not an address or block", true, "server" },
    { "access", "ip_blacklist", "10.0.0.0/8,::/0", "10.0.0.0/33",
      "'10.0.0.0/33' has a bad prefix length; it is 0 to 32", true, "server" },
    { "access", "trusted_proxies", "::ffff:1.2.3.4", "::1/129",
      "'::1/129' has a bad prefix length; it is 0 to 128", true, "server" },
    { "access", "admin_addresses", "127.0.0.1, fd00::/8", "localhost",
      "'localhost' is not an address or block", true, "server" },
    { "access", "unknown_keys", "pass", "accept", "'accept' is none of: reject or pass", false,
      "server" },
    { "access", "cors_origins", "https://a, http://b:8080", "a.example",
      "'a.example' is not an origin", false, "server" },
    { "access", "requests_per_minute", "1k", "1k5",
      "'1k5' is not an amount; write a whole number, or with k for thousands", true, "server" },
    { "log", "level", "debug", "wraning",
      "'wraning' is none of: debug, info, warning or error; did you mean 'warning'?", false,
      "server" },
    { "log", "file", "/etc/passwd", "/no/such/x.log",
      "no log can be written to /no/such/x.log: the folder", false, "server" },
    { "log", "format", "json", "jsno", "'jsno' is none of: text or json; did you mean 'json'?",
      false, "server" },
    { "log", "log_requests", "1", "2", "'2' is none of: yes, no", false, "server" },
    { "log", "log_responses", "true", "ture", "did you mean 'true'?", false, "server" },
    { "log", "body_limit", "1", "17M", "'17M' is out of range; allowed is 1 to 16M", false,
      "server" },
};

#define N_KEYS (sizeof keys / sizeof *keys)

/* Loads the text that fmt makes and expects exactly one error, with this prefix, or none. */
static void expect(const char *text, const char *said)
{
    struct loaded l = load_text(text);

    if (!said && l.err != 0)
        fail_msg("%s\nsaid: %s", text, l.errors);
    if (said && (l.err != -EINVAL || strncmp(l.errors, said, strlen(said)) != 0))
        fail_msg("%s\nsaid: %s\nexpected: %s", text, l.errors, said);
    if (said && strchr(l.errors, '\n') != l.errors + strlen(l.errors) - 1)
        fail_msg("%s\nsaid more than one thing: %s", text, l.errors);
    loaded_free(&l);
}

static void good_values(void **state)
{
    char text[300];

    (void)state;
    for (size_t i = 0; i < N_KEYS; i++) {
        bool local = strcmp(keys[i].name, "api_key") == 0;

        snprintf(text, sizeof text, "[%s]\n%s = %s\n%s", keys[i].section, keys[i].name,
                 keys[i].good, local ? "[server]\nlisten=[::1]:80" : "");
        expect(text, NULL);
    }
}

static void nonsense(void **state)
{
    char text[300], said[300];

    (void)state;
    for (size_t i = 0; i < N_KEYS; i++) {
        bool hint;
        struct loaded l;

        snprintf(text, sizeof text, "\n; a comment\n[%s]\n%s = %s\n", keys[i].section, keys[i].name,
                 keys[i].bad);
        hint = keys[i].said[0] == 'd';
        snprintf(said, sizeof said, "test.ini:4: [%s] %s: %s", keys[i].section, keys[i].name,
                 hint ? "" : keys[i].said);
        expect(text, said);
        l = load_text(text);
        assert_non_null(strstr(l.errors, keys[i].said));
        loaded_free(&l);
    }
}

static void twice(void **state)
{
    char text[300], said[300];

    (void)state;
    for (size_t i = 0; i < N_KEYS; i++) {
        bool local = strcmp(keys[i].name, "api_key") == 0;

        snprintf(text, sizeof text, "[%s]\n%s = %s\n[%s]\n%s = %s\n%s", keys[i].section,
                 keys[i].name, keys[i].good, keys[i].section, keys[i].name, keys[i].good,
                 local ? "[server]\nlisten=[::1]:80" : "");
        snprintf(said, sizeof said, "test.ini:4: [%s] %s: given twice, first on line 2",
                 keys[i].section, keys[i].name);
        expect(text, said);
    }
}

static void empty(void **state)
{
    char text[300], said[300];

    (void)state;
    for (size_t i = 0; i < N_KEYS; i++) {
        snprintf(text, sizeof text, "[%s]\n%s =    ; nothing\n", keys[i].section, keys[i].name);
        snprintf(said, sizeof said,
                 "test.ini:2: [%s] %s: needs a value; leave the line out for the default, ",
                 keys[i].section, keys[i].name);
        expect(text, keys[i].may_be_empty ? NULL : said);
    }
}

static void too_long(void **state)
{
    static char text[20000];
    char said[300];

    (void)state;
    for (size_t i = 0; i < N_KEYS; i++) {
        int n = snprintf(text, sizeof text, "[%s]\n%s = ", keys[i].section, keys[i].name);
        struct loaded l;

        memset(text + n, '7', 9000);
        strcpy(text + n + 9000, "\n");
        snprintf(said, sizeof said, "test.ini:2: [%s] %s: ", keys[i].section, keys[i].name);
        expect(text, said);
        l = load_text(text);
        assert_in_range(strlen(l.errors), 20, 260);
        loaded_free(&l);
    }
}

static void wrong_section(void **state)
{
    char text[300], said[300];

    (void)state;
    for (size_t i = 0; i < N_KEYS; i++) {
        const char *other = keys[i].elsewhere;

        snprintf(text, sizeof text, "[%s]\n\n%s = %s\n", other, keys[i].name, keys[i].good);
        snprintf(said, sizeof said, "test.ini:3: [%s] unknown key '%s' here; did you mean it for [",
                 other, keys[i].name);
        expect(text, said);
    }
}

static void every_error_in_one_run(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    struct loaded l;
    char *p;

    (void)state;
    for (size_t i = 0; i < N_KEYS; i++)
        fprintf(f, "[%s]\n%s = %s\n", keys[i].section, keys[i].name, keys[i].bad);
    fclose(f);
    l = load_text(text);
    p = l.errors;
    for (size_t i = 0; i < N_KEYS; i++) {
        char said[100];

        snprintf(said, sizeof said, "test.ini:%zu: [%s] %s: ", i * 2 + 2, keys[i].section,
                 keys[i].name);
        assert_non_null(p);
        assert_memory_equal(p, said, strlen(said));
        p = strchr(p, '\n') + 1;
    }
    assert_string_equal(p, "");
    loaded_free(&l);
    free(text);
}

static const struct number {
    const char *line;
    uint64_t expected;
} numbers[] = {
    { "header_timeout = 0", 0 },       { "header_timeout = 10", 10000 },
    { "header_timeout = 10s", 10000 }, { "header_timeout = 250ms", 250 },
    { "header_timeout = 2m", 120000 }, { "header_timeout = 3H", 10800000 },
    { "header_timeout = 007", 7000 },  { "header_timeout = 366m", 21960000 },
};

static void times_and_sizes(void **state)
{
    char text[100];
    static const char *const over[] = { "18446744073709551615h", "18446744073709551616", "367000h",
                                        "5124095576030432h", "99999999999999999999ms" };

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct loaded l;

        snprintf(text, sizeof text, "[server]\n%s\nmax_body_size = 3G\nmax_header_size = 2K\n",
                 numbers[i].line);
        l = load_text(text);
        assert_int_equal(l.err, 0);
        assert_int_equal(l.c->server.header_timeout, numbers[i].expected);
        assert_int_equal(l.c->server.max_body_size, 3ull << 30);
        assert_int_equal(l.c->server.max_header_size, 2048);
        loaded_free(&l);
    }
    for (size_t i = 0; i < sizeof over / sizeof *over; i++) {
        snprintf(text, sizeof text, "[server]\nbody_timeout = %s\n", over[i]);
        expect(text, "test.ini:2: [server] body_timeout: '");
    }
    expect("[server]\nmax_body_size = 17179869184G\n",
           "test.ini:2: [server] max_body_size: '17179869184G' is out of range; allowed is 0 to "
           "1024G");
    expect("[server]\nmax_connections = 4294967297\n",
           "test.ini:2: [server] max_connections: '4294967297' is out of range; allowed is 1 to "
           "1000000");
    expect("[server]\nmax_header_size = 0\n",
           "test.ini:2: [server] max_header_size: '0' is out of range; allowed is 1k to 60k");
}

static void listens(void **state)
{
    struct loaded l = load_text(
        "[server]\nlisten = 0.0.0.0:8000 , [::]:8000,unix:/run/x.sock,127.9.9.9:1, [0::1]:65535"
        ",[::ffff:127.0.0.1]:2\n");
    const struct conf_listen *list;
    static const bool loopback[] = { false, false, true, true, true, true };
    static const char *const bad[] = { "8000",
                                       ":8000",
                                       "*:8000",
                                       "::1:8000",
                                       "[127.0.0.1]:80",
                                       "1.2.3.4:0",
                                       "1.2.3.4:65536",
                                       "1.2.3.4:",
                                       "unix:",
                                       "1.2.3.4:8x",
                                       "[::1]",
                                       "[::1:80",
                                       "1.2.3.4:80,",
                                       ",1.2.3.4:80",
                                       "1.2.3.4:80,,1.2.3.4:81",
                                       "1.2.3.4:80, 1.2.3.4:80",
                                       "[::1]:80, [0:0::1]:80",
                                       "unix:/a, unix:/a" };
    char text[100];

    (void)state;
    assert_int_equal(l.err, 0);
    assert_int_equal(l.c->server.n_listen, 6);
    list = l.c->server.listen;
    for (int i = 0; i < 6; i++)
        assert_int_equal(list[i].loopback, loopback[i]);
    assert_string_equal(list[0].host, "0.0.0.0");
    assert_int_equal(list[0].port, 8000);
    assert_string_equal(list[1].host, "::");
    assert_string_equal(list[1].text, "[::]:8000");
    assert_true(list[2].is_unix);
    assert_string_equal(list[2].host, "/run/x.sock");
    assert_string_equal(list[4].host, "::1");
    loaded_free(&l);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "[server]\nlisten = %s\n", bad[i]);
        expect(text, "test.ini:2: [server] listen: ");
    }
    expect("[server]\nlisten = 1.2.3.4:80, 1.2.3.4:80\n",
           "test.ini:2: [server] listen: '1.2.3.4:80' is given twice");
}

static void listen_options(void **state)
{
    struct loaded l =
        load_text("[server]\nlisten = 0.0.0.0:8000 proxy_protocol, unix:/run/a b mode=660 "
                  "proxy_protocol,unix:/run/x,"
                  "unix:/run/y\t mode=0600\n[access]\ntrusted_proxies = unix:, 10.0.0.1\n");
    const struct conf_listen *list;
    static const char *const bad[] = { "1.2.3.4:80 mode=660", "unix:/x mode=0",
                                       "unix:/x mode=888",    "unix:/x mode=66",
                                       "unix:/x mode=1777",   "unix:/x mod=660",
                                       "1.2.3.4:80 proxy",    "1.2.3.4:80 ssl",
                                       "proxy_protocol",      "unix: mode=660" };
    char text[100];

    (void)state;
    assert_int_equal(l.err, 0);
    list = l.c->server.listen;
    assert_true(list[0].proxy_protocol && list[1].proxy_protocol && !list[2].proxy_protocol);
    assert_string_equal(list[0].text, "0.0.0.0:8000");
    assert_string_equal(list[1].host, "/run/a b");
    assert_int_equal(list[1].mode, 0660);
    assert_int_equal(list[2].mode, 0666);
    assert_string_equal(list[3].text, "unix:/run/y");
    assert_int_equal(list[3].mode, 0600);
    loaded_free(&l);
    expect(
        "[server]\nlisten = [::1]:80 proxy_protocol\n",
        "test.ini:2: [server] listen: [::1]:80 has proxy_protocol, but [access] trusted_proxies");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "[server]\nlisten = %s\n", bad[i]);
        expect(text, "test.ini:2: [server] listen: ");
    }
}

static void origins(void **state)
{
    struct loaded l = load_text("[access]\ncors_origins = *\n");

    (void)state;
    assert_int_equal(l.c->access.n_cors_origins, 1);
    assert_string_equal(l.c->access.cors_origins[0], "*");
    loaded_free(&l);
    l = load_text("[access]\ncors_origins = none\n");
    assert_int_equal(l.err, 0);
    assert_null(l.c->access.cors_origins);
    loaded_free(&l);
    expect("[access]\ncors_origins = https://a, *\n",
           "test.ini:2: [access] cors_origins: '*' stands alone");
    expect("[access]\ncors_origins = https://a/\n",
           "test.ini:2: [access] cors_origins: 'https://a/' has a '/' after the host");
}

static void enum_and_bool_values(void **state)
{
    struct loaded l = load_text(
        "[log]\nlevel = Error\nformat = JSON\nlog_requests = On\nlog_responses = 0\n[upstream]\n"
        "tls_verify=FALSE\nalias_scope=top\ninclude_usage=1\n"
        "[access]\nunknown_keys = pass\n[server]\nworkers = AUTO\n");

    (void)state;
    assert_int_equal(l.err, 0);
    assert_int_equal(l.c->log.level, LOG_ERROR_LEVEL);
    assert_true(l.c->log.json && l.c->log.requests && !l.c->log.responses);
    assert_true(!l.c->upstreams[0].tls_verify && l.c->upstreams[0].alias_top_only &&
                l.c->upstreams[0].include_usage && l.c->access.pass_unknown_keys);
    assert_int_equal(l.c->server.workers, 0);
    loaded_free(&l);
    expect("[log]\nfile = sterr\n",
           "test.ini:2: [log] file: 'sterr' is neither stderr, stdout nor syslog nor a path; did "
           "you mean "
           "'stderr'?");
    expect("[log]\nfile = /\n",
           "test.ini:2: [log] file: no log can be written to /: it is a directory");
    expect("[upstream]\nca_file = /\n",
           "test.ini:2: [upstream] ca_file: the file / cannot be read: it is a directory");
    expect("[upstream]\nproxy_url_path = /a b\n",
           "test.ini:2: [upstream] proxy_url_path: holds a blank");
    expect("[upstream]\nproxy_url_path = /a#b\n",
           "test.ini:2: [upstream] proxy_url_path: holds a '#'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_values),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(twice),
        cmocka_unit_test(empty),
        cmocka_unit_test(too_long),
        cmocka_unit_test(wrong_section),
        cmocka_unit_test(every_error_in_one_run),
        cmocka_unit_test(times_and_sizes),
        cmocka_unit_test(listens),
        cmocka_unit_test(listen_options),
        cmocka_unit_test(origins),
        cmocka_unit_test(enum_and_bool_values),
    };

    clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
