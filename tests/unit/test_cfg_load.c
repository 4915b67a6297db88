/* A configuration as a whole: tables of keys, checks across values, variables and files, defaults,
 * -T, and 10,000 keys. */
#include "tests/unit/cfg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

/* Expects the errors of text to hold said; NULL: expects none. */
static void expect(const char *text, const char *said)
{
    struct loaded l = load_text(text);

    if (said ? l.err != -EINVAL || !strstr(l.errors, said) : l.err != 0)
        fail_msg("%s\nsaid: %s\nexpected: %s", text, l.errors, said ? said : "(nothing)");
    loaded_free(&l);
}

static void defaults_are_the_contracts(void **state)
{
    struct loaded l = load_text("");
    const struct conf *c = l.c;

    (void)state;
    assert_int_equal(l.err, 0);
    assert_int_equal(c->server.n_listen, 1);
    assert_string_equal(c->server.listen[0].text, "0.0.0.0:8000");
    assert_int_equal(c->server.workers, 1);
    assert_int_equal(c->server.max_connections, 10000);
    assert_int_equal(c->server.max_header_size, 16384);
    assert_int_equal(c->server.max_body_size, 100 << 20);
    assert_int_equal(c->server.header_timeout, 10000);
    assert_int_equal(c->server.body_timeout, 60000);
    assert_int_equal(c->server.idle_timeout, 75000);
    assert_int_equal(c->server.drain_timeout, 30000);
    assert_int_equal(c->server.ping_interval, 0);
    assert_string_equal(c->server.user, "");
    assert_string_equal(c->upstreams[0].base_url.host, "api.openai.com");
    assert_string_equal(c->upstreams[0].target, "/v1/chat/completions");
    assert_false(c->upstreams[0].alias_top_only);
    assert_int_equal(c->upstreams[0].n_api_keys, 0);
    assert_null(c->upstreams[0].proxy.host);
    assert_int_equal(c->upstreams[0].timeout, 30000);
    assert_int_equal(c->upstreams[0].response_timeout, 600000);
    assert_int_equal(c->upstreams[0].idle_timeout, 300000);
    assert_int_equal(c->upstreams[0].keepalive_timeout, 10000);
    assert_int_equal(c->upstreams[0].connection_max_age, 300000);
    assert_false(c->upstreams[0].auth_api_key);
    assert_int_equal(c->upstreams[0].connection_limit, 1000);
    assert_true(c->upstreams[0].tls_verify);
    assert_string_equal(c->upstreams[0].ca_file, "");
    assert_int_equal(c->upstreams[0].n_aliases + c->upstreams[0].n_defaults + c->n_keys, 0);
    assert_int_equal(c->access.n_whitelist + c->access.n_blacklist + c->access.n_trusted, 0);
    assert_false(c->access.pass_unknown_keys);
    assert_int_equal(c->access.n_cors_origins, 1);
    assert_int_equal(c->log.level, LOG_INFO_LEVEL);
    assert_string_equal(c->log.file, "stderr");
    assert_false(c->log.json || c->log.requests || c->log.responses);
    assert_int_equal(c->log.body_limit, 65536);
    loaded_free(&l);
}

static void tables(void **state)
{
    struct loaded l = load_text(
        "[field_aliases]\nmodel = model_id\nmax tokens = n\n[defaults]\ntemperature = 0.6\n"
        "stop = [\"a\", \"b;c\"]\n"
        "[api_keys]\nmy_key_1 = sk-real\n[key alice]\nkey = front=key:1\nupstream_key = #x;y\n"
        "[api_keys]\nmy_key_2 = sk-2\n"
        "[key 李.b@c]\nupstream_key=z\n[key alice]\n[key 李.b@c]\nkey=y\n");
    static const char *const expected[4][3] = {
        { "key1", "my_key_1", "sk-real" },
        { "alice", "front=key:1", "#x;y" },
        { "key2", "my_key_2", "sk-2" },
        { "李.b@c", "y", "z" },
    };

    (void)state;
    assert_string_equal(l.errors, "");
    assert_int_equal(l.c->upstreams[0].n_aliases, 2);
    assert_string_equal(l.c->upstreams[0].aliases[1].name, "max tokens");
    assert_int_equal(l.c->upstreams[0].aliases[1].line, 3);
    assert_string_equal(l.c->upstreams[0].defaults[1].value, "[\"a\", \"b;c\"]");
    assert_int_equal(l.c->n_keys, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(l.c->keys[i].label, expected[i][0]);
        assert_string_equal(l.c->keys[i].client, expected[i][1]);
        assert_string_equal(l.c->keys[i].upstream_keys[0], expected[i][2]);
    }
    loaded_free(&l);
}

