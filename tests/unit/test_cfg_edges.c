/* The last value that is taken and the first that is not, of each kind; one message for each. */
#include "cfg/errors.h"
#include "tests/unit/cfg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define X100 X50 X50
#define X250 X100 X100 X50

/* One setting, its value, and a part of what is said of it; NULL: it is taken. */
struct edge {
    const char *section, *name, *value, *said;
};

static void try(const struct edge *edges, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct edge *e = &edges[i];
        struct loaded l;
        char text[2000];

        snprintf(text, sizeof text, "[%s]\n%s = %s\n", e->section, e->name, e->value);
        l = load_text(text);
        if (e->said ? l.err != -EINVAL || !strstr(l.errors, e->said) ||
                    strchr(l.errors, '\n')[1] != '\0'
                    : l.err != 0)
            fail_msg("%s\nsaid: %s\nexpected: %s", text, l.errors, e->said ? e->said : "nothing");
        loaded_free(&l);
    }
}

static void numbers_have_edges(void **state)
{
    static const struct edge edges[] = {
        { "server", "workers", "1", NULL },
        { "server", "workers", "1024", NULL },
        { "server", "workers", "AUTO", NULL },
        { "server", "workers", "0", "is out of range; allowed is 1 to 1024, or auto" },
        { "server", "workers", "1025", "is out of range" },
        { "server", "workers", "1 2", "is not a whole number, nor the word auto" },
        { "server", "workers", "18446744073709551617", "is out of range" },
        { "server", "max_connections", "1000000", NULL },
        { "server", "max_connections", "1000001", "allowed is 1 to 1000000" },
        { "server", "max_connections", "auto", "is not a whole number" },
        { "server", "max_header_size", "1024", NULL },
        { "server", "max_header_size", "1023", "allowed is 1k to 60k" },
        { "server", "max_header_size", "60K", NULL },
        { "server", "max_header_size", "61441", "is out of range" },
        { "server", "max_body_size", "0", NULL },
        { "server", "max_body_size", "1024G", NULL },
        { "server", "max_body_size", "1025G", "is out of range" },
        { "server", "max_body_size", "17179869184G", "is out of range" },
        { "server", "max_body_size", "17179869183G", "is out of range" },
        { "server", "max_body_size", "18446744073709551616", "is out of range" },
        { "server", "max_body_size", "1T", "is not a size" },
        { "server", "max_body_size", "k", "is not a size" },
        { "server", "idle_timeout", "8784h", NULL },
        { "server", "idle_timeout", "31622400", NULL },
        { "server", "idle_timeout", "31622400001ms", "allowed is 0 (off) to 366 days" },
        { "server", "idle_timeout", "18446744073709551615h", "is out of range" },
        { "server", "idle_timeout", "1d", "is not a time" },
        { "log", "body_limit", "0", "is out of range" },
        { "log", "level", "loud", "is none of: debug, info, warning or error" },
        { "log", "level", "WARNING", NULL },
        { "log", "format", "jsn", "is none of: text or json; did you mean 'json'?" },
        { "log", "log_requests", "2", "is none of: yes, no, on, off, true, false, 1 or 0" },
        { "log", "level", "", "needs a value; leave the line out for the default, info" },
        { "access", "cors_origins", "https://a", NULL },
        { "access", "cors_origins", "a://b", NULL },
        { "access", "cors_origins", "://a", "is not an origin" },
        { "access", "cors_origins", "https://", "is not an origin" },
        { "access", "cors_origins", "https://a b", "is not an origin" },
        { "access", "cors_origins", "https://a~", NULL },
        { "access", "cors_origins", "https://\xc3\xa4", "is not an origin" },
    };

    (void)state;
    try(edges, COUNT(edges));
}

