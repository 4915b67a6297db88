/* The key map with many keys, and the shapes of an Authorization value. */
#include "proxy/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define MANY 20000

static void test_every_key_is_found_and_no_other(void **state)
{
    struct conf_key *keys = calloc(MANY, sizeof *keys);
    struct key_map *map;
    char text[64];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "key-%u", i * 7919);
        keys[i].client = strdup(text);
    }
    assert_int_equal(key_map_make(&map, keys, MANY), 0);
    for (unsigned i = 0; i < MANY; i++) {
        struct span key = span_of(keys[i].client);

        assert_ptr_equal(key_map_find(map, key), &keys[i]);
        key.n--;
        if (key.n > 5)
            assert_ptr_not_equal(key_map_find(map, key), &keys[i]);
    }
    assert_null(key_map_find(map, SPAN("")));
    assert_null(key_map_find(map, SPAN("key-")));
    assert_null(key_map_find(map, SPAN("KEY-0")));
    assert_null(key_map_find(map, SPAN("key-0\0")));
    key_map_free(map);
    for (unsigned i = 0; i < MANY; i++)
        free(keys[i].client);
    free(keys);
}

static void test_bearer_token(void **state)
{
    static const struct {
        const char *value, *token;
    } cases[] = {
        { "Bearer abc", "abc" }, { "bearer abc", "abc" }, { "BEARER  a b", "a b" }, { "Bearer", "" }, { "Bearer ", "" },
        { "Basic abc", "" },     { "", "" },              { "Bearerabc", "" },      { "Bearer\tabc", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(span_eq(bearer_token(span_of(cases[i].value)), span_of(cases[i].token)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_is_found_and_no_other),
        cmocka_unit_test(test_bearer_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
