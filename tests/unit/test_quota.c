/* Rows of quotas: whose they are over many generations, and what several processes count in
 * them. */
#include "base/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define PROCESSES 3

static struct quotas *q;
static const struct quota_limits limits = { .requests = 100,
                                            .tokens = 1000,
                                            .tokens_of_day = 5000 };

static int make_rows(void **state)
{
    (void)state;
    q = quotas_make(PROCESSES);
    return q ? 0 : -1;
}

static int free_rows(void **state)
{
    (void)state;
    quotas_free(q, PROCESSES);
    return 0;
}

/* Claims the rows of n labels from first on, as a generation. */
static void generation(uint64_t first, unsigned n)
{
    quotas_turn(q);
    for (unsigned i = 0; i < n; i++)
        quota_keep(q, first + i);
    for (unsigned i = 0; i < n; i++)
        assert_non_null(quota_claim(q, first + i, &limits));
}

static struct quota *claim(uint64_t id, const struct quota_limits *l)
{
    quotas_turn(q);
    quota_keep(q, id);
    return quota_claim(q, id, l);
}

static uint64_t missing(const struct bucket *b)
{
    struct bucket_look look = bucket_look(b);

    return bucket_missing(&look, bucket_now());
}

static void a_label_keeps_its_row(void **state)
{
    struct quota *row;

    (void)state;
    assert_null(quota_find(q, 7));
    row = claim(7, &limits);
    quota_charge(row, &limits, 1234, 20000);
    for (unsigned i = 0; i < 50; i++) {
        quotas_turn(q);
        quota_keep(q, 7);
        quota_claim(q, 100 + i, &limits);
        assert_ptr_equal(quota_claim(q, 7, &limits), row);
        assert_ptr_equal(quota_find(q, 7), row);
    }
    assert_int_equal(quota_used(row, 20000), 1234);
}

/* Labels whose ids meet at one place, all the others being taken, and gone labels between them. */
static void the_most_labels_have_rows_in_each_generation(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        generation(1 + i * UINT64_C(100003), QUOTA_LABELS_MAX);
        for (unsigned k = 0; k < QUOTA_LABELS_MAX; k += 97)
            assert_non_null(quota_find(q, 1 + i * UINT64_C(100003) + k));
    }
    for (unsigned i = 0; i < 6; i++) {
        quotas_turn(q);
        for (unsigned k = 0; k < 200; k++)
            assert_non_null(quota_claim(q, 5 + (uint64_t)(k + 200 * i) * QUOTA_ROWS, &limits));
    }
}

/* Old processes may use a row for as long as one generation after its label has gone. */
static void a_row_is_not_given_away_while_it_may_be_in_use(void **state)
{
    struct quota *row;

    (void)state;
    row = claim(1, &limits);
    generation(2, QUOTA_LABELS_MAX);
    assert_ptr_equal(quota_find(q, 1), row);
    for (unsigned i = 0; i < 5; i++)
        generation(100000 * (i + 1), QUOTA_LABELS_MAX);
    assert_null(quota_find(q, 1));
}

static void a_row_with_requests_under_way_goes_last(void **state)
{
    struct quota *row;

    (void)state;
    row = claim(1, &limits);
    assert_true(quota_enter(q, 0, row, 0));
    for (unsigned i = 0; i < 4; i++)
        generation(100000 * (i + 1), QUOTA_LABELS_MAX);
    assert_ptr_equal(quota_find(q, 1), row);
    quota_leave(q, 0, row);
    for (unsigned i = 0; i < 4; i++)
        generation(7 + 100000 * (i + 1), QUOTA_LABELS_MAX);
    assert_null(quota_find(q, 1));
}

static void a_new_label_begins_with_nothing_used(void **state)
{
    struct quota *row;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        generation(100000 * i + 1, QUOTA_LABELS_MAX);
        for (unsigned k = 0; k < QUOTA_LABELS_MAX; k++) {
            row = quota_find(q, 100000 * i + 1 + k);
            assert_int_equal(quota_used(row, 20000), 0);
            assert_int_equal(missing(&row->requests) + missing(&row->tokens), 0);
            quota_charge(row, &limits, 999, 20000);
            bucket_take(&row->requests, BUCKET_MINUTE, UINT64_MAX);
        }
    }
}

static void other_limits_keep_what_was_used(void **state)
{
    struct quota_limits more = { .requests = 200, .tokens = 4000 }, none = { .open = 1 };
    struct quota *row;

    (void)state;
    row = claim(1, &limits);
    quota_charge(row, &limits, 900, 1);
    bucket_take(&row->requests, 60 * bucket_cost(100), UINT64_MAX);
    claim(1, &more);
    assert_in_range(missing(&row->requests), 55 * bucket_cost(200), 60 * bucket_cost(200));
    assert_in_range(missing(&row->tokens), 0, BUCKET_MINUTE * 900 / 4000);
    claim(1, &none);
    claim(1, &limits);
    assert_in_range(missing(&row->requests), 40 * bucket_cost(100), 60 * bucket_cost(100));
}

