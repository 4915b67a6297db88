/* Tests of a configuration as a whole: tables of keys, checks across values, variables and files, defaults, -T, and 10,000 keys.
 * Single values are tested in tests/unit/test_cfg_keys.c. Files are made in a folder of their own under /tmp. */
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
    if (said ? l.rc != -EINVAL || !strstr(l.errors, said) : l.rc != 0)
        fail_msg("%s\nsaid: %s\nexpected: %s", text, l.errors, said ? said : "(nothing)");
    loaded_free(&l);
}

static void defaults_are_the_contracts(void **state)
{
    (void)state;
    struct loaded l = load_text("");
    const struct conf *c = l.c;
    assert_int_equal(l.rc, 0);
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
    assert_string_equal(c->server.user, "");
    assert_string_equal(c->upstream.base_url.host, "api.openai.com");
    assert_string_equal(c->upstream.target, "/v1/chat/completions");
    assert_false(c->upstream.alias_top_only);
    assert_string_equal(c->upstream.api_key, "");
    assert_null(c->upstream.proxy.host);
    assert_int_equal(c->upstream.timeout, 30000);
    assert_int_equal(c->upstream.response_timeout, 600000);
    assert_int_equal(c->upstream.idle_timeout, 300000);
    assert_int_equal(c->upstream.keepalive_timeout, 10000);
    assert_int_equal(c->upstream.connection_limit, 1000);
    assert_true(c->upstream.tls_verify);
    assert_string_equal(c->upstream.ca_file, "");
    assert_int_equal(c->n_aliases + c->n_defaults + c->n_keys, 0);
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
    (void)state;
    struct loaded l = load_text("[field_aliases]\nmodel = model_id\nmax tokens = n\n[defaults]\ntemperature = 0.6\n"
                                "stop = [\"a\", \"b;c\"]\n"
                                "[api_keys]\nmy_key_1 = sk-real\n[key alice]\nkey = front=key:1\nupstream_key = #x;y\n"
                                "[api_keys]\nmy_key_2 = sk-2\n"
                                "[key 李.b@c]\nupstream_key=z\n[key alice]\n[key 李.b@c]\nkey=y\n");
    assert_string_equal(l.errors, "");
    assert_int_equal(l.c->n_aliases, 2);
    assert_string_equal(l.c->aliases[1].name, "max tokens");
    assert_int_equal(l.c->aliases[1].line, 3);
    assert_string_equal(l.c->defaults[1].value, "[\"a\", \"b;c\"]");
    assert_int_equal(l.c->n_keys, 4);
    static const char *const expected[4][3] = {
        { "key1", "my_key_1", "sk-real" },
        { "alice", "front=key:1", "#x;y" },
        { "key2", "my_key_2", "sk-2" },
        { "李.b@c", "y", "z" },
    };
    for (int i = 0; i < 4; i++) {
        assert_string_equal(l.c->keys[i].label, expected[i][0]);
        assert_string_equal(l.c->keys[i].client, expected[i][1]);
        assert_string_equal(l.c->keys[i].upstream, expected[i][2]);
    }
    loaded_free(&l);
}

static void tables_with_faults(void **state)
{
    (void)state;
    expect("[field_aliases]\na = b\nc = b\na = c\n", "test.ini:4: [field_aliases] 'a': given twice, first on line 2");
    expect("[field_aliases]\na =\n", "test.ini:2: [field_aliases] 'a': needs a value");
    expect("[field_aliases]\n= b\n", "test.ini:2: [field_aliases] nothing before the '='");
    expect("[field_aliases]\n\"a\" = \"b\"\n", "without quotes");
    expect("[defaults]\na = 1\na = 2\n", "test.ini:3: [defaults] 'a': given twice, first on line 2");
    expect("[defaults]\na = ; none\n", "test.ini:2: [defaults] 'a': needs a value");
    expect("[api_keys]\na = b\na = c\n", "test.ini:3: [api_keys] the same client's key is given twice, first on line 2");
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
    expect("[key x]\nkey = a\n[key x]\nkey = b\n", "test.ini:4: [key x] key: given twice, first on line 2");
    expect("[key x]\nkei = a\n", "test.ini:2: [key x] unknown key 'kei'; did you mean 'key'?");
    expect("[key a b]\n", "test.ini:1: [key a b] a label is made of");
    expect("[key]\nkey = a\n", "test.ini:1: [key] unknown section; did you mean 'key LABEL'?");
    expect("[api_keys]\na = b\n[key key1]\nkey = c\nupstream_key = d\n", "two keys with the label key1");
    expect("[apikeys]\na = b\n", "test.ini:1: [apikeys] unknown section; did you mean 'api_keys'?");
    expect("[SERVER]\n", "did you mean 'server'?");
    expect("[weather]\nsun = 1\n", "test.ini:1: [weather] unknown section\n");
}

