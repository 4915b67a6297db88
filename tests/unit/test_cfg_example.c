/* proxy.ini.example must load, and every default that it or the manual page names must be the real
 * one. The tests are skipped where these files are not in the current folder. */
#include "tests/unit/cfg_text.h"

#include "cfg/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

static void example_loads(void **state)
{
    struct files *files;
    struct conf *c = NULL;

    (void)state;
    if (access("proxy.ini.example", R_OK)) {
        print_message("proxy.ini.example is not here: run from the top of the project\n");
        skip();
    }
    assert_int_equal(files_make(&files), 0);
    assert_int_equal(conf_load(&c, "proxy.ini.example", files, NULL, stderr), 0);
    files_free(files);
    assert_int_equal(c->server.n_listen, 1);
    assert_true(c->server.listen[0].loopback);
    conf_free(c);
}

/* The example with every "; name = value" uncommented; NULL if the file is not here. */
static char *live_example(void)
{
    FILE *in = fopen("proxy.ini.example", "r");
    char line[300], *text = NULL;
    size_t size = 0;
    FILE *f;

    if (!in)
        return NULL;
    f = open_memstream(&text, &size);
    while (fgets(line, sizeof line, in)) {
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
    char *end;

    drop_comments(text);
    end = strstr(text, "\n[upstream ");
    end = end ? end : strstr(text, "\n[field_aliases]");
    assert_non_null(end);
    *end = '\0';
    return text;
}

/* The uncommented example is valid, too, and has the defaults. */
static void example_says_the_defaults(void **state)
{
    char *text = live_example();
    struct loaded live, plain;
    char *a, *b;

    (void)state;
    if (!text)
        skip();
    setenv("ALICE_KEY", "x", 1);
    setenv("OPENAI_API_KEY", "y", 1);
    setenv("DEEPSEEK_KEY", "z", 1);
    live = load_text(text);
    plain = load_text("[server]\nlisten = 127.0.0.1:8000\n");
    assert_string_equal(live.errors, "");
    assert_int_equal(live.c->n_keys, 3);
    assert_int_equal(live.c->upstreams[0].n_aliases, 1);
    assert_int_equal(live.c->upstreams[0].n_defaults, 2);
    a = settings_of(live.c);
    b = settings_of(plain.c);
    assert_string_equal(a, b);
    free(a);
    free(b);
    free(text);
    loaded_free(&live);
    loaded_free(&plain);
    clean_environment();
}

/* Reads the manual page on to the entry of row. */
static void find_entry(FILE *in, const struct conf_row *row)
{
    char line[300], expected[300];

    snprintf(expected, sizeof expected, ".It Sy %s No =%s%s\n", row->name,
             row->initial[0] ? " " : "", row->initial);
    while (fgets(line, sizeof line, in))
        if (strcmp(line, expected) == 0)
            return;
    fail_msg("docs/proxy.ini.5 lacks, or has out of order: %s", expected);
}

/* Every key that has a default has its entry in the manual page, in the order of the tables. */
static void manual_says_the_defaults(void **state)
{
    FILE *in = fopen("docs/proxy.ini.5", "r");

    (void)state;
    if (!in)
        skip();
    for (unsigned i = 0; i < conf_n_sections; i++)
        for (unsigned j = 0; j < conf_sections[i].n_rows; j++)
            if (conf_sections[i].rows[j].initial)
                find_entry(in, &conf_sections[i].rows[j]);
    fclose(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(example_loads),
                                        cmocka_unit_test(example_says_the_defaults),
                                        cmocka_unit_test(manual_says_the_defaults) };

    clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
