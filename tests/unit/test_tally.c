/* Rows of counters: places for upstreams and series, and what becomes of them. */
#include "base/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct tallies *rows;
static struct tally *t;

static int make_rows(void **state)
{
    (void)state;
    rows = tallies_make(3);
    t = rows ? &rows->rows[0] : NULL;
    return rows ? 0 : -1;
}

static int free_rows(void **state)
{
    (void)state;
    tallies_free(rows, 3);
    return 0;
}

static uint64_t tag_of(uint32_t key, unsigned route, unsigned status)
{
    return tally_tag(
        key, (struct tally_kind){ .what = TALLY_WHAT(route, 0), .status = (uint16_t)status });
}

static uint64_t counted(uint64_t tag)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < TALLY_SERIES; i++)
        if (counter_read(&t->series[i].tag) == tag)
            n += counter_read(&t->series[i].count);
    return n;
}

static void a_time_is_in_the_bucket_whose_bound_it_is_below(void **state)
{
    static const uint32_t times[] = { 0, 1, 3, 4, 5, 7, 8, 999, 1023, 1024, 600000, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        size_t bucket = tally_bucket(times[i]);

        assert_true(bucket < TALLY_BUCKETS && times[i] < TALLY_BOUND(bucket));
        assert_true(bucket == 0 || times[i] >= TALLY_BOUND(bucket - 1));
    }
}

static void observations_are_added_up(void **state)
{
    struct tally_upstream *u = &t->upstreams[2];

    (void)state;
    tally_observe(u, TALLY_FIRST_BYTE, 3);
    tally_observe(u, TALLY_FIRST_BYTE, 3);
    tally_observe(u, TALLY_FIRST_BYTE, 5);
    assert_int_equal(counter_read(&u->numbers[TALLY_FIRST_BYTE]), 2);
    assert_int_equal(counter_read(&u->numbers[TALLY_FIRST_BYTE + 1]), 1);
    assert_int_equal(counter_read(&u->numbers[TALLY_FIRST_BYTE + TALLY_BUCKETS]), 11);
    assert_int_equal(counter_read(&u->numbers[TALLY_DURATION + TALLY_BUCKETS]), 0);
}

static void a_tag_is_taken_apart_again(void **state)
{
    struct tally_kind kind = { .what = TALLY_WHAT(9, 3), .place = 31, .status = 599 };
    uint64_t tag = tally_tag(0xfedcba98, kind);
    struct tally_kind back = tally_kind(tag);

    (void)state;
    assert_int_equal(tally_key(tag), 0xfedcba98);
    assert_int_equal(TALLY_ROUTE(back.what), 9);
    assert_int_equal(TALLY_ENDING(back.what), 3);
    assert_int_equal(back.place, 31);
    assert_int_equal(back.status, 599);
}

/* How many requests are known to have failed in that way. */
static uint64_t failed(uint64_t tag, unsigned reason)
{
    struct tally_failure f;
    uint64_t n = 0;

    for (unsigned i = 0; i < TALLY_ERRORS; i++)
        if (tally_read_error(&t->errors[i], &f) && f.tag == tag &&
            TALLY_STAMP_MARK(f.last) == reason)
            n += f.n;
    return n;
}

static void failures_of_one_kind_take_one_place(void **state)
{
    struct tally_failure f;

    (void)state;
    tally_fail(t, tag_of(2, 0, 502), 7, 1000);
    for (unsigned i = 0; i < 100; i++)
        tally_fail(t, tag_of(2, 0, 502), 8, 2000 + i);
    assert_int_equal(failed(tag_of(2, 0, 502), 7), 1);
    assert_int_equal(failed(tag_of(2, 0, 502), 8), 100);
    for (unsigned i = 0; i < TALLY_ERRORS; i++)
        if (tally_read_error(&t->errors[i], &f) && TALLY_STAMP_MARK(f.last) == 8)
            assert_int_equal(TALLY_STAMP_MS(f.last), 2099);
}

