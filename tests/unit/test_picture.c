/* The picture of the state: what is in it, that it is JSON, and how long it can be. */
#include "proxy/picture.h"
#include "json/whole.h"
#include "proxy/failure.h"
#include "proxy/route.h"
#include "proxy_text.h"

#include <stdlib.h>

#define ROWS 4
#define ROOM (60 * 1024)

static struct tallies *rows;
static char text[ROOM + 1];

static int make_rows(void **state)
{
    (void)state;
    rows = tallies_make(ROWS);
    return rows ? 0 : -1;
}

static int free_rows(void **state)
{
    (void)state;
    tallies_free(rows, ROWS);
    return 0;
}

static const char *picture_of(const struct settings *s, uint64_t now)
{
    struct snapshot shot;
    struct out o;

    assert_int_equal(snapshot_take(&shot, rows, s->conf, now), 0);
    out_init(&o, text, ROOM);
    picture_put(&shot, rows, false, &o);
    assert_false(o.overflow);
    text[o.n] = 0;
    snapshot_free(&shot);
    return text;
}

static void has(const char *all, const char *part)
{
    if (!strstr(all, part))
        fail_msg("no %s in\n%s", part, all);
}

static void note(struct tally *t, uint64_t key, unsigned place, unsigned status, uint64_t at)
{
    struct tally_kind kind = { .what = TALLY_WHAT(ROUTE_CHAT, 2),
                               .place = (uint8_t)place,
                               .status = (uint16_t)status };

    tally_fail(t, key | tally_low(kind), FAIL_CONNECT, at);
}

#define INI                                                                                        \
    "[upstream]\napi_key = a, b, c\n"                                                              \
    "[upstream deepseek]\nbase_url = http://b.test\nmodels = d-*\n[key alice]\nkey = a\n"

static void what_rests_is_told_once_with_its_longest_rest(void **state)
{
    struct settings *s = settings_of(INI);
    struct tally *one = tallies_use(rows, 0), *two = tallies_use(rows, 1);
    struct tally_upstream *a = &one->upstreams[tally_take_upstream(one, tally_id(SPAN("default")))],
                          *b = &two->upstreams[tally_take_upstream(two, tally_id(SPAN("default")))];
    const char *p;

    (void)state;
    counter_set(&b->rests_until, 1500);
    tally_key_rests(a, 0, TALLY_STAMP(2000, 1), 900);
    tally_key_rests(b, 0, TALLY_STAMP(3000, 1), 900);
    tally_key_rests(b, 0, TALLY_STAMP(1100, 0), 900);
    tally_key_rests(b, 0, TALLY_STAMP(9000, TALLY_CLIENTS_KEY | 1), 900);
    p = picture_of(s, 1000);
    has(p,
        "\"name\":\"default\",\"state\":\"resting\",\"rests_ms\":500,\"keys\":3,"
        "\"keys_resting\":[[1,2000],[0,100]],\"client_keys_resting\":1,");
    has(p, "\"name\":\"deepseek\",\"state\":\"ok\",\"rests_ms\":0,\"keys\":0,");
    p = picture_of(s, 2500);
    has(p, "\"state\":\"ok\",\"rests_ms\":0,\"keys\":3,\"keys_resting\":[[1,500]],");
    settings_release(s, NULL);
}

static void errors_of_all_processes_are_merged_the_latest_first(void **state)
{
    struct settings *s = settings_of(INI);
    struct tally *one = tallies_use(rows, 0), *two = tallies_use(rows, 1);
    uint64_t alice = s->conf->keys[0].tally;

    (void)state;
    tally_take_upstream(two, 77);
    note(one, alice, tally_take_upstream(one, tally_id(SPAN("deepseek"))), 502, 1000);
    note(two, alice, tally_take_upstream(two, tally_id(SPAN("deepseek"))), 502, 3000);
    note(one, 0, TALLY_NO_UPSTREAM, 401, 2000);
    note(two, tally_tag(12345, (struct tally_kind){ 0 }), TALLY_NO_UPSTREAM, 400, 2500);
    has(picture_of(s, 4000),
        "\"errors\":[{\"ago_ms\":1000,\"status\":502,\"ending\":\"upstream_lost\",\"route\":"
        "\"chat\",\"upstream\":\"deepseek\",\"key\":\"alice\",\"reason\":"
        "\"upstream_connect_error\",\"n\":2},{\"ago_ms\":2000,\"status\":401,");
    assert_null(strstr(text, "\"status\":400"));
    settings_release(s, NULL);
}

