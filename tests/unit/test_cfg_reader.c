/* The syntax of proxy.ini: everything that inih alone would misread, and values far longer than its
 * lines. */
#include "tests/unit/cfg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

struct row {
    const char *text;
    const char *said; /* part of the errors; NULL: none */
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct loaded l = load_text(rows[i].text);

        if (rows[i].said ? l.err != -EINVAL || !strstr(l.errors, rows[i].said) : l.err != 0)
            fail_msg("row %zu: %s\nsaid: %s\nexpected: %s", i, rows[i].text, l.errors,
                     rows[i].said ? rows[i].said : "(nothing)");
        loaded_free(&l);
    }
}

static void refuses_what_would_be_misread(void **state)
{
    static const struct row rows[] = {
        { "[api_keys]\nsk-a:b = sk-real\n",
          "test.ini:2: [api_keys] a ':' before the '='; a key that holds ':' or '=' goes into a "
          "section of its own: [key LABEL]" },
        { "[field_aliases]\n\nhttps://api.x/v1 = u\n",
          "test.ini:3: [field_aliases] a ':' before the '='" },
        { "[access]\n::1 = allow\n", "test.ini:2: [access] a ':' before" },
        { "[api_keys]\nsk-b== = z\n",
          "test.ini:2: [api_keys] the client's key: seems to hold a '='" },
        { "[api_keys]\nsk-b= = z\n", "[key LABEL]" },
        { "[api_keys]\nsk-b=c = z\n", "[key LABEL]" },
        { "[api_keys]\n#sk-x = y\n;sk-x = y\n  # indented\n\t; indented\n", NULL },
        { "[server]\nworkers = 1\n  k2 = x\n",
          "test.ini:3: [server] the line starts with a blank" },
        { "[server]\n\tworkers = 1\n", "test.ini:2: [server] the line starts with a blank" },
        { "[server]\n [log]\n", "test.ini:2: [server] the line starts with a blank" },
        { "[server]\nworkers = 1\nworkers = 1\n",
          "test.ini:3: [server] workers: given twice, first on line 2" },
        { "[upstream]\nURL = x\n", "test.ini:2: [upstream] unknown key 'URL'" },
        { "[upstream]\nBASE_URL = http://x\n", "did you mean 'base_url'?" },
        { "workers = 1\n", "test.ini:1: stands outside of a section" },
        { "[server]\nworkers\n", "test.ini:2: [server] no '='" },
        { "[server]\nworkers: 1\n", "not NAME: VALUE" },
        { "[server]\n= 1\n", "test.ini:2: [server] nothing before the '='" },
        { "[server\nworkers = 1\n", "test.ini:1: no ']'" },
        { "[server] workers = 1\n", "test.ini:1: something follows the ']'" },
        { "[]\n", "test.ini:1: the section has no name" },
        { "[server] ; comment\nworkers = 1 ; comment\n[ log ] # too\nlevel=info\n", NULL },
        { "[key aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n",
          "test.ini:1: the section's name is longer than 49" },
        { "\xef\xbb\xbf[server]\r\nworkers = 2\r\n", NULL },
        { "\xef\xbb\xbf; comment\r\n[server]\r\n\r\nworkers = nope\r\n",
          "test.ini:4: [server] workers: 'nope'" },
        { "[server]\nworkers = 1\rlisten = x\n", "test.ini:2: [server] a carriage return" },
        { "[server]\nuser = a\x1b[2J\n", "test.ini:2: [server] a control character (byte 0x1b)" },
        { "[server]\nworkers = 2", NULL },
        { "", NULL },
        { "\n\n  \n", NULL },
    };

    (void)state;
    check_rows(rows, sizeof rows / sizeof *rows);
}

static void refuses_nul(void **state)
{
    static const char text[] = "[server]\nworkers = 1\0 0\nmax_connections = x\n";
    struct loaded l = load_bytes(text, sizeof text - 1);

    (void)state;
    assert_int_equal(l.err, -EINVAL);
    assert_non_null(strstr(l.errors, "test.ini:2: [server] a NUL byte"));
    assert_non_null(strstr(l.errors, "test.ini:3: [server] max_connections: 'x'"));
    loaded_free(&l);
}

static void never_repeats_a_stray_key(void **state)
{
    static const char *const texts[] = {
        "sk-proj-SECRET = x\n",
        "[server]\nsk-proj-SECRET = x\n",
        "[server]\nsk-proj-SECRET\n",
        "[api_keys]\nsk-proj-SECRET\n",
        "[api_keys]\nsk-proj-SECRET:x = y\n",
        "[api_keys]\nsk-proj-SECRET= = y\n",
        "[api_keys]\na = sk-proj-SECRET b\n",
        "[api_keys]\nsk-proj-SECRET = a\nsk-proj-SECRET = b\n",
        "[server]\nABCDEF0123456789SECRET = x\n",
        "[log]\nlevel = sk-proj-SECRET\n",
        "[upstream]\nproxy = http://user:SECRET@host:port\n",
        "[upstream]\nproxy = http://user:SECRET\n",
        "[upstream]\nbase_url = https://SECRET@host\n",
        "[upstream]\nproxy = SECRET\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct loaded l = load_text(texts[i]);

        assert_int_equal(l.err, -EINVAL);
        if (strstr(l.errors, "SECRET"))
            fail_msg("%s said: %s", texts[i], l.errors);
        loaded_free(&l);
    }
}