static void accounts_and_paths_have_edges(void **state)
{
    static const struct edge edges[] = {
        { "server", "user", "a-b.c_d9", NULL },
        { "server", "user", "_a:0", NULL },
        { "server", "user", "machine$", NULL },
        { "server", "user", "a$b", "is not a user" },
        { "server", "user", "-a", "is not a user" },
        { "server", "user", "$", "is not a user" },
        { "server", "user", ".a", "is not a user" },
        { "server", "user", "a:", "is not a user" },
        { "server", "user", ":a", "is not a user" },
        { "server", "user", "a:b:c", "is not a user" },
        { "server", "user", X100 X10 X10 "xxxxxxxx", NULL },
        { "server", "user", X100 X10 X10 "xxxxxxxxx", "is longer than 128 characters" },
        { "upstream", "socket", "/" X100 "xxxxxx", NULL },
        { "upstream", "socket", "/" X100 "xxxxxxx", "too long for a unix socket" },
        { "upstream", "socket", "run/a.sock", "is no path from the root" },
        { "upstream", "socket", "unix:/run/a.sock", "is a path alone, without unix:" },
        { "upstream", "proxy_url_path", "/a?b=c", NULL },
        { "upstream", "proxy_url_path", "/a~", NULL },
        { "upstream", "proxy_url_path", "/a!", NULL },
        { "upstream", "proxy_url_path", "a", "must start with '/'" },
        { "upstream", "proxy_url_path", "/a b", "holds a blank" },
        { "upstream", "proxy_url_path", "/\xC3\xA4", "holds a blank, a control character" },
        { "upstream", "proxy_url_path", "/a#", "holds a '#'" },
        { "log", "file", "/tmp", "it is a directory" },
        { "log", "file", "/no/such/folder/a.log", "the folder it is to lie in does not exist" },
        { "log", "file", "/there is none.log", NULL },
        { "log", "file", "/tmp/there is none.log", NULL },
        { "log", "file", "./none.log", NULL },
        { "log", "file", "stdot", "did you mean 'stdout'?" },
        { "log", "file", "syslog", NULL },
    };

    (void)state;
    try(edges, COUNT(edges));
}

static void addresses_to_listen_on_have_edges(void **state)
{
    static const struct edge edges[] = {
        { "server", "listen", "127.0.0.1:1", NULL },
        { "server", "listen", "127.0.0.1:65535", NULL },
        { "server", "listen", "127.0.0.1:65536", "has a bad port" },
        { "server", "listen", "127.0.0.1:0", "has a bad port" },
        { "server", "listen", "127.0.0.1:", "has a bad port" },
        { "server", "listen", "127.0.0.1", "is not ADDRESS:PORT" },
        { "server", "listen", "8000", "is a port without an address" },
        { "server", "listen", ":8000", "is a port without an address" },
        { "server", "listen", "[::1]:8000", NULL },
        { "server", "listen", "[]:8000", "does not start with an address" },
        { "server", "listen", "[:8000", "does not start with an address" },
        { "server", "listen", "::1:8000", "does not start with an address" },
        { "server", "listen", "[127.0.0.1]:8000", "does not start with an address" },
        { "server", "listen", "[fe80::1%lo]:8000", "does not start with an address" },
        { "server", "listen", "localhost:8000", "does not start with an address" },
        { "server", "listen", "127.0.0.1:8000 mode=0660", "has a mode" },
        { "server", "listen", "127.0.0.1:8000 fast", "has something behind the address" },
        { "server", "listen", "unix:", "has no path" },
        { "server", "listen", "unix:/" X100 "xxxxxx", NULL },
        { "server", "listen", "unix:/" X100 "xxxxxxx", "too long for a unix socket" },
        { "server", "listen", "unix:/a b", NULL },
        { "server", "listen", "unix:/a mode=1", "none of proxy_protocol, tls" },
        { "server", "listen", "unix:/a mode=600", NULL },
        { "server", "listen", "unix:/a mode=0777", NULL },
        { "server", "listen", "unix:/a mode=001", NULL },
        { "server", "listen", "unix:/a mode=1000", "none of proxy_protocol, tls" },
        { "server", "listen", "unix:/a mode=000", "none of proxy_protocol, tls" },
        { "server", "listen", "unix:/a mode=00660", "none of proxy_protocol, tls" },
        { "server", "listen", "unix:/a mode=0680", "none of proxy_protocol, tls" },
        { "server", "listen", "unix:/a mode=06/0", "none of proxy_protocol, tls" },
        { "server", "listen", "unix:/a, unix:/a", "'unix:/a' is given twice" },
        { "server", "listen", "127.0.0.1:8000 tls", "has the word tls, but there is no" },
        { "server", "listen", "unix:/a mode=600 admin tls", "unix:/a has the word tls, but there" },
        { "server", "listen", "127.0.0.1:8000 TLS", "none of proxy_protocol, tls" },
        { "server", "listen", "127.0.0.1:8000 tls=yes", "none of proxy_protocol, tls" },
        { "server", "listen", "127.0.0.1:8000 proxy_protocol", "trusted_proxies names nobody" },
    };

    (void)state;
    try(edges, COUNT(edges));
}