static void a_day_begins_with_nothing_used(void **state)
{
    struct quota *row;

    (void)state;
    row = claim(1, &limits);
    quota_charge(row, &limits, 100, 20000);
    quota_charge(row, &limits, 23, 20000);
    assert_int_equal(quota_used(row, 20000), 123);
    assert_int_equal(quota_used(row, 20001), 0);
    quota_charge(row, &limits, 5, 20001);
    assert_int_equal(quota_used(row, 20001), 5);
    quota_charge(row, &limits, 6, 20031);
    assert_int_equal(quota_used(row, 20031), 6);
}

/* The count of a day stops at the most that it can be, and the next day begins all the same. */
static void a_day_has_no_more_tokens_than_fit(void **state)
{
    struct quota *row;

    (void)state;
    row = claim(1, &limits);
    for (uint32_t day = 1; day < 5; day++) {
        quota_charge(row, &limits, 7, day);
        quota_charge(row, &limits, UINT32_MAX - 10, day);
        assert_int_equal(quota_used(row, day), UINT32_MAX - 3);
        quota_charge(row, &limits, UINT64_MAX, day);
        assert_int_equal(quota_used(row, day), UINT32_MAX);
        quota_charge(row, &limits, 1, day);
        assert_int_equal(quota_used(row, day), UINT32_MAX);
    }
}

static void so_many_requests_at_once(void **state)
{
    struct quota *row;

    (void)state;
    row = claim(1, &limits);
    assert_true(quota_enter(q, 1, row, 3) && quota_enter(q, 2, row, 3) &&
                quota_enter(q, 1, row, 3));
    assert_false(quota_enter(q, 1, row, 3) || quota_enter(q, 2, row, 3) ||
                 quota_enter(q, 2, row, 2));
    assert_true(quota_enter(q, 2, row, 0) && quota_enter(q, 2, row, 5));
    quota_leave(q, 2, row);
    quota_leave(q, 2, row);
    assert_false(quota_enter(q, 2, row, 3));
    quota_leave(q, 1, row);
    assert_true(quota_enter(q, 2, row, 3));
}

static void what_a_dead_process_held_comes_back(void **state)
{
    struct quota *row, *other;

    (void)state;
    row = claim(1, &limits);
    other = quota_claim(q, 2, &limits);
    for (unsigned i = 0; i < 5; i++)
        assert_true(quota_enter(q, 1, row, 6) && quota_enter(q, 1, other, 0));
    assert_true(quota_enter(q, 2, row, 6));
    assert_false(quota_enter(q, 2, row, 6));
    quotas_clear(q, 1);
    for (unsigned i = 0; i < 5; i++)
        assert_true(quota_enter(q, 2, row, 6));
    assert_false(quota_enter(q, 2, row, 6));
    assert_true(quota_enter(q, 2, other, 1));
    quotas_clear(q, 1);
    assert_false(quota_enter(q, 1, row, 6));
}

/* It was killed when a request stood in its own count, and not in that of all yet. */
static void a_count_never_falls_below_none(void **state)
{
    struct quota *row;

    (void)state;
    row = claim(1, &limits);
    assert_true(quota_enter(q, 1, row, 2));
    atomic_store(&row->open, 0);
    quotas_clear(q, 1);
    assert_true(quota_enter(q, 2, row, 2) && quota_enter(q, 2, row, 2));
    assert_false(quota_enter(q, 2, row, 2));
}

/* What a process takes as fast as it can; its exit status says how much it got. */
static void grab(struct quota *row, unsigned process, unsigned n)
{
    unsigned got = 0;

    for (unsigned i = 0; i < 20000; i++)
        got += bucket_take(&row->requests, bucket_cost(n), n * bucket_cost(n));
    for (unsigned i = 0; i < 20000; i++)
        if (quota_enter(q, process, row, 1)) {
            if (atomic_load(&row->open) != 1)
                _exit(255);
            quota_leave(q, process, row);
        }
    _exit((int)got);
}

static void processes_take_no_more_than_there_is(void **state)
{
    const unsigned n = 100;
    unsigned got = 0;
    struct quota *row;
    uint64_t begin, passed;

    (void)state;
    row = claim(1, &limits);
    begin = bucket_now();
    for (unsigned i = 0; i < PROCESSES; i++)
        if (fork() == 0)
            grab(row, i, n);
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status;

        assert_true(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) != 255);
        got += (unsigned)WEXITSTATUS(status);
    }
    passed = bucket_now() - begin;
    assert_in_range(got, n, n + passed / bucket_cost(n));
    assert_int_equal(atomic_load(&row->open), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_rows, free_rows)
        TEST(a_label_keeps_its_row),
        TEST(the_most_labels_have_rows_in_each_generation),
        TEST(a_row_is_not_given_away_while_it_may_be_in_use),
        TEST(a_row_with_requests_under_way_goes_last),
        TEST(a_new_label_begins_with_nothing_used),
        TEST(other_limits_keep_what_was_used),
        TEST(a_day_begins_with_nothing_used),
        TEST(a_day_has_no_more_tokens_than_fit),
        TEST(so_many_requests_at_once),
        TEST(what_a_dead_process_held_comes_back),
        TEST(a_count_never_falls_below_none),
        TEST(processes_take_no_more_than_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
