/* Variables and files in values. Files are made in a folder of their own under /tmp. */
#include "tests/unit/cfg_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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

static void variables(void **state)
{
    struct loaded l;
    static const char *const leaks[] = {
        "[server]\nworkers = ${OCP_A}\n",    "[log]\nlevel = ${OCP_A}\n",
        "[server]\nlisten = ${OCP_A}\n",     "[access]\nip_whitelist = ${OCP_A}, 1\n",
        "[upstream]\nbase_url = ${OCP_A}\n", "[server]\nbody_timeout=${OCP_A}\n",
        "[upstream]\nca_file=/${OCP_A}\n",   "[log]\nfile=/x/${OCP_A}\n",
        "[key a]\nkey=file:${OCP_A}\n"
    };

    (void)state;
    setenv("OCP_A", "sk-secret", 1);
    setenv("OCP_LINE", "8\n", 1);
    setenv("OCP_CONTROL", "a\nb", 1);
    setenv("OCP_FILE", "file:/etc/passwd", 1);
    setenv("OCP_EMPTY", "", 1);
    l = load_text(
        "[server]\nworkers = ${OCP_LINE}\nuser = x${OCP_EMPTY}y\n[key a]\nkey = ${OCP_A}\n"
        "upstream_key = a${OCP_A}-${OCP_A}$${x}$\n"
        "[api_keys]\n${OCP_A} = ${OCP_FILE}\n[defaults]\na = \"$${OCP_A} $$ $x $$$${\"\n");
    assert_string_equal(l.errors, "");
    assert_int_equal(l.c->server.workers, 8);
    assert_string_equal(l.c->server.user, "xy");
    assert_string_equal(l.c->keys[0].client, "sk-secret");
    assert_string_equal(l.c->keys[0].upstream_keys[0], "ask-secret-sk-secret${x}$");
    assert_string_equal(l.c->keys[1].client, "${OCP_A}");
    assert_string_equal(l.c->keys[1].upstream_keys[0], "file:/etc/passwd");
    assert_string_equal(l.c->upstreams[0].defaults[0].value, "\"${OCP_A} $$ $x $$${\"");
    loaded_free(&l);
    expect("[server]\nuser = ${OCP_NONE}\n",
           "test.ini:2: [server] user: the environment has no variable OCP_NONE");
    expect("[server]\nuser = ${OCP_A\n", "'${' starts the name of a variable");
    expect("[server]\nuser = ${}\n", "'${' starts the name of a variable");
    expect("[server]\nuser = ${1A}\n", "'${' starts the name of a variable");
    expect("[server]\nworkers = ${OCP_EMPTY}\n", "workers: needs a value");
    expect("[upstream]\napi_key = ${OCP_CONTROL}\n",
           "api_key: holds a control character (byte 0x0a)");
    for (size_t i = 0; i < sizeof leaks / sizeof *leaks; i++) {
        l = load_text(leaks[i]);
        assert_int_equal(l.err, -EINVAL);
        assert_null(strstr(l.errors, "sk-secret"));
        loaded_free(&l);
    }
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

static void files(void **state)
{
    char text[400], big[9000];
    struct loaded l;

    (void)state;
    memset(big, 'x', sizeof big);
    write_file("a", "sk-from-file\r\nsecond line\n", 26);
    write_file("b", "sk-b", 4);
    write_file("c", "sk-c\n", 5);
    write_file("empty", "\n", 1);
    write_file("nul", "sk\0-x\n", 6);
    write_file("long", big, sizeof big);
    write_file("full", big, 8192);
    setenv("OCP_FOLDER", folder, 1);
    snprintf(text, sizeof text,
             "[server]\nlisten=127.0.0.1:1\n[upstream]\napi_key = file:%s/a\n[api_keys]\n"
             "x = file:${OCP_FOLDER}/b\n"
             "[key k]\nkey = file:%s/full\nupstream_key = file:%s/c\n",
             folder, folder, folder);
    l = load_text(text);
    assert_string_equal(l.errors, "");
    assert_string_equal(l.c->upstreams[0].api_keys[0], "sk-from-file");
    assert_string_equal(l.c->keys[0].upstream_keys[0], "sk-b");
    assert_int_equal(strlen(l.c->keys[1].client), 8192);
    assert_string_equal(l.c->keys[1].upstream_keys[0], "sk-c");
    loaded_free(&l);
    expect("[upstream]\napi_key = file:${OCP_FOLDER}/none\n",
           "test.ini:2: [upstream] api_key: the file of file:${OCP_FOLDER}/none cannot be read: No "
           "such file");
    expect("[upstream]\napi_key = file:\n", "cannot be read: No such file");
    expect("[upstream]\napi_key = file:/\n", "cannot be read: Is a directory");
    expect("[upstream]\napi_key = file:${OCP_FOLDER}/empty\n", "is empty");
    expect("[upstream]\napi_key = file:${OCP_FOLDER}/nul\n", "NUL");
    expect("[upstream]\napi_key = file:${OCP_FOLDER}/long\n", "is longer than 8192 bytes");
    expect("[server]\nuser = file:${OCP_FOLDER}/a\n", "is not a user");
}

/* Each key of a list may be in a file of its own. */
static void lists_of_files(void **state)
{
    char path[] = "/tmp/ocp-keys-XXXXXX", text[200];
    struct loaded l;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "from-a-file\n", 12), 12);
    close(fd);
    snprintf(text, sizeof text,
             "[server]\nlisten = 127.0.0.1:8000\n"
             "[upstream]\napi_key = k1, file:%s,k3\n",
             path);
    l = load_text(text);
    assert_string_equal(l.errors, "");
    assert_int_equal(l.c->upstreams[0].n_api_keys, 3);
    assert_string_equal(l.c->upstreams[0].api_keys[1], "from-a-file");
    loaded_free(&l);
    unlink(path);
    snprintf(text, sizeof text,
             "[server]\nlisten = 127.0.0.1:8000\n"
             "[upstream]\napi_key = k1, file:/no/such\n");
    expect(text,
           "test.ini:4: [upstream] api_key: the file of file:/no/such cannot be read: No "
           "such file or directory\n");
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = { "a", "b", "c", "empty", "nul", "long", "full" };
    char path[100];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables),
        cmocka_unit_test(files),
        cmocka_unit_test(lists_of_files),
    };

    clean_environment();
    return cmocka_run_group_tests_name("cfg: variables and files", tests, make_folder,
                                       remove_folder);
}