static void the_key_is_not_given_away(void **state)
{
    (void)state;
    static const char said[] = "test.ini:2: [upstream] api_key: whoever can reach 0.0.0.0:8000 could use this key";
    expect("[upstream]\napi_key = sk-1\n", said);
    expect("[upstream]\napi_key = sk-1\n[api_keys]\n", said);
    expect("[upstream]\napi_key = sk-1\n[access]\nip_whitelist =\nip_blacklist = 10.0.0.0/8\n", said);
    expect("[upstream]\napi_key = sk-1\n[server]\nlisten = 127.0.0.1:1, 0.0.0.0:8000\n", said);
    expect("[upstream]\napi_key = sk-1\n[server]\nlisten = 127.0.0.1:1, [::1]:1, unix:/run/x\n", NULL);
    expect("[upstream]\napi_key = sk-1\n[access]\nip_whitelist = 10.0.0.0/8\n", NULL);
    expect("[upstream]\napi_key = sk-1\n[api_keys]\na = b\n", NULL);
    expect("[upstream]\napi_key = sk-1\n[key a]\nkey = a\nupstream_key = b\n", NULL);
    expect("[upstream]\napi_key =\n", NULL);
}

static void variables(void **state)
{
    (void)state;
    setenv("OCP_A", "sk-secret", 1);
    setenv("OCP_LINE", "8\n", 1);
    setenv("OCP_CONTROL", "a\nb", 1);
    setenv("OCP_FILE", "file:/etc/passwd", 1);
    setenv("OCP_EMPTY", "", 1);
    struct loaded l = load_text("[server]\nworkers = ${OCP_LINE}\nuser = x${OCP_EMPTY}y\n[key a]\nkey = ${OCP_A}\n"
                                "upstream_key = a${OCP_A}-${OCP_A}$${x}$\n"
                                "[api_keys]\n${OCP_A} = ${OCP_FILE}\n[defaults]\na = \"$${OCP_A} $$ $x $$$${\"\n");
    assert_string_equal(l.errors, "");
    assert_int_equal(l.c->server.workers, 8);
    assert_string_equal(l.c->server.user, "xy");
    assert_string_equal(l.c->keys[0].client, "sk-secret");
    assert_string_equal(l.c->keys[0].upstream, "ask-secret-sk-secret${x}$");
    assert_string_equal(l.c->keys[1].client, "${OCP_A}");
    assert_string_equal(l.c->keys[1].upstream, "file:/etc/passwd");
    assert_string_equal(l.c->defaults[0].value, "\"${OCP_A} $$ $x $$${\"");
    loaded_free(&l);
    expect("[server]\nuser = ${OCP_NONE}\n", "test.ini:2: [server] user: the environment has no variable OCP_NONE");
    expect("[server]\nuser = ${OCP_A\n", "'${' starts the name of a variable");
    expect("[server]\nuser = ${}\n", "'${' starts the name of a variable");
    expect("[server]\nuser = ${1A}\n", "'${' starts the name of a variable");
    expect("[server]\nworkers = ${OCP_EMPTY}\n", "workers: needs a value");
    expect("[upstream]\napi_key = ${OCP_CONTROL}\n", "api_key: holds a control character (byte 0x0a)");
    static const char *const leaks[] = { "[server]\nworkers = ${OCP_A}\n", "[log]\nlevel = ${OCP_A}\n",
                                         "[server]\nlisten = ${OCP_A}\n",
                                         "[access]\nip_whitelist = ${OCP_A}, 1\n", "[upstream]\nbase_url = ${OCP_A}\n",
                                             "[server]\nbody_timeout=${OCP_A}\n",
                                         "[upstream]\nca_file=/${OCP_A}\n", "[log]\nfile=/x/${OCP_A}\n",
                                             "[key a]\nkey=file:${OCP_A}\n" };
    for (size_t i = 0; i < sizeof(leaks) / sizeof(leaks[0]); i++) {
        l = load_text(leaks[i]);
        assert_int_equal(l.rc, -EINVAL);
        assert_null(strstr(l.errors, "sk-secret"));
        loaded_free(&l);
    }
}

