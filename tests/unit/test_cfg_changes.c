/* What is told of the way from one configuration to another: a line for each thing that differs,
 * and how many there are. */
#include "cfg/owners.h"
#include "tests/unit/cfg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define X10 "xxxxxxxxxx"
#define X90 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define LOCAL "[server]\nlisten = 127.0.0.1:8000\n"

static const struct {
    const char *before, *after, *told;
} changes[] = {
    { "", "", "" },
    { "[log]\nlevel = info\n", "[log]\nlevel = debug\n", "[log] level = debug (was info)\n" },
    { "", "[server]\nuser = a\n", "[server] user = a (was empty)\n" },
    { "[server]\nuser = a\n", "", "[server] user =  (was a)\n" },
    { "", "[log]\nfile = ./" X90 "xxxxxxxx\n", "[log] file = ./" X90 "xxxxxxxx (was stderr)\n" },
    { "", "[log]\nfile = ./" X90 "xxxxxxxxx\n", "[log] file has changed\n" },
    { "[log]\nfile = ./" X90 "xxxxxxxxx\n", "", "[log] file has changed\n" },
    { "[log]\nfile = ./" X90 "xxxxxxxx\n", "", "[log] file = stderr (was ./" X90 "xxxxxxxx)\n" },
    { LOCAL "[upstream]\napi_key = a\n", LOCAL "[upstream]\napi_key = b\n",
      "[upstream] api_key has changed\n" },
    { LOCAL "[upstream]\napi_key = a, b\n", LOCAL "[upstream]\napi_key = a, c\n",
      "[upstream] api_key has changed\n" },
    { "[upstream]\nproxy = http://u:a@h\n", "[upstream]\nproxy = http://u:b@h\n",
      "[upstream] proxy has changed\n" },
    { "[upstream]\nproxy = http://u@h\n", "[upstream]\nproxy = http://v@h\n",
      "[upstream] proxy has changed\n" },
    { "[upstream]\nproxy = http://u:a@h\n", "[upstream]\nproxy = http://u:a@h\n", "" },
    { "[defaults]\na = 1\nb = 2\nc = 3\n", "[defaults]\nb = 2\nc = 4\nd = 5\ne = 6\n",
      "[defaults]: 2 new, 1 gone, 1 changed\n" },
    { "[defaults]\na = 1\n", "", "[defaults]: 0 new, 1 gone, 0 changed\n" },
    { "", "[defaults]\na = 1\n", "[defaults]: 1 new, 0 gone, 0 changed\n" },
    { "[api_keys]\na = x\nb = y\nc = z\n", "[api_keys]\nd = v\nb = y\nc = w\n",
      "[api_keys]: 1 new, 1 gone, 1 changed\n" },
    { "[key l]\nkey = a\nupstream_key = x\n", "[key m]\nkey = a\nupstream_key = x\n",
      "[api_keys]: 0 new, 0 gone, 1 changed\n" },
    { "[key l]\nkey = a\nupstream_key = x, y\n", "[key l]\nkey = a\nupstream_key = x\n",
      "[api_keys]: 0 new, 0 gone, 1 changed\n" },
    { "[key l]\nkey = a\nupstream_key = x\nmodels = m\n",
      "[key l]\nkey = a\nupstream_key = x\nmodels = m, n\n",
      "[api_keys]: 0 new, 0 gone, 1 changed\n" },
    { "[key l]\nkey = a\nupstream_key = x\nmodels = m\n",
      "[key l]\nkey = a\nupstream_key = x\nmodels = m*\n",
      "[api_keys]: 0 new, 0 gone, 1 changed\n" },
    { "[key l]\nkey = a\nupstream_key = x\nmodels = m\n",
      "[key l]\nkey = a\nupstream_key = x\nmodels = n\n",
      "[api_keys]: 0 new, 0 gone, 1 changed\n" },
    { "[key l]\nkey = a\nupstream_key = x\n",
      "[key l]\nkey = a\nupstream_key = x\nconcurrent = 1\n",
      "[api_keys]: 0 new, 0 gone, 1 changed\n" },
    { "[key l]\nkey = a\nupstream_key = x\nexpires = 2027-01-31\n",
      "[key l]\nkey = a\nupstream_key = x\nexpires = 2027-02-01\n",
      "[api_keys]: 0 new, 0 gone, 1 changed\n" },
    { "[key l]\nkey = a\nupstream_key = x\ntokens_per_day = 1M\n",
      "[key l]\nkey = a\nupstream_key = x\ntokens_per_day = 1000k\n", "" },
    { LOCAL "[upstream u]\nbase_url = http://u\n[key l]\nkey = a\nupstream_key = x\n",
      LOCAL "[upstream u]\nbase_url = http://u\n[key l]\nkey = a\nupstream_key = x\n"
            "upstream = default\n",
      "[api_keys]: 0 new, 0 gone, 1 changed\n" },
    { "[upstream u]\nbase_url = http://u\n", "[upstream v]\nbase_url = http://u\n",
      "[upstream v] is new\n[upstream u] is gone\n" },
    { "[upstream u]\nbase_url = http://u\n[defaults u]\na = 1\n",
      "[upstream u]\nbase_url = http://v\n[defaults u]\na = 2\n",
      "[upstream u] base_url = http://v (was http://u)\n[defaults u]: 0 new, 0 gone, 1 changed\n" },
};

static unsigned lines_of(const char *text)
{
    unsigned n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void each_difference_is_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct loaded a = load_text(changes[i].before), b = load_text(changes[i].after);
        char *told = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&told, &size);
        unsigned n;

        assert_string_equal(a.errors, "");
        assert_string_equal(b.errors, "");
        n = conf_changes(a.c, b.c, f);
        fclose(f);
        assert_string_equal(told, changes[i].told);
        assert_int_equal(n, lines_of(told));
        loaded_free(&a);
        loaded_free(&b);
        free(told);
    }
}

static void a_line_is_that_of_its_owner(void **state)
{
    struct loaded l = load_text("[upstream]\nbase_url = http://a\n[upstream u]\nmodels = m\n"
                                "base_url = http://b\n[key k]\nkey = a\nupstream_key = x\n");

    (void)state;
    assert_string_equal(l.errors, "");
    assert_int_equal(conf_line_of(l.c, "upstream", "base_url"), 2);
    assert_int_equal(conf_line_of(l.c, "upstream u", "base_url"), 5);
    assert_int_equal(conf_line_of(l.c, "upstream u", "timeout"), 0);
    assert_int_equal(conf_line_of(l.c, "upstream v", "base_url"), 0);
    assert_int_equal(conf_line_of(l.c, "key k", "key"), 7);
    assert_int_equal(conf_line_of(l.c, "key j", "key"), 0);
    assert_int_equal(conf_line_of(l.c, "nowhere", "key"), 0);
    assert_int_equal(conf_upstream_find(l.c, SPAN("u")), 1);
    assert_int_equal(conf_upstream_find(l.c, SPAN("default")), 0);
    assert_int_equal(conf_upstream_find(l.c, SPAN("v")), -1);
    loaded_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_difference_is_a_line),
        cmocka_unit_test(a_line_is_that_of_its_owner),
    };

    return cmocka_run_group_tests(tests, cfg_clean, NULL);
}
