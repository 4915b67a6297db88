/* Many upstreams: what a named one has of [upstream], lists of models and of keys, fallbacks, and
 * what is wrong between them. */
#include "tests/unit/cfg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define LOCAL "[server]\nlisten = 127.0.0.1:8000\n"

/* Expects the errors of text to be said, NULL: none. */
static void expect(const char *text, const char *said)
{
    struct loaded l = load_text(text);

    if (said ? l.err != -EINVAL || strcmp(l.errors, said) != 0 : l.err != 0)
        fail_msg("%s\nsaid: %s\nexpected: %s", text, l.errors, said ? said : "(nothing)");
    loaded_free(&l);
}

static void what_a_named_one_has(void **state)
{
    struct loaded l = load_text(
        LOCAL
        "[field_aliases b]\nx = y\n"
        "[upstream]\nbase_url = https://a\nproxy_url_path = /chat\napi_key = k0\n"
        "auth_header = api-key\nalias_scope = top\nproxy = http://u:p@proxy:1\ntimeout = 1\n"
        "response_timeout = 2\nidle_timeout = 3\nkeepalive_timeout = 4\n"
        "connection_max_age = 5\nconnection_limit = 6\ntls_verify = no\nca_file = /etc/passwd\n"
        "retry_buffer = 7\nmodels = m\n[defaults]\nn = 1\n[upstream_headers]\nx-a = b\n"
        "[upstream b]\nbase_url = https://b/api/v3\ntimeout = 9\n"
        "[upstream c]\nbase_url = https://c\nproxy = none\n"
        "[upstream b]\nmodels = n\n");
    const struct conf_upstream *b;

    (void)state;
    assert_string_equal(l.errors, "");
    assert_int_equal(l.c->n_upstreams, 3);
    assert_string_equal(l.c->upstreams[0].name, "default");
    b = &l.c->upstreams[1];
    assert_string_equal(b->name, "b");
    assert_string_equal(b->url, "https://b/api/v3/chat/completions");
    assert_int_equal(b->timeout, 9000);
    assert_int_equal(b->response_timeout, 2000);
    assert_int_equal(b->idle_timeout, 3000);
    assert_int_equal(b->keepalive_timeout, 4000);
    assert_int_equal(b->connection_max_age, 5000);
    assert_int_equal(b->connection_limit, 6);
    assert_int_equal(b->retry_buffer, 7);
    assert_true(b->auth_api_key && b->alias_top_only && !b->tls_verify && b->versioned);
    assert_string_equal(b->ca_file, "/etc/passwd");
    assert_string_equal(b->proxy.host, "proxy");
    assert_string_equal(b->proxy.password, "p");
    assert_int_equal(b->n_api_keys + b->n_defaults + b->n_headers + b->n_pass_paths, 0);
    assert_int_equal(b->n_aliases, 1);
    assert_int_equal(b->n_models, 1);
    assert_int_equal(l.c->upstreams[0].n_aliases, 0);
    assert_int_equal(l.c->upstreams[0].n_pass_paths, 2);
    assert_string_equal(l.c->upstreams[2].name, "c");
    assert_null(l.c->upstreams[2].proxy.host);
    assert_string_equal(l.c->upstreams[2].target, "/v1/chat/completions");
    assert_int_equal(conf_line_of(l.c, "upstream b", "timeout"), 28);
    assert_int_equal(conf_line_of(l.c, "upstream b", "idle_timeout"), 0);
    assert_int_equal(conf_line_of(l.c, "upstream", "timeout"), 12);
    loaded_free(&l);
}

