/* The search for the top-level model: whole, at every split and byte by byte. */
#include "json/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct {
    const char *text;
    enum json_model_state state;
    const char *value; /* of JSON_MODEL_FOUND */
} cases[] = {
    { "{\"model\":\"m\"}", JSON_MODEL_FOUND, "m" },
    { " \t\r\n{ \"a\" : 1 , \"model\" : \"gpt-4o\" ,", JSON_MODEL_FOUND, "gpt-4o" },
    { "{\"messages\":[{\"model\":\"x\"},\"model\",[\"}\"]],\"model\":\"y\"", JSON_MODEL_FOUND,
      "y" },
    { "{\"a\":{\"model\":\"x\"},\"model\":\"y\"}", JSON_MODEL_FOUND, "y" },
    { "{\"m\\u006fdel\":\"\\u0061\\/b\\\"\"}", JSON_MODEL_FOUND, "a/b\"" },
    { "{\"\\u006D\\u006F\\u0064\\u0065\\u006C\":\"\xc3\xa9\\ud83d\\ude00\"}", JSON_MODEL_FOUND,
      "\xc3\xa9\xf0\x9f\x98\x80" },
    { "{\"a\":\"\\\\\",\"model\":\"m\"}", JSON_MODEL_FOUND, "m" },
    { "{\"a\":\"\\\"model\\\":\\\"x\\\"\",\"model\":\"m\"}", JSON_MODEL_FOUND, "m" },
    { "{\"a\":\"model\",\"model\":\"m\"}", JSON_MODEL_FOUND, "m" },
    { "{\"model\":\"\"}", JSON_MODEL_FOUND, "" },
    { "{\"model2\":\"a\",\"mode\":\"b\",\"MODEL\":\"c\"}", JSON_MODEL_NONE, NULL },
    { "{}", JSON_MODEL_NONE, NULL },
    { "[\"model\",\"m\"]", JSON_MODEL_NONE, NULL },
    { "\"model\"", JSON_MODEL_NONE, NULL },
    { "7", JSON_MODEL_NONE, NULL },
    { "{\"model\":7}", JSON_MODEL_OTHER, NULL },
    { "{\"model\":null,\"model\":\"m\"}", JSON_MODEL_OTHER, NULL },
    { "{\"model\":7,\"a\":\"m\"}", JSON_MODEL_OTHER, NULL },
    { "{\"model\" : tru\n, \"a\":1}", JSON_MODEL_OTHER, NULL },
    { "{\"model\":{\"model\":\"m\"}}", JSON_MODEL_OTHER, NULL },
    { "{\"model\":[\"m\"]}", JSON_MODEL_OTHER, NULL },
    { "{\"a\":\"\\\\\\\\\\\"{[,\",\"b\":[{\"c\":\"]}\\\"\"},[]],\"d\":{\"model\":[\"}\",\"{\"]},"
      "\"messages\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\",\"model\":"
      "\"m\"}",
      JSON_MODEL_FOUND, "m" },
    { "{\"mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm\":1,"
      "\"m\\u006f\\u006f\\u006f\\u006f\\u006f\\u006f\":2,"
      "\"model\":\"m\"}",
      JSON_MODEL_FOUND, "m" },
    { "{\"a\":1,\"model\":\"m", JSON_MODEL_SEEK, NULL },
    { "{\"mod", JSON_MODEL_SEEK, NULL },
    { "", JSON_MODEL_SEEK, NULL },
};

static void check(const struct json_model *m, enum json_model_state state, size_t i)
{
    char value[JSON_MODEL_RAW_MAX + 1];

    assert_int_equal(state, cases[i].state);
    if (state != JSON_MODEL_FOUND)
        return;
    assert_int_equal(json_model_value(m, value), strlen(cases[i].value));
    assert_string_equal(value, cases[i].value);
}

/* Reads the two parts of text; the second only where more is sought. */
static enum json_model_state read_parts(struct json_model *m, struct span text, size_t at)
{
    enum json_model_state state;

    json_model_init(m);
    state = json_model_read(m, (struct span){ text.p, at });
    return state == JSON_MODEL_SEEK ? json_model_read(m, span_skip(text, at)) : state;
}

static void at_every_split(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span text = span_of(cases[i].text);
        struct json_model m;

        for (size_t at = 0; at <= text.n; at++)
            check(&m, read_parts(&m, text, at), i);
    }
}

static void byte_by_byte(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span text = span_of(cases[i].text);
        enum json_model_state state = JSON_MODEL_SEEK;
        struct json_model m;

        json_model_init(&m);
        for (size_t k = 0; k < text.n && state == JSON_MODEL_SEEK; k++)
            state = json_model_read(&m, (struct span){ text.p + k, 1 });
        check(&m, state, i);
    }
}

static enum json_model_state read_value_of(size_t n, struct json_model *m)
{
    static char text[2000];
    int length = snprintf(text, sizeof text, "{\"model\":\"%0*d\"}", (int)n, 0);

    json_model_init(m);
    return json_model_read(m, (struct span){ text, (size_t)length });
}

static void values_have_a_bound(void **unused)
{
    struct json_model m;
    char value[JSON_MODEL_RAW_MAX + 1];

    (void)unused;
    assert_int_equal(read_value_of(JSON_MODEL_RAW_MAX - 1, &m), JSON_MODEL_FOUND);
    assert_int_equal(json_model_value(&m, value), JSON_MODEL_RAW_MAX - 1);
    assert_int_equal(read_value_of(JSON_MODEL_RAW_MAX, &m), JSON_MODEL_OTHER);
    assert_int_equal(read_value_of(1900, &m), JSON_MODEL_OTHER);
}

static void wrong_escapes_are_told(void **unused)
{
    static const char *const wrong[] = { "\\x", "\\u00", "\\u0000", "\\n", "\\ud83dx\\u0001" };
    char text[64], value[JSON_MODEL_RAW_MAX + 1];
    struct json_model m;

    (void)unused;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        snprintf(text, sizeof text, "{\"model\":\"%s\"}", wrong[i]);
        json_model_init(&m);
        assert_int_equal(json_model_read(&m, span_of(text)), JSON_MODEL_FOUND);
        assert_true(json_model_value(&m, value) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_every_split),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(values_have_a_bound),
        cmocka_unit_test(wrong_escapes_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
