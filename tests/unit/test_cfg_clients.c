/* Clients' keys: which upstreams they lead to and which models they may ask for, what they need,
 * and keys that would be given away. */
#include "tests/unit/cfg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define LOCAL "[server]\nlisten = 127.0.0.1:8000\n"

/* Expects the errors of text to hold said; NULL: expects none. */
static void expect(const char *text, const char *said)
{
    struct loaded l = load_text(text);

    if (said ? l.err != -EINVAL || !strstr(l.errors, said) : l.err != 0)
        fail_msg("%s\nsaid: %s\nexpected: %s", text, l.errors, said ? said : "(nothing)");
    loaded_free(&l);
}

#define TWO "[upstream a]\nsocket = /a\nmodels = a-*\n[upstream b]\nsocket = /b\nmodels = b-1\n"

static void keys_with_limits(void **state)
{
    struct loaded l = load_text(TWO "[key x]\nkey = x\nmodels = a-1, b-*\nupstream = a\n"
                                    "[key y]\nkey = y\nupstream_key = k\nupstream = default\n"
                                    "[key z]\nkey = z\nupstream_key = k\n");

    (void)state;
    assert_string_equal(l.errors, "");
    assert_int_equal(l.c->keys[0].pin, 1);
    assert_int_equal(l.c->keys[0].n_models, 2);
    assert_true(l.c->keys[0].models[1].prefix);
    assert_int_equal(l.c->keys[0].n_upstream_keys, 0);
    assert_int_equal(l.c->keys[1].pin, 0);
    assert_int_equal(l.c->keys[2].pin, -1);
    loaded_free(&l);
    expect(TWO "[key x]\nkey = x\nupstream = c\n",
           "test.ini:9: [key x] upstream: there is no [upstream] called 'c'\n");
}

#define KEY "[key x]\nkey = x\nupstream_key = k\n"

static void limits_in_every_form(void **state)
{
    static const struct {
        const char *text;
        unsigned n; /* 0: it is none */
    } amounts[] = { { "1", 1 },
                    { "100k", 100000 },
                    { "2M", 2000000 },
                    { "3K", 3000 },
                    { "4000M", 4000000000 },
                    { "4001M", 0 },
                    { "0", 0 },
                    { "-1", 0 },
                    { "1.5k", 0 },
                    { "1 k", 0 },
                    { "1G", 0 },
                    { "k", 0 },
                    { "0k", 0 },
                    { "99999999999999999999", 0 } };
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++) {
        struct loaded l;

        snprintf(text, sizeof text, KEY "tokens_per_day = %s\n", amounts[i].text);
        l = load_text(text);
        if (amounts[i].n > 0)
            assert_int_equal(l.c->keys[0].limits.tokens_of_day, amounts[i].n);
        else
            assert_non_null(strstr(l.errors, "test.ini:4: [key x] tokens_per_day: '"));
        assert_true(amounts[i].n == 0 || conf_is_limited(&l.c->keys[0]));
        loaded_free(&l);
    }
}

/* Days of the calendar, and what is none. A day that is written again is the same. */
static void days_in_every_form(void **state)
{
    static const struct {
        const char *text;
        unsigned day; /* 0: it is none */
    } days[] = { { "1971-01-01", 365 },   { "2000-02-29", 11016 },   { "2027-01-31", 20849 },
                 { "2028-02-29", 21243 }, { "2100-03-01", 47541 },   { "9999-12-31", 2932896 },
                 { "2027-02-29", 0 },     { "2100-02-29", 0 },       { "2027-02-30", 0 },
                 { "2027-13-01", 0 },     { "2027-00-10", 0 },       { "2027-04-31", 0 },
                 { "2027-01-00", 0 },     { "1970-12-31", 0 },       { "27-01-31", 0 },
                 { "2027-1-31", 0 },      { "2027/01/31", 0 },       { "2027-01-31x", 0 },
                 { "2027-01-310", 0 },    { "2027-01-3", 0 },        { "-027-01-31", 0 },
                 { "2027-01", 0 },        { "2027-01-31 00:00", 0 }, { "never", 0 } };
    char text[200], shown[64];

    (void)state;
    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        struct loaded l;

        snprintf(text, sizeof text, KEY "expires = %s\n", days[i].text);
        l = load_text(text);
        if (days[i].day > 0) {
            char *all = printed(l.c);

            assert_int_equal(l.c->keys[0].expires, days[i].day);
            assert_false(conf_is_limited(&l.c->keys[0]));
            snprintf(shown, sizeof shown, "\nexpires = %s ", days[i].text);
            assert_non_null(strstr(all, shown));
            free(all);
        } else {
            assert_non_null(strstr(l.errors, "test.ini:4: [key x] expires: '"));
        }
        loaded_free(&l);
    }
}

static void limits_of_addresses_beside_keys(void **state)
{
    static const char said[] = "[access] requests_per_minute: limits addresses where there are no "
                               "keys";

    (void)state;
    expect(KEY "[access]\nrequests_per_minute = 5\n", said);
    expect("[api_keys]\na = b\n[access]\nrequests_per_minute = 5\n", said);
    expect(KEY "[access]\nrequests_per_minute =\n", NULL);
    expect("[access]\nrequests_per_minute = 5\n", NULL);
}

