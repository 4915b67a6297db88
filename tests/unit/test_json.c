/* The renamer: its output and its refusals, whole, at every split of the input and with every size
 * of output; and the public suite of test cases for JSON parsers, read from OCP_CORPORA. */
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
    struct json_rules_spec spec = { .aliases = aliases,
                                    .n_aliases = n_aliases,
                                    .defaults = defaults,
                                    .n_defaults = n_defaults,
                                    .top_only = top_only };
    struct json_rules *rules;
    const char *why;

    assert_int_equal(json_rules_make(&rules, &spec, &why), 0);
    return rules;
}

/* Memory for one renamer at a time, of garbage that must not matter. */
static void *memory_for(const struct json_rules *rules)
{
    static char memory[1 << 18];

    assert_true(json_rename_memory(rules) <= sizeof memory);
    memset(memory, 0xA5, sizeof memory);
    return memory;
}

/* What the next runs ask for of the model; p is NULL if they do not. */
static struct span model;

struct result {
    int err;
    uint64_t offset;
    struct span twins[2];
    size_t n;
    char text[8192];
};

/* Feeds in as parts of at most part bytes, each flush against a guard page, into room of at most
 * cap bytes at a time. */
static void run(struct result *res, const struct json_rules *rules, struct span in, size_t part,
                size_t cap)
{
    struct json_renamer r;
    size_t written;

    memset(res, 0, sizeof *res);
    json_rename_init(&r, rules, memory_for(rules));
    if (model.p)
        json_rename_model(&r, model);
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
            memcpy(res->twins, r.twins, sizeof r.twins);
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
    static const size_t parts[] = { 1, 2, 3, 5, 7, 16, 64, 8000 },
                        caps[] = { 1, 2, 3, 17, 64, 1500 };
    static struct result res;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        for (size_t k = 0; k < sizeof caps / sizeof *caps; k++) {
            run(&res, rules, span_of(in), parts[i], caps[k]);
            if (res.err != (want ? 0 : -EBADMSG) || (!want && res.offset != offset) ||
                (want && !span_eq((struct span){ res.text, res.n }, span_of(want))))
                fail_msg("%s in parts of %zu, room of %zu: %d at %llu, %.*s", in, parts[i], caps[k],
                         res.err, (unsigned long long)res.offset, (int)res.n, res.text);
        }
    }
}