static void tables_with_faults(void **state)
{
    (void)state;
    expect("[field_aliases]\na = b\nc = b\na = c\n",
           "test.ini:4: [field_aliases] 'a': given twice, first on line 2");
    expect("[field_aliases]\na =\n", "test.ini:2: [field_aliases] 'a': needs a value");
    expect("[field_aliases]\n= b\n", "test.ini:2: [field_aliases] nothing before the '='");
    expect("[field_aliases]\n\"a\" = \"b\"\n", "without quotes");
    expect("[defaults]\na = 1\na = 2\n",
           "test.ini:3: [defaults] 'a': given twice, first on line 2");
    expect("[defaults]\na = ; none\n", "test.ini:2: [defaults] 'a': needs a value");
    expect("[api_keys]\na = b\na = c\n",
           "test.ini:3: [api_keys] the same client's key is given twice, first on line 2");
    expect("[api_keys]\na = b\n[key x]\nkey = a\nupstream_key = c\n",
           "test.ini:4: [key x] the same client's key is given twice, first on line 2");
    expect("[key y]\nkey = a\nupstream_key = c\n[key x]\nkey = a\nupstream_key = c\n",
           "test.ini:5: [key x] the same client's key is given twice");
    expect("[api_keys]\na =\n", "test.ini:2: [api_keys] the real key: needs a value");
    expect("[api_keys]\na b = c\n", "test.ini:2: [api_keys] the client's key: holds a blank");
    expect("[api_keys]\na = b\tc\n", "test.ini:2: [api_keys] the real key: holds a blank");
    expect("[api_keys]\na\xe2\x80\x9c = b\n", "beyond ASCII");
    expect("[api_keys]\na = \"b\"\n", "quotes");
    expect("[key x]\nkey = \n", "test.ini:2: [key x] key: needs a value");
    expect("[key x]\nkey = a\n", "test.ini:1: [key x] upstream_key is missing");
    expect("[key x]\nupstream_key = a\n", "test.ini:1: [key x] key is missing");
    expect("\n[key x]\n", "test.ini:2: [key x] key is missing");
    expect("[key x]\nkey = a\nkey = a\n", "test.ini:3: [key x] key: given twice, first on line 2");
    expect("[key x]\nkey = a\n[key x]\nkey = b\n",
           "test.ini:4: [key x] key: given twice, first on line 2");
    expect("[key x]\nkei = a\n", "test.ini:2: [key x] unknown key 'kei'; did you mean 'key'?");
    expect("[key a b]\n", "test.ini:1: [key a b] a label is made of");
    expect("[key]\nkey = a\n", "test.ini:1: [key] unknown section; did you mean 'key LABEL'?");
    expect("[api_keys]\na = b\n[key key1]\nkey = c\nupstream_key = d\n",
           "two keys with the label key1");
    expect("[apikeys]\na = b\n", "test.ini:1: [apikeys] unknown section; did you mean 'api_keys'?");
    expect("[SERVER]\n", "did you mean 'server'?");
    expect("[weather]\nsun = 1\n", "test.ini:1: [weather] unknown section\n");
}

static char folder[] = "/tmp/ocp-cfg-XXXXXX";

