/* Rules: how many there may be, and what becomes of them without memory; and the escapes of names
 * and values, each flush against a guard page. */
#include "json/escape.h"
#include "json/rename.h"
#include "json/rules.h"
#include "tests/unit/guard.h"
#include "tests/unit/short_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void escapes_are_read(void **state)
{
    static const struct {
        const char *text;
        unsigned length;
        uint32_t c;
    } cases[] = {
        { "\\", 0, 0 },
        { "\\n", 2, '\n' },
        { "\\b", 2, '\b' },
        { "\\f", 2, '\f' },
        { "\\r", 2, '\r' },
        { "\\t", 2, '\t' },
        { "\\/", 2, '/' },
        { "\\\"", 2, '"' },
        { "\\\\", 2, '\\' },
        { "\\a", 0, 0 },
        { "\\u", 0, 0 },
        { "\\u004", 0, 0 },
        { "\\u0041", 6, 'A' },
        { "\\uFfFf", 6, 0xFFFF },
        { "\\ug041", 0, 0 },
        { "\\u0g41", 0, 0 },
        { "\\u00g1", 0, 0 },
        { "\\u004g", 0, 0 },
        { "\\uD7FF\\uDC00", 6, 0xD7FF },
        { "\\uD800\\uDC00", 12, 0x10000 },
        { "\\uDBFF\\uDFFF", 12, 0x10FFFF },
        { "\\uDC00\\uDC00", 6, 0xDC00 },
        { "\\uD800\\uDBFF", 6, 0xD800 },
        { "\\uD800\\uE000", 6, 0xD800 },
        { "\\uD800\\uDC0", 6, 0xD800 },
        { "\\uD800\\nDC00", 6, 0xD800 },
        { "\\uD800xuDC00", 6, 0xD800 },
        { "\\uD800\\u0041", 6, 0xD800 },
        { "\\uE000\\uDC00", 6, 0xE000 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n = strlen(cases[i].text);
        char *text = guard_end(cases[i].text, n);
        uint32_t c = 0;
        unsigned length = json_escape((struct span){ text, n }, &c);

        if (length != cases[i].length || (length > 0 && c != cases[i].c))
            fail_msg("%s: %u bytes, %x", cases[i].text, length, c);
        guard_free(text, n);
    }
}

static void characters_are_written(void **state)
{
    static const struct {
        uint32_t c;
        const char *bytes;
    } cases[] = {
        { 0x01, "\x01" },
        { 0x7F, "\x7F" },
        { 0x80, "\xC2\x80" },
        { 0x7FF, "\xDF\xBF" },
        { 0x800, "\xE0\xA0\x80" },
        { 0xFFFF, "\xEF\xBF\xBF" },
        { 0x10000, "\xF0\x90\x80\x80" },
        { 0x10FFFF, "\xF4\x8F\xBF\xBF" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char bytes[5] = "";

        assert_int_equal(json_utf8(cases[i].c, (uint8_t *)bytes), strlen(cases[i].bytes));
        assert_string_equal(bytes, cases[i].bytes);
    }
}

static void there_may_be_64_defaults(void **state)
{
    static char keys[JSON_DEFAULTS_MAX + 1][8];
    struct json_default defaults[JSON_DEFAULTS_MAX + 1];
    struct json_rules *rules;
    unsigned bad;
    const char *why;

    (void)state;
    for (unsigned i = 0; i <= JSON_DEFAULTS_MAX; i++) {
        snprintf(keys[i], sizeof keys[i], "k%u", i);
        defaults[i] = (struct json_default){ span_of(keys[i]), SPAN("1") };
    }
    assert_int_equal(json_rules_make(&rules,
                                     &(struct json_rules_spec){ .defaults = defaults,
                                                                .n_defaults = JSON_DEFAULTS_MAX },
                                     &why),
                     0);
    assert_int_equal(rules->n_defaults, JSON_DEFAULTS_MAX);
    json_rules_free(rules);
    assert_int_equal(json_rules_make(&rules,
                                     &(struct json_rules_spec){ .defaults = defaults,
                                                                .n_defaults = JSON_DEFAULTS_MAX + 1,
                                                                .bad = &bad },
                                     &why),
                     -EINVAL);
    assert_int_equal(bad, JSON_DEFAULTS_MAX);
    assert_string_equal(why, "is one default more than the 64 there may be");
}

/* Each stands beside one that is right, before it and after it. */
static void what_is_no_rule_is_refused(void **state)
{
    static const struct {
        bool of_alias;
        struct span key, other;
        const char *why;
    } cases[] = {
        { true, SPAN("a"), SPAN("\xff"), "has a new name that is not UTF-8" },
        { true, SPAN("\xff"), SPAN("a"), "is not UTF-8" },
        { false, SPAN("\xff"), SPAN("1"), "is not UTF-8" },
        { false, SPAN("a"), SPAN("1 2"), "has a default that is not one JSON value" },
        { false, SPAN("a"), SPAN(""), "has a default that is not one JSON value" },
        { false, SPAN("good"), SPAN("1"), "is given twice" },
    };

    (void)state;
    for (size_t i = 0; i < 2 * COUNT(cases); i++) {
        struct json_alias aliases[] = { { SPAN("good"), SPAN("b") }, { SPAN("good"), SPAN("b") } };
        struct json_default defaults[] = { { SPAN("good"), SPAN("1") },
                                           { SPAN("good"), SPAN("1") } };
        unsigned at = i % 2, of_alias = cases[i / 2].of_alias, bad = 99;
        struct json_rules_spec spec = { .bad = &bad };
        struct json_rules *rules;
        const char *why;

        aliases[at] = (struct json_alias){ cases[i / 2].key, cases[i / 2].other };
        defaults[at] = (struct json_default){ cases[i / 2].key, cases[i / 2].other };
        spec.aliases = aliases;
        spec.n_aliases = of_alias ? 2 : 0;
        spec.defaults = defaults;
        spec.n_defaults = of_alias ? 0 : 2;
        assert_int_equal(json_rules_make(&rules, &spec, &why), -EINVAL);
        assert_string_equal(why, cases[i / 2].why);
        assert_int_equal(bad, span_eq(cases[i / 2].key, SPAN("good")) ? 1 : at);
    }
}

static void names_are_up_to_128_bytes(void **state)
{
    static char name[JSON_KEY_MAX + 1];
    struct json_rules *rules;
    const char *why;

    (void)state;
    memset(name, 'x', sizeof name);
    for (int side = 0; side < 2; side++)
        for (int over = 0; over < 2; over++) {
            struct span longest = { name, JSON_KEY_MAX + (size_t)over };
            struct json_alias alias = { side ? SPAN("a") : longest, side ? longest : SPAN("b") };
            int err = json_rules_make(
                &rules, &(struct json_rules_spec){ .aliases = &alias, .n_aliases = 1 }, &why);

            assert_int_equal(err, over ? -EINVAL : 0);
            if (!err)
                json_rules_free(rules);
        }
}

static void rules_without_memory_are_none(void **state)
{
    static const struct json_alias aliases[] = { { SPAN("a"), SPAN("b") },
                                                 { SPAN("c"), SPAN("d\"\x01") } };
    static const struct json_default defaults[] = { { SPAN("c"), SPAN(" {\"a\": [1, \"x\"]} ") },
                                                    { SPAN("model"), SPAN("\"m\"") } };
    static const struct json_rules_spec spec = {
        .aliases = aliases, .n_aliases = 2, .defaults = defaults, .n_defaults = 2
    };
    const long live = memory.live;
    bool ran_out = true;

    (void)state;
    for (unsigned long n = 0; ran_out; n++) {
        struct json_rules *rules;
        const char *why;
        int err;

        memory_short(n, 1);
        err = json_rules_make(&rules, &spec, &why);
        ran_out = memory_plenty();
        assert_int_equal(err, ran_out ? -ENOMEM : 0);
        if (!err)
            json_rules_free(rules);
        assert_int_equal(memory.live, live);
        assert_true(ran_out || n > 2);
    }
}

/* The later of two entries is the one that is wrong, wherever they stand. */
static void the_second_of_two_is_the_wrong_one(void **state)
{
    enum { N = 5 };
    struct json_rules *rules;
    const char *why;

    (void)state;
    for (unsigned i = 0; i < N; i++)
        for (unsigned j = i + 1; j < N; j++) {
            struct json_alias aliases[N] = { { SPAN("v"), SPAN("1") },
                                             { SPAN("w"), SPAN("2") },
                                             { SPAN("x"), SPAN("3") },
                                             { SPAN("y"), SPAN("4") },
                                             { SPAN("z"), SPAN("5") } };
            unsigned bad = N;

            aliases[i].from = aliases[j].from = SPAN("wa");
            assert_int_equal(json_rules_make(&rules,
                                             &(struct json_rules_spec){
                                                 .aliases = aliases, .n_aliases = N, .bad = &bad },
                                             &why),
                             -EINVAL);
            assert_int_equal(bad, j);
            assert_string_equal(why, "is given twice");
        }
}

static void new_names_are_quoted(void **state)
{
    static const struct json_alias alias = { SPAN("a"), SPAN(" \"\\\x1f\x20\x7f") };
    struct json_rules *rules;
    const char *why;

    (void)state;
    assert_int_equal(json_rules_make(&rules,
                                     &(struct json_rules_spec){ .aliases = &alias, .n_aliases = 1 },
                                     &why),
                     0);
    assert_true(
        span_eq(json_name_find(rules, SPAN("a"))->text, SPAN("\" \\\"\\\\\\u001f\x20\x7f\"")));
    json_rules_free(rules);
}

/* Every list of up to three short keys is ordered, and finds its own keys and no others. */
static void keys_are_found_in_any_list(void **state)
{
    static const char *const keys[] = { "", "a", "aa", "ab", "b", "\xC3\xA4" };
    struct json_rules *rules;
    const char *why;

    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++)
        for (size_t j = 0; j < COUNT(keys); j++) {
            struct json_alias aliases[] = { { span_of(keys[i]), SPAN("x") },
                                            { span_of(keys[j]), SPAN("y") } };
            struct json_rules_spec spec = { .aliases = aliases, .n_aliases = 2 };

            assert_int_equal(json_rules_make(&rules, &spec, &why), i == j ? -EINVAL : 0);
            for (size_t k = 0; i != j && k < COUNT(keys); k++) {
                const struct json_name *name = json_name_find(rules, span_of(keys[k]));

                assert_int_equal(name != NULL, k == i || k == j);
                if (name)
                    assert_true(span_eq(name->goes_as, k == i ? SPAN("x") : SPAN("y")));
            }
            if (i != j)
                json_rules_free(rules);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_read),
        cmocka_unit_test(characters_are_written),
        cmocka_unit_test(there_may_be_64_defaults),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(names_are_up_to_128_bytes),
        cmocka_unit_test(rules_without_memory_are_none),
        cmocka_unit_test(the_second_of_two_is_the_wrong_one),
        cmocka_unit_test(new_names_are_quoted),
        cmocka_unit_test(keys_are_found_in_any_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
