/* The tokens of a response: of a JSON body, and of event streams at every split. */
#include "proxy/tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define USAGE(in, out) "{\"usage\":{\"prompt_tokens\":" #in ",\"completion_tokens\":" #out "}}"

static const struct {
    const char *body;
    bool stream;
    uint64_t input, output;
} cases[] = {
    { USAGE(3, 4), false, 3, 4 },
    { "data: " USAGE(3, 4) "\n\n", false, 0, 0 },
    { "data: " USAGE(3, 4) "\n\n", true, 3, 4 },
    { "data:" USAGE(3, 4) "\r\n\r\n", true, 3, 4 },
    { "data: " USAGE(3, 4) "\r\r", true, 3, 4 },
    { "data: " USAGE(3, 4) "\n", true, 3, 4 },
    { USAGE(3, 4) "\n\n", true, 0, 0 },
    { ": " USAGE(3, 4) "\n\nevent: data: " USAGE(5, 6) "\n\ndat: " USAGE(7, 8) "\n\n", true, 0, 0 },
    { "event: message\r\ndata: " USAGE(1, 2) "\r\nid: 7\r\n\r\n", true, 1, 2 },
    { "data: {\"choices\":[{}],\"usage\":null}\n\ndata: " USAGE(9, 8) "\n\ndata: [DONE]\n\n", true,
      9, 8 },
    { "data: " USAGE(1, 1) "\n\ndata: " USAGE(1, 2) "\n\ndata: {\"choices\":[]}\n\n", true, 1, 2 },
    { "data: {\"a\":\"cut\n\ndata: " USAGE(3, 4) "\n\n", true, 3, 4 },
    { "data: {\"usage\":\ndata: {\"prompt_tokens\":3,\r\ndata:\"completion_tokens\":4}}\n\n", true,
      3, 4 },
    { "", true, 0, 0 },
};

static void check(struct tokens *t, size_t i, size_t at)
{
    tokens_end(t);
    if (t->input != cases[i].input || t->output != cases[i].output)
        fail_msg("case %zu split at %zu: %llu and %llu", i, at, (unsigned long long)t->input,
                 (unsigned long long)t->output);
}

static void tokens_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span body = span_of(cases[i].body);

        for (size_t at = 0; at <= body.n; at++) {
            struct tokens t;

            tokens_init(&t, cases[i].stream);
            tokens_read(&t, (struct span){ body.p, at });
            tokens_read(&t, span_skip(body, at));
            check(&t, i, at);
        }
    }
}

static void tokens_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span body = span_of(cases[i].body);
        struct tokens t;

        tokens_init(&t, cases[i].stream);
        for (size_t k = 0; k < body.n; k++)
            tokens_read(&t, (struct span){ body.p + k, 1 });
        check(&t, i, body.n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_at_every_split),
        cmocka_unit_test(tokens_byte_by_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
