/* Asking for usage: what becomes of "stream" and "stream_options" on their way, whole, at every
 * split of the input and with every size of output; the rest stays byte by byte. */
#include "json/rename.h"
#include "tests/unit/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define ADDED "\"stream_options\":{\"include_usage\":true}"

struct asked_case {
    const char *in, *out; /* out NULL: the same as in */
    bool asked;
};

static char memory[1 << 16];

/* Runs in through rules in parts of at most part bytes, with room for cap bytes at a time. */
static void run(const struct json_rules *rules, const struct asked_case *want, size_t part,
                size_t cap)
{
    struct span in = span_of(want->in), out = span_of(want->out ? want->out : want->in);
    static char text[1 << 16];
    struct json_renamer r;
    size_t n = 0, written;
    int err;

    assert_true(json_rename_memory(rules) <= sizeof memory);
    memset(memory, 0xA5, sizeof memory);
    json_rename_init(&r, rules, memory);
    for (size_t at = 0; at < in.n;) {
        size_t len = in.n - at < part ? in.n - at : part;
        char *copy = guard_end(in.p + at, len);
        ssize_t used = json_rename(&r, (struct span){ copy, len }, text + n, cap, &written);

        guard_free(copy, len);
        if (used < 0)
            fail_msg("%s: %s at %llu", want->in, r.why, (unsigned long long)r.offset);
        n += written;
        at += (size_t)used;
    }
    do {
        err = json_rename_end(&r, text + n, cap, &written);
        n += written;
    } while (err == -EAGAIN);
    if (err || !span_eq((struct span){ text, n }, out) || json_rename_asked(&r) != want->asked)
        fail_msg("%s in parts of %zu, room of %zu: %d, asked %d, %.*s", want->in, part, cap, err,
                 json_rename_asked(&r), (int)n, text);
}

static void run_ways(const struct json_rules *rules, const struct asked_case *want)
{
    static const size_t caps[] = { 1, 7, 64, 4000 };
    size_t n = strlen(want->in);

    for (size_t part = 1; part <= n; part = part < 70 ? part + 1 : part * 2)
        for (size_t i = 0; i < COUNT(caps); i++)
            run(rules, want, part, caps[i]);
    run(rules, want, n, 4000);
}

/* The same in front of, and behind, enough text for the bulk to take over. */
static void run_long(const struct json_rules *rules, const struct asked_case *want)
{
    static char in[9000], out[9000], pad[3000];
    const char *to = want->out ? want->out : want->in;
    struct asked_case longer = { in, out, want->asked };
    const char *brace = strchr(want->in, '{');

    if (!brace || strchr(to, '{') == NULL || brace[1] == '}')
        return;
    memset(pad, 'x', sizeof pad - 1);
    snprintf(in, sizeof in, "%.*s{\"messages\":[{\"content\":\"%s\"}],%s", (int)(brace - want->in),
             want->in, pad, brace + 1);
    snprintf(out, sizeof out, "%.*s{\"messages\":[{\"content\":\"%s\"}],%s",
             (int)(brace - want->in), to, pad, strchr(to, '{') + 1);
    for (size_t cut = 1; cut < 200; cut += 7)
        run(rules, &longer, 2900 + cut, 1500);
    run(rules, &longer, sizeof in, 9000);
    run(rules, &longer, 100, 64);
}

static void check(const struct json_rules_spec *spec, const struct asked_case *list, size_t n)
{
    struct json_rules *rules;
    const char *why = "";

    if (json_rules_make(&rules, spec, &why))
        fail_msg("%s", why);
    for (size_t i = 0; i < n; i++) {
        run_ways(rules, &list[i]);
        run_long(rules, &list[i]);
    }
    json_rules_free(rules);
}

static void usage_is_asked_for(void **state)
{
    static const struct asked_case cases[] = {
        { "{\"stream\":true}", "{\"stream\":true," ADDED "}", false },
        { " {\"a\":1 , \"stream\" : true\n}\n", " {\"a\":1 , \"stream\" : true\n," ADDED "}\n",
          false },
        { "{\"\\u0073tream\":true}", "{\"\\u0073tream\":true," ADDED "}", false },
        { "{\"stream\":false}", NULL, false },
        { "{\"stream\":null}", NULL, false },
        { "{\"stream\":1,\"x\":true}", NULL, false },
        { "{\"stream\":\"true\"}", NULL, false },
        { "{\"stream\":[true],\"a\":{\"stream\":true}}", NULL, false },
        { "{\"model\":\"x\",\"a\":{\"stream\":true,\"stream_options\":{}}}", NULL, false },
        { "{}", NULL, false },
        { "[{\"stream\":true}]", NULL, false },
        { "true", NULL, false },
        { "{\"streams\":true,\"strea\":true,\"stream_option\":{\"include_usage\":false}}", NULL,
          false },
        /* of several the last one counts */
        { "{\"stream\":false,\"stream\":true}", "{\"stream\":false,\"stream\":true," ADDED "}",
          false },
        { "{\"stream\":true,\"stream\":false}", NULL, false },
    };

    (void)state;
    check(&(struct json_rules_spec){ .usage = true }, cases, COUNT(cases));
}