static void sockets(void **state)
{
    struct loaded l = load_text(LOCAL "[upstream]\nproxy = http://proxy\n"
                                      "[upstream a]\nsocket = /run/a\n"
                                      "[upstream b]\nsocket = /run/b\nbase_url = https://b/x\n");

    (void)state;
    assert_string_equal(l.errors, "");
    assert_string_equal(l.c->upstreams[1].url, "http://localhost/v1/chat/completions");
    assert_string_equal(l.c->upstreams[1].socket, "/run/a");
    assert_null(l.c->upstreams[1].proxy.host);
    assert_string_equal(l.c->upstreams[2].url, "https://b/x/v1/chat/completions");
    loaded_free(&l);
    setenv("all_proxy", "http://proxy", 1);
    l = load_text("[upstream]\nsocket = /run/a\n[upstream b]\nbase_url = https://b\n");
    assert_string_equal(l.errors, "");
    assert_string_equal(l.c->upstreams[0].url, "http://localhost/v1/chat/completions");
    assert_null(l.c->upstreams[0].proxy.host);
    assert_string_equal(l.c->upstreams[1].proxy.host, "proxy");
    loaded_free(&l);
    clean_environment();
    l = load_text("[server]\nlisten = unix:/run/a\n[upstream b]\nsocket = /run/a\n");
    assert_null(conf_leads_back(l.c, &l.c->upstreams[0]));
    assert_string_equal(conf_leads_back(l.c, &l.c->upstreams[1]), "socket");
    loaded_free(&l);
    expect("[upstream a]\nsocket = run/a\n",
           "test.ini:2: [upstream a] socket: is no path from the root, such as /run/NAME.sock\n");
    expect("[upstream a]\nsocket = unix:/run/a\n",
           "test.ini:2: [upstream a] socket: is a path alone, without unix:\n");
    expect("[upstream a]\nsocket = /run/a\nproxy = http://h\n",
           "test.ini:3: [upstream a] proxy: is of no use beside socket, which is connected to "
           "directly\n");
}

static void lists_of_keys(void **state)
{
    struct loaded l;
    char *text;

    (void)state;
    setenv("OCP_TWO", "k3, k4", 1);
    l = load_text(LOCAL "[upstream]\napi_key = k1 ,k2,${OCP_TWO}\n[upstream a]\nsocket = /a\n"
                        "api_key = client\n[api_keys]\nx = a,b\n"
                        "[key z]\nkey = c,d\nupstream_key = e,f\n");
    assert_string_equal(l.errors, "");
    assert_int_equal(l.c->upstreams[0].n_api_keys, 4);
    assert_string_equal(l.c->upstreams[0].api_keys[1], "k2");
    assert_string_equal(l.c->upstreams[0].api_keys[3], "k4");
    assert_true(l.c->upstreams[1].client_key);
    assert_int_equal(l.c->upstreams[1].n_api_keys, 0);
    assert_int_equal(l.c->keys[0].n_upstream_keys, 1);
    assert_string_equal(l.c->keys[0].upstream_keys[0], "a,b");
    assert_string_equal(l.c->keys[1].client, "c,d");
    assert_int_equal(l.c->keys[1].n_upstream_keys, 2);
    text = printed(l.c);
    assert_non_null(strstr(text, "\napi_key = ***, ***, ***, ***    ; test.ini:4\n"));
    assert_non_null(strstr(text, "\napi_key = client    ; test.ini:7\n"));
    assert_non_null(strstr(text, "\nupstream_key = ***, ***    ; test.ini:12\n"));
    free(text);
    loaded_free(&l);
    unsetenv("OCP_TWO");
    expect(LOCAL "[upstream]\napi_key = a,,b\n",
           "test.ini:4: [upstream] api_key: has an empty item; items are separated by one comma\n");
    expect(LOCAL "[upstream]\napi_key = a, b c\n",
           "test.ini:4: [upstream] api_key: holds a blank or a control character, which no key "
           "can; a client's key with '=' in it goes into a section of its own: [key LABEL]\n");
    expect("[upstream a]\nsocket = /a\napi_key = k, client\n",
           "test.ini:3: [upstream a] api_key: client stands alone or not at all\n");
    expect("[upstream]\napi_key = client\n",
           "test.ini:2: [upstream] api_key: client is for an [upstream NAME]; without a key here, "
           "clients' keys go to [upstream] as they are\n");
}

static void lists_of_models(void **state)
{
    static const struct {
        const char *name;
        bool prefix;
        const char *to;
    } expected[] = {
        { "gpt-4o", false, NULL },      { "deepseek-", true, NULL }, { "fast", false, "llama-3.3" },
        { "meta/llama-", true, "l l" }, { "", true, NULL },
    };
    struct loaded l = load_text("[upstream a]\nsocket = /a\nmodels = gpt-4o, deepseek-* ,"
                                "fast->llama-3.3,meta/llama-* -> l l, *\n");
    const struct conf_upstream *a;

    (void)state;
    assert_string_equal(l.errors, "");
    a = &l.c->upstreams[1];
    assert_int_equal(a->n_models, 5);
    for (int i = 0; i < 5; i++) {
        assert_string_equal(a->models[i].name, expected[i].name);
        assert_int_equal(a->models[i].prefix, expected[i].prefix);
        assert_int_equal(a->models[i].to != NULL, expected[i].to != NULL);
        if (expected[i].to)
            assert_string_equal(a->models[i].to, expected[i].to);
    }
    loaded_free(&l);
}

