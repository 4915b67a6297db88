/* proxy.ini.example must load as it is, and every default that it or the manual page names must be the real one.
 * Knows the files by their names at the top of the project, from where the tests run; skipped where they are not.
 * The defaults themselves are tested in tests/unit/test_cfg_load.c. */
#include "tests/unit/cfg_text.h"

#include "cfg/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void example_loads(void **state)
{
    (void)state;
    FILE *in = fopen("proxy.ini.example", "r");
    if (!in) {
        print_message("proxy.ini.example is not here: run from the top of the project\n");
        skip();
    }
    struct conf *c = NULL;
    assert_int_equal(conf_load_stream(&c, in, "proxy.ini.example", stderr), 0);
    fclose(in);
    assert_int_equal(c->server.n_listen, 1);
    assert_true(c->server.listen[0].loopback);
    conf_free(c);
}

/* The example with every "; name = value" brought to life; NULL if it is not here. */
static char *live_example(void)
{
    FILE *in = fopen("proxy.ini.example", "r");
    char line[300], *text = NULL;
    size_t size = 0;
    if (!in)
        return NULL;
    FILE *f = open_memstream(&text, &size);
    while (fgets(line, sizeof(line), in)) {
        char *equals = strstr(line, " =");
        size_t name = strspn(line + 2, "abcdefghijklmnopqrstuvwxyz_0123456789");
        bool setting = line[0] == ';' && line[1] == ' ' && equals == line + 2 + name;
        fputs(setting || strncmp(line, "; [", 3) == 0 ? line + 2 : line, f);
    }
    fclose(in);
    fclose(f);
    return text;
}

/* The part of a printed configuration before the tables of names. */
static char *settings_of(const struct conf *c)
{
    char *text = printed(c);
    drop_comments(text);
    char *end = strstr(text, "[field_aliases]");
    assert_non_null(end);
    *end = '\0';
    return text;
}

/* Brought to life it is right too, and says the defaults. */
static void example_says_the_defaults(void **state)
{
    (void)state;
    char *text = live_example();
    if (!text)
        skip();
    setenv("ALICE_KEY", "x", 1);
    setenv("OPENAI_API_KEY", "y", 1);
    struct loaded live = load_text(text), plain = load_text("[server]\nlisten = 127.0.0.1:8000\n");
    assert_string_equal(live.errors, "");
    assert_int_equal(live.c->n_keys, 3);
    assert_int_equal(live.c->n_aliases, 1);
    assert_int_equal(live.c->n_defaults, 2);
    char *a = settings_of(live.c), *b = settings_of(plain.c);
    assert_string_equal(a, b);
    free(a);
    free(b);
    free(text);
    loaded_free(&live);
    loaded_free(&plain);
    clean_environment();
}

/* Every key has its entry in the manual page, in the order of the table, with its default. */
static void manual_says_the_defaults(void **state)
{
    (void)state;
    FILE *in = fopen("docs/proxy.ini.5", "r");
    if (!in)
        skip();
    char line[300], expected[300];
    for (unsigned i = 0; i < conf_n_fixed; i++) {
        const char *initial = conf_rows[i].initial;
        snprintf(expected, sizeof(expected), ".It Sy %s No =%s%s\n", conf_rows[i].name, initial[0] ? " " : "", initial);
        while (fgets(line, sizeof(line), in))
            if (strcmp(line, expected) == 0)
                break;
        if (feof(in))
            fail_msg("docs/proxy.ini.5 lacks, or has out of order: %s", expected);
    }
    fclose(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(example_loads), cmocka_unit_test(example_says_the_defaults),
                                        cmocka_unit_test(manual_says_the_defaults) };
    clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