static void options_are_completed(void **state)
{
    static const struct asked_case cases[] = {
        { "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}", NULL, true },
        { "{\"stream_options\":{\"include_usage\":true},\"stream\":true}", NULL, true },
        { "{\"stream\":true,\"stream_options\":{\"include_usage\":false}}",
          "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}", false },
        { "{\"stream_options\" : { \"include_usage\" :\tfalse , \"a\":[{}] } , \"stream\":true}",
          "{\"stream_options\" : { \"include_usage\" :\ttrue , \"a\":[{}] } , \"stream\":true}",
          false },
        { "{\"stream\":true,\"stream_options\":{}}", "{\"stream\":true," ADDED "}", false },
        { "{\"stream\":true,\"stream_options\":{ }}",
          "{\"stream\":true,\"stream_options\":{ \"include_usage\":true}}", false },
        { "{\"stream\":true,\"stream_options\":{\"a\":{\"include_usage\":false} }}",
          "{\"stream\":true,\"stream_options\":{\"a\":{\"include_usage\":false} "
          ",\"include_usage\":true}}",
          false },
        { "{\"stream_options\":{\"x\":\"include_usage\"},\"stream\":true}",
          "{\"stream_options\":{\"x\":\"include_usage\",\"include_usage\":true},\"stream\":true}",
          false },
        { "{\"stream_options\":{\"include\\u005fusage\":{\"a\":[1,{\"include_usage\":2}]},\"b\":1}"
          "}",
          "{\"stream_options\":{\"include\\u005fusage\":true,\"b\":1}}", false },
        { "{\"stream_options\":{\"include_usage\":-1.5e3}}",
          "{\"stream_options\":{\"include_usage\":true}}", false },
        { "{\"stream_options\":{\"include_usage\":\"x}\\\"\"},\"a\":{\"include_usage\":0}}",
          "{\"stream_options\":{\"include_usage\":true},\"a\":{\"include_usage\":0}}", false },
        { "{\"stream_options\":{\"include_usage\":true,\"include_usage\":null}}",
          "{\"stream_options\":{\"include_usage\":true,\"include_usage\":true}}", false },
        { "{\"stream_options\":{\"include_usage\":true},\"stream_options\":{}}",
          "{\"stream_options\":{\"include_usage\":true}," ADDED "}", false },
        /* what is no object is for the upstream to refuse */
        { "{\"stream\":true,\"stream_options\":7}", NULL, false },
        { "{\"stream\":true,\"stream_options\":[{\"include_usage\":false}]}", NULL, false },
        { "{\"stream_options\":\"\",\"stream\":true}", NULL, false },
        { "{\"stream_options\":true,\"stream\":true}", NULL, false },
        { "{\"stream_options\" : -0.5 ,\"stream\":true}", NULL, false },
    };

    (void)state;
    check(&(struct json_rules_spec){ .usage = true }, cases, COUNT(cases));
}

static void null_is_no_options(void **state)
{
    static const struct asked_case cases[] = {
        { "{\"stream\":true,\"stream_options\":null}", "{\"stream\":true," ADDED "}", false },
        { "{\"stream\":true,\"stream_options\" : null , \"a\":1}",
          "{\"stream\":true,\"stream_options\" : {\"include_usage\":true} , \"a\":1}", false },
        { "{\"stream_options\":null,\"stream\":true}", "{\"stream\":true," ADDED "}", false },
        { "{\"a\":1,\"stream_options\":null,\"stream\":true}",
          "{\"a\":1,\"stream\":true," ADDED "}", false },
        { "{\"a\":1,\n \"stream\\u005foptions\" :\tnull\n,\"stream\":true }",
          "{\"a\":1,\n \n\"stream\":true ," ADDED "}", false },
        { "{\"stream_options\":null}", NULL, false },
        { "{\"stream_options\":null }", "{ \"stream_options\":null}", false },
        { "{\"a\":1,\"stream_options\":null}", NULL, false },
        { "{\"stream_options\":null,\"stream\":false}",
          "{\"stream\":false,\"stream_options\":null}", false },
        { "{\"stream\":false,\"stream_options\":null}", NULL, false },
        { "{\"stream\":false,\"stream_options\":null,\"stream\":true}",
          "{\"stream\":false,\"stream_options\":null,\"stream\":true," ADDED "}", false },
        { "{\"stream_options\":null,\"stream_options\":{\"include_usage\":true},\"stream\":true}",
          "{\"stream_options\":{\"include_usage\":true},\"stream\":true}", true },
        { "{\"stream_options\":{\"include_usage\":true},\"stream_options\":null,\"stream\":true}",
          "{\"stream_options\":{\"include_usage\":true},\"stream\":true," ADDED "}", false },
        { "{\"stream_options\":null,\"stream_options\":null,\"stream\":true}",
          "{\"stream\":true," ADDED "}", false },
    };

    (void)state;
    check(&(struct json_rules_spec){ .usage = true }, cases, COUNT(cases));
}