static void write_file(const char *name, const void *bytes, size_t n)
{
    char path[100];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* Runs conf_load in folder, so that ./proxy.ini is the test's. */
static struct loaded load_here(const char *path)
{
    struct loaded l = { 0 };
    size_t size = 0;
    char before[1000];
    FILE *errors = open_memstream(&l.errors, &size);
    struct files *files;

    assert_int_equal(files_make(&files), 0);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    l.err = conf_load(&l.c, path, files, NULL, errors);
    files_free(files);
    assert_int_equal(chdir(before), 0);
    fclose(errors);
    return l;
}

static void without_a_file(void **state)
{
    struct loaded l;
    char *text;

    (void)state;
    if (access("/etc/openai-chat-proxy/proxy.ini", F_OK) == 0)
        skip();
    l = load_here(NULL);
    assert_int_equal(l.err, 0);
    assert_null(l.c->file);
    assert_string_equal(l.c->server.listen[0].text, "0.0.0.0:8000");
    loaded_free(&l);
    setenv("OPENAI_BASE_URL", "https://x.example/v1", 1);
    setenv("OPENAI_API_KEY", "sk-${HOME}", 1);
    l = load_here(NULL);
    assert_string_equal(l.errors, "");
    assert_string_equal(l.c->server.listen[0].text, "127.0.0.1:8000");
    assert_string_equal(l.c->upstreams[0].api_keys[0], "sk-${HOME}");
    assert_string_equal(l.c->upstreams[0].target, "/v1/chat/completions");
    text = printed(l.c);
    assert_non_null(strstr(text, "\napi_key = ***    ; environment\n"));
    assert_non_null(strstr(text, "\nlisten = 127.0.0.1:8000    ; environment\n"));
    assert_null(strstr(text, "HOME"));
    free(text);
    loaded_free(&l);
    setenv("OPENAI_BASE_URL", "x.example", 1);
    l = load_here(NULL);
    assert_string_equal(
        l.errors,
        "environment: [upstream] base_url: the URL must start with http:// or https://\n");
    loaded_free(&l);
    write_file("proxy.ini", "[server]\nworkers = 3\n", 21);
    l = load_here(NULL);
    assert_int_equal(l.err, 0);
    assert_int_equal(l.c->server.workers, 3);
    assert_int_equal(l.c->upstreams[0].n_api_keys, 0);
    loaded_free(&l);
    clean_environment();
    l = load_here("none.ini");
    assert_int_equal(l.err, -EINVAL);
    assert_string_equal(l.errors, "none.ini: cannot be read: No such file or directory\n");
    loaded_free(&l);
    l = load_here(".");
    assert_int_equal(l.err, -EINVAL);
    assert_string_equal(l.errors, ".: cannot be read: Is a directory\n");
    loaded_free(&l);
}

static void prints_what_gives_the_same(void **state)
{
    struct loaded l = load_text(
        "[server]\nlisten = [::1]:1, unix:/a b\nbody_timeout = "
        "1500ms\nmax_body_size=2k\nworkers=auto\n"
        "[upstream]\nbase_url=http://h/x\n"
        "[field_aliases]\na b = $$${c}\n[defaults]\nx = {\"a\": \"$${b}\"}\n[access]\n"
        "cors_origins = none\n"
        "ip_whitelist = 1.2.3.4,::/0\nunknown_keys=pass\n[log]\nlevel=error\nfile=/dev/null\n"
        "log_requests=on\n");
    char *first;
    struct loaded again;
    char *second;

    (void)state;
    assert_string_equal(l.errors, "");
    first = printed(l.c);
    assert_non_null(strstr(first, "\nbody_timeout = 1500ms    ; test.ini:3\n"));
    assert_non_null(strstr(first, "\nheader_timeout = 10    ; default\n"));
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

static void prints_no_secret(void **state)
{
    struct loaded l = load_text(
        "[server]\nlisten=127.0.0.1:1\n[upstream]\napi_key = SECRET1\n"
        "proxy = http://SECRET2:SECRET3@proxy:3128\n"
        "[api_keys]\nSECRET4 = SECRET5\n[key alice]\nkey = SECRET6\nupstream_key = SECRET7\n");
    char *text;

    (void)state;
    assert_string_equal(l.errors, "");
    text = printed(l.c);
    assert_null(strstr(text, "SECRET"));
    assert_non_null(strstr(text, "\napi_key = ***    ; test.ini:4\n"));
    assert_non_null(strstr(text, "\nproxy = http://***@proxy:3128    ; test.ini:5\n"));
    assert_non_null(strstr(text,
                           "\n[key key1]\nkey = ***1    ; test.ini:7\n"
                           "upstream_key = ***    ; test.ini:7\n"));
    assert_non_null(strstr(text,
                           "\n[key alice]\nkey = ***2    ; test.ini:9\n"
                           "upstream_key = ***    ; test.ini:10\n"));
    assert_string_equal(l.c->upstreams[0].proxy.password, "SECRET3");
    free(text);
    loaded_free(&l);
}

static void more_errors_by_main(void **state)
{
    struct loaded l = load_text("[server]\n\nuser = nobody\n[defaults]\na = {\n");
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    (void)state;
    assert_int_equal(conf_line_of(l.c, "server", "user"), 3);
    assert_int_equal(conf_line_of(l.c, "server", "workers"), 0);
    assert_int_equal(conf_line_of(l.c, "server", "nothing"), 0);
    assert_int_equal(
        conf_error(f, l.c, l.c->upstreams[0].defaults[0].line, "defaults", "%s: not JSON", "a"),
        -EINVAL);
    fclose(f);
    assert_string_equal(text, "test.ini:5: [defaults] a: not JSON\n");
    free(text);
    loaded_free(&l);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void many_keys(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    double start;
    struct loaded l;
    double took;

    (void)state;
    fputs("[api_keys]\n", f);
    for (int i = 0; i < 20000; i++)
        fprintf(f, "client_key_%d_%0130d = sk-%d\n", i, i, i);
    for (int i = 0; i < 20000; i++)
        fprintf(f, "[key label%d]\nkey = other_%d\nupstream_key = sk-%d\n", i, i, i);
    fputs("[field_aliases]\n", f);
    for (int i = 0; i < 20000; i++)
        fprintf(f, "field_%d = x\n", i);
    fputs("field_9 = y\n", f);
    fclose(f);
    start = seconds();
    l = load_text(text);
    took = seconds() - start;
    assert_string_equal(
        l.errors, "test.ini:100003: [field_aliases] 'field_9': given twice, first on line 80012\n");
    print_message("40,000 keys and 20,000 aliases: %.3f s\n", took);
    assert_true(took < 5);
    loaded_free(&l);
    free(text);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char path[100];

    (void)state;
    snprintf(path, sizeof path, "%s/proxy.ini", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_contracts), cmocka_unit_test(tables),
        cmocka_unit_test(tables_with_faults),         cmocka_unit_test(without_a_file),
        cmocka_unit_test(prints_what_gives_the_same), cmocka_unit_test(prints_no_secret),
        cmocka_unit_test(more_errors_by_main),        cmocka_unit_test(many_keys),
    };

    clean_environment();
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