static void the_kind_that_came_longest_ago_makes_room(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TALLY_ERRORS; i++)
        tally_fail(t, tag_of(2, 0, 400 + i), 0, 100 + i);
    tally_fail(t, tag_of(2, 0, 400), 0, 200);
    tally_fail(t, tag_of(2, 0, 599), 0, 201);
    assert_int_equal(failed(tag_of(2, 0, 400), 0), 2);
    assert_int_equal(failed(tag_of(2, 0, 401), 0), 0);
    assert_int_equal(failed(tag_of(2, 0, 402), 0), 1);
    assert_int_equal(failed(tag_of(2, 0, 599), 0), 1);
}

/* The writer clears the stamp while it changes the rest. */
static void half_a_failure_is_not_read(void **state)
{
    struct tally_failure f;

    (void)state;
    tally_fail(t, tag_of(2, 0, 502), 7, 1000);
    counter_set(&t->errors[0].last, 0);
    assert_false(tally_read_error(&t->errors[0], &f));
}

static void failures_go_with_their_upstream(void **state)
{
    unsigned place = tally_take_upstream(t, 5);
    struct tally_kind kind = { .place = (uint8_t)place, .status = 502 };
    uint64_t tag = tally_tag(0, kind);

    (void)state;
    tally_fail(t, tag, 1, 100);
    tally_drop_upstream(t, &t->upstreams[place]);
    for (unsigned i = 0; i < TALLY_UPSTREAMS; i++)
        tally_take_upstream(t, 100 + i);
    assert_int_not_equal(counter_read(&t->ids[place]), 5);
    assert_int_equal(failed(tag, 1), 0);
}

/* Many more kinds than places: nothing is lost, and what has a series keeps it. */
static void no_request_is_lost_however_many_kinds_there_are(void **state)
{
    unsigned n = 3 * TALLY_SERIES;

    (void)state;
    for (unsigned i = 0; i < n; i++)
        tally_count(t, tag_of(TALLY_FIRST_KEY + i, 0, 200));
    tally_count(t, tag_of(TALLY_FIRST_KEY, 0, 200));
    assert_int_equal(counted(tag_of(TALLY_FIRST_KEY, 0, 200)), 2);
    assert_int_equal(counted(tag_of(TALLY_FIRST_KEY + TALLY_CROWDED - 1, 0, 200)), 1);
    assert_int_equal(counted(tag_of(TALLY_OTHER_KEY, 0, 200)), n - TALLY_CROWDED);
    assert_int_equal(tally_requests(t), n + 1);
    for (unsigned i = 0; i < n; i++)
        tally_count(t, tag_of(TALLY_NO_KEY, i % 8, 100 + i / 8));
    assert_int_equal(tally_requests(t), 2 * n + 1);
    assert_int_equal(counter_read(&t->n_series), TALLY_SERIES);
}

static bool is_even(const void *arg, uint32_t key)
{
    (void)arg;
    return key % 2 == 0;
}

static void tokens_are_no_requests(void **state)
{
    uint64_t tag = tally_tag(TALLY_FIRST_KEY + 1, (struct tally_kind){ .what = TALLY_INPUT });

    (void)state;
    tally_count(t, tag_of(TALLY_FIRST_KEY + 1, 0, 200));
    tally_add(t, tag, 1000);
    tally_add(t, tag, 24);
    assert_int_equal(counted(tag), 1024);
    assert_int_equal(tally_requests(t), 1);
    tally_drop_keys(t, is_even, NULL);
    assert_int_equal(tally_requests(t), 1);
    assert_int_equal(counter_read(&t->n_series), 0);
}

/* Where there is no place left, they are not counted as requests either. */
static void tokens_without_room_are_lost(void **state)
{
    uint64_t tag = tally_tag(TALLY_NO_KEY, (struct tally_kind){ .what = TALLY_OUTPUT });

    (void)state;
    for (unsigned i = 0; i < TALLY_SERIES; i++)
        tally_count(t, tag_of(TALLY_NO_KEY, i % 8, 100 + i / 8));
    tally_add(t, tag, 7);
    assert_int_equal(counted(tag), 0);
    assert_int_equal(tally_requests(t), TALLY_SERIES);
}

