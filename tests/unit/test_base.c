/* What every room uses: numbers, UTF-8 and lists in text, base64, addresses,
 * and the flags of descriptors. */
#include "base/addr.h"
#include "base/fd.h"
#include "base/out.h"
#include "base/text.h"
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static void test_spans_are_searched_from_both_ends(void **state)
{
    struct span s = SPAN("a:b:c");

    (void)state;
    assert_int_equal(span_find(s, ':'), 1);
    assert_int_equal(span_find_last(s, ':'), 3);
    assert_int_equal(span_find(s, 'a'), 0);
    assert_int_equal(span_find_last(s, 'a'), 0);
    assert_int_equal(span_find(s, 'x'), s.n);
    assert_int_equal(span_find_last(s, 'x'), s.n);
    assert_int_equal(span_find(span_of(NULL), ':'), 0);
    assert_int_equal(span_find_last(span_of(NULL), ':'), 0);
    assert_true(span_starts(s, SPAN("a:b")));
    assert_true(span_starts(s, span_of(NULL)));
    assert_false(span_starts(s, SPAN("a:c")));
    assert_false(span_starts(SPAN("a"), SPAN("ab")));
}

static void test_numbers_up_to_a_limit(void **state)
{
    static const struct {
        const char *text;
        uint64_t max, n;
        bool fine;
    } cases[] = {
        { "0", 0, 0, true },
        { "1", 0, 0, false },
        { "007", 7, 7, true },
        { "65535", 65535, 65535, true },
        { "65536", 65535, 0, false },
        { "18446744073709551615", UINT64_MAX, UINT64_MAX, true },
        { "18446744073709551616", UINT64_MAX, 0, false },
        { "99999999999999999999999", UINT64_MAX, 0, false },
        { "9223372036854775807", INT64_MAX, INT64_MAX, true },
        { "9223372036854775808", INT64_MAX, 0, false },
        { "", 9, 0, false },
        { "-1", 9, 0, false },
        { "+1", 9, 0, false },
        { " 1", 9, 0, false },
        { "1 ", 9, 0, false },
        { "1a", 99, 0, false },
        { "0x1", 99, 0, false },
        { "\xd9\xa1", 99, 0, false }, /* an Arabic digit */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = strlen(cases[i].text);
        char *p = guard_end(cases[i].text, length);
        uint64_t n = 42;

        assert_int_equal(text_uint((struct span){ p, length }, cases[i].max, &n), cases[i].fine);
        assert_int_equal(n, cases[i].fine ? cases[i].n : 42);
        guard_free(p, length);
    }
}

static void test_a_number_is_taken_off_the_front(void **state)
{
    struct span s = SPAN("12ms"), none = SPAN("ms"), large = SPAN("300");
    uint64_t n = 42;

    (void)state;
    assert_int_equal(text_take_uint(&none, 255, &n), -EINVAL);
    assert_int_equal(text_take_uint(&large, 255, &n), -ERANGE);
    assert_int_equal(n, 42);
    assert_true(span_eq(large, SPAN("300")));
    assert_int_equal(text_take_uint(&s, 255, &n), 0);
    assert_int_equal(n, 12);
    assert_true(span_eq(s, SPAN("ms")));
}

static void test_each_byte_as_a_hex_digit(void **state)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    (void)state;
    for (int c = -128; c < 256; c++) {
        const char *at = c ? strchr(digits, (char)c) : NULL;
        int value = at ? (int)(at - digits) : -1;

        assert_int_equal(text_hex((char)c), value > 15 ? value - 6 : value);
        assert_int_equal(text_is_digit((char)c), value >= 0 && value < 10);
    }
}

/* Writes c in n bytes, whether or not UTF-8 has it so. */
static void encode(char *to, uint32_t c, size_t n)
{
    static const uint8_t leads[] = { 0, 0, 0xC0, 0xE0, 0xF0 };

    for (size_t i = n; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)(leads[n] | c);
}

/* Every number of up to 21 bits in every length that has room for it: one of them is right, unless
 * it is no character. */
static void test_utf8_of_every_number(void **state)
{
    static const uint32_t limits[] = { 0, 0x80, 0x800, 0x10000, 0x200000 };

    (void)state;
    for (size_t n = 1; n <= 4; n++)
        for (uint32_t c = 0; c < limits[n]; c++) {
            bool fine =
                c >= (n > 1 ? limits[n - 1] : 0) && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
            char text[4];

            encode(text, c, n);
            if (text_utf8((struct span){ text, n }) != (fine ? n : 0))
                fail_msg("U+%04X in %zu bytes", (unsigned)c, n);
        }
}

static void test_utf8_that_is_cut_or_broken(void **state)
{
    static const char *const bad[] = { "\x80",     "\xBF",         "\xC2",      "\xE2\x82",
                                       "\xC2\x41", "\xE2\x82\x41", "\xF0\x9F",  "\xF0\x9F\x98",
                                       "\xFE",     "\xFF",         "ab\xC0\x80" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t n = strlen(bad[i]);
        char *p = guard_end(bad[i], n);

        assert_false(text_utf8_valid((struct span){ p, n }));
        guard_free(p, n);
    }
    assert_int_equal(text_utf8(span_of(NULL)), 0);
    assert_true(text_utf8_valid(span_of(NULL)));
    assert_true(text_utf8_valid(SPAN("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\0z")));
}

