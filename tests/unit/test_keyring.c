/* Keys in turn, and keys that rest. */
#include "proxy/keyring.h"
#include "tests/unit/short_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static char *const keys[] = { "a", "b", "c" };

static struct keyring *make(unsigned n)
{
    struct keyring *r;

    assert_int_equal(keyring_make(&r, keys, n), 0);
    return r;
}

static void keys_come_in_turn(void **unused)
{
    struct keyring *r = make(3);

    (void)unused;
    for (int i = 0; i < 9; i++)
        assert_int_equal(keyring_next(r, 0, 0), i % 3);
    assert_true(span_eq(keyring_key(r, 1), SPAN("b")));
    keyring_free(r);
}

static void resting_and_tried_keys_are_passed_over(void **unused)
{
    struct keyring *r = make(3);

    (void)unused;
    keyring_rest(r, 0, 100);
    assert_int_equal(keyring_next(r, 99, 0), 1);
    assert_int_equal(keyring_next(r, 99, 1 << 2), 1);
    assert_int_equal(keyring_next(r, 99, 1 << 1 | 1 << 2), -1);
    assert_false(keyring_has(r, 99, 1 << 1 | 1 << 2));
    assert_true(keyring_has(r, 100, 1 << 1 | 1 << 2));
    assert_int_equal(keyring_resting(r, 99), 1);
    assert_int_equal(keyring_resting(r, 100), 0);
    assert_int_equal(keyring_next(r, 100, 1 << 1 | 1 << 2), 0);
    keyring_free(r);
}

static void the_first_to_have_rested_is_known(void **unused)
{
    struct keyring *r = make(2);

    (void)unused;
    assert_int_equal(keyring_rested_at(r, 10), 0);
    keyring_rest(r, 0, 50);
    assert_int_equal(keyring_rested_at(r, 10), 0);
    keyring_rest(r, 1, 40);
    assert_int_equal(keyring_rested_at(r, 10), 40);
    assert_int_equal(keyring_rested_at(r, 40), 0);
    keyring_free(r);
}

static void a_reload_keeps_what_rests(void **unused)
{
    static char *const others[] = { "c", "d", "a" };
    struct keyring *old = make(3), *fresh;

    (void)unused;
    assert_int_equal(keyring_make(&fresh, others, 3), 0);
    keyring_rest(old, 0, 100);
    keyring_rest(old, 1, 100);
    keyring_inherit(fresh, old);
    keyring_inherit(fresh, NULL);
    assert_int_equal(keyring_resting(fresh, 99), 1);
    assert_int_equal(keyring_next(fresh, 99, 1 << 0 | 1 << 1), -1);
    keyring_free(old);
    keyring_free(fresh);
    keyring_free(NULL);
}

/* What was tried is told by 64 bits: keys past those are always worth a try. */
static void keys_past_the_64th_are_never_tried(void **unused)
{
    char *many[66];
    struct keyring *r;

    (void)unused;
    for (int i = 0; i < 66; i++)
        many[i] = keys[i % 3];
    assert_int_equal(keyring_make(&r, many, 66), 0);
    assert_int_equal(keyring_next(r, 0, UINT64_MAX), 64);
    assert_int_equal(keyring_next(r, 0, UINT64_MAX), 65);
    assert_int_equal(keyring_next(r, 0, UINT64_MAX), 64);
    assert_int_equal(keyring_next(r, 0, UINT64_MAX >> 1), 65);
    assert_int_equal(keyring_next(r, 0, UINT64_MAX >> 1), 63);
    keyring_free(r);
}

static void no_ring_without_memory(void **unused)
{
    struct keyring *r = (struct keyring *)unused;
    int err;

    memory_short(0, 1);
    err = keyring_make(&r, keys, 3);
    assert_true(memory_plenty());
    assert_int_equal(err, -ENOMEM);
    assert_null(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_in_turn),
        cmocka_unit_test(resting_and_tried_keys_are_passed_over),
        cmocka_unit_test(the_first_to_have_rested_is_known),
        cmocka_unit_test(a_reload_keeps_what_rests),
        cmocka_unit_test(keys_past_the_64th_are_never_tried),
        cmocka_unit_test(no_ring_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