static void urls_have_edges(void **state)
{
    static const struct edge edges[] = {
        { "upstream", "base_url", "http://a:1", NULL },
        { "upstream", "base_url", "http://a:65535", NULL },
        { "upstream", "base_url", "http://a:00080", NULL },
        { "upstream", "base_url", "http://a:000080", "has a bad port" },
        { "upstream", "base_url", "http://a:65536", "has a bad port" },
        { "upstream", "base_url", "http://a:0", "has a bad port" },
        { "upstream", "base_url", "http://a:", "has a bad port" },
        { "upstream", "base_url", "http://:80", "has no host" },
        { "upstream", "base_url", "http:///a", "has no host" },
        { "upstream", "base_url", "http://a:b:1", "has more than one ':'" },
        { "upstream", "base_url", "http://[::1", "has a '[' without a ']'" },
        { "upstream", "base_url", "http://[::1]8", "has something other than :PORT" },
        { "upstream", "base_url", "http://[127.0.0.1]", "has no IPv6 address" },
        { "upstream", "base_url", "http://[fe80::1%lo]", "has no IPv6 address" },
        { "upstream", "base_url", "http://127.1", "looks like an IPv4 address" },
        { "upstream", "base_url", "http://a.1", "looks like an IPv4 address" },
        { "upstream", "base_url", "http://a.1.", "looks like an IPv4 address" },
        { "upstream", "base_url", "http://1.a", NULL },
        { "upstream", "base_url", "http://1a", NULL },
        { "upstream", "base_url", "http://a1.", NULL },
        { "upstream", "base_url", "http://a..b", "has a host name with an empty part" },
        { "upstream", "base_url", "http://.a", "has a host name with an empty part" },
        { "upstream", "base_url", "http://a~", "has a host name with a character" },
        { "upstream", "base_url", "http://" X250 "xxx", NULL },
        { "upstream", "base_url", "http://" X250 "xxxx", "longer than 253 characters" },
        { "upstream", "base_url", "http://a/b\\c", "holds a backslash" },
        { "upstream", "base_url", "http://a\xC3\xA4", "holds a character beyond ASCII" },
        { "upstream", "base_url", "http://a b", "holds a blank" },
        { "upstream", "base_url", "\"http://a\"", "starts with a quote" },
        { "upstream", "base_url", "http://u@a", "holds a user name or password" },
        { "upstream", "base_url", "socks://a", "must start with http:// or https://" },
        { "upstream", "base_url", "socks4://a", "must start with http:// or https://" },
        { "upstream", "base_url", "socks4a://a", "must start with http:// or https://" },
        { "upstream", "base_url", "socks5://a", "must start with http:// or https://" },
        { "upstream", "base_url", "socks5h://a", "must start with http:// or https://" },
        { "upstream", "proxy", "socks5://a", NULL },
        { "upstream", "proxy", "a:1080", "must start with http://, https://, socks5://" },
        { "upstream", "proxy", "http://a/b", "has a path" },
        { "upstream", "proxy", "http://a/", NULL },
        { "upstream", "proxy", "http://" X250 "xxxxx:" X250 "xxxxx@a", NULL },
        { "upstream", "proxy", "http://" X250 "xxxxxx@a", "longer than 255 bytes" },
        { "upstream", "proxy", "http://u:" X250 "xxxxxx@a", "longer than 255 bytes" },
        { "upstream", "proxy", "http://%41%7E@a", NULL },
        { "upstream", "proxy", "http://%4@a", "is not followed by two hex digits" },
        { "upstream", "proxy", "http://%4g@a", "is not followed by two hex digits" },
        { "upstream", "proxy", "http://%g4@a", "is not followed by two hex digits" },
        { "upstream", "proxy", "http://%1f@a", "has a control character" },
        { "upstream", "proxy", "http://%20@a", NULL },
        { "upstream", "proxy", "http://%7f@a", "has a control character" },
        { "upstream", "proxy", "http://u:%00@a", "has a control character" },
        { "upstream", "proxy", "none", NULL },
    };

    (void)state;
    try(edges, COUNT(edges));
}

