/* The key map with many keys, its hash, and the shapes of an Authorization value. */
#include "base/siphash.h"
#include "proxy/keys.h"
#include "tests/unit/guard.h"
#include "tests/unit/short_memory.h"

#include <errno.h>
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

/* A key is found by its bytes alone: nothing that stands behind them is looked at. */
static void test_a_key_ends_where_its_span_ends(void **state)
{
    struct conf_key key = { .client = (char *)"sk-alice" };
    char *copy = guard_end(key.client, strlen(key.client));
    struct key_map *map;

    (void)state;
    assert_int_equal(key_map_make(&map, &key, 1), 0);
    assert_ptr_equal(key_map_find(map, (struct span){ "sk-alice and more", 8 }), &key);
    assert_ptr_equal(key_map_find(map, (struct span){ copy, 8 }), &key);
    key_map_free(map);
    guard_free(copy, strlen(key.client));
}

static void test_no_map_without_memory(void **state)
{
    struct key_map *map = (struct key_map *)state;
    struct conf_key key = { .client = (char *)"sk-alice" };
    int err;

    memory_short(0, 1);
    err = key_map_make(&map, &key, 1);
    assert_true(memory_plenty());
    assert_int_equal(err, -ENOMEM);
    assert_null(map);
    key_map_free(map);
}

/* The vectors of the reference implementation: the key is 00 01 ... 0f, the text 00 01 .... */
static void test_the_hash_is_siphash(void **state)
{
    static const uint64_t secret[2] = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
    static const struct {
        size_t n;
        uint64_t hash;
    } vectors[] = {
        { 0, 0x726fdb47dd0e0e31u },  { 1, 0x74f839c593dc67fdu },  { 2, 0x0d6c8009d9a94f5au },
        { 3, 0x85676696d7fb7e2du },  { 7, 0xab0200f58b01d137u },  { 8, 0x93f5f5799a932462u },
        { 15, 0xa129ca6149be45e5u }, { 16, 0x3f2acc7f57c29bdbu }, { 63, 0x958a324ceb064572u },
    };
    char bytes[64];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char *text = guard_end(bytes, vectors[i].n);

        assert_int_equal(siphash(secret, (struct span){ text, vectors[i].n }), vectors[i].hash);
        guard_free(text, vectors[i].n);
    }
}

static void test_bearer_token(void **state)
{
    static const struct {
        const char *value, *token;
    } cases[] = {
        { "Bearer abc", "abc" }, { "bearer abc", "abc" }, { "BEARER  a b", "a b" },
        { "Bearer", "" },        { "Bearer ", "" },       { "Bearer x", "x" },
        { "Bearer   ", "" },     { "Basic abc", "" },     { "", "" },
        { "Bearerabc", "" },     { "Bearer\tabc", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].value);
        char *value = guard_end(cases[i].value, n);

        assert_true(span_eq(bearer_token((struct span){ value, n }), span_of(cases[i].token)));
        guard_free(value, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_is_found_and_no_other),
        cmocka_unit_test(test_a_key_ends_where_its_span_ends),
        cmocka_unit_test(test_no_map_without_memory),
        cmocka_unit_test(test_the_hash_is_siphash),
        cmocka_unit_test(test_bearer_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