static void models_that_are_none(void **state)
{
    static const char *const bad[][2] = {
        { "a b -> ", "lacks a name beside its arrow" },
        { "-> a", "lacks a name beside its arrow" },
        { "a -> b -> c", "has a '>' that is part of no arrow; it is written NAME -> NAME, once" },
        { "a => b", "has a '>' that is part of no arrow; it is written NAME -> NAME, once" },
        { "a*b", "has a '*' elsewhere than at the end of the left side" },
        { "a -> b*", "has a '*' elsewhere than at the end of the left side" },
        { "\"a\"", "stands in quotes; leave them out" },
        { ";a", "starts with a ';', which begins a comment after a blank" },
    };
    char text[200], said[200];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "[upstream a]\nsocket = /a\nmodels = x,%s\n", bad[i][0]);
        snprintf(said, sizeof said, "test.ini:3: [upstream a] models: '%s' %s\n",
                 bad[i][0][0] == 'a' && bad[i][0][1] == ' ' && bad[i][0][2] == 'b' ? "a b ->"
                                                                                   : bad[i][0],
                 bad[i][1]);
        expect(text, said);
    }
    expect("[upstream a]\nsocket = /a\nmodels = x, , y\n",
           "test.ini:3: [upstream a] models: has an empty item; items are separated by one "
           "comma\n");
    expect("[upstream]\nmodels = x, y*\n[upstream a]\nsocket = /a\nmodels = y, x\n",
           "test.ini:5: [upstream a] models: 'x' is listed twice, first in [upstream]\n");
    expect("[upstream a]\nsocket = /a\nmodels = x*, x, x*\n",
           "test.ini:3: [upstream a] models: 'x*' is listed twice, first in [upstream a]\n");
}

static void which_upstream_serves(void **state)
{
    static const struct {
        const char *model;
        int upstream;
        const char *to;
    } cases[] = {
        { "gpt-4o", 1, NULL },
        { "gpt-4o-mini", 2, NULL },
        { "gpt-5", 3, "five" },
        { "gpt-", 3, "five" },
        { "gpt", 0, NULL },
        { "", 0, NULL },
        { "deepseek-chat", 2, "chat" },
        { "deepseek-chat2", 1, NULL },
    };
    struct loaded l = load_text("[upstream a]\nsocket = /a\nmodels = deepseek-*, gpt-4o\n"
                                "[upstream b]\nsocket = /b\n"
                                "models = gpt-4o-*, deepseek-chat -> chat\n"
                                "[upstream c]\nsocket = /c\nmodels = gpt-* -> five\n");
    const struct conf_model *match;

    (void)state;
    assert_string_equal(l.errors, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(conf_choose(l.c, span_of(cases[i].model), &match), cases[i].upstream);
        assert_int_equal(match != NULL, cases[i].upstream != 0);
        if (cases[i].to)
            assert_string_equal(match->to, cases[i].to);
    }
    loaded_free(&l);
    l = load_text("[upstream]\nmodels = x\n[upstream a]\nsocket = /a\nmodels = y\n");
    assert_int_equal(conf_choose(l.c, SPAN("x"), &match), 0);
    assert_non_null(match);
    assert_int_equal(conf_choose(l.c, SPAN("z"), &match), -1);
    assert_null(match);
    loaded_free(&l);
}