static void no_more_limits_than_there_is_room_for(void **state)
{
    char *text = NULL;
    size_t size = 0;

    (void)state;
    for (unsigned n = QUOTA_LABELS_MAX; n < QUOTA_LABELS_MAX + 3; n++) {
        FILE *to = open_memstream(&text, &size);

        for (unsigned i = 0; i < n; i++)
            fprintf(to, "[key l%u]\nkey = k%u\nupstream_key = x\nconcurrent = 1\n", i, i);
        fprintf(to, "[key other]\nkey = other\nupstream_key = x\nexpires = 2027-01-31\n");
        fclose(to);
        expect(text,
               n == QUOTA_LABELS_MAX ? NULL
                                     : "test.ini:32001: [key l8000] more than 8000 keys "
                                       "have limits\n");
        free(text);
    }
}

/* Where requests of a key can get to default, something must stand for it there. */
static void keys_that_need_another(void **state)
{
    static const char said[] =
        "test.ini:7: [key x] upstream_key is missing: what goes to [upstream] instead, which has "
        "no api_key\n";
    static const struct {
        const char *key; /* what its section says */
        bool needs;
    } cases[] = {
        { "", true },
        { "upstream = default\n", true },
        { "upstream = a\n", false },
        { "models = a-1\n", false },
        { "models = a-*, b-1\n", false },
        { "models = b-1\n", false },
        { "models = b-2\n", true },
        { "models = b-*\n", true },
        { "models = a*\n", true },
        { "models = *\n", true },
        { "models = a-b*\n", false },
    };
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, TWO "[key x]\nkey = x\n%s", cases[i].key);
        expect(text, cases[i].needs ? said : NULL);
        snprintf(text, sizeof text, TWO "[key x]\nkey = x\n%s[upstream]\napi_key = k\n",
                 cases[i].key);
        expect(text, NULL);
        snprintf(text, sizeof text, TWO "[key x]\nkey = x\n%s[upstream b]\nfallback = default\n",
                 cases[i].key);
        expect(text, cases[i].needs || strstr(cases[i].key, "b-1") ? said : NULL);
    }
    expect(TWO "[key x]\nkey = x\nupstream_key = k\nupstream = a\n",
           "test.ini:9: [key x] upstream_key: goes to [upstream] alone, and upstream = names "
           "another\n");
}

static void models_that_nobody_serves(void **state)
{
    (void)state;
    expect("[upstream]\nmodels = m\n" TWO "[key x]\nkey = x\nupstream_key = k\n"
           "models = m, n, a-*, b*, c*, *\n",
           "test.ini:12: [key x] models: nobody serves 'n'\n"
           "test.ini:12: [key x] models: nobody serves 'c' with anything behind it\n");
    expect("[upstream]\nmodels = m\n" TWO "[key x]\nkey = x\nmodels = n\nupstream = a\n", NULL);
    expect(TWO "[key x]\nkey = x\nupstream_key = k\nmodels = a-1 -> b\n",
           "test.ini:10: [key x] models: 'a-1 -> b' has an arrow; models are renamed in "
           "[upstream]\n");
    expect(TWO "[key x]\nkey = x\nupstream_key = k\nmodels =\n",
           "test.ini:10: [key x] models: needs a value\n");
}

/* An open door gives away the keys of every upstream. */
static void keys_of_all_are_not_given_away(void **state)
{
    (void)state;
    expect("[upstream a]\nsocket = /a\napi_key = k\n",
           "test.ini:3: [upstream a] api_key: whoever can reach 0.0.0.0:8000 could use this key; "
           "make the proxy listen on 127.0.0.1 alone, or give the clients keys of their own in "
           "[api_keys], or name their addresses in [access] ip_whitelist\n");
    expect("[upstream a]\nsocket = /a\napi_key = client\n", NULL);
    expect("[upstream a]\nsocket = /a\napi_key = k\n[key x]\nkey = x\nupstream_key = y\n", NULL);
    expect(LOCAL "[upstream a]\nsocket = /a\napi_key = k\n", NULL);
}

static void the_key_is_not_given_away(void **state)
{
    static const char said[] =
        "test.ini:2: [upstream] api_key: whoever can reach 0.0.0.0:8000 could use this key";

    (void)state;
    expect("[upstream]\napi_key = sk-1\n", said);
    expect("[upstream]\napi_key = sk-1\n[api_keys]\n", said);
    expect("[upstream]\napi_key = sk-1\n[access]\nip_whitelist =\nip_blacklist = 10.0.0.0/8\n",
           said);
    expect("[upstream]\napi_key = sk-1\n[server]\nlisten = 127.0.0.1:1, 0.0.0.0:8000\n", said);
    expect("[upstream]\napi_key = sk-1\n[server]\nlisten = 127.0.0.1:1, [::1]:1, unix:/run/x\n",
           NULL);
    expect("[upstream]\napi_key = sk-1\n[access]\nip_whitelist = 10.0.0.0/8\n", NULL);
    expect("[upstream]\napi_key = sk-1\n[api_keys]\na = b\n", NULL);
    expect("[upstream]\napi_key = sk-1\n[key a]\nkey = a\nupstream_key = b\n", NULL);
    expect("[upstream]\napi_key =\n", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_with_limits),
        cmocka_unit_test(keys_that_need_another),
        cmocka_unit_test(limits_in_every_form),
        cmocka_unit_test(days_in_every_form),
        cmocka_unit_test(limits_of_addresses_beside_keys),
        cmocka_unit_test(no_more_limits_than_there_is_room_for),
        cmocka_unit_test(models_that_nobody_serves),
        cmocka_unit_test(the_key_is_not_given_away),
        cmocka_unit_test(keys_of_all_are_not_given_away),
    };

    clean_environment();
    return cmocka_run_group_tests_name("cfg: clients", tests, NULL, NULL);
}
