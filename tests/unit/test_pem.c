/* Certificates in a text: where they are, and base64 back to bytes. */
#include "base/pem.h"
#include "base/out.h"
#include "tests/unit/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

static void what_is_between_is_passed_over(void **state)
{
    struct span rest =
                    SPAN("# Authority One\n" BEGIN "\nQUJD\n" END "\n\n# - two\n" BEGIN
                         "\r\nREVG\r\n" END BEGIN "\n" END "-----BEGIN PRIVATE KEY-----\nAAAA\n"),
                inside;

    (void)state;
    assert_true(pem_next(&rest, &inside));
    assert_true(span_eq(inside, SPAN("\nQUJD\n")));
    assert_true(pem_next(&rest, &inside));
    assert_true(span_eq(inside, SPAN("\r\nREVG\r\n")));
    assert_true(pem_next(&rest, &inside));
    assert_true(inside.p && inside.n == 1);
    assert_false(pem_next(&rest, &inside));
}

static void what_has_no_end_is_told(void **state)
{
    static const char *const texts[] = {
        BEGIN,
        BEGIN "\nQUJD\n",
        BEGIN "\nQUJD\n" BEGIN "\nQUJD\n" END,
        BEGIN "\nQUJD\n-----END CERTIFICATE----",
        BEGIN "\nQUJD\n-----END TRUSTED CERTIFICATE-----\n",
        BEGIN "\nProc-Type: 4,ENCRYPTED\n\nQUJD\n" END,
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *text = guard_end(texts[i], strlen(texts[i]));
        struct span rest = { text, strlen(texts[i]) }, inside = SPAN("");

        assert_true(pem_next(&rest, &inside));
        assert_null(inside.p);
        assert_int_equal(pem_next(&rest, &inside), i == 2); /* the one behind it is there */
        guard_free(text, strlen(texts[i]));
    }
}

/* What it decodes to, in room that ends where it has to. Returns as pem_decode does. */
static ssize_t decoded(const char *text, unsigned char to[64])
{
    static const char nothing[64];
    size_t n = strlen(text);
    char *in = guard_end(text, n), *out = guard_end(nothing, PEM_SIZE(n));
    ssize_t got = pem_decode((struct span){ in, n }, (unsigned char *)out);

    if (got > 0)
        memcpy(to, out, (size_t)got);
    guard_free(in, n);
    guard_free(out, PEM_SIZE(n));
    return got;
}

static void digits_become_bytes(void **state)
{
    /* RFC 4648, 10 */
    static const char *const rows[][2] = {
        { "", "" },
        { "Zg==", "f" },
        { "Zm8=", "fo" },
        { "Zm9v", "foo" },
        { "Zm9vYg==", "foob" },
        { "Zm9vYmE=", "fooba" },
        { "+/+/", "\xfb\xff\xbf" },
        { " Z m\r\n9\tv\nYg\n= =\n", "foob" },
    };
    unsigned char to[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(decoded(rows[i][0], to), strlen(rows[i][1]));
        assert_memory_equal(to, rows[i][1], strlen(rows[i][1]));
    }
}

static void what_is_no_base64_is_refused(void **state)
{
    static const char *const rows[] = { "Z",    "Zm",    "Zm9",     "Z===",     "====",   "=Zm9",
                                        "Zm=v", "Zg==Z", "Zg===",   "Zg==Zm9v", "Zg=",    "Zm9*",
                                        "Zm9_", "Zm9v=", "Zm9\x80", "Zm9v====", "Zm9\x01" };
    unsigned char to[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(decoded(rows[i], to), -EINVAL);
}

static void all_bytes_come_back(void **state)
{
    unsigned char bytes[256], to[300];
    char text[OUT_BASE64_SIZE(256)];

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        bytes[i] = (unsigned char)(i * 167);
    for (size_t n = 0; n <= 256; n++) {
        struct out o;

        out_init(&o, text, sizeof text);
        out_base64(&o, (struct span){ (char *)bytes, n });
        assert_int_equal(pem_decode(out_span(&o), to), n);
        assert_memory_equal(to, bytes, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_between_is_passed_over),
        cmocka_unit_test(what_has_no_end_is_told),
        cmocka_unit_test(digits_become_bytes),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(all_bytes_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