static void fallbacks(void **state)
{
    struct loaded l = load_text("[upstream]\nfallback = a, b -> m\n[upstream a]\nsocket = /a\n"
                                "fallback = b\n[upstream b]\nsocket = /b\n");

    (void)state;
    assert_string_equal(l.errors, "");
    assert_int_equal(l.c->upstreams[0].n_fallbacks, 2);
    assert_int_equal(l.c->upstreams[0].fallbacks[1].upstream, 2);
    assert_string_equal(l.c->upstreams[0].fallbacks[1].model, "m");
    assert_null(l.c->upstreams[0].fallbacks[0].model);
    assert_int_equal(l.c->upstreams[1].fallbacks[0].upstream, 2);
    loaded_free(&l);
    expect("[upstream]\nfallback = depseek\n[upstream deepseek]\nsocket = /a\n",
           "test.ini:2: [upstream] fallback: there is no [upstream] called 'depseek'; did you mean "
           "'deepseek'?\n");
    expect("[upstream a]\nsocket = /a\nfallback = a\n",
           "test.ini:3: [upstream a] fallback: goes in a circle: a -> a\n");
    expect("[upstream]\nfallback = a\n[upstream a]\nsocket = /a\nfallback = b\n"
           "[upstream b]\nsocket = /b\nfallback = c, a\n[upstream c]\nsocket = /c\n",
           "test.ini:8: [upstream b] fallback: goes in a circle: b -> a -> b\n");
    expect("[upstream a]\nsocket = /a\nfallback = default\n[upstream]\nfallback = a\n",
           "test.ini:5: [upstream] fallback: goes in a circle: default -> a -> default\n");
    expect("[upstream]\nfallback = a, a -> x\n[upstream a]\nsocket = /a\n",
           "test.ini:2: [upstream] fallback: a is named twice\n");
    expect("[upstream]\nfallback = -> x\n",
           "test.ini:2: [upstream] fallback: '-> x' names no "
           "upstream in front of its arrow\n");
}

static void names_of_upstreams(void **state)
{
    (void)state;
    expect("[upstream default]\n",
           "test.ini:1: [upstream default] default is the name of [upstream] itself\n");
    expect("[defaults default]\na = 1\n",
           "test.ini:1: [defaults default] default is the name of [defaults] itself\n");
    expect("[upstream a b]\n",
           "test.ini:1: [upstream a b] a label is made of letters, digits and . _ - @ +\n");
    expect("[upstream a]\n",
           "test.ini:1: [upstream a] base_url: is missing: the server that answers\n");
    expect("[upstream abc]\nsocket = /a\n[field_aliases abd]\na = b\n",
           "test.ini:3: there is no [upstream abd] that this section is about; did you mean "
           "'abc'?\n");
    expect("[upstream a]\nsocket = /a\npass_paths = /v1/x\n",
           "test.ini:3: [upstream a] pass_paths: stands in [upstream] alone\n");
    expect("[upstream a]\nsocket = /a\nsocket = /b\n",
           "test.ini:3: [upstream a] socket: given twice, first on line 2\n");
    expect("[upstream a]\nsocket = /a\n[defaults a]\nn = 1\n[defaults]\nn = 2\n[defaults a]\n"
           "n = 3\n",
           "test.ini:8: [defaults a] 'n': given twice, first on line 4\n");
    expect("[upstreams a]\n",
           "test.ini:1: [upstreams a] unknown section; did you mean 'upstream "
           "NAME'?\n");
    expect("[server a]\n", "test.ini:1: [server a] unknown section; did you mean 'server'?\n");
    expect("[server]\nbuffer_memory = 128k\n[upstream a]\nsocket = /a\n", NULL);
    expect("[upstream]\nretry_buffer = 17M\n[upstream a]\nsocket = /a\n",
           "test.ini:2: [upstream] retry_buffer: is more than [server] buffer_memory\n");
}

static void paths_to_pass(void **state)
{
    static const char *const bad[][2] = {
        { "v1/models", "is no path; it starts with '/'" },
        { "/v1/*/x", "has a '*' elsewhere than at its end" },
        { "/v1/../x", "has a segment that is empty, '.' or '..'" },
        { "/v1//x", "has a segment that is empty, '.' or '..'" },
        { "/v1/x?y", "is more than a path, or not percent-encoded" },
        { "/v1/a b", "is more than a path, or not percent-encoded" },
        { "/v1/chat/completions", "is served in any case" },
    };
    struct loaded l = load_text("[upstream]\npass_paths = /v1/embeddings, /v1/files/*, /*\n");
    char text[100], said[200];

    (void)state;
    assert_string_equal(l.errors, "");
    assert_int_equal(l.c->upstreams[0].n_pass_paths, 3);
    assert_string_equal(l.c->upstreams[0].pass_paths[1], "/v1/files/*");
    loaded_free(&l);
    l = load_text("[upstream]\npass_paths = none\n");
    assert_int_equal(l.err, 0);
    assert_int_equal(l.c->upstreams[0].n_pass_paths, 0);
    loaded_free(&l);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "[upstream]\npass_paths = %s\n", bad[i][0]);
        snprintf(said, sizeof said, "test.ini:2: [upstream] pass_paths: '%s' %s\n", bad[i][0],
                 bad[i][1]);
        expect(text, said);
    }
}