/* The last ones of many, whatever the order they come in. */
static void only_the_last_errors_are_told(void **state)
{
    struct settings *s = settings_of(INI);
    unsigned at = 0;

    (void)state;
    for (unsigned i = 0; i < ROWS * TALLY_ERRORS; i++) {
        at = (at + 27) % (ROWS * TALLY_ERRORS);
        note(tallies_use(rows, i % ROWS), 0, TALLY_NO_UPSTREAM, 400 + at, 1000 + at);
    }
    picture_of(s, 1000 + ROWS * TALLY_ERRORS);
    for (unsigned i = 0; i < ROWS * TALLY_ERRORS; i++) {
        char status[40];

        snprintf(status, sizeof status, "\"status\":%u,", 400 + i);
        if ((strstr(text, status) != NULL) != (i >= ROWS * TALLY_ERRORS - SNAPSHOT_ERRORS))
            fail_msg("%u of %u: %s", i, ROWS * TALLY_ERRORS, text);
    }
    settings_release(s, NULL);
}

/* Names that are escaped, and numbers as large as they come. */
static void the_longest_picture_has_room_and_is_json(void **state)
{
    char *ini = calloc(1, 1 << 17);
    struct span model;
    struct settings *s;
    struct tally *t = tallies_use(rows, 0);

    (void)state;
    strcat(ini, "[server]\nlisten = 127.0.0.1:8000\n[upstream]\napi_key = k0");
    for (unsigned i = 1; i < 60; i++)
        sprintf(ini + strlen(ini), ", k%u", i);
    for (unsigned i = 0; i < 40; i++)
        sprintf(ini + strlen(ini), "\n[upstream n%u]\nbase_url = http://b.test\nmodels = m%u", i,
                i);
    s = settings_of(ini);
    for (unsigned i = 0; i < s->conf->n_upstreams; i++) {
        struct tally_upstream *u;
        char *name = calloc(1, 2000);

        memset(name, '\1', 1999);
        free(s->conf->upstreams[i].name);
        s->conf->upstreams[i].name = name;
        name[0] = (char)('0' + i);
        u = &t->upstreams[tally_take_upstream(t, tally_id(span_of(name)))];
        for (unsigned k = 0; k < TALLY_NUMBERS; k++)
            counter_set(&u->numbers[k], UINT64_MAX / 64);
        for (unsigned k = 0; k < TALLY_RESTS; k++)
            tally_key_rests(u, 0, TALLY_STAMP(UINT64_MAX >> 17, k), 10);
    }
    for (unsigned i = 0; i < SNAPSHOT_ERRORS; i++)
        note(t, 0, TALLY_NO_UPSTREAM, 400 + i, 1);
    picture_of(s, 10);
    assert_int_equal(json_whole(span_of(text), &model), JSON_MODEL_NONE);
    has(text, "\"upstreams_more\":11,");
    settings_release(s, NULL);
    free(ini);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_rests_is_told_once_with_its_longest_rest, make_rows,
                                        free_rows),
        cmocka_unit_test_setup_teardown(errors_of_all_processes_are_merged_the_latest_first,
                                        make_rows, free_rows),
        cmocka_unit_test_setup_teardown(only_the_last_errors_are_told, make_rows, free_rows),
        cmocka_unit_test_setup_teardown(the_longest_picture_has_room_and_is_json, make_rows,
                                        free_rows),
    };

    return cmocka_run_group_tests(tests, clean_setup, NULL);
}