static void names_and_keys_have_edges(void **state)
{
    static const struct edge edges[] = {
        { "upstream", "models", X250 "xxxxxx", NULL },
        { "upstream", "models", X250 "xxxxxxx", "longer than 256 bytes" },
        { "upstream", "models", "*", NULL },
        { "upstream", "models", "a*", NULL },
        { "upstream", "models", "a*b", "has a '*' elsewhere" },
        { "upstream", "models", "a -> b*", "has a '*' elsewhere" },
        { "upstream", "models", "a > b", "has a '>' that is part of no arrow" },
        { "upstream", "models", "a ->", "lacks a name beside its arrow" },
        { "upstream", "models", "-> b", "lacks a name beside its arrow" },
        { "upstream", "models", "* -> b", NULL },
        { "upstream", "models", "\"a\"", "stands in quotes" },
        { "upstream", "models", "a, ", "has an empty item" },
        { "upstream", "models", "\xC3", "is not UTF-8" },
        { "upstream", "fallback", "-> a", "names no upstream in front of its arrow" },
        { "upstream", "fallback", "nobody", "there is no [upstream] called" },
        { "upstream", "api_key", "sk-\x80", "holds a character beyond ASCII" },
        { "upstream", "api_key", "a b", "holds a blank or a control character" },
        { "upstream", "api_key", "\"a\"", "stands in quotes" },
        { "upstream", "api_key", "a, client", "client stands alone or not at all" },
        { "defaults", "a", "true", NULL },
        { "defaults", "a", "True", "is no JSON; write true" },
        { "defaults", "a", "word", "a text stands in double quotes" },
        { "defaults", "a", "'a'", "a text stands in double quotes" },
        { "defaults", "a", "1", NULL },
        { "upstream_headers", "a b", "c", "is no name of a header field" },
        { "upstream_headers", "a", "c", NULL },
        { "upstream_headers", "host", "c", "follows from base_url" },
        { "field_aliases", "\"a\"", "b", "stands without quotes" },
        { "field_aliases", "a", "\"b\"", "stands without quotes" },
        { "upstream " X10 X10 X10 X10, "base_url", "http://a", NULL },
        { "key a/b", "key", "a", "a label is made of" },
        { "upstream default", "models", "a", "default is the name of [upstream] itself" },
        { "access", "ip_whitelist", "10.0.0.0/33", "has a bad prefix length; it is 0 to 32" },
        { "access", "ip_whitelist", "::/129", "has a bad prefix length; it is 0 to 128" },
        { "access", "cors_origins", "null", NULL },
        { "access", "cors_origins", "http://", "is not an origin" },
        { "access", "cors_origins", "://a", "is not an origin" },
        { "access", "cors_origins", "http://a~", NULL },
        { "access", "cors_origins", "http://a\x7f", "a control character" },
        { "access", "cors_origins", "http://\xC3\xA4", "is not an origin" },
        { "access", "cors_origins", "http://a b", "is not an origin" },
        { "access", "cors_origins", "http://a/", "has a '/' after the host" },
        { "upstream", "pass_paths", "/a, /b/*", NULL },
        { "upstream", "pass_paths", "/a/*/b", "has a '*' elsewhere" },
        { "upstream", "pass_paths", "/a/../b", "has a segment that is empty" },
        { "upstream", "pass_paths", "/a/.", "has a segment that is empty" },
        { "upstream", "pass_paths", "/a//b", "has a segment that is empty" },
        { "upstream", "pass_paths", "/a/", NULL },
        { "upstream", "pass_paths", "/a?b", "is more than a path" },
        { "upstream", "pass_paths", "/a\xC3\xA4", "is more than a path" },
        { "upstream", "pass_paths", "a", "is no path" },
        { "upstream", "pass_paths", "/healthz", "is served in any case" },
        { "upstream", "pass_paths", "none", NULL },
        { "access", "cors_origins", "http://a, none", "stands alone or not at all" },
    };

    (void)state;
    try(edges, COUNT(edges));
}