static void series_of_dropped_keys_go_and_leave_room(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < 2000; i++)
            tally_count(t, tag_of(TALLY_FIRST_KEY + i + 2000 * (round % 2), 1, 200));
        tally_drop_keys(t, is_even, NULL);
        assert_int_equal(tally_requests(t), 2000 * (round + 1));
        assert_int_equal(counter_read(&t->n_series), round ? 2000 : 1000);
        assert_int_equal(counted(tag_of(TALLY_FIRST_KEY, 1, 200)), round / 2 + 1);
        assert_int_equal(counted(tag_of(TALLY_FIRST_KEY + 1, 1, 200)), 0);
    }
    assert_int_equal(counted(tag_of(TALLY_OTHER_KEY, 1, 200)), 0);
}

static void an_upstream_keeps_its_place_and_its_numbers(void **state)
{
    unsigned a = tally_take_upstream(t, tally_id(SPAN("a"))),
             b = tally_take_upstream(t, tally_id(SPAN("b")));

    (void)state;
    assert_true(a > TALLY_OTHER_UPSTREAM && b > TALLY_OTHER_UPSTREAM && a != b);
    counter_add(&t->upstreams[a].numbers[TALLY_DIALS], 7);
    tally_drop_upstream(t, &t->upstreams[a]);
    assert_int_equal(tally_take_upstream(t, tally_id(SPAN("a"))), a);
    assert_int_equal(counter_read(&t->upstreams[a].numbers[TALLY_DIALS]), 7);
}

static void upstreams_beyond_the_places_share_one(void **state)
{
    char name[20];
    unsigned first = tally_take_upstream(t, tally_id(SPAN("first"))), place;

    (void)state;
    for (unsigned i = 0; i < TALLY_UPSTREAMS - 3; i++) {
        snprintf(name, sizeof name, "u%u", i);
        assert_true(tally_take_upstream(t, tally_id(span_of(name))) > TALLY_OTHER_UPSTREAM);
    }
    assert_int_equal(tally_take_upstream(t, tally_id(SPAN("late"))), TALLY_OTHER_UPSTREAM);
    tally_count(t, tally_tag(0, (struct tally_kind){ .place = (uint8_t)first, .status = 200 }));
    counter_add(&t->upstreams[first].numbers[TALLY_DIALS], 7);
    tally_drop_upstream(t, &t->upstreams[first]);
    place = tally_take_upstream(t, tally_id(SPAN("next")));
    assert_int_equal(place, first);
    assert_int_equal(counter_read(&t->upstreams[place].numbers[TALLY_DIALS]), 0);
    assert_int_equal(counter_read(&t->n_series), 0);
    assert_int_equal(tally_requests(t), 1);
}

static void what_is_true_of_a_moment_ends_with_the_process(void **state)
{
    unsigned place = tally_take_upstream(t, 5);
    struct tally_upstream *u = &t->upstreams[place];

    (void)state;
    tally_count(t, tag_of(0, 0, 200));
    counter_add(&t->connections, 3);
    counter_add(&t->clients, 2);
    counter_add(&t->exchanges, 2);
    counter_add(&t->held, 100);
    counter_set(&u->rests_until, UINT64_MAX);
    counter_set(&u->failures, 3);
    tally_key_rests(u, 0, TALLY_STAMP(100, 0), 50);
    counter_add(&t->serves, 1);
    counter_add(&t->watchers, 2);
    tally_fail(t, tag_of(0, 0, 502), 3, 40);
    counter_add(&u->numbers[TALLY_DIALS], 1);
    tally_clear(t);
    assert_int_equal(counter_read(&t->connections), 3);
    assert_int_equal(tally_requests(t), 1);
    assert_int_equal(counter_read(&u->numbers[TALLY_DIALS]), 1);
    assert_int_equal(counter_read(&t->clients) + counter_read(&t->exchanges), 0);
    assert_int_equal(counter_read(&t->held) + counter_read(&u->rests_until), 0);
    assert_int_equal(counter_read(&u->failures) + counter_read(&t->users[place]), 0);
    assert_int_equal(counter_read(&u->keys_rest_until[0]), 0);
    assert_int_equal(counter_read(&t->serves) + counter_read(&t->watchers), 0);
    assert_int_equal(failed(tag_of(0, 0, 502), 3), 1);
}