/* Of white space between a held key and its value there is room for some hundred bytes: the rest,
 * which means nothing, goes. */
static void a_held_key_stays_within_bounds(void **state)
{
    static char in[3000], out[3000];
    struct asked_case c = { in, out, false };
    struct json_rules *rules;
    const char *why;

    (void)state;
    assert_int_equal(json_rules_make(&rules, &(struct json_rules_spec){ .usage = true }, &why), 0);
    snprintf(in, sizeof in, "{\"stream_options\"%*s:%*snull,\"stream\":true}", 900, "", 900, "");
    snprintf(out, sizeof out, "{\"stream\":true," ADDED "}");
    run_ways(rules, &c);
    snprintf(in, sizeof in, "{\"stream_options\"%*s:%*s{},\"stream\":true}", 300, "", 300, "");
    snprintf(out, sizeof out, "{\"stream_options\"%*s:%*s{\"include_usage\":true},\"stream\":true}",
             300, "", 300, "");
    run_ways(rules, &c);
    json_rules_free(rules);
}

static void names_are_those_that_go_out(void **state)
{
    static const struct json_alias aliases[] = {
        { { "stream_options", 14 }, { "so", 2 } },
        { { "include_usage", 13 }, { "iu\n", 3 } },
        { { "flow", 4 }, { "stream", 6 } },
    };
    static const struct asked_case deep[] = {
        { "{\"stream\":true}", "{\"stream\":true,\"so\":{\"iu\\u000a\":true}}", false },
        { "{\"flow\":true}", "{\"stream\":true,\"so\":{\"iu\\u000a\":true}}", false },
        { "{\"flow\":true,\"stream_options\":{\"include_usage\":false}}",
          "{\"stream\":true,\"so\":{\"iu\\u000a\":true}}", false },
        { "{\"flow\":true,\"so\":{\"include_usage\":true}}",
          "{\"stream\":true,\"so\":{\"iu\\u000a\":true}}", true },
        { "{\"stream_options\" :{\"a\":1},\"flow\":true}",
          "{\"so\" :{\"a\":1,\"iu\\u000a\":true},\"stream\":true}", false },
        { "{\"stream_options\" : null,\"flow\":true}",
          "{\"stream\":true,\"so\":{\"iu\\u000a\":true}}", false },
        { "{\"stream_options\":{\"flow\":{\"flow\":1}},\"x\":{\"include_usage\":1}}",
          "{\"so\":{\"stream\":{\"stream\":1},\"iu\\u000a\":true},\"x\":{\"iu\\u000a\":1}}",
          false },
    };
    static const struct asked_case top[] = {
        { "{\"flow\":true}", "{\"stream\":true,\"so\":{\"include_usage\":true}}", false },
        { "{\"flow\":true,\"so\":{\"include_usage\":false,\"flow\":1}}",
          "{\"stream\":true,\"so\":{\"include_usage\":true,\"flow\":1}}", false },
        { "{\"flow\":true,\"stream_options\":{\"iu\\n\":true}}",
          "{\"stream\":true,\"so\":{\"iu\\n\":true,\"include_usage\":true}}", false },
    };
    struct json_rules_spec spec = { .aliases = aliases, .n_aliases = 3, .usage = true };

    (void)state;
    check(&spec, deep, COUNT(deep));
    spec.top_only = true;
    check(&spec, top, COUNT(top));
}