static void inline_comments_are_inihs(void **state)
{
    struct loaded l = load_text(
        "[upstream_headers]\na = sk-1 ;tail\nb = sk-2 # note\nc =;d\ne = f;g\nh = i\t; j\n");
    static const char *const values[] = { "sk-1", "sk-2 # note", ";d", "f;g", "i" };

    (void)state;
    assert_int_equal(l.err, 0);
    assert_int_equal(l.c->upstreams[0].n_headers, 5);
    for (int i = 0; i < 5; i++)
        assert_string_equal(l.c->upstreams[0].headers[i].value, values[i]);
    loaded_free(&l);
}

/* n bytes of key material in one string. */
static char *long_key(size_t n, unsigned seed)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.;#";
    char *key = malloc(n + 1);

    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245 + 12345;
        key[i] = set[seed / 65536 % (i == 0 ? 52 : sizeof set - 1)];
    }
    key[n] = '\0';
    return key;
}

static void long_keys_arrive_whole(void **state)
{
    static const size_t lengths[] = { 48,  49,  50,  51,  164, 180, 190, 191, 192,  193,  194,
                                      195, 196, 197, 198, 199, 200, 201, 400, 1000, 5000, 8192 };

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *text = NULL, *a = long_key(lengths[i], 1), *b = long_key(lengths[i], 2),
             *c = long_key(lengths[i], 3), *d = long_key(lengths[i], 4);
        struct loaded l;

        assert_true(asprintf(&text,
                             "[api_keys]\n%s = %s ; comment\n[key x]\nkey = %s\nupstream_key=%s\n",
                             a, b, c, d) > 0);
        l = load_text(text);
        assert_string_equal(l.errors, "");
        assert_int_equal(l.c->n_keys, 2);
        assert_string_equal(l.c->keys[0].client, a);
        assert_string_equal(l.c->keys[0].upstream_keys[0], b);
        assert_string_equal(l.c->keys[0].label, "key1");
        assert_string_equal(l.c->keys[1].client, c);
        assert_string_equal(l.c->keys[1].upstream_keys[0], d);
        assert_string_equal(l.c->keys[1].label, "x");
        loaded_free(&l);
        free(text);
        free(a);
        free(b);
        free(c);
        free(d);
    }
}

static void long_lists_arrive_whole(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    struct loaded l;

    (void)state;
    fputs("[access]\nip_whitelist = ", f);
    for (int i = 0; i < 100000; i++)
        fprintf(f, "%s10.%d.%d.%d/32", i ? ", " : "", i / 65536, i / 256 % 256, i % 256);
    fputs("\n[server]\nworkers = 0\n", f);
    fclose(f);
    l = load_text(text);
    assert_string_equal(
        l.errors,
        "test.ini:4: [server] workers: '0' is out of range; allowed is 1 to 1024, or auto\n");
    loaded_free(&l);
    text[size - 2] = '7';
    l = load_text(text);
    assert_int_equal(l.err, 0);
    assert_int_equal(l.c->access.n_whitelist, 100000);
    assert_string_equal(l.c->access.whitelist[99999], "10.1.134.159/32");
    loaded_free(&l);
    free(text);
}

/* The value that a library without limits would read after the '='. */
static char *expected_value(const char *s)
{
    size_t start = 0, n = strlen(s);

    for (size_t i = 1; i < n; i++)
        if (s[i] == ';' && (s[i - 1] == ' ' || s[i - 1] == '\t'))
            n = i;
    while (start < n && (s[start] == ' ' || s[start] == '\t'))
        start++;
    while (n > start && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        n--;
    return strndup(s + start, n - start);
}

static void pieces_join_exactly(void **state)
{
    static const char set[] = "ab \t;#[]=:\"'     xyz";
    unsigned seed = 7;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        char text[1400] = "[upstream_headers]\nname =", *value = text + strlen(text);
        size_t n = (size_t)round % 1200;
        char *expected;
        struct loaded l;

        for (size_t i = 0; i < n; i++) {
            seed = seed * 1103515245 + 12345;
            value[i] = set[seed / 65536 % (round % 3 ? 4 : sizeof set - 1)];
            if (round % 3 == 1 && value[i] == 'b')
                value[i] = ' ';
        }
        value[n] = '\0';
        expected = expected_value(value);
        l = load_text(text);
        if (*expected) {
            assert_string_equal(l.errors, "");
            assert_string_equal(l.c->upstreams[0].headers[0].value, expected);
        } else {
            assert_non_null(strstr(l.errors, "needs a value"));
        }
        loaded_free(&l);
        free(expected);
    }
}

static void names_are_cut_nowhere(void **state)
{
    char text[600];

    (void)state;
    for (size_t n = 1; n < 300; n++) {
        struct loaded l;
        char *equals;

        snprintf(text, sizeof text, "[field_aliases]\n%.*s=x\n", (int)n,
                 "field_name_with many words; and more words; "
                 "------------------------------------------------------------------"
                 "---------------------------------------------------------------------------------"
                 "---------------------------"
                 "---------------------------------------------------------------------------------"
                 "-------");
        l = load_text(text);
        assert_int_equal(l.err, 0);
        equals = strchr(text, '=');
        while (equals[-1] == ' ')
            equals--;
        *equals = '\0';
        assert_string_equal(l.c->upstreams[0].aliases[0].name, strchr(text, '\n') + 1);
        loaded_free(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_would_be_misread),
        cmocka_unit_test(refuses_nul),
        cmocka_unit_test(never_repeats_a_stray_key),
        cmocka_unit_test(inline_comments_are_inihs),
        cmocka_unit_test(long_keys_arrive_whole),
        cmocka_unit_test(long_lists_arrive_whole),
        cmocka_unit_test(pieces_join_exactly),
        cmocka_unit_test(names_are_cut_nowhere),
    };

    clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
