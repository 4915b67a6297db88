/* The renamer: what it writes and what it refuses, whole, at every split of the input and with every size of output; and the public suite of
 * JSON parsers' test cases, read from OCP_CORPORA. */
#include "json/rename.h"
#include "tests/unit/guard.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct json_alias aliases[] = {
    { { "model", 5 }, { "model_id", 8 } },
    { { "a", 1 }, { "b", 1 } },
    { { "b", 1 }, { "c", 1 } },
    { { "", 0 }, { "empty", 5 } },
    { { "\xf0\x9f\x98\x80", 4 }, { "\"\\\n", 3 } },
    { { "modem", 5 }, { "m", 1 } },
};
static const struct json_default defaults[] = {
    { { "t", 1 }, { " 0.6 ", 5 } },
    { { "a", 1 }, { "{\"a\":[]}", 8 } },
};

static struct json_rules *make(unsigned n_aliases, unsigned n_defaults, bool top_only)
{
    struct json_rules_spec spec = { .aliases = aliases, .n_aliases = n_aliases, .defaults = defaults, .n_defaults = n_defaults, .top_only = top_only };
    struct json_rules *rules;
    const char *why;

    assert_int_equal(json_rules_make(&rules, &spec, &why), 0);
    return rules;
}

struct result {
    int err;
    uint64_t offset;
    size_t n;
    char text[8192];
};

/* Feeds in as parts of at most part bytes, each flush against a guard page, into room of at most cap bytes at a time. */
static void run(struct result *res, const struct json_rules *rules, struct span in, size_t part, size_t cap)
{
    struct json_renamer r;
    size_t written;

    memset(res, 0, sizeof *res);
    json_rename_init(&r, rules);
    for (size_t at = 0; at < in.n;) {
        size_t n = in.n - at < part ? in.n - at : part;
        char *copy = guard_end(in.p + at, n);
        ssize_t used = json_rename(&r, (struct span){ copy, n }, res->text + res->n, cap, &written);

        guard_free(copy, n);
        assert_true(written <= cap);
        res->n += written;
        if (used < 0) {
            res->err = (int)used;
            res->offset = r.offset;
            assert_non_null(r.why);
            return;
        }
        at += (size_t)used;
    }
    do {
        res->err = json_rename_end(&r, res->text + res->n, cap, &written);
        res->n += written;
    } while (res->err == -EAGAIN);
    res->offset = r.offset;
}

static void check(const struct json_rules *rules, const char *in, const char *want, uint64_t offset)
{
    static const size_t parts[] = { 1, 2, 3, 5, 7, 16, 64, 8000 }, caps[] = { 1, 2, 3, 17, 64, 1500 };
    static struct result res;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        for (size_t k = 0; k < sizeof caps / sizeof *caps; k++) {
            run(&res, rules, span_of(in), parts[i], caps[k]);
            if (res.err != (want ? 0 : -EBADMSG) || (!want && res.offset != offset) ||
                (want && !span_eq((struct span){ res.text, res.n }, span_of(want))))
                fail_msg("%s in parts of %zu, room of %zu: %d at %llu, %.*s", in, parts[i], caps[k], res.err, (unsigned long long)res.offset,
                         (int)res.n, res.text);
        }
    }
}

static void test_renames(void **state)
{
    static const char *const cases[][2] = {
        { "{\"model\":\"model\"}", "{\"model_id\":\"model\"}" },
        { " { \"\\u006dode\\u006c\" : [ {\"a\":1.50E+2} ] }\n", " { \"model_id\" : [ {\"b\":1.50E+2} ] }\n" },
        { "{\"b\":1,\"a\":2,\"a\":3}", "{\"c\":1,\"b\":2,\"b\":3}" },
        { "{\"mode\":1,\"models\":2,\"modem\":3,\"mod\\u0065m\":4}", "{\"mode\":1,\"models\":2,\"m\":3,\"m\":4}" },
        { "{\"\":0}", "{\"empty\":0}" },
        { "{\"\\ud83d\\uDE00\":0,\"\xf0\x9f\x98\x80\":1}", "{\"\\\"\\\\\\u000a\":0,\"\\\"\\\\\\u000a\":1}" },
        { "[\"a\",\"\\\"a\\\":\",{\"x\":\"a\"}]", "[\"a\",\"\\\"a\\\":\",{\"x\":\"a\"}]" },
        { "-0.0e-1", "-0.0e-1" },
        { "\"\xff\xc0\x80\"", "\"\xff\xc0\x80\"" },
    };
    struct json_rules *rules = make(6, 0, false);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(rules, cases[i][0], cases[i][1], 0);
    json_rules_free(rules);
    rules = make(6, 0, true);
    check(rules, "{\"a\":{\"a\":[{\"a\":1}]},\"model\":2}", "{\"b\":{\"a\":[{\"a\":1}]},\"model_id\":2}", 0);
    json_rules_free(rules);
}