static void defaults_count(void **state)
{
    static const struct json_default defaults[] = {
        { { "t", 1 }, { "1", 1 } },
        { { "stream", 6 }, { " true ", 6 } },
        { { "stream_options", 14 }, { "{\"x\":2}", 7 } },
        { { "stream_options", 14 }, { "{\"include_usage\":true}", 22 } },
        { { "stream_options", 14 }, { "null", 4 } },
    };
    static const struct asked_case streaming[] = {
        { "{}", "{\"t\":1,\"stream\":true," ADDED "}", false },
        { "{\"t\":0}", "{\"t\":0,\"stream\":true," ADDED "}", false },
        { "{\"stream\":false}", "{\"stream\":false,\"t\":1}", false },
        { "{\"stream_options\":null}", "{\"t\":1,\"stream\":true," ADDED "}", false },
    };
    static const struct asked_case given[] = {
        { "{\"stream\":true}",
          "{\"stream\":true,\"stream_options\":{\"x\":2,\"include_usage\":true}}", false },
        { "{\"stream\":true,\"stream_options\":null}",
          "{\"stream\":true,\"stream_options\":{\"x\":2,\"include_usage\":true}}", false },
        { "{\"stream\":false}", NULL, false },
        { "{\"stream\":true,\"stream_options\":{}}", "{\"stream\":true," ADDED "}", false },
    };
    static const struct asked_case asks[] = {
        { "{\"stream\":true}", "{\"stream\":true," ADDED "}", true },
        { "{\"stream_options\":null,\"stream\":true}", "{\"stream\":true," ADDED "}", true },
        { "{\"stream_options\":null,\"stream\":false}",
          "{\"stream\":false,\"stream_options\":null}", false },
    };
    static const struct asked_case nothing[] = {
        { "{\"stream\":true}", "{\"stream\":true," ADDED "}", false },
        { "{}", NULL, false },
    };

    (void)state;
    check(&(struct json_rules_spec){ .defaults = defaults, .n_defaults = 2, .usage = true },
          streaming, COUNT(streaming));
    check(&(struct json_rules_spec){ .defaults = &defaults[2], .n_defaults = 1, .usage = true },
          given, COUNT(given));
    check(&(struct json_rules_spec){ .defaults = &defaults[3], .n_defaults = 1, .usage = true },
          asks, COUNT(asks));
    check(&(struct json_rules_spec){ .defaults = &defaults[4], .n_defaults = 1, .usage = true },
          nothing, COUNT(nothing));
}

/* As many defaults as there may be, and ours. */
static void all_defaults_fit(void **state)
{
    static struct json_default defaults[JSON_DEFAULTS_MAX];
    static char keys[JSON_DEFAULTS_MAX][8], out[4000] = "{\"stream\":true";
    const struct asked_case c = { "{\"stream\":true}", out, false };

    (void)state;
    for (unsigned i = 0; i < JSON_DEFAULTS_MAX; i++) {
        snprintf(keys[i], sizeof keys[i], "k%u", i);
        defaults[i] = (struct json_default){ span_of(keys[i]), SPAN("0") };
        strcat(strcat(strcat(out, ",\""), keys[i]), "\":0");
    }
    strcat(out, "," ADDED "}");
    check(&(struct json_rules_spec){ .defaults = defaults,
                                     .n_defaults = JSON_DEFAULTS_MAX,
                                     .usage = true },
          &c, 1);
}

static void faults_stay_where_they_are(void **state)
{
    static const struct {
        const char *in;
        uint64_t offset;
    } cases[] = {
        { "{\"stream_options\":nul}", 21 },
        { "{\"stream_options\" null}", 18 },
        { "{\"stream_options\":null,}", 23 },
        { "{\"stream_options\":{\"include_usage\":tru}}", 38 },
        { "{\"stream_options\":{\"include_usage\"}}", 34 },
        { "{\"stream\":true", 14 },
        { "{\"stream_options\":null", 22 },
        { "{\"stream_options\"", 17 },
        { "{\"stream_options\":", 18 },
        { "{\"stream\":}", 10 },
    };
    struct json_rules *rules;
    const char *why;

    (void)state;
    assert_int_equal(json_rules_make(&rules, &(struct json_rules_spec){ .usage = true }, &why), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span in = span_of(cases[i].in);
        struct json_renamer r;
        char out[200];
        size_t written;
        ssize_t n;

        json_rename_init(&r, rules, memory);
        n = json_rename(&r, in, out, sizeof out, &written);
        if (n >= 0)
            n = json_rename_end(&r, out, sizeof out, &written);
        if (n != -EBADMSG || r.offset != cases[i].offset)
            fail_msg("%s: %zd at %llu", cases[i].in, n, (unsigned long long)r.offset);
    }
    json_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage_is_asked_for),
        cmocka_unit_test(options_are_completed),
        cmocka_unit_test(null_is_no_options),
        cmocka_unit_test(a_held_key_stays_within_bounds),
        cmocka_unit_test(names_are_those_that_go_out),
        cmocka_unit_test(defaults_count),
        cmocka_unit_test(all_defaults_fit),
        cmocka_unit_test(faults_stay_where_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
