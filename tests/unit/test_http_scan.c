/* The scanning loops of http/scan.h: every byte at every place, in vectors and in portable C, flush
 * against a guard page. */
#include "http/scan.h"
#include "tests/unit/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define LONGEST 50

static const struct loop {
    const char *(*vector)(const char *p, const char *end);
    const char *(*portable)(const char *p, const char *end);
    char filler;
    const char *stops; /* visible bytes that may not stand there */
    bool text;         /* HTAB, space and bytes from 0x80 on may */
} loops[] = {
    { http_name_end, http_name_end_portable, 'a', "\"(),/:;<=>?@[\\]{}", false },
    { http_name_end, http_name_end_portable, '_', "\"(),/:;<=>?@[\\]{}", false },
    { http_value_end, http_value_end_portable, '\xC3', "", true },
    { http_target_end, http_target_end_portable, '/', "#", false },
};

static bool stops(const struct loop *l, int c)
{
    if (c <= 0x20 || c >= 0x7F)
        return !(l->text && (c == '\t' || c == ' ' || c >= 0x80));
    return strchr(l->stops, c) != NULL;
}

static void one(const struct loop *l, const char *p, size_t n, size_t at)
{
    size_t expected = stops(l, (uint8_t)p[at]) ? at : n;

    assert_int_equal(l->portable(p, p + n) - p, expected);
    assert_int_equal(l->vector(p, p + n) - p, expected);
}

static void every_byte_at_every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++)
        for (size_t n = 1; n <= LONGEST; n += n < 20 ? 1 : 7) {
            char bytes[LONGEST];
            char *p;

            memset(bytes, loops[i].filler, n);
            p = guard_end(bytes, n);
            for (size_t at = 0; at < n; at++) {
                for (int c = 0; c < 256; c++) {
                    p[at] = (char)c;
                    one(&loops[i], p, n, at);
                }
                p[at] = loops[i].filler;
            }
            guard_free(p, n);
        }
}

static void nothing_is_read_of_nothing(void **state)
{
    char *p = guard_end("", 0);

    (void)state;
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        assert_ptr_equal(loops[i].vector(p, p), p);
        assert_ptr_equal(loops[i].portable(p, p), p);
    }
    guard_free(p, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(nothing_is_read_of_nothing),
    };

    print_message("vectors: %s\n", VEC16);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
