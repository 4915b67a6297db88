/* Texts that lie whole in memory, up to a page that may not be read: the table, every beginning of
 * each right text, and the limits. */
#include "json/rename.h"
#include "json/whole.h"
#include "tests/unit/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define WRONG (-EBADMSG)

static const struct {
    const char *text;
    int state;
    const char *raw; /* of JSON_MODEL_FOUND */
} cases[] = {
    { "{\"model\":\"m\"}", JSON_MODEL_FOUND, "m" },
    { " \t\r\n{ \"a\" : 1 , \"model\" : \"gpt-4o\" , \"b\":[ ] } \n", JSON_MODEL_FOUND, "gpt-4o" },
    { "{\"m\\u006fdel\":\"\\u0061\\\"\"}", JSON_MODEL_FOUND, "\\u0061\\\"" },
    { "{\"model\":\"\"}", JSON_MODEL_FOUND, "" },
    { "{\"a\":[{\"model\":\"x\"},\"model\",[\"}\"]],\"model\":\"y\"}", JSON_MODEL_FOUND, "y" },
    { "{\"model\":7}", JSON_MODEL_OTHER, NULL },
    { "{\"model\":{\"model\":\"m\"}}", JSON_MODEL_OTHER, NULL },
    { "{\"model\":[\"m\"],\"a\":1}", JSON_MODEL_OTHER, NULL },
    { "{\"models\":\"a\",\"mode\":\"b\",\"MODEL\":\"c\"}", JSON_MODEL_NONE, NULL },
    { "{\"a\":{\"model\":\"m\"}}", JSON_MODEL_NONE, NULL },
    { "[{\"model\":\"m\"}]", JSON_MODEL_NONE, NULL },
    { "{}", JSON_MODEL_NONE, NULL },
    { "[]", JSON_MODEL_NONE, NULL },
    { "\"model\"", JSON_MODEL_NONE, NULL },
    { "{\"a\":[true,false,null,-0,0.5,-1.5e+3,1E9,12345678901234567890]}", JSON_MODEL_NONE, NULL },
    { "{\"a\":\"sixteen and more bytes of text \xc3\xa9 \\u00e9 \\ud83d \\n, and so on\"}",
      JSON_MODEL_NONE, NULL },
    { "{\"model\":\"a\",\"model\":\"b\"}", WRONG, NULL },
    { "{\"model\":1,\"b\":{},\"\\u006dodel\":2}", WRONG, NULL },
    { "{\"model\" \"m\"}", WRONG, NULL },
    { "{\"model\":}", WRONG, NULL },
    { "{\"model\":\"m\",}", WRONG, NULL },
    { "{\"model\":\"m\"]", WRONG, NULL },
    { "{\"model\":\"m\"}}", WRONG, NULL },
    { "{\"model\":\"m\"} x", WRONG, NULL },
    { "{model:\"m\"}", WRONG, NULL },
    { "{1:2}", WRONG, NULL },
    { "{,}", WRONG, NULL },
    { "[1,]", WRONG, NULL },
    { "[,1]", WRONG, NULL },
    { "[1 2]", WRONG, NULL },
    { "[1}", WRONG, NULL },
    { "[01]", WRONG, NULL },
    { "[-]", WRONG, NULL },
    { "[1.]", WRONG, NULL },
    { "[.5]", WRONG, NULL },
    { "[1e]", WRONG, NULL },
    { "[1e+]", WRONG, NULL },
    { "[+1]", WRONG, NULL },
    { "[tru]", WRONG, NULL },
    { "[truex]", WRONG, NULL },
    { "[\"a\\x\"]", WRONG, NULL },
    { "[\"a\\u12g4\"]", WRONG, NULL },
    { "[\"a\x1f\"]", WRONG, NULL },
    { "[\"sixteen and more bytes, then a \n line feed\"]", WRONG, NULL },
    { "\xef\xbb\xbf{}", WRONG, NULL },
    { "", WRONG, NULL },
    { " ", WRONG, NULL },
};

/* Reads a copy of text that ends at a page that may not be read. */
static int read_guarded(struct span text, char *raw, size_t room)
{
    char *p = guard_end(text.p, text.n);
    struct span found = { 0 };
    int state = json_whole((struct span){ p, text.n }, &found);

    snprintf(raw, room, "%.*s", (int)found.n, found.n ? found.p : "");
    guard_free(p, text.n);
    return state;
}

static void each_text_of_the_table(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char raw[64];

        if (read_guarded(span_of(cases[i].text), raw, sizeof raw) != cases[i].state)
            fail_msg("%s", cases[i].text);
        if (cases[i].raw)
            assert_string_equal(raw, cases[i].raw);
    }
}

static void no_beginning_of_a_right_text_is_right(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span text = span_of(cases[i].text);
        char raw[64];

        while (cases[i].state >= 0 && text.n > 0 && strchr(" \n", text.p[text.n - 1]))
            text.n--;
        for (size_t n = 0; cases[i].state >= 0 && n < text.n; n++)
            assert_int_equal(read_guarded((struct span){ text.p, n }, raw, sizeof raw), WRONG);
    }
}

/* A text with an array or object in each other n deep. */
static int read_nested(unsigned n, char open, char close)
{
    static char text[8 * (JSON_DEPTH_MAX + 1)];
    size_t at = 0;
    struct span raw;

    for (unsigned i = 0; i < n; i++) {
        text[at++] = open;
        if (open == '{' && i + 1 < n)
            at += (size_t)snprintf(text + at, 8, "\"a\":");
    }
    memset(text + at, close, n);
    return json_whole((struct span){ text, at + n }, &raw);
}

static void nesting_has_a_limit(void **unused)
{
    (void)unused;
    for (unsigned n = 1; n <= JSON_DEPTH_MAX; n++) {
        assert_int_equal(read_nested(n, '[', ']'), JSON_MODEL_NONE);
        assert_int_equal(read_nested(n, '{', '}'), JSON_MODEL_NONE);
        assert_int_equal(read_nested(n, '[', '}'), WRONG);
    }
    assert_int_equal(read_nested(JSON_DEPTH_MAX + 1, '[', ']'), WRONG);
    assert_int_equal(read_nested(JSON_DEPTH_MAX + 1, '{', '}'), WRONG);
}

static void values_have_a_bound(void **unused)
{
    static char text[2000];
    struct span raw;

    (void)unused;
    for (int n = JSON_MODEL_RAW_MAX - 2; n <= JSON_MODEL_RAW_MAX + 1; n++) {
        int length = snprintf(text, sizeof text, "{\"model\":\"%0*d\"}", n, 0);
        int state = json_whole((struct span){ text, (size_t)length }, &raw);

        assert_int_equal(state, n < JSON_MODEL_RAW_MAX ? JSON_MODEL_FOUND : JSON_MODEL_OTHER);
    }
}

/* Every byte at every place of a string longer than the vectors. */
static void every_byte_in_a_string(void **unused)
{
    char text[72];
    struct span raw;

    (void)unused;
    for (size_t at = 1; at < sizeof text - 1; at++)
        for (unsigned c = 0; c < 256; c++) {
            memset(text, 'x', sizeof text);
            text[0] = text[sizeof text - 1] = '"';
            text[at] = (char)c;
            assert_int_equal(json_whole((struct span){ text, sizeof text }, &raw) >= 0,
                             c >= 0x20 && c != '"' && c != '\\');
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_of_the_table),
        cmocka_unit_test(no_beginning_of_a_right_text_is_right),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(values_have_a_bound),
        cmocka_unit_test(every_byte_in_a_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
