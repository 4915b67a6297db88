/* Tests of memory that grows, and of the smaller and the larger of two numbers. */
#include "base/grow.h"
#include "base/least.h"
#include "short_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_what_grows_keeps_its_bytes(void **state)
{
    char *p = grow_wiped(NULL, 0, 3);

    (void)state;
    assert_non_null(p);
    memcpy(p, "abc", 3);
    p = grow_wiped(p, 3, 5000);
    assert_non_null(p);
    assert_memory_equal(p, "abc", 3);
    free(p);
}

static void test_what_cannot_grow_is_gone(void **state)
{
    long before = memory.live;
    char *p = grow_wiped(NULL, 0, 3);

    (void)state;
    assert_int_equal(memory.live, before + 1);
    memcpy(p, "abc", 3);
    memory_short(0, 1);
    assert_null(grow_wiped(p, 3, 5000));
    assert_true(memory_plenty());
    assert_int_equal(memory.live, before);
}

static void test_the_smaller_and_the_larger(void **state)
{
    (void)state;
    assert_int_equal(smaller(2, 3), 2);
    assert_int_equal(smaller(UINT64_MAX, 3), 3);
    assert_int_equal(larger(2, 3), 3);
    assert_int_equal(larger(UINT64_MAX, 3), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_grows_keeps_its_bytes),
        cmocka_unit_test(test_what_cannot_grow_is_gone),
        cmocka_unit_test(test_the_smaller_and_the_larger),
    };

    return cmocka_run_group_tests_name("grow", tests, NULL, NULL);
}