static void test_defaults(void **state)
{
    static const char *const cases[][2] = {
        { "{}", "{\"t\":0.6,\"b\":{\"b\":[]}}" },
        { "{\"x\":1 }", "{\"x\":1 ,\"t\":0.6,\"b\":{\"b\":[]}}" },
        { "{\"t\":1,\"a\":2}", "{\"t\":1,\"b\":2}" },
        { "{\"\\u0074\":1,\"x\":{\"a\":2}}", "{\"\\u0074\":1,\"x\":{\"b\":2},\"b\":{\"b\":[]}}" },
        { "[{}]", "[{}]" },
        { "null", "null" },
    };
    struct json_rules *rules = make(2, 2, false);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(rules, cases[i][0], cases[i][1], 0);
    json_rules_free(rules);
}

static void test_faults_have_offsets(void **state)
{
    static const struct {
        const char *in;
        uint64_t offset;
    } cases[] = {
        { "", 0 }, { " ", 1 }, { "{", 1 }, { "{\"a\"}", 4 }, { "{\"a\":1,}", 7 }, { "[1,]", 3 }, { "01", 1 }, { "-", 1 }, { "1.", 2 }, { "1.e1", 2 },
        { "+1", 0 }, { "tru ", 3 }, { "nul", 3 }, { "\"\\x\"", 2 }, { "\"\n\"", 1 }, { "\"\\ud800\"", 7 }, { "\"\\u12g4\"", 5 }, { "{} {}", 3 },
        { "\xef\xbb\xbf{}", 0 }, { "[1 2]", 3 }, { "{1:2}", 1 }, { "]", 0 }, { "[}", 1 }, { "\x80", 0 }, { "\"abc", 4 },
    };
    struct json_rules *rules = make(6, 2, false);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(rules, cases[i].in, NULL, cases[i].offset);
    json_rules_free(rules);
}

static void test_depth(void **state)
{
    static char text[2 * JSON_DEPTH_MAX + 3];
    struct json_rules *rules = make(1, 0, false);

    (void)state;
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    check(rules, text, text, 0);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    check(rules, text, NULL, JSON_DEPTH_MAX);
    json_rules_free(rules);
}

static void test_bad_rules(void **state)
{
    static char long_key[JSON_KEY_MAX + 2];
    const struct json_alias twice[] = { { { "x", 1 }, { "y", 1 } }, { { "x", 1 }, { "z", 1 } } };
    const struct json_alias too_long[] = { { { long_key, JSON_KEY_MAX + 1 }, { "y", 1 } } };
    const struct json_default bad[] = { { { "x", 1 }, { "1,", 2 } } };
    unsigned which = 99;
    struct json_rules *rules;
    const char *why = NULL;

    (void)state;
    memset(long_key, 'k', sizeof long_key - 1);
    assert_int_equal(json_rules_make(&rules, &(struct json_rules_spec){ .aliases = twice, .n_aliases = 2, .bad = &which }, &why), -EINVAL);
    assert_int_equal(which, 1);
    assert_int_equal(json_rules_make(&rules, &(struct json_rules_spec){ .aliases = too_long, .n_aliases = 1 }, &why), -EINVAL);
    assert_int_equal(json_rules_make(&rules, &(struct json_rules_spec){ .defaults = bad, .n_defaults = 1 }, &why), -EINVAL);
    assert_non_null(why);
    assert_true(sizeof(struct json_renamer) < 2048);
}

/* y_ is accepted and n_ refused; of i_, which a parser may treat as it likes, lone surrogates, byte order marks and UTF-16 are refused. */
static void test_public_suite(void **state)
{
    const char *corpora = getenv("OCP_CORPORA");
    char path[1024], text[200000];
    struct json_rules *rules;
    struct dirent *e;
    unsigned n = 0;
    DIR *dir;

    (void)state;
    snprintf(path, sizeof path, "%s/jsontestsuite/test_parsing", corpora ? corpora : "../shared/corpora");
    dir = opendir(path);
    if (!dir)
        skip();
    rules = make(6, 0, false);
    while ((e = readdir(dir))) {
        char file[2048];
        FILE *f;
        struct json_renamer r;
        char out[4096];
        size_t size, written = 0, at = 0;
        ssize_t used = 0;
        int err = 0;

        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        f = fopen(file, "rb");
        assert_non_null(f);
        size = fread(text, 1, sizeof text, f);
        fclose(f);
        json_rename_init(&r, rules);
        while (at < size && (used = json_rename(&r, (struct span){ text + at, size - at }, out, sizeof out, &written)) >= 0)
            at += (size_t)used;
        err = used < 0 ? (int)used : json_rename_end(&r, out, sizeof out, &written);
        if ((e->d_name[0] == 'y' && err != 0) || (e->d_name[0] == 'n' && err != -EBADMSG))
            fail_msg("%s: %d, %s at %llu", e->d_name, err, r.why ? r.why : "", (unsigned long long)r.offset);
        n++;
    }
    closedir(dir);
    json_rules_free(rules);
    assert_true(n > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_renames),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_faults_have_offsets),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_public_suite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
