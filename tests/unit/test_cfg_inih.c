/* A library that does not give lines back as they were is found out: an inih of the test's own. */
#include "tests/unit/cfg_text.h"

#include <ini.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#if INI_HANDLER_LINENO
#define GIVE(handler, user, section, name, value) handler(user, section, name, value, 0)
#else
#define GIVE(handler, user, section, name, value) handler(user, section, name, value)
#endif

/* What this inih does: how long its lines are, what it makes of an entry, and what it returns. */
static struct {
    int room;
    void (*spoil)(char *section, char *name, char *value);
    int result;
    unsigned calls;
} fake;

int ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user)
{
    char line[300], section[60] = "";

    fake.calls = 0;
    while (reader(line, fake.room, stream)) {
        char *equals = strchr(line, '='), given[60], name[60], value[300];

        assert_true(strlen(line) < (size_t)fake.room);
        if (line[0] == '[') {
            snprintf(section, sizeof section, "%.*s", (int)strcspn(line + 1, "]"), line + 1);
            continue;
        }
        snprintf(given, sizeof given, "%s", section);
        snprintf(name, sizeof name, "%.*s", (int)(equals - line), line);
        snprintf(value, sizeof value, "%.*s", (int)strcspn(equals + 1, "\n"), equals + 1);
        if (fake.spoil)
            fake.spoil(given, name, value);
        fake.calls++;
        assert_int_equal(GIVE(handler, user, given, name, value[0] ? value : NULL), 1);
    }
    return fake.result;
}

/* Loads a value of n bytes, and expects what is said, or that it is taken whole. */
static void loads(size_t n, const char *said)
{
    char text[4000], *at = text + sprintf(text, "[server]\nuser = nobody\n[upstream]\nsocket = /");
    struct loaded l;

    memset(at, 'x', n);
    memcpy(at + n, "\n", 2);
    l = load_text(text);
    if (said ? l.err != -EINVAL || !strstr(l.errors, said) : l.err != 0)
        fail_msg("%zu bytes, said: %s\nexpected: %s", n, l.errors, said ? said : "nothing");
    if (!said)
        assert_int_equal(strlen(l.c->upstreams[0].socket), n + 1);
    loaded_free(&l);
}

static void a_line_goes_through_in_pieces(void **state)
{
    (void)state;
    fake.spoil = NULL;
    for (fake.room = 80; fake.room < 300; fake.room += 7)
        for (size_t n = 50; n < 106; n++)
            loads(n, NULL);
    fake.room = 80;
    loads(106, NULL);
    assert_int_equal(fake.calls, 3);
}

static void short_lines_are_refused(void **state)
{
    (void)state;
    fake.spoil = NULL;
    fake.room = 79;
    loads(10, "cannot be read: the inih library here was built for lines of 79 bytes");
}

static void cut_value(char *section, char *name, char *value)
{
    (void)section;
    (void)name;
    value[strlen(value) - 1] = '\0';
}

static void change_value(char *section, char *name, char *value)
{
    (void)section;
    (void)name;
    value[1] = 'y';
}

static void drop_value(char *section, char *name, char *value)
{
    (void)section;
    (void)name;
    value[0] = '\0';
}

static void cut_section(char *section, char *name, char *value)
{
    (void)name;
    (void)value;
    section[2] = '\0';
}

static void cut_name(char *section, char *name, char *value)
{
    (void)section;
    (void)value;
    name[2] = '\0';
}

static void a_library_that_spoils_lines_is_found_out(void **state)
{
    static void (*const ways[])(char *section, char *name, char *value) = { cut_value, change_value,
                                                                            drop_value, cut_section,
                                                                            cut_name };

    (void)state;
    fake.room = 200;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        fake.spoil = ways[i];
        loads(20,
              "test.ini:2: [server] the inih library here did not give this line back whole\n"
              "test.ini:4: [upstream] the inih library here did not give this line back whole");
    }
    fake.spoil = NULL;
}

static void a_library_that_gives_up_is_believed(void **state)
{
    struct loaded l;

    (void)state;
    fake.room = 200;
    fake.result = -1;
    loads(20, "test.ini: the inih library gave up (code -1)");
    fake.result = -2;
    l = load_text("");
    assert_int_equal(l.err, -ENOMEM);
    loaded_free(&l);
    fake.result = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_goes_through_in_pieces),
        cmocka_unit_test(short_lines_are_refused),
        cmocka_unit_test(a_library_that_spoils_lines_is_found_out),
        cmocka_unit_test(a_library_that_gives_up_is_believed),
    };

    return cmocka_run_group_tests(tests, cfg_clean, NULL);
}
