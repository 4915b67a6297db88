/* Files read once: what is refused, and what another process is given. */
#include "base/files.h"
#include "tests/unit/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test-files-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static const char *in_dir(const char *name)
{
    static char path[4][100];
    static unsigned next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static struct files *make(void)
{
    struct files *f;

    assert_int_equal(files_make(&f), 0);
    return f;
}

static void expect(struct files *f, const char *path, const char *text)
{
    struct span s;

    assert_int_equal(files_read(f, path, &s), 0);
    assert_true(span_eq(s, span_of(text)));
}

static void test_a_file_is_read_once(void **state)
{
    struct files *f = make();

    (void)state;
    write_file("a", "first");
    write_file("empty", "");
    expect(f, in_dir("a"), "first");
    expect(f, in_dir("empty"), "");
    write_file("a", "second");
    expect(f, in_dir("a"), "first");
    files_free(f);
    files_free(NULL);
}

static void test_what_is_no_file(void **state)
{
    struct files *f = make();
    struct span s;
    int fd = open(in_dir("huge"), O_CREAT | O_WRONLY, 0600);

    (void)state;
    assert_int_equal(ftruncate(fd, (off_t)10 << 30), 0);
    close(fd);
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    alarm(5); /* a FIFO would wait for ever */
    assert_int_equal(files_read(f, in_dir("missing"), &s), -ENOENT);
    assert_int_equal(files_read(f, dir, &s), -EISDIR);
    assert_int_equal(files_read(f, in_dir("fifo"), &s), -ENXIO);
    assert_int_equal(files_read(f, "/dev/zero", &s), -ENXIO);
    assert_int_equal(files_read(f, in_dir("huge"), &s), -EFBIG);
    alarm(0);
    write_file("missing", "too late");
    assert_int_equal(files_read(f, in_dir("missing"), &s), -ENOENT);
    files_free(f);
}

static void test_a_file_of_unknown_size(void **state)
{
    struct files *f = make();
    struct span s;

    (void)state;
    if (access("/proc/self/status", R_OK) == 0) {
        assert_int_equal(files_read(f, "/proc/self/status", &s), 0);
        assert_true(s.n > 100 && memcmp(s.p, "Name:", 5) == 0);
    }
    files_free(f);
}

static void test_another_process_sees_the_same(void **state)
{
    struct files *f = make(), *g;
    struct span packed, s;
    char name[20];

    (void)state;
    for (unsigned i = 0; i < 600; i++) {
        snprintf(name, sizeof name, "n%u", i);
        write_file(name, name);
        expect(f, in_dir(name), name);
    }
    assert_int_equal(files_read(f, in_dir("none"), &s), -ENOENT);
    assert_int_equal(files_read(f, dir, &s), -EISDIR);
    write_file("unasked", "x");
    assert_int_equal(files_pack(f, &packed), 0);
    assert_int_equal(files_unpack(&g, packed), 0);
    for (unsigned i = 0; i < 600; i++) {
        snprintf(name, sizeof name, "n%u", i);
        write_file(name, "changed");
        expect(g, in_dir(name), name);
    }
    assert_int_equal(files_read(g, in_dir("none"), &s), -ENOENT);
    assert_int_equal(files_read(g, in_dir("unasked"), &s), -ENOENT);
    assert_int_equal(files_read(g, dir, &s), -EISDIR);
    free((char *)packed.p);
    files_free(f);
    files_free(g);
}

static void test_packed_in_part(void **state)
{
    struct files *f = make(), *g;
    struct span packed;
    unsigned whole = 0;

    (void)state;
    write_file("a", "first");
    expect(f, in_dir("a"), "first");
    assert_int_equal(files_pack(f, &packed), 0);
    for (size_t n = 0; n <= packed.n; n++) {
        char *copy = guard_end(packed.p, n);
        int err = files_unpack(&g, (struct span){ copy, n });

        whole += err == 0;
        assert_true(err == -EINVAL || (err == 0 && (n == 0 || n == packed.n)));
        files_free(g);
        guard_free(copy, n);
    }
    assert_int_equal(whole, 2);
    free((char *)packed.p);
    files_free(f);
}

static void test_digests(void **state)
{
    (void)state;
    assert_true(files_digest(SPAN("")) == 0xcbf29ce484222325u);
    assert_true(files_digest(SPAN("foobar")) == 0x85944171f73967e8u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_read_once),
        cmocka_unit_test(test_what_is_no_file),
        cmocka_unit_test(test_a_file_of_unknown_size),
        cmocka_unit_test(test_another_process_sees_the_same),
        cmocka_unit_test(test_packed_in_part),
        cmocka_unit_test(test_digests),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
