/* The tokens that a response reports: whole, at every split and byte by byte. */
#include "json/usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct {
    const char *text;
    bool found;
    uint64_t input, output;
} cases[] = {
    { "{\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,"
      "\"total_tokens\":18}}",
      true, 11, 7 },
    { " \r\n\t{ \"usage\" : { \"completion_tokens\" : 7 , \"prompt_tokens\" : 11 } }", true, 11,
      7 },
    { "{\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}", true, 3, 4 },
    { "{\"usage\":{\"prompt_tokens\":5,\"total_tokens\":5}}", true, 5, 0 },
    { "{\"usage\":{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"prompt_tokens\":9,"
      "\"completion_tokens\":8},\"completion_tokens\":6,\"completion_tokens_details\":"
      "[{\"completion_tokens\":1}]}}",
      true, 5, 6 },
    { "{\"choices\":[{\"usage\":{\"prompt_tokens\":9}}],\"x\":{\"usage\":{\"prompt_tokens\":9}}}",
      false, 0, 0 },
    { "{\"prompt_tokens\":1,\"completion_tokens\":2}", false, 0, 0 },
    { "{\"a\":\"\\\",\\\"usage\\\":{\\\"prompt_tokens\\\":9}\"}", false, 0, 0 },
    { "{\"a\":\"\\\\\",\"usage\":{\"prompt_tokens\":2}}", true, 2, 0 },
    { "{\"usage\":null}", false, 0, 0 },
    { "{\"usage\":7,\"x\":{\"prompt_tokens\":9}}", false, 0, 0 },
    { "{\"usage\":[{\"prompt_tokens\":9}]}", false, 0, 0 },
    { "{\"usage\":\"usage\",\"a\":{\"prompt_tokens\":9}}", false, 0, 0 },
    { "{\"a\":\"usage\",\"b\":{\"prompt_tokens\":9}}", false, 0, 0 },
    { "{\"usages\":{\"prompt_tokens\":9},\"usag\":{\"prompt_tokens\":9}}", false, 0, 0 },
    { "{\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":null}}", true, 0, 0 },
    { "{\"usage\":{\"prompt_tokens\":12.75,\"completion_tokens\":\"9\"}}", true, 12, 0 },
    { "{\"usage\":{\"prompt_tokens\":1,\"prompt_tokens\":23}}", true, 23, 0 },
    { "{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2},\"usage\":{\"prompt_tokens\":3}}",
      true, 3, 0 },
    { "{\"usage\":{\"prompt_tokens\":18446744073709551615,"
      "\"completion_tokens\":18446744073709551616}}",
      true, UINT64_MAX, UINT64_MAX },
    { "{\"usage\":{\"completion_tokens_and_more\":9,\"completion_tokens\":1}}", true, 0, 1 },
    { "{\"usage\":{\"prompt\\u005ftokens\":9}}", true, 0, 0 },
    { "[{\"usage\":{\"prompt_tokens\":9}}]", false, 0, 0 },
    { "}{\"usage\":{\"prompt_tokens\":9}}", false, 0, 0 },
    { "7", false, 0, 0 },
    { "{}{\"usage\":{\"prompt_tokens\":9}}", false, 0, 0 },
    { "", false, 0, 0 },
    { "{\"usage\":{\"prompt_tokens\":4", true, 4, 0 },
};

static void check(const struct json_usage *u, size_t i)
{
    if (u->found != cases[i].found || u->input != cases[i].input || u->output != cases[i].output)
        fail_msg("%s: found %d, %llu and %llu", cases[i].text, u->found,
                 (unsigned long long)u->input, (unsigned long long)u->output);
}

static void usage_whole_and_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span text = span_of(cases[i].text);

        for (size_t at = 0; at <= text.n; at++) {
            struct json_usage u;

            json_usage_init(&u);
            json_usage_read(&u, (struct span){ text.p, at });
            json_usage_read(&u, span_skip(text, at));
            check(&u, i);
        }
    }
}

static void usage_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span text = span_of(cases[i].text);
        struct json_usage u;

        json_usage_init(&u);
        for (size_t k = 0; k < text.n; k++)
            json_usage_read(&u, (struct span){ text.p + k, 1 });
        check(&u, i);
    }
}

static void usage_starts_anew(void **state)
{
    struct json_usage u;

    (void)state;
    json_usage_init(&u);
    json_usage_read(&u, SPAN("{\"a\":\"cut in a string"));
    json_usage_init(&u);
    json_usage_read(&u, SPAN("{\"usage\":{\"prompt_tokens\":2}}"));
    assert_true(u.found);
    assert_int_equal(u.input, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage_whole_and_at_every_split),
        cmocka_unit_test(usage_byte_by_byte),
        cmocka_unit_test(usage_starts_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
