/* A configuration for which memory does not suffice, at each of its allocations; and the lists and
 * words that cfg/ keeps. */
#include "cfg/memory.h"
#include "tests/unit/cfg_text.h"
#include "tests/unit/short_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

/* Values of every type are read, copied, expanded and inherited. */
static const char whole[] = "[server]\n"
                            "listen = 127.0.0.1:8000, [::1]:8001 proxy_protocol, unix:/run/a.sock\n"
                            "user = nobody\n"
                            "[upstream]\n"
                            "base_url = https://${OCP_TEST_NAME}:8443/api/v1\n"
                            "proxy_url_path = /v1/chat/completions?c=d\n"
                            "pass_paths = /v1/models, /v1/embeddings, /a/*\n"
                            "models = gpt-4o, o3 -> o3-mini\n"
                            "api_key = sk-one, sk-two\n"
                            "fallback = other -> m, third\n"
                            "proxy = socks5h://user:word@proxy.example:1080\n"
                            "ca_file = /etc/passwd\n"
                            "[field_aliases]\n"
                            "max_tokens = max_completion_tokens\n"
                            "[upstream_headers]\n"
                            "x-a = ${OCP_TEST_NAME}\n"
                            "[defaults]\n"
                            "temperature = 0.5\n"
                            "[upstream other]\n"
                            "base_url = http://other.example/v1\n"
                            "models = a*, b\n"
                            "api_key = client\n"
                            "[upstream third]\n"
                            "base_url = http://third.example\n"
                            "models = c\n"
                            "socket = /run/third.sock\n"
                            "[api_keys]\n"
                            "sk-client = sk-upstream\n"
                            "sk-another = sk-upstream\n"
                            "[key alice]\n"
                            "key = sk-alice\n"
                            "upstream_key = sk-three, sk-four\n"
                            "models = gpt-4o, a1\n"
                            "upstream = default\n"
                            "[access]\n"
                            "ip_whitelist = 10.0.0.0/8, ::1, unix:\n"
                            "trusted_proxies = 127.0.0.1\n"
                            "cors_origins = https://a.example, http://localhost:3000\n"
                            "[log]\n"
                            "file = /tmp/there is none.log\n";

static const char faulty[] = "[server]\n"
                             "lisen = 1\n"
                             "workers = many\n"
                             "[upstream]\n"
                             "base_url = ftp://a\n"
                             "proxy = ${OCP_TEST_NOBODY}\n"
                             "[nowhere]\n"
                             "[key bob]\n"
                             "[log]\n"
                             "file = /there/is/none\n";

/* What came of loading a text: the messages, and all of the configuration. */
struct outcome {
    int err;
    char said[4000], printed[8000];
};

/* Loads text with so much memory, and gives all of it back. Returns true if it was too little. */
static bool load_with(struct outcome *o, const char *text, unsigned long granted,
                      unsigned long denied)
{
    const long live = memory.live;
    FILE *errors, *printed;
    struct files *files;
    struct conf *c;
    bool ran_out;

    memset(o, 0, sizeof *o);
    errors = fmemopen(o->said, sizeof o->said, "w");
    printed = fmemopen(o->printed, sizeof o->printed, "w");
    assert_int_equal(files_make(&files), 0);
    setvbuf(errors, NULL, _IONBF, 0);
    memory_short(granted, denied);
    o->err = conf_load_text(&c, span_of(text), "test.ini", files, errors);
    ran_out = memory_plenty();
    assert_true((o->err == 0) == (c != NULL));
    if (c)
        conf_print(c, printed);
    conf_free(c);
    files_free(files);
    fclose(errors);
    fclose(printed);
    assert_int_equal(memory.live, live);
    return ran_out;
}

/* Either that is said, or nothing is missing: the C library can do with less than it asks for. */
static void too_little_memory_is_told_wherever_it_ends(void **state)
{
    static const struct {
        const char *text;
        int err;
    } loads[] = { { whole, 0 }, { faulty, -EINVAL }, { "", 0 } };
    static struct outcome with, without;

    (void)state;
    clean_environment();
    setenv("OCP_TEST_NAME", "name.example", 1);
    setenv("https_proxy", "http://user:word@proxy.example:3128", 1);
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        assert_false(load_with(&with, loads[i].text, ULONG_MAX, 0));
        assert_int_equal(with.err, loads[i].err);
        for (int once = 0; once < 2; once++) {
            unsigned long n = 0;

            for (; load_with(&without, loads[i].text, n, once ? 1 : ULONG_MAX); n++)
                if (without.err != -ENOMEM && memcmp(&with, &without, sizeof with) != 0)
                    fail_msg("text %zu, allocation %lu%s: %d %s", i, n, once ? " alone" : "",
                             without.err, without.said);
            assert_memory_equal(&with, &without, sizeof with);
            assert_true(n > 20);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_little_memory_is_told_wherever_it_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