static char folder[] = "/tmp/ocp-cfg-XXXXXX";

static void write_file(const char *name, const void *bytes, size_t n)
{
    char path[100];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void files(void **state)
{
    (void)state;
    char text[400], big[9000];
    memset(big, 'x', sizeof(big));
    write_file("a", "sk-from-file\r\nsecond line\n", 26);
    write_file("b", "sk-b", 4);
    write_file("c", "sk-c\n", 5);
    write_file("empty", "\n", 1);
    write_file("nul", "sk\0-x\n", 6);
    write_file("long", big, sizeof(big));
    write_file("full", big, 8192);
    setenv("OCP_FOLDER", folder, 1);
    snprintf(text, sizeof(text), "[server]\nlisten=127.0.0.1:1\n[upstream]\napi_key = file:%s/a\n[api_keys]\n"
                                 "x = file:${OCP_FOLDER}/b\n"
             "[key k]\nkey = file:%s/full\nupstream_key = file:%s/c\n", folder, folder, folder);
    struct loaded l = load_text(text);
    assert_string_equal(l.errors, "");
    assert_string_equal(l.c->upstream.api_key, "sk-from-file");
    assert_string_equal(l.c->keys[0].upstream, "sk-b");
    assert_int_equal(strlen(l.c->keys[1].client), 8192);
    assert_string_equal(l.c->keys[1].upstream, "sk-c");
    loaded_free(&l);
    expect("[upstream]\napi_key = file:${OCP_FOLDER}/none\n",
           "test.ini:2: [upstream] api_key: the file of file:${OCP_FOLDER}/none cannot be read: No such file");
    expect("[upstream]\napi_key = file:\n", "cannot be read: No such file");
    expect("[upstream]\napi_key = file:/\n", "cannot be read: Is a directory");
    expect("[upstream]\napi_key = file:${OCP_FOLDER}/empty\n", "is empty");
    expect("[upstream]\napi_key = file:${OCP_FOLDER}/nul\n", "NUL");
    expect("[upstream]\napi_key = file:${OCP_FOLDER}/long\n", "is longer than 8192 bytes");
    expect("[server]\nuser = file:${OCP_FOLDER}/a\n", "is not a user");
}

/* Runs conf_load in folder, so that ./proxy.ini is ours. */
static struct loaded load_here(const char *path)
{
    struct loaded l = { 0 };
    size_t size = 0;
    char before[1000];
    FILE *errors = open_memstream(&l.errors, &size);
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(folder), 0);
    l.rc = conf_load(&l.c, path, NULL, errors);
    assert_int_equal(chdir(before), 0);
    fclose(errors);
    return l;
}

static void without_a_file(void **state)
{
    (void)state;
    if (access("/etc/openai-chat-proxy/proxy.ini", F_OK) == 0)
        skip();
    struct loaded l = load_here(NULL);
    assert_int_equal(l.rc, 0);
    assert_null(l.c->file);
    assert_string_equal(l.c->server.listen[0].text, "0.0.0.0:8000");
    loaded_free(&l);
    setenv("OPENAI_BASE_URL", "https://x.example/v1", 1);
    setenv("OPENAI_API_KEY", "sk-${HOME}", 1);
    l = load_here(NULL);
    assert_string_equal(l.errors, "");
    assert_string_equal(l.c->server.listen[0].text, "127.0.0.1:8000");
    assert_string_equal(l.c->upstream.api_key, "sk-${HOME}");
    assert_string_equal(l.c->upstream.target, "/v1/chat/completions");
    char *text = printed(l.c);
    assert_non_null(strstr(text, "\napi_key = ***    ; environment\n"));
    assert_non_null(strstr(text, "\nlisten = 127.0.0.1:8000    ; environment\n"));
    assert_null(strstr(text, "HOME"));
    free(text);
    loaded_free(&l);
    setenv("OPENAI_BASE_URL", "x.example", 1);
    l = load_here(NULL);
    assert_string_equal(l.errors, "environment: [upstream] base_url: the URL must start with http:// or https://\n");
    loaded_free(&l);
    write_file("proxy.ini", "[server]\nworkers = 3\n", 21);
    l = load_here(NULL);
    assert_int_equal(l.rc, 0);
    assert_int_equal(l.c->server.workers, 3);
    assert_string_equal(l.c->upstream.api_key, "");
    loaded_free(&l);
    clean_environment();
    l = load_here("none.ini");
    assert_int_equal(l.rc, -EINVAL);
    assert_string_equal(l.errors, "none.ini: cannot be read: No such file or directory\n");
    loaded_free(&l);
    l = load_here(".");
    assert_int_equal(l.rc, -EINVAL);
    assert_string_equal(l.errors, ".: cannot be read: Is a directory\n");
    loaded_free(&l);
}

