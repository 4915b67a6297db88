/* What --top reads and computes: pictures that were written by us, that were not, and the rates and
 * times between them. */
#include "proxy/picture.h"
#include "proxy_text.h"
#include "server/top_draw.h"

#include <errno.h>
#include <stdlib.h>

static struct history history;
static char drawing[DRAW_MAX];

static int forget(void **state)
{
    (void)state;
    memset(&history, 0, sizeof history);
    return 0;
}

static struct picture read_text(const char *json)
{
    static struct picture p;

    assert_int_equal(picture_read(&p, span_of(json)), 0);
    return p;
}

static void what_was_written_is_read(void **state)
{
    static char text[60 * 1024];
    struct settings *s =
        settings_of("[server]\nlisten = 127.0.0.1:80\n[upstream]\napi_key = a, b\n");
    struct tallies *rows = tallies_make(1);
    struct tally *t = &rows->rows[0];
    struct tally_upstream *u = &t->upstreams[tally_take_upstream(t, tally_id(SPAN("default")))];
    struct snapshot shot;
    struct picture p;
    struct out o;

    (void)state;
    tally_observe(u, TALLY_FIRST_EVENT, 5);
    tally_key_rests(u, 0, TALLY_STAMP(5000, 1), 10);
    tally_fail(t, tally_low((struct tally_kind){ .status = 503 }), 0, 900);
    counter_set(&t->streams, 3);
    assert_int_equal(snapshot_take(&shot, rows, s->conf, 1000), 0);
    out_init(&o, text, sizeof text - 1);
    picture_put(&shot, rows, true, &o);
    snapshot_free(&shot);
    p = read_text(text);
    assert_true(p.draining);
    assert_int_equal(p.time_ms, 1000);
    assert_int_equal(p.streams, 3);
    assert_int_equal(p.n_upstreams, 1);
    assert_string_equal(p.upstreams[0].name, "default");
    assert_string_equal(p.upstreams[0].state, "ok");
    assert_int_equal(p.upstreams[0].keys, 2);
    assert_int_equal(p.upstreams[0].keys_resting[0], 1);
    assert_int_equal(p.upstreams[0].keys_resting[1], 4000);
    assert_int_equal(p.upstreams[0].first_event[1], 1);
    assert_int_equal(p.n_errors, 1);
    assert_int_equal(p.errors[0].status, 503);
    assert_int_equal(p.errors[0].ago_ms, 100);
    assert_string_equal(p.errors[0].ending, "complete");
    tallies_free(rows, 1);
    settings_release(s, NULL);
}

static void members_that_are_new_are_passed_over(void **state)
{
    struct picture p = read_text(
        " { \"new\" : {\"a\":[1,{\"b\":\"]}\\\"\"}]} , \"streams\" : 7 , \"x\":null,\"y\":-1.5e3,"
        "\"errors\":[{\"status\":404,\"more\":[[],{}]},{}],\"z\":[] } ");

    (void)state;
    assert_int_equal(p.streams, 7);
    assert_int_equal(p.n_errors, 2);
    assert_int_equal(p.errors[0].status, 404);
}

static void texts_hold_nothing_that_moves_a_cursor(void **state)
{
    struct picture p = read_text("{\"version\":\"a\033[2J\\u001b\\n\\\"\xc2\x9b\xe2\x80\xae\xff\x7f"
                                 "\xc3\xa9\"}");

    (void)state;
    assert_string_equal(p.version, "a?[2J??\"????\xc3\xa9");
}

static void long_texts_and_lists_are_cut(void **state)
{
    char *json = calloc(1, 200000);
    struct picture p;

    (void)state;
    strcat(json, "{\"version\":\"");
    for (unsigned i = 0; i < 200; i++)
        strcat(json, "\xc3\xa9");
    strcat(json, "\",\"tokens\":[1,2,3,4,5,6],\"upstreams\":[");
    for (unsigned i = 0; i < 100; i++)
        sprintf(json + strlen(json), "%s{\"name\":\"u%u\"}", i ? "," : "", i);
    strcat(json, "],\"streams\":9}");
    p = read_text(json);
    assert_int_equal(strlen(p.version), PICTURE_TEXT - 2);
    assert_int_equal(p.tokens[1], 2);
    assert_int_equal(p.n_upstreams, PICTURE_READ_UPSTREAMS);
    assert_int_equal(p.streams, 9);
    free(json);
}

