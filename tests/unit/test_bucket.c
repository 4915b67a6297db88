/* Buckets: what they let through, at any time of a clock whose words wrap, and who else changes
 * them. */
#include "base/bucket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const uint32_t rates[] = { 1, 2, 3, 7, 60, 100, 999, 6000, 99991, 1000000 };
#define N_RATES (sizeof rates / sizeof *rates)

/* Moments right before and after the words of the clock wrap, and others. */
static const uint64_t moments[] = { 0,
                                    1,
                                    UINT32_MAX - 5 * BUCKET_SECOND,
                                    UINT32_MAX,
                                    (uint64_t)UINT32_MAX + 1,
                                    INT32_MAX,
                                    77 * 86400 * BUCKET_SECOND + 12345,
                                    ((UINT64_C(1) << 30) << BUCKET_SECOND_BITS) + 99 };
#define N_MOMENTS (sizeof moments / sizeof *moments)

static int take(struct bucket *b, uint64_t now, uint64_t cost, uint64_t room)
{
    int err;

    do {
        struct bucket_look look = bucket_look(b);

        err = bucket_try(b, &look, now, cost, room);
    } while (err == -EAGAIN);
    return err;
}

static uint64_t missing(const struct bucket *b, uint64_t now)
{
    struct bucket_look look = bucket_look(b);

    return bucket_missing(&look, now);
}

/* How many permits of n a minute can be taken at once. */
static unsigned take_all(struct bucket *b, uint64_t now, uint32_t n)
{
    unsigned taken = 0;

    while (take(b, now, bucket_cost(n), n * bucket_cost(n)) == 0)
        taken++;
    return taken;
}

static void a_bucket_has_as_many_permits_as_come_in_a_minute(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_RATES; i++)
        for (size_t k = 0; k < N_MOMENTS; k++) {
            struct bucket b = { 0 };

            assert_int_equal(take_all(&b, moments[k], rates[i]), rates[i]);
        }
}

static void permits_come_back_one_by_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_RATES; i++)
        for (size_t k = 0; k < N_MOMENTS; k++) {
            uint64_t now = moments[k], cost = bucket_cost(rates[i]), room = rates[i] * cost;
            struct bucket b = { 0 };

            take_all(&b, now, rates[i]);
            assert_int_equal(take(&b, now + cost - 1, cost, room), -EDQUOT);
            assert_int_equal(take(&b, now + cost, cost, room), 0);
            assert_int_equal(take(&b, now + cost, cost, room), -EDQUOT);
            assert_int_equal(take_all(&b, now + cost + room, rates[i]), rates[i]);
        }
}

static void no_more_than_the_rate_comes_in_a_long_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_RATES; i++) {
        uint64_t now = moments[2], cost = bucket_cost(rates[i]), taken = 0;
        struct bucket b = { 0 };

        if (rates[i] > 1000)
            continue;
        for (unsigned tick = 0; tick < 120 * 60; tick++, now += BUCKET_SECOND / 2)
            taken += take_all(&b, now, rates[i]);
        assert_true(taken <= rates[i] * UINT64_C(61));
        assert_true(taken >= rates[i] * UINT64_C(61) - 1 - rates[i] * cost % BUCKET_MINUTE);
    }
}

/* Whatever the words say after so long. */
static void a_bucket_that_rests_is_full(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_MOMENTS; k++)
        for (uint64_t rest = 60; rest < 40000; rest += 13) {
            struct bucket b = { 0 };

            assert_int_equal(take_all(&b, moments[k], 5), 5);
            assert_int_equal(missing(&b, moments[k] + rest * BUCKET_SECOND), 0);
            assert_int_equal(take_all(&b, moments[k] + rest * BUCKET_SECOND, 5), 5);
            assert_int_equal(take_all(&b, moments[k] + rest * BUCKET_SECOND, 5), 0);
        }
}

static void a_bucket_in_use_never_grows_old(void **state)
{
    uint64_t now = moments[3];
    struct bucket b = { 0 };

    (void)state;
    take_all(&b, now, 4);
    for (unsigned i = 0; i < 1000; i++) {
        now += 15 * BUCKET_SECOND;
        assert_int_equal(take_all(&b, now, 4), 1);
    }
}

static void what_is_charged_afterwards_may_be_more_than_there_is(void **state)
{
    uint64_t now = moments[2], room = BUCKET_MINUTE;
    struct bucket b = { 0 };

    (void)state;
    assert_int_equal(take(&b, now, 5 * BUCKET_MINUTE, UINT64_MAX), 0);
    assert_int_equal(missing(&b, now), 5 * BUCKET_MINUTE);
    assert_int_equal(take(&b, now + 4 * BUCKET_MINUTE, 1, room), -EDQUOT);
    assert_int_equal(take(&b, now + 4 * BUCKET_MINUTE + 1, 1, room), 0);
}