static void printed_upstreams_give_the_same(void **state)
{
    struct loaded l = load_text(
        LOCAL "[upstream]\nmodels = m -> n, p*\napi_key = k, l\nfallback = a -> x, b\n"
              "pass_paths = none\ntimeout = 7\n[upstream a]\nsocket = /a\nmodels = *\n"
              "[upstream b]\nbase_url = https://b\nproxy = http://u:p@h\napi_key = client\n"
              "[defaults a]\nn = 1\n[key x]\nkey = x\nmodels = m, q*\nupstream = default\n"
              "[key y]\nkey = y\nupstream_key = z\n[api_keys]\nv = w\n");
    struct loaded again;
    char *first, *second;

    (void)state;
    assert_string_equal(l.errors, "");
    first = printed(l.c);
    assert_non_null(strstr(first,
                           "\n[upstream a]\n; requests go to http://localhost/v1/chat/"
                           "completions by /a\n"));
    assert_non_null(strstr(first, "\nmodels = m -> n, p*    ; test.ini:4\n"));
    assert_non_null(strstr(first, "\nfallback = a -> x, b    ; test.ini:6\n"));
    assert_non_null(strstr(first, "\npass_paths = none    ; test.ini:7\n"));
    assert_non_null(strstr(first, "\ntimeout = 7    ; as [upstream]\n"));
    assert_non_null(strstr(first, "\n[defaults a]\nn = 1    ; test.ini:17\n"));
    assert_non_null(strstr(first, "\n[key x]\nkey = ***1    ; test.ini:19\nmodels = m, q*    ;"));
    assert_non_null(strstr(first, "\n[key y]\nkey = ***2    ;"));
    assert_null(strstr(first, "[field_aliases a]"));
    again = load_text(first);
    assert_string_equal(again.errors, "");
    second = printed(again.c);
    drop_comments(first);
    drop_comments(second);
    assert_string_equal(first, second);
    free(first);
    free(second);
    loaded_free(&again);
    loaded_free(&l);
}

/* What conf_changes says of the way from one text to the other. */
static char *changes(const char *from, const char *to)
{
    struct loaded a = load_text(from), b = load_text(to);
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    assert_string_equal(a.errors, "");
    assert_string_equal(b.errors, "");
    assert_non_null(f);
    conf_changes(a.c, b.c, f);
    fclose(f);
    loaded_free(&a);
    loaded_free(&b);
    return text;
}

static void changes_of_upstreams(void **state)
{
    static const char before[] =
        LOCAL "[upstream]\napi_key = k1\n[upstream a]\nsocket = /a\napi_key = k\n[upstream c]\n"
              "socket = /c\n[defaults a]\nx = 1\n[key x]\nkey = x\nupstream_key = y\n";
    static const char after[] = LOCAL
        "[upstream]\napi_key = k1, k2\n[upstream b]\nsocket = /b\n[upstream a]\nsocket = /a2\n"
        "api_key = l\ntimeout = 5\n[defaults a]\nx = 2\n[key x]\nkey = x\nupstream_key = y, z\n";
    char *said = changes(before, after), *nothing = changes(after, after);

    (void)state;
    assert_string_equal(said,
                        "[upstream] api_key = ***, *** (was ***)\n"
                        "[upstream a] api_key has changed\n"
                        "[upstream a] socket = /a2 (was /a)\n"
                        "[upstream a] timeout = 5 (was 30)\n"
                        "[defaults a]: 0 new, 0 gone, 1 changed\n"
                        "[api_keys]: 0 new, 0 gone, 1 changed\n"
                        "[upstream b] is new\n"
                        "[upstream c] is gone\n");
    assert_string_equal(nothing, "");
    free(said);
    free(nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_named_one_has),
        cmocka_unit_test(sockets),
        cmocka_unit_test(lists_of_keys),
        cmocka_unit_test(lists_of_models),
        cmocka_unit_test(models_that_are_none),
        cmocka_unit_test(which_upstream_serves),
        cmocka_unit_test(fallbacks),
        cmocka_unit_test(names_of_upstreams),
        cmocka_unit_test(paths_to_pass),
        cmocka_unit_test(printed_upstreams_give_the_same),
        cmocka_unit_test(changes_of_upstreams),
    };

    clean_environment();
    return cmocka_run_group_tests_name("cfg: upstreams", tests, NULL, NULL);
}