/* Every beginning of a picture, and numbers that are too large to count with. */
static void what_is_no_picture_is_refused(void **state)
{
    static const char whole[] =
        "{\"version\":\"1\\u0041\",\"requests\":[1,[2]],\"draining\":true,\"new\":{\"a\":[]},"
        "\"upstreams\":[{\"name\":\"x\",\"keys_resting\":[[1,2]]}],\"errors\":[{\"n\":1}]}";
    static const char *const bad[] = { "[]",
                                       "{]",
                                       "{\"streams\":\"1\"}",
                                       "{\"streams\":}",
                                       "{\"a\"1}",
                                       "{}x",
                                       "{\"streams\":281474976710657}",
                                       "{\"version\":1}",
                                       "{\"errors\":[1]}",
                                       "{\"requests\":[}" };
    struct picture p;

    (void)state;
    for (size_t n = 0; n < sizeof whole - 1; n++)
        assert_int_equal(picture_read(&p, (struct span){ whole, n }), -EBADMSG);
    assert_int_equal(picture_read(&p, span_of(whole)), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(picture_read(&p, span_of(bad[i])), -EBADMSG);
}

/* A picture at that second, with so many requests, and streams that began within 4 to 8 ms. */
static void add(uint64_t second, uint64_t requests, uint64_t streams)
{
    struct picture *p = history_place(&history);

    memset(p, 0, sizeof *p);
    p->time_ms = p->uptime_ms = second * 1000;
    p->requests[2] = requests;
    p->tokens[1] = 10 * requests;
    p->first_event[1] = streams;
    p->n_upstreams = 1;
    strcpy(p->upstreams[0].name, "default");
    p->upstreams[0].requests[5] = requests / 2;
    history_add(&history);
}

static void rates_are_those_of_the_time_that_is_asked_for(void **state)
{
    (void)state;
    add(0, 1000, 7);
    assert_true(history_requests(&history, -1, 10000) == HISTORY_UNKNOWN);
    assert_true(history_first(&history, -1, 50, 60000) == HISTORY_UNKNOWN);
    for (unsigned i = 1; i <= 30; i++)
        add(i, 1000 + i * 2 + (i > 20 ? (i - 20) * 10 : 0), 7 + i);
    assert_int_equal(history_requests(&history, -1, 10000), 120);
    assert_int_equal(history_requests(&history, 0, 10000), 60);
    assert_int_equal(history_requests(&history, -1, 60000), (60 + 100) * 10 / 30);
    assert_int_equal(history_tokens(&history, 1, 10000), 1200);
    assert_int_equal(history_ended(&history, 10000), 120);
    assert_int_equal(history_first(&history, -1, 50, 60000), 6);
    assert_int_equal(history_first(&history, -1, 100, 60000), 8);
    assert_true(history_first(&history, 0, 50, 60000) == HISTORY_UNKNOWN);
    assert_int_equal(history_point(&history, LINE_REQUESTS, 0), 120);
    assert_int_equal(history_point(&history, LINE_REQUESTS, 15), 20);
    assert_true(history_point(&history, LINE_REQUESTS, 31) == HISTORY_UNKNOWN);
}

static void an_instance_that_begins_anew_has_no_past(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++)
        add(i, i * 5, i);
    assert_int_equal(history_requests(&history, -1, 10000), 50);
    add(1, 3, 1);
    assert_true(history_requests(&history, -1, 10000) == HISTORY_UNKNOWN);
    assert_int_equal(history_last(&history)->requests[2], 3);
    add(2, 4, 1);
    assert_int_equal(history_requests(&history, -1, 10000), 10);
}

static void counters_that_fall_count_as_nothing(void **state)
{
    (void)state;
    add(1, 100, 5);
    add(2, 50, 3);
    assert_int_equal(history_requests(&history, -1, 10000), 0);
    assert_true(history_first(&history, -1, 50, 10000) == HISTORY_UNKNOWN);
}

/* Whatever the size, and with the largest numbers that are read. */
static void a_drawing_fits_its_terminal(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct picture *p = history_place(&history);

        memset(p, 0, sizeof *p);
        for (uint64_t *n = p->requests; n < &p->first_event[TALLY_BUCKETS]; n++)
            *n = (uint64_t)i << 47;
        p->time_ms = 1000 * i;
        p->uptime_ms = UINT64_C(1) << 48;
        p->n_upstreams = PICTURE_READ_UPSTREAMS;
        p->n_errors = PICTURE_ERRORS;
        for (unsigned k = 0; k < PICTURE_READ_UPSTREAMS; k++) {
            memset(p->upstreams[k].name, 'u', PICTURE_TEXT - 1);
            p->upstreams[k].keys = UINT64_C(1) << 48;
            p->upstreams[k].keys_resting[1] = UINT64_C(1) << 48;
        }
        history_add(&history);
    }
    for (unsigned columns = 1; columns < 150; columns += 7)
        for (unsigned rows = 1; rows < 60; rows += 5) {
            struct look look = {
                .columns = columns, .rows = rows, .screen = true, .chinese = rows % 2
            };
            unsigned lines = 1, width = 0;
            struct out o;

            out_init(&o, drawing, sizeof drawing);
            top_draw(&history, &look, false, &o);
            assert_false(o.overflow);
            for (size_t i = 0; i < o.n; i++) {
                bool control = drawing[i] == '\033';

                width = drawing[i] == '\r' ? 0 : width + (control || drawing[i] == '\n' ? 0 : 1);
                lines += drawing[i] == '\n';
                i += control ? 2 : 0;
                assert_true(width <= columns && lines <= rows);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(members_that_are_new_are_passed_over),
        cmocka_unit_test(texts_hold_nothing_that_moves_a_cursor),
        cmocka_unit_test(long_texts_and_lists_are_cut),
        cmocka_unit_test(what_is_no_picture_is_refused),
        cmocka_unit_test_setup(rates_are_those_of_the_time_that_is_asked_for, forget),
        cmocka_unit_test_setup(an_instance_that_begins_anew_has_no_past, forget),
        cmocka_unit_test_setup(counters_that_fall_count_as_nothing, forget),
        cmocka_unit_test_setup(a_drawing_fits_its_terminal, forget),
    };

    return cmocka_run_group_tests(tests, clean_setup, NULL);
}
