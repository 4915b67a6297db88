/* What is said of a name that is unknown: the one that was meant, and nothing that may be a secret;
 * and words that are printed and inherited. */
#include "cfg/errors.h"
#include "tests/unit/cfg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define X10 "xxxxxxxxxx"

/* A slip is found in a longer name only. */
static void the_word_that_was_meant_is_near(void **state)
{
    static const struct {
        const char *word, *candidate;
        bool near;
    } cases[] = {
        { "ab", "ab", true },
        { "ax", "ab", false },
        { "axc", "abc", true },
        { "xyc", "abc", false },
        { "abxd", "abcd", true },
        { "xyzd", "abcd", false },
        { "abxyd", "abcde", false },
        { "abcxy", "abcde", true },
        { "abxyz", "abcde", false },
        { "abcdefxy", "abcdefgh", true },
        { "abcdexyz", "abcdefgh", false },
        { "abcdefxyz", "abcdefghi", true },
        { "abcdewxyz", "abcdefghi", false },
        { "abdc", "abcd", true },
        { "ABCD", "abcd", true },
        { "", "abc", false },
        { X10 X10 X10 "xx", X10 X10 X10 "xx", true },
        { X10 X10 X10 "xxx", X10 X10 X10 "xxx", false },
        { "bacd", "abcd", true },
        { "abcde", "abcd", true },
        { "bcd", "abcd", true },
    };
    struct conf_quoted q;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct conf_nearest n = { .word = span_of(cases[i].word) };

        conf_nearest_try(&n, cases[i].candidate);
        if ((n.best != NULL) != cases[i].near)
            fail_msg("'%s' and '%s'", cases[i].word, cases[i].candidate);
        assert_int_equal(conf_nearest_hint(&n, &q)[0] != '\0', cases[i].near);
    }
}

static void the_nearest_of_several_is_meant(void **state)
{
    struct conf_nearest n = { .word = SPAN("idle_timeou") };

    (void)state;
    conf_nearest_try(&n, "idle_timeit");
    conf_nearest_try(&n, "idle_timeout");
    conf_nearest_try(&n, "idle_timeon");
    assert_string_equal(n.best, "idle_timeout");
}

static void what_is_quoted_is_short_and_no_secret(void **state)
{
    static const struct {
        const char *text, *quoted;
    } cases[] = {
        { "", "''" },
        { "abc", "'abc'" },
        { X10 X10 X10 "xx", "'" X10 X10 X10 "xx'" },
        { X10 X10 X10 "xxx", "'" X10 X10 X10 "xx...'" },
        { "sk-", "'***'" },
        { "SK-abc", "'***'" },
        { "sk", "'sk'" },
        { "Bearer abc", "'***'" },
        { "eyJabc", "'***'" },
    };
    struct conf_quoted q;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(conf_quote(&q, span_of(cases[i].text)), cases[i].quoted);
}

/* A client's key that strayed is long or has digits. */
static void a_name_that_may_be_a_secret_is_not_shown(void **state)
{
    static const struct {
        const char *name;
        bool shown;
    } cases[] = {
        { "abcdefghijk2", true },     { "abcdefghijkl2", false },
        { "zzzzzzzzzzzzz", true },    { X10 X10 X10 "xx", true },
        { X10 X10 X10 "xxx", false }, { "max_connection2", true }, /* it is near one */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[100];
        struct loaded l;

        snprintf(text, sizeof text, "[server]\n%s = 1\n", cases[i].name);
        l = load_text(text);
        assert_int_equal(l.err, -EINVAL);
        assert_int_equal(strstr(l.errors, cases[i].name) != NULL, cases[i].shown);
        assert_int_equal(strstr(l.errors, "(not shown: it may be a secret)") == NULL,
                         cases[i].shown);
        loaded_free(&l);
    }
}

static void numbers_and_words_are_printed_as_they_are(void **state)
{
    static const struct {
        const char *text, *printed;
    } cases[] = {
        { "[server]\nworkers = 3\n", "\nworkers = 3" },
        { "[server]\nworkers = AUTO\n", "\nworkers = auto" },
        { "[log]\nformat = json\n", "\nformat = json" },
        { "[log]\nformat = TEXT\n", "\nformat = text" },
        { "[server]\nmax_connections = 3\n", "\nmax_connections = 3" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct loaded l = load_text(cases[i].text);
        char *text;

        assert_string_equal(l.errors, "");
        text = printed(l.c);
        drop_comments(text);
        if (!strstr(text, cases[i].printed))
            fail_msg("%s is printed as\n%s", cases[i].text, text);
        free(text);
        loaded_free(&l);
    }
}

/* Also by the word that is the default. */
static void an_upstream_overrides_what_it_inherits(void **state)
{
    struct loaded l = load_text("[server]\nlisten = 127.0.0.1:80\n"
                                "[upstream]\nbase_url = http://a\nauth_header = api-key\n"
                                "alias_scope = top\ninclude_usage = yes\n"
                                "[upstream u]\nbase_url = http://b\nauth_header = authorization\n"
                                "alias_scope = all\ninclude_usage = no\nmodels = m\n"
                                "[upstream v]\nbase_url = http://c\nmodels = n\n");

    (void)state;
    assert_string_equal(l.errors, "");
    assert_true(l.c->upstreams[0].auth_api_key && l.c->upstreams[0].alias_top_only);
    assert_false(l.c->upstreams[1].auth_api_key || l.c->upstreams[1].alias_top_only);
    assert_true(l.c->upstreams[2].auth_api_key && l.c->upstreams[2].alias_top_only);
    assert_true(l.c->upstreams[0].include_usage && l.c->upstreams[2].include_usage);
    assert_false(l.c->upstreams[1].include_usage);
    loaded_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_word_that_was_meant_is_near),
        cmocka_unit_test(the_nearest_of_several_is_meant),
        cmocka_unit_test(what_is_quoted_is_short_and_no_secret),
        cmocka_unit_test(a_name_that_may_be_a_secret_is_not_shown),
        cmocka_unit_test(numbers_and_words_are_printed_as_they_are),
        cmocka_unit_test(an_upstream_overrides_what_it_inherits),
    };

    return cmocka_run_group_tests(tests, cfg_clean, NULL);
}