static void names_of_variables_have_edges(void **state)
{
    static const struct edge edges[] = {
        { "server", "workers", "${A1}", NULL },
        { "server", "workers", "${_}", NULL },
        { "server", "workers", "${" X250 "xxxxx}", NULL },
        { "server", "workers", "${" X250 "xxxxxx}", "'${' starts the name of a variable" },
        { "server", "workers", "${1A}", "'${' starts the name of a variable" },
        { "server", "workers", "${}", "'${' starts the name of a variable" },
        { "server", "workers", "${A1", "'${' starts the name of a variable" },
        { "server", "workers", "${A-1}", "'${' starts the name of a variable" },
        { "server", "workers", "${OCP_TEST_NOBODY}", "has no variable OCP_TEST_NOBODY" },
        { "server", "workers", "${OCP_TEST_CONTROL}", "holds a control character (byte 0x01)" },
        { "server", "workers", "${OCP_TEST_DELETE}", "holds a control character (byte 0x7f)" },
        { "server", "workers", "${OCP_TEST_BLANKS}", NULL },
        { "server", "workers", "$1", "is not a whole number" },
    };

    (void)state;
    setenv("A1", "1", 1);
    setenv("_", "1", 1);
    setenv(X250 "xxxxx", "1", 1);
    setenv("OCP_TEST_CONTROL", "1\x01", 1);
    setenv("OCP_TEST_DELETE", "\x7f", 1);
    setenv("OCP_TEST_BLANKS", " \t1\r\n", 1);
    try(edges, COUNT(edges));
}

/* Nothing of a section that is refused is taken. */
static void the_section_default_is_told_once(void **state)
{
    struct loaded l =
        load_text("[upstream]\nmodels = a\n[upstream default]\nmodels = b\nnothing = c\n");

    (void)state;
    assert_string_equal(l.errors,
                        "test.ini:3: [upstream default] default is the name of "
                        "[upstream] itself\n");
    loaded_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_edges),
        cmocka_unit_test(accounts_and_paths_have_edges),
        cmocka_unit_test(addresses_to_listen_on_have_edges),
        cmocka_unit_test(urls_have_edges),
        cmocka_unit_test(names_and_keys_have_edges),
        cmocka_unit_test(names_of_variables_have_edges),
        cmocka_unit_test(the_section_default_is_told_once),
    };

    return cmocka_run_group_tests(tests, cfg_clean, NULL);
}