static void test_renames(void **state)
{
    static const char *const cases[][2] = {
        { "{\"model\":\"model\"}", "{\"model_id\":\"model\"}" },
        { " { \"\\u006dode\\u006c\" : [ {\"a\":1.50E+2} ] }\n",
          " { \"model_id\" : [ {\"b\":1.50E+2} ] }\n" },
        { "{\"b\":1,\"a\":2,\"a\":3}", "{\"c\":1,\"b\":2,\"b\":3}" },
        { "{\"mode\":1,\"models\":2,\"modem\":3,\"mod\\u0065m\":4}",
          "{\"mode\":1,\"models\":2,\"m\":3,\"m\":4}" },
        { "{\"\":0}", "{\"empty\":0}" },
        { "{\"\\ud83d\\uDE00\":0,\"\xf0\x9f\x98\x80\":1}",
          "{\"\\\"\\\\\\u000a\":0,\"\\\"\\\\\\u000a\":1}" },
        { "[\"a\",\"\\\"a\\\":\",{\"x\":\"a\"}]", "[\"a\",\"\\\"a\\\":\",{\"x\":\"a\"}]" },
        { "-0.0e-1", "-0.0e-1" },
        { "{\"\\ud83d\":\"\\ude00\",\"\\ude00\\ud83d\":\"\\ud83d\\ud83d\\ude00\"}",
          "{\"\\ud83d\":\"\\ude00\",\"\\ude00\\ud83d\":\"\\ud83d\\ud83d\\ude00\"}" },
        { "{\"\\ud83dx\":1,\"\\ud83d\\n\":2,\"\\ud83d\\u0061\":3,\"a\\ud83d\":4,\"\\ud83da\":5}",
          "{\"\\ud83dx\":1,\"\\ud83d\\n\":2,\"\\ud83d\\u0061\":3,\"a\\ud83d\":4,\"\\ud83da\":5}" },
        { "{\"\\ud83d\x9f\x98\x80\":1,\"\\ud83d\\ude01\":2,\"\\ud83e\\ude00\":3}",
          "{\"\\ud83d\x9f\x98\x80\":1,\"\\ud83d\\ude01\":2,\"\\ud83e\\ude00\":3}" },
        { "\"\xff\xc0\x80\"", "\"\xff\xc0\x80\"" },
    };
    struct json_rules *rules = make(6, 0, false);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(rules, cases[i][0], cases[i][1], 0);
    json_rules_free(rules);
    rules = make(6, 0, true);
    check(rules, "{\"a\":{\"a\":[{\"a\":1}]},\"model\":2}",
          "{\"b\":{\"a\":[{\"a\":1}]},\"model_id\":2}", 0);
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

/* Keys that would go out under one name; the later one's closing quote is the fault. */
static void test_twins(void **state)
{
    static const struct json_alias old_and_new[] = { { { "old", 3 }, { "new", 3 } },
                                                     { { "older", 5 }, { "new", 3 } },
                                                     { { "a", 1 }, { "b", 1 } },
                                                     { { "b", 1 }, { "a", 1 } },
                                                     { { "same", 4 }, { "same", 4 } } };
    static const struct {
        const char *in, *want;
        uint64_t offset;
        const char *earlier, *later;
    } cases[] = {
        { "{\"old\":1,\"new\":2}", NULL, 13, "old", "new" },
        { "{\"new\":1,\"old\":2}", NULL, 13, "new", "old" },
        { "{\"old\":1,\"older\":2}", NULL, 15, "old", "older" },
        { "{\"older\":1,\"\\u006eew\":2}", NULL, 20, "older", "new" },
        { "{\"old\":1,\"x\":{\"old\":[{\"old\":1}]},\"x\":[],\"new\":2}", NULL, 44, "old", "new" },
        { "[{\"x\":{\"x\":{\"new\":1,\"x\":{},\"x\":\"new\",\"old\":2}}}]", NULL, 41, "new",
          "old" },
        { "{\"old\":1,\"x\":{\"new\":2}}", "{\"new\":1,\"x\":{\"new\":2}}", 0, NULL, NULL },
        { "{\"x\":{\"new\":2},\"old\":1,\"y\":{\"new\":2}}",
          "{\"x\":{\"new\":2},\"new\":1,\"y\":{\"new\":2}}", 0, NULL, NULL },
        { "[{\"old\":1},{\"new\":2},{\"older\":3}]", "[{\"new\":1},{\"new\":2},{\"new\":3}]", 0,
          NULL, NULL },
        { "{\"old\":1,\"old\":2}", "{\"new\":1,\"new\":2}", 0, NULL, NULL },
        { "{\"new\":1,\"new\":2}", "{\"new\":1,\"new\":2}", 0, NULL, NULL },
        { "{\"a\":1,\"b\":2,\"same\":3,\"same\":4}", "{\"b\":1,\"a\":2,\"same\":3,\"same\":4}", 0,
          NULL, NULL },
        { "{\"old\":\"new\",\"x\":[\"new\",\"new\"]}", "{\"new\":\"new\",\"x\":[\"new\",\"new\"]}",
          0, NULL, NULL },
    };
    struct json_rules_spec spec = { .aliases = old_and_new, .n_aliases = 5 };
    struct json_rules *rules;
    const char *why;

    (void)state;
    assert_int_equal(json_rules_make(&rules, &spec, &why), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct result res;

        check(rules, cases[i].in, cases[i].want, cases[i].offset);
        if (cases[i].want)
            continue;
        run(&res, rules, span_of(cases[i].in), 8000, 1500);
        assert_true(span_eq(res.twins[0], span_of(cases[i].earlier)));
        assert_true(span_eq(res.twins[1], span_of(cases[i].later)));
    }
    json_rules_free(rules);
    spec.top_only = true;
    assert_int_equal(json_rules_make(&rules, &spec, &why), 0);
    check(rules, "{\"x\":{\"old\":1,\"new\":2},\"old\":3}",
          "{\"x\":{\"old\":1,\"new\":2},\"new\":3}", 0);
    check(rules, "{\"old\":1,\"x\":{},\"new\":2}", NULL, 20);
    json_rules_free(rules);
}

/* In the deepest object there may be, and in the one around it. */
static void test_twins_deep_down(void **state)
{
    static char text[8 * JSON_DEPTH_MAX + 100], want[sizeof text];
    static const struct json_alias alias[] = { { { "o", 1 }, { "n", 1 } } };
    struct json_rules_spec spec = { .aliases = alias, .n_aliases = 1 };
    struct json_rules *rules;
    const char *why;
    size_t n = 0;

    (void)state;
    assert_int_equal(json_rules_make(&rules, &spec, &why), 0);
    assert_int_equal(json_rename_memory(rules), JSON_DEPTH_MAX);
    for (unsigned i = 0; i + 1 < JSON_DEPTH_MAX; i++)
        n += (size_t)sprintf(text + n, "{\"o\":");
    n += (size_t)sprintf(text + n, "{\"o\":1}");
    memset(text + n, '}', JSON_DEPTH_MAX);
    text[n + JSON_DEPTH_MAX - 1] = '\0';
    strcpy(want, text);
    for (char *p = want; (p = strchr(p, 'o')); p++)
        *p = 'n';
    check(rules, text, want, 0);
    memcpy(text + n, ",\"n\":1}", 8);
    check(rules, text, NULL, n + 3);
    memmove(text + n - 1, text + n, strlen(text + n) + 1);
    check(rules, text, NULL, n + 2);
    json_rules_free(rules);
}

static void test_the_model_is_replaced(void **state)
{
    static const struct {
        const char *in, *want;
        uint64_t offset;
    } cases[] = {
        { "{\"model\":\"a\"}", "{\"model_id\":\"new\"}", 0 },
        { "{\"mod\\u0065l\" : \"a\\\"\\ud83d\" ,\"x\":1}", "{\"model_id\" : \"new\" ,\"x\":1}", 0 },
        { "{\"x\":{\"model\":\"a\"},\"model\":null}",
          "{\"x\":{\"model_id\":\"a\"},\"model_id\":\"new\"}", 0 },
        { "{\"model\":-1.5e2,\"a\":2}", "{\"model_id\":\"new\",\"b\":2}", 0 },
        { "{\"model\":-1.5e2}", "{\"model_id\":\"new\"}", 0 },
        { "{\"model\" :\n12\n}", "{\"model_id\" :\n\"new\"\n}", 0 },
        { "{\"model\":{\"a\":[1,{\"model\":\"}\"}],\"b\":[]},\"a\":true}",
          "{\"model_id\":\"new\",\"b\":true}", 0 },
        { "{\"model\":[[]] ,\"a\":\"a\"}", "{\"model_id\":\"new\" ,\"b\":\"a\"}", 0 },
        { "[{\"model\":\"a\"},{\"model\":\"b\"}]", "[{\"model_id\":\"a\"},{\"model_id\":\"b\"}]",
          0 },
        { "{\"a\":\"model\"}", "{\"b\":\"model\"}", 0 },
        { "{\"model\":1,\"model\":2}", NULL, 17 },
        { "{\"model\":1,\"a\":{\"model\":2},\"\\u006dodel\":3}", NULL, 38 },
        { "{\"model\":tru}", NULL, 12 },
        { "{\"model\":}", NULL, 9 },
        { "{\"model\":[1,}", NULL, 12 },
        { "{\"model\":\"\n\"}", NULL, 10 },
    };
    struct json_rules *rules = make(6, 0, false);

    (void)state;
    model = SPAN("\"new\"");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(rules, cases[i].in, cases[i].want, cases[i].offset);
    model = SPAN("");
    check(rules, "{\"model\":[1] }", "{\"model_id\":[1] }", 0);
    check(rules, "{\"model\":1,\"model\":2}", NULL, 17);
    model = (struct span){ NULL, 0 };
    check(rules, "{\"model\":1,\"model\":2}", "{\"model_id\":1,\"model_id\":2}", 0);
    json_rules_free(rules);
    rules = make(0, 0, false);
    assert_int_equal(json_rename_memory(rules), 0);
    check(rules, "{\"model\":1,\"model\":[2]}", "{\"model\":1,\"model\":[2]}", 0);
    check(rules, "{\"model\":01}", NULL, 10);
    model = SPAN("{}");
    check(rules, "{\"a\":\"b\",\"model\":1}", "{\"a\":\"b\",\"model\":{}}", 0);
    model = (struct span){ NULL, 0 };
    json_rules_free(rules);
}

static void test_the_default_model_is_replaced(void **state)
{
    static const struct json_default some[] = { { { "t", 1 }, { "1", 1 } },
                                                { { "model", 5 }, { "\"old\"", 5 } },
                                                { { "u", 1 }, { "2", 1 } } };
    struct json_rules_spec spec = {
        .aliases = aliases, .n_aliases = 1, .defaults = some, .n_defaults = 3
    };
    struct json_rules *rules;
    const char *why;

    (void)state;
    assert_int_equal(json_rules_make(&rules, &spec, &why), 0);
    check(rules, "{}", "{\"t\":1,\"model_id\":\"old\",\"u\":2}", 0);
    model = SPAN("\"new\"");
    check(rules, "{}", "{\"t\":1,\"model_id\":\"new\",\"u\":2}", 0);
    check(rules, "{\"t\":3}", "{\"t\":3,\"model_id\":\"new\",\"u\":2}", 0);
    check(rules, "{\"model\":3}", "{\"model_id\":\"new\",\"t\":1,\"u\":2}", 0);
    model = SPAN("");
    check(rules, "{}", "{\"t\":1,\"model_id\":\"old\",\"u\":2}", 0);
    json_rules_free(rules);
    spec.defaults = some + 1;
    spec.n_defaults = 1;
    model = SPAN("\"new\"");
    assert_int_equal(json_rules_make(&rules, &spec, &why), 0);
    check(rules, "{}", "{\"model_id\":\"new\"}", 0);
    model = (struct span){ NULL, 0 };
    json_rules_free(rules);
}

static void test_a_default_model_may_wait_to_be_given(void **state)
{
    static const struct json_default some[] = { { { "model", 5 }, { "\"\"", 2 } },
                                                { { "t", 1 }, { "1", 1 } } };
    struct json_rules_spec spec = { .defaults = some, .n_defaults = 2, .model_if_given = true };
    struct json_rules *rules;
    const char *why;

    (void)state;
    assert_int_equal(json_rules_make(&rules, &spec, &why), 0);
    check(rules, "{}", "{\"t\":1}", 0);
    model = SPAN("");
    check(rules, "{\"a\":1}", "{\"a\":1,\"t\":1}", 0);
    model = SPAN("\"new\"");
    check(rules, "{}", "{\"model\":\"new\",\"t\":1}", 0);
    check(rules, "{\"model\":null}", "{\"model\":\"new\",\"t\":1}", 0);
    model = (struct span){ NULL, 0 };
    json_rules_free(rules);
}

static void test_faults_have_offsets(void **state)
{
    static const struct {
        const char *in;
        uint64_t offset;
    } cases[] = {
        { "", 0 },
        { " ", 1 },
        { "{", 1 },
        { "{\"a\"}", 4 },
        { "{\"a\":1,}", 7 },
        { "[1,]", 3 },
        { "01", 1 },
        { "-", 1 },
        { "1.", 2 },
        { "1.e1", 2 },
        { "+1", 0 },
        { "tru ", 3 },
        { "nul", 3 },
        { "\"\\x\"", 2 },
        { "\"\n\"", 1 },
        { "\"\\ud80\"", 6 },
        { "\"\\u12g4\"", 5 },
        { "{} {}", 3 },
        { "\xef\xbb\xbf{}", 0 },
        { "[1 2]", 3 },
        { "{1:2}", 1 },
        { "]", 0 },
        { "[}", 1 },
        { "\x80", 0 },
        { "\"abc", 4 },
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
    const struct json_alias too_long_new[] = { { { "x", 1 }, { long_key, JSON_KEY_MAX + 1 } } };
    const struct json_alias alias[] = { { { "x", 1 }, { "y", 1 } } };
    const struct json_default bad[] = { { { "x", 1 }, { "1,", 2 } } };
    const struct json_default both[] = { { { "d", 1 }, { "[{\"x\":1,\"y\":2}]", 15 } } };
    unsigned which = 99;
    struct json_rules *rules;
    const char *why = NULL;

    (void)state;
    memset(long_key, 'k', sizeof long_key - 1);
    assert_int_equal(
        json_rules_make(
            &rules, &(struct json_rules_spec){ .aliases = twice, .n_aliases = 2, .bad = &which },
            &why),
        -EINVAL);
    assert_int_equal(which, 1);
    assert_int_equal(
        json_rules_make(&rules, &(struct json_rules_spec){ .aliases = too_long, .n_aliases = 1 },
                        &why),
        -EINVAL);
    assert_int_equal(json_rules_make(&rules,
                                     &(struct json_rules_spec){ .defaults = bad, .n_defaults = 1 },
                                     &why),
                     -EINVAL);
    assert_non_null(why);
    assert_int_equal(
        json_rules_make(&rules,
                        &(struct json_rules_spec){ .aliases = too_long_new, .n_aliases = 1 }, &why),
        -EINVAL);
    assert_int_equal(json_rules_make(&rules,
                                     &(struct json_rules_spec){ .aliases = alias,
                                                                .n_aliases = 1,
                                                                .defaults = both,
                                                                .n_defaults = 1,
                                                                .bad = &which },
                                     &why),
                     -EINVAL);
    assert_int_equal(which, 1);
    assert_string_equal(why, "has a default with two fields that go out under one name");
    assert_true(sizeof(struct json_renamer) < 2048);
}

/* Of i_, which a parser may treat as it likes, these are refused: a byte order mark and UTF-16. */
static bool is_refused(const char *name)
{
    return name[0] == 'n' || strstr(name, "BOM") || strstr(name, "utf16");
}

/* y_ and most of i_ are accepted, n_ is refused. */
static void test_public_suite(void **state)
{
    const char *corpora = getenv("OCP_CORPORA");
    char path[1024], text[200000];
    struct json_rules *rules;
    struct dirent *e;
    unsigned n = 0;
    DIR *dir;

    (void)state;
    snprintf(path, sizeof path, "%s/jsontestsuite/test_parsing",
             corpora ? corpora : "../shared/corpora");
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
        json_rename_init(&r, rules, memory_for(rules));
        while (at < size &&
               (used = json_rename(&r, (struct span){ text + at, size - at }, out, sizeof out,
                                   &written)) >= 0)
            at += (size_t)used;
        err = used < 0 ? (int)used : json_rename_end(&r, out, sizeof out, &written);
        if (err != (is_refused(e->d_name) ? -EBADMSG : 0))
            fail_msg("%s: %d, %s at %llu", e->d_name, err, r.why ? r.why : "",
                     (unsigned long long)r.offset);
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
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_twins_deep_down),
        cmocka_unit_test(test_the_model_is_replaced),
        cmocka_unit_test(test_the_default_model_is_replaced),
        cmocka_unit_test(test_a_default_model_may_wait_to_be_given),
        cmocka_unit_test(test_faults_have_offsets),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_public_suite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
