/* A table of fixed size for whoever comes. */
#include "base/crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define PLACES (CROWD_SETS * CROWD_WAYS)
#define A_MINUTE 10

static struct crowd *c;

static int make(void **state)
{
    (void)state;
    c = calloc(1, sizeof *c);
    if (c)
        crowd_set(c, A_MINUTE);
    return c ? 0 : -1;
}

static int drop(void **state)
{
    (void)state;
    free(c);
    return 0;
}

static struct bucket *bucket_of(unsigned who)
{
    return crowd_find(c, (struct span){ (char *)&who, sizeof who }, bucket_now());
}

static bool take(unsigned who)
{
    uint64_t cost = bucket_cost(A_MINUTE);

    return bucket_take(bucket_of(who), cost, A_MINUTE * cost);
}

static uint64_t missing(unsigned who)
{
    struct bucket_look look = bucket_look(bucket_of(who));

    return bucket_missing(&look, bucket_now());
}

static void each_has_a_bucket_of_his_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < A_MINUTE; i++)
        for (unsigned who = 0; who < 100; who++)
            assert_true(take(who));
    for (unsigned who = 0; who < 100; who++)
        assert_false(take(who));
    assert_true(take(100));
}

/* Whoever has taken nothing for a minute stands in nobody's way. */
static void full_buckets_are_given_away(void **state)
{
    (void)state;
    assert_true(take(0));
    for (unsigned who = 1; who <= 20 * PLACES; who++)
        bucket_of(who);
    assert_in_range(missing(0), 1, bucket_cost(A_MINUTE));
}

static void the_table_does_not_grow(void **state)
{
    unsigned remembered = 0;

    (void)state;
    for (unsigned who = 0; who < 4 * PLACES; who++)
        assert_true(take(who));
    for (unsigned who = 0; who < 4 * PLACES; who++)
        remembered += missing(who) > 0;
    assert_in_range(remembered, PLACES / 2, PLACES);
}

/* Of those that crowd it, he who has taken least is forgotten. */
static void who_has_taken_most_is_remembered(void **state)
{
    unsigned refused = 0;

    (void)state;
    for (unsigned who = 0; who < 1000; who++)
        while (take(who))
            ;
    for (unsigned who = 1000; who < 1000 + 2 * PLACES; who++)
        take(who);
    for (unsigned who = 0; who < 1000; who++)
        refused += !take(who);
    assert_in_range(refused, 990, 1000);
}

static void another_limit_keeps_what_was_taken(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_true(take(1));
    crowd_set(c, 0);
    crowd_set(c, 2 * A_MINUTE);
    assert_in_range(missing(1), 4 * bucket_cost(2 * A_MINUTE), 5 * bucket_cost(2 * A_MINUTE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, make, drop)
        TEST(each_has_a_bucket_of_his_own),
        TEST(full_buckets_are_given_away),
        TEST(the_table_does_not_grow),
        TEST(who_has_taken_most_is_remembered),
        TEST(another_limit_keeps_what_was_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
