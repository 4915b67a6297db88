/* The page of metrics: labels with any bytes in them, and pieces of any size. */
#include "proxy/exposition.h"
#include "proxy/route.h"
#include "proxy_text.h"

#include <stdlib.h>

#define PAGE_MAX (1 << 20)

static struct tallies *rows;
static char page[PAGE_MAX];

static int make_rows(void **state)
{
    (void)state;
    rows = tallies_make(2);
    return rows ? 0 : -1;
}

static int free_rows(void **state)
{
    (void)state;
    tallies_free(rows, 2);
    return 0;
}

static void count(struct tally *t, uint64_t key, unsigned place, unsigned status)
{
    struct tally_kind kind = { .what = TALLY_WHAT(ROUTE_CHAT, 0),
                               .place = (uint8_t)place,
                               .status = (uint16_t)status };

    tally_count(t, key | tally_low(kind));
}

/* The whole page, written in pieces of that room. */
static const char *page_of(const struct conf *c, size_t room, uint64_t now)
{
    struct exposition e = { 0 };
    bool complete = false;
    size_t n = 0;

    assert_int_equal(snapshot_take(&e.now, rows, c, now), 0);
    while (!complete) {
        struct out o;

        assert_true(n + room < sizeof page);
        out_init(&o, page + n, room);
        complete = exposition_put(&e, &o);
        assert_true(!o.overflow && (o.n > 0 || complete));
        n += o.n;
    }
    page[n] = 0;
    snapshot_free(&e.now);
    return page;
}

static void has(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("no %s in\n%s", line, text);
}

#define INI                                                                                        \
    "[upstream deepseek]\nbase_url = http://b.test\nmodels = d-*\n"                                \
    "[key alice]\nkey = a\nupstream_key = x\n[key bob]\nkey = b\nupstream_key = x\n"

static void rows_are_added_up_by_labels(void **state)
{
    struct settings *s = settings_of(INI);
    struct tally *one = tallies_use(rows, 0), *two = tallies_use(rows, 1);
    unsigned in_one = tally_take_upstream(one, tally_id(SPAN("deepseek"))), in_two;
    const char *text;

    (void)state;
    tally_take_upstream(two, tally_id(SPAN("gone")));
    in_two = tally_take_upstream(two, tally_id(SPAN("deepseek")));
    assert_int_not_equal(in_one, in_two);
    count(one, s->conf->keys[0].tally, in_one, 200);
    count(two, s->conf->keys[0].tally, in_two, 201);
    count(two, s->conf->keys[1].tally, TALLY_NO_UPSTREAM, 404);
    count(two, tally_tag(12345, (struct tally_kind){ 0 }), in_two, 200); /* of no label */
    tally_observe(&one->upstreams[in_one], TALLY_DURATION, 5);
    tally_observe(&two->upstreams[in_two], TALLY_DURATION, 1500);
    counter_set(&two->upstreams[in_two].rests_until, 1000);
    counter_add(&one->clients, 2);
    counter_add(&two->clients, 3);
    text = page_of(s->conf, PAGE_MAX / 2, 999);
    has(text,
        "requests_total{route=\"chat\",key=\"alice\",upstream=\"deepseek\",code=\"2xx\","
        "ending=\"complete\"} 2\n");
    has(text,
        "requests_total{route=\"chat\",key=\"bob\",upstream=\"\",code=\"4xx\","
        "ending=\"complete\"} 1\n");
    assert_null(strstr(text, "gone\""));
    has(text, "duration_seconds_bucket{upstream=\"deepseek\",le=\"0.004\"} 0\n");
    has(text, "duration_seconds_bucket{upstream=\"deepseek\",le=\"0.008\"} 1\n");
    has(text, "duration_seconds_bucket{upstream=\"deepseek\",le=\"+Inf\"} 2\n");
    has(text, "duration_seconds_sum{upstream=\"deepseek\"} 1.505\n");
    has(text, "duration_seconds_count{upstream=\"deepseek\"} 2\n");
    has(text, "client_connections 5\n");
    has(text, "upstream_resting{upstream=\"deepseek\"} 1\n");
    has(page_of(s->conf, PAGE_MAX / 2, 1000), "upstream_resting{upstream=\"deepseek\"} 0\n");
    settings_release(s, NULL);
}

static void labels_are_escaped(void **state)
{
    struct settings *s = settings_of("[key alice]\nkey = a\nupstream_key = x\n");
    char *label = strdup("a\"b\\c\nd\xff\xc3\xa9");

    (void)state;
    free(s->conf->keys[0].label);
    s->conf->keys[0].label = label;
    count(tallies_use(rows, 0), s->conf->keys[0].tally, TALLY_NO_UPSTREAM, 200);
    has(page_of(s->conf, PAGE_MAX / 2, 0), "key=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\xc3\xa9\"");
    settings_release(s, NULL);
}

static void pieces_of_any_size_make_the_same_page(void **state)
{
    struct settings *s = settings_of(INI);
    char *whole;

    (void)state;
    for (unsigned i = 0; i < 300; i++)
        count(tallies_use(rows, 0), s->conf->keys[i % 2].tally, TALLY_NO_UPSTREAM, 200 + i);
    whole = strdup(page_of(s->conf, PAGE_MAX / 2, 0));
    for (size_t room = EXPOSITION_PIECE_MAX; room < 20000; room = room * 5 / 4)
        assert_string_equal(page_of(s->conf, room, 0), whole);
    free(whole);
    settings_release(s, NULL);
}

static void failures_make_an_upstream_fail_for_a_minute(void **state)
{
    struct settings *s = settings_of("");
    struct tally *one = tallies_use(rows, 0), *two = tallies_use(rows, 1);
    struct tally_upstream *a = &one->upstreams[tally_take_upstream(one, tally_id(SPAN("default")))],
                          *b = &two->upstreams[tally_take_upstream(two, tally_id(SPAN("default")))];

    (void)state;
    assert_false(snapshot_all_fail(rows, s->conf, 1000));
    counter_set(&a->failures, 2);
    counter_set(&a->failed_at, 1000);
    assert_false(snapshot_all_fail(rows, s->conf, 1000));
    counter_set(&b->failures, 1);
    counter_set(&b->failed_at, 1100);
    assert_true(snapshot_all_fail(rows, s->conf, 1100));
    assert_true(snapshot_all_fail(rows, s->conf, 61000));
    assert_false(snapshot_all_fail(rows, s->conf, 61100));
    counter_set(&b->reached_at, 1050); /* after the failures of a */
    assert_false(snapshot_all_fail(rows, s->conf, 1100));
    settings_release(s, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_added_up_by_labels, make_rows, free_rows),
        cmocka_unit_test_setup_teardown(labels_are_escaped, make_rows, free_rows),
        cmocka_unit_test_setup_teardown(pieces_of_any_size_make_the_same_page, make_rows,
                                        free_rows),
        cmocka_unit_test_setup_teardown(failures_make_an_upstream_fail_for_a_minute, make_rows,
                                        free_rows),
    };

    return cmocka_run_group_tests(tests, clean_setup, NULL);
}