static void prints_what_gives_the_same(void **state)
{
    (void)state;
    struct loaded l = load_text("[server]\nlisten = [::1]:1, unix:/a b\nbody_timeout = 1500ms\nmax_body_size=2k\nworkers=auto\n"
                                "[upstream]\nbase_url=http://h/x\n"
                                "[field_aliases]\na b = ${OCP_A}\n[defaults]\nx = {\"a\": \"$${b}\"}\n[access]\n"
                                "cors_origins = none\n"
                                "ip_whitelist = 1.2.3.4,::/0\nunknown_keys=pass\n[log]\nlevel=error\nfile=/dev/null\n"
                                "log_requests=on\n");
    assert_string_equal(l.errors, "");
    char *first = printed(l.c);
    assert_non_null(strstr(first, "\nbody_timeout = 1500ms    ; test.ini:3\n"));
    assert_non_null(strstr(first, "\nheader_timeout = 10    ; default\n"));
    struct loaded again = load_text(first);
    assert_string_equal(again.errors, "");
    char *second = printed(again.c);
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
    (void)state;
    struct loaded l = load_text("[server]\nlisten=127.0.0.1:1\n[upstream]\napi_key = SECRET1\n"
                                "proxy = http://SECRET2:SECRET3@proxy:3128\n"
                                "[api_keys]\nSECRET4 = SECRET5\n[key alice]\nkey = SECRET6\nupstream_key = SECRET7\n");
    assert_string_equal(l.errors, "");
    char *text = printed(l.c);
    assert_null(strstr(text, "SECRET"));
    assert_non_null(strstr(text, "\napi_key = ***    ; test.ini:4\n"));
    assert_non_null(strstr(text, "\nproxy = http://***@proxy:3128    ; test.ini:5\n"));
    assert_non_null(strstr(text, "\n[key key1]\nkey = ***    ; test.ini:7\nupstream_key = ***\n"));
    assert_non_null(strstr(text, "\n[key alice]\nkey = ***    ; test.ini:9\nupstream_key = ***\n"));
    assert_string_equal(l.c->upstream.proxy.password, "SECRET3");
    free(text);
    loaded_free(&l);
}

static void more_errors_by_main(void **state)
{
    (void)state;
    struct loaded l = load_text("[server]\n\nuser = nobody\n[defaults]\na = {\n");
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    assert_int_equal(conf_line_of(l.c, "server", "user"), 3);
    assert_int_equal(conf_line_of(l.c, "server", "workers"), 0);
    assert_int_equal(conf_line_of(l.c, "server", "nothing"), 0);
    assert_int_equal(conf_error(f, l.c, l.c->defaults[0].line, "defaults", "%s: not JSON", "a"), -EINVAL);
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
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
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
    double start = seconds();
    struct loaded l = load_text(text);
    double took = seconds() - start;
    assert_string_equal(l.errors, "test.ini:100003: [field_aliases] 'field_9': given twice, first on line 80012\n");
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
    (void)state;
    static const char *const names[] = { "a", "b", "c", "empty", "nul", "long", "full", "proxy.ini" };
    char path[100];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_contracts), cmocka_unit_test(tables), cmocka_unit_test(tables_with_faults),
        cmocka_unit_test(the_key_is_not_given_away), cmocka_unit_test(variables), cmocka_unit_test(files),
            cmocka_unit_test(without_a_file),
        cmocka_unit_test(prints_what_gives_the_same), cmocka_unit_test(prints_no_secret), cmocka_unit_test(more_errors_by_main),
        cmocka_unit_test(many_keys),
    };
    clean_environment();
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