static void test_blanks_are_trimmed(void **state)
{
    static const char *const cases[][2] = {
        { " \ta b\t ", "a b" }, { "a", "a" }, { "", "" }, { " \t ", "" }, { "\na\n", "\na\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(span_eq(text_trim(span_of(cases[i][0])), span_of(cases[i][1])));
}

static void test_lists_item_by_item(void **state)
{
    static const struct {
        const char *text, *items; /* each item in angle brackets */
    } cases[] = {
        { "a", "<a>" },    { "a, b ,c", "<a><b><c>" },  { "", "<>" },       { ",", "<><>" },
        { "a,", "<a><>" }, { " , x y ,", "<><x y><>" }, { "\ta\t", "<a>" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span rest = span_of(cases[i].text), item;
        char got[64] = "";

        while (text_next_item(&rest, &item))
            snprintf(got + strlen(got), sizeof got - strlen(got), "<%.*s>", (int)item.n, item.p);
        assert_string_equal(got, cases[i].items);
    }
}

/* RFC 7617, 2, and a user without a password, whose colon stays. */
static void test_basic_credentials(void **state)
{
    static const char *const cases[][3] = {
        { "Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==" },
        { "a", "", "YTo=" },
        { "", "", "Og==" },
        { "ab", "", "YWI6" },
    };
    char text[64];
    struct out o;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i][0]) + 1 + strlen(cases[i][1]);

        out_init(&o, text, OUT_BASE64_SIZE(n));
        out_basic(&o, span_of(cases[i][0]), span_of(cases[i][1]));
        assert_false(o.overflow);
        assert_int_equal(o.n, OUT_BASE64_SIZE(n));
        assert_true(span_eq(out_span(&o), span_of(cases[i][2])));
    }
}

static void test_addresses(void **state)
{
    static const char *const same[] = { "127.0.0.1", "2001:db8::1", "::1", "255.255.255.255" };
    static const char *const bad[] = { "",     "localhost", "1.2.3",    "1.2.3.4.5",
                                       "::1%", "[::1]",     "1.2.3.4 ", "010.1.1.1x" };
    char out[ADDR_TEXT_MAX];
    struct sockaddr_storage ss;
    struct addr a, b;

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(addr_parse(&a, span_of(same[i])));
        assert_string_equal(addr_text(&a, out), same[i]);
        a.port = 77;
        addr_to_sockaddr(&a, &ss);
        addr_from_sockaddr(&b, &ss);
        assert_memory_equal(&a, &b, sizeof a);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(addr_parse(&a, span_of(bad[i])));
    assert_true(addr_parse(&a, SPAN("::ffff:192.0.2.7")));
    assert_string_equal(addr_text(&a, out), "192.0.2.7");
    assert_true(addr_parse(&a, SPAN("fe80::1%eth0")));
    assert_string_equal(addr_text(&a, out), "fe80::1");
    assert_false(addr_parse(&a, SPAN("192.0.2.7%eth0")));
}

static void test_addresses_of_this_machine(void **state)
{
    static const struct {
        const char *text;
        bool loopback, any;
    } cases[] = {
        { "127.0.0.1", true, false },  { "127.255.255.255", true, false },
        { "128.0.0.1", false, false }, { "::ffff:127.0.0.1", true, false },
        { "::1", true, false },        { "::2", false, false },
        { "0.0.0.0", false, true },    { "::", false, true },
        { "0.0.0.1", false, false },   { "7f00::1", false, false },
    };
    struct addr a = { 0 };

    (void)state;
    assert_true(addr_is_loopback(&a));
    assert_false(addr_is_any(&a));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(addr_parse(&a, span_of(cases[i].text)));
        assert_int_equal(addr_is_loopback(&a), cases[i].loopback);
        assert_int_equal(addr_is_any(&a), cases[i].any);
    }
}

static void assert_flags(int fd)
{
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_descriptors_have_their_flags(void **state)
{
    int fds[2], fd = fd_socket(AF_UNIX, SOCK_STREAM);
    char byte;

    (void)state;
    assert_true(fd >= 0);
    assert_flags(fd);
    close(fd);
    assert_int_equal(fd_pipe(fds), 0);
    assert_flags(fds[0]);
    assert_flags(fds[1]);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(fd_close_on_exec(fds[0]), 0);
    assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(fd_unblock(fds[1]), 0);
    assert_flags(fds[1]);
    assert_int_equal(fcntl(fds[1], F_GETFL) & O_ACCMODE, O_WRONLY);
    close(fds[0]);
    close(fds[1]);
}

static void test_what_is_no_descriptor(void **state)
{
    (void)state;
    assert_int_equal(fd_unblock(-1), -EBADF);
    assert_int_equal(fd_close_on_exec(-1), -EBADF);
    assert_true(fd_socket(-1, SOCK_STREAM) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans_are_searched_from_both_ends),
        cmocka_unit_test(test_numbers_up_to_a_limit),
        cmocka_unit_test(test_a_number_is_taken_off_the_front),
        cmocka_unit_test(test_each_byte_as_a_hex_digit),
        cmocka_unit_test(test_utf8_of_every_number),
        cmocka_unit_test(test_utf8_that_is_cut_or_broken),
        cmocka_unit_test(test_blanks_are_trimmed),
        cmocka_unit_test(test_lists_item_by_item),
        cmocka_unit_test(test_basic_credentials),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_addresses_of_this_machine),
        cmocka_unit_test(test_descriptors_have_their_flags),
        cmocka_unit_test(test_what_is_no_descriptor),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