static unsigned resting(const struct tally_upstream *u, uint64_t now)
{
    unsigned n = 0;

    for (unsigned i = 0; i < TALLY_RESTS; i++)
        n += now < TALLY_STAMP_MS(counter_read(&u->keys_rest_until[i]));
    return n;
}

static void a_key_that_rests_again_is_one(void **state)
{
    struct tally_upstream *u = &t->upstreams[2];

    (void)state;
    tally_key_rests(u, TALLY_STAMP(0, 3), TALLY_STAMP(100, 3), 10);
    tally_key_rests(u, TALLY_STAMP(0, 4), TALLY_STAMP(100, 4), 10);
    assert_int_equal(resting(u, 20), 2);
    tally_key_rests(u, TALLY_STAMP(100, 4), TALLY_STAMP(200, 4), 30);
    assert_int_equal(resting(u, 40), 2);
    assert_int_equal(resting(u, 150), 1);
    tally_key_rests(u, TALLY_STAMP(100, 3), TALLY_STAMP(300, 3), 150); /* its rest was over */
    assert_int_equal(resting(u, 150), 2);
}

static void other_processes_see_what_one_counts(void **state)
{
    int status = -1;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        tally_count(&rows->rows[1], tag_of(0, 0, 200));
        _exit(0);
    }
    assert_true(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    assert_int_equal(tally_requests(&rows->rows[1]), 1);
    assert_int_equal(counter_read(&rows->n), 1);
    tallies_use(rows, 2);
    assert_int_equal(counter_read(&rows->n), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_in_the_bucket_whose_bound_it_is_below),
        cmocka_unit_test_setup_teardown(observations_are_added_up, make_rows, free_rows),
        cmocka_unit_test(a_tag_is_taken_apart_again),
        cmocka_unit_test_setup_teardown(failures_of_one_kind_take_one_place, make_rows, free_rows),
        cmocka_unit_test_setup_teardown(the_kind_that_came_longest_ago_makes_room, make_rows,
                                        free_rows),
        cmocka_unit_test_setup_teardown(half_a_failure_is_not_read, make_rows, free_rows),
        cmocka_unit_test_setup_teardown(failures_go_with_their_upstream, make_rows, free_rows),
        cmocka_unit_test_setup_teardown(no_request_is_lost_however_many_kinds_there_are, make_rows,
                                        free_rows),
        cmocka_unit_test_setup_teardown(tokens_are_no_requests, make_rows, free_rows),
        cmocka_unit_test_setup_teardown(tokens_without_room_are_lost, make_rows, free_rows),
        cmocka_unit_test_setup_teardown(series_of_dropped_keys_go_and_leave_room, make_rows,
                                        free_rows),
        cmocka_unit_test_setup_teardown(an_upstream_keeps_its_place_and_its_numbers, make_rows,
                                        free_rows),
        cmocka_unit_test_setup_teardown(upstreams_beyond_the_places_share_one, make_rows,
                                        free_rows),
        cmocka_unit_test_setup_teardown(what_is_true_of_a_moment_ends_with_the_process, make_rows,
                                        free_rows),
        cmocka_unit_test_setup_teardown(a_key_that_rests_again_is_one, make_rows, free_rows),
        cmocka_unit_test_setup_teardown(other_processes_see_what_one_counts, make_rows, free_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