/* The longest that anybody waits, whatever is charged and how often, and it is waited for. */
static void there_is_a_longest_wait(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_MOMENTS; k++) {
        uint64_t now = moments[k];
        struct bucket b = { 0 };

        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(take(&b, now, UINT64_MAX / 2, UINT64_MAX), 0);
        assert_int_equal(missing(&b, now), BUCKET_LONGEST);
        assert_int_equal(missing(&b, now + BUCKET_LONGEST - 1), 1);
        assert_int_equal(missing(&b, now + BUCKET_LONGEST), 0);
        /* once more just before it is seen again */
        now += 59 * BUCKET_SECOND;
        take(&b, now, BUCKET_LONGEST, UINT64_MAX);
        assert_int_equal(missing(&b, now + BUCKET_LONGEST - 1), 1);
    }
}

static void what_is_put_back_can_be_taken_again(void **state)
{
    uint64_t now = moments[2], cost = bucket_cost(9);
    struct bucket b = { 0 };

    (void)state;
    take_all(&b, now, 9);
    bucket_put_back(&b, cost);
    assert_int_equal(take_all(&b, now, 9), 1);
    bucket_fill(&b, now);
    bucket_put_back(&b, cost);
    assert_int_equal(take_all(&b, now, 9), 9);
}

/* Two processes: what one has read is old when it writes. */
static void who_comes_second_looks_again(void **state)
{
    uint64_t now = moments[6], cost = bucket_cost(1);
    struct bucket b = { 0 };
    struct bucket_look mine, other;

    (void)state;
    bucket_fill(&b, now);
    mine = bucket_look(&b);
    assert_int_equal(take(&b, now, cost, cost), 0);
    assert_int_equal(bucket_try(&b, &mine, now, cost, cost), -EAGAIN);
    assert_int_equal(take(&b, now, cost, cost), -EDQUOT);

    /* the same with a bucket that both find old */
    now += 86400 * BUCKET_SECOND;
    mine = other = bucket_look(&b);
    assert_int_equal(bucket_try(&b, &other, now, cost, cost), -EAGAIN);
    assert_int_equal(take(&b, now, cost, cost), 0);
    assert_int_equal(bucket_try(&b, &mine, now, cost, cost), -EAGAIN);
    assert_int_equal(take(&b, now, cost, cost), -EDQUOT);
}

static void another_rate_keeps_what_was_taken(void **state)
{
    static const struct {
        uint32_t from, taken, to;
        uint64_t left; /* permits of to */
    } cases[] = { { 10, 4, 20, 16 },  { 10, 10, 100, 90 }, { 100, 50, 60, 10 },
                  { 100, 50, 50, 0 }, { 100, 90, 10, 0 },  { 7, 0, 9, 9 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bucket b = { 0 };
        uint64_t now = bucket_now(), cost = bucket_cost(cases[i].to), more = 10 * BUCKET_SECOND;

        for (uint32_t k = 0; k < cases[i].taken; k++)
            take(&b, now, bucket_cost(cases[i].from), UINT64_MAX);
        bucket_scale(&b, cases[i].from, cases[i].to);
        assert_in_range((cases[i].to * cost - missing(&b, now) + cost / 2) / cost, cases[i].left,
                        cases[i].left + more / cost);
        assert_true(missing(&b, now) <= BUCKET_MINUTE + more);
    }
}

/* Fewer tokens a minute do not lock out for longer who has overdrawn. */
static void a_wait_does_not_grow_beyond_a_minute(void **state)
{
    struct bucket b = { 0 };
    uint64_t now = bucket_now();

    (void)state;
    take(&b, now, 10 * BUCKET_MINUTE, UINT64_MAX);
    bucket_scale(&b, 1000, 10);
    assert_in_range(missing(&b, now), 10 * BUCKET_MINUTE, 11 * BUCKET_MINUTE);
    bucket_scale(&b, 10, 1000);
    assert_in_range(missing(&b, now), 0, BUCKET_MINUTE);
}

static void the_clock_goes_on(void **state)
{
    uint64_t before = bucket_now(), ms = 0;

    (void)state;
    while (bucket_now() == before)
        ;
    assert_true(bucket_now() - before < 10 * BUCKET_SECOND);
    for (; ms < 100000; ms += 7)
        assert_in_range(bucket_ms(ms * BUCKET_SECOND / 1000), ms, ms + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_has_as_many_permits_as_come_in_a_minute),
        cmocka_unit_test(permits_come_back_one_by_one),
        cmocka_unit_test(no_more_than_the_rate_comes_in_a_long_time),
        cmocka_unit_test(a_bucket_that_rests_is_full),
        cmocka_unit_test(a_bucket_in_use_never_grows_old),
        cmocka_unit_test(what_is_charged_afterwards_may_be_more_than_there_is),
        cmocka_unit_test(there_is_a_longest_wait),
        cmocka_unit_test(what_is_put_back_can_be_taken_again),
        cmocka_unit_test(who_comes_second_looks_again),
        cmocka_unit_test(another_rate_keeps_what_was_taken),
        cmocka_unit_test(a_wait_does_not_grow_beyond_a_minute),
        cmocka_unit_test(the_clock_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
