/* PROXY protocol headers of both versions: at every split and flush against a page that cannot be
 * read, each refused header at the very byte that spoils it, and IPv6 addresses against the C
 * library's reader of them. */
#include "net/proxy_protocol.h"
#include "tests/unit/guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* The contents of *source before a parse. */
static const struct addr untouched = { .family = 9, .port = 4242, .ip = "untouched" };

static void assert_same(const struct addr *a, const struct addr *b)
{
    assert_int_equal(a->family, b->family);
    assert_int_equal(a->port, b->port);
    assert_memory_equal(a->ip, b->ip, sizeof a->ip);
}

static ssize_t parse(struct span in, struct addr *source)
{
    char *p = guard_end(in.p, in.n);
    ssize_t r;

    *source = untouched;
    r = proxy_protocol_parse((struct span){ p, in.n }, source);
    if (r < 0)
        assert_same(source, &untouched);
    guard_free(p, in.n);
    return r;
}

/* Parses every prefix of in followed by other bytes. Returns how many bytes the verdict took; more
 * bytes do not change it. */
static size_t verdict_at(struct span in, ssize_t *verdict, struct addr *source)
{
    char more[600];
    size_t n = 0, all = in.n + 3;

    assert_true(all <= sizeof more);
    memcpy(more, in.p, in.n);
    memcpy(more + in.n, "GET", 3);
    while ((*verdict = parse((struct span){ more, n }, source)) == -EAGAIN && n < all)
        n++;
    for (size_t i = n + 1; i <= all; i++) {
        struct addr later;

        assert_int_equal(parse((struct span){ more, i }, &later), *verdict);
        assert_same(&later, source);
    }
    return n;
}

static void takes(struct span in, const char *address, uint16_t port)
{
    struct addr source;
    char text[ADDR_TEXT_MAX];
    ssize_t r;

    assert_int_equal(verdict_at(in, &r, &source), in.n);
    assert_int_equal(r, in.n);
    if (!address) {
        assert_same(&source, &untouched);
        return;
    }
    assert_string_equal(addr_text(&source, text), address);
    assert_int_equal(source.port, port);
}

static void test_lines(void **state)
{
    static const struct {
        const char *line, *address;
        uint16_t port;
    } cases[] = {
        { "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", "192.0.2.1", 56324 },
        { "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255", 65535 },
        { "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0", 0 },
        { "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "2001:db8::1", 1 },
        { "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535 },
        { "PROXY TCP6 :: ::1 9 9\r\n", "::", 9 },
        { "PROXY TCP6 1:: 1:2:3:4:5:6:7:8 9 9\r\n", "1::", 9 },
        { "PROXY TCP6 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 9 9\r\n", "1:2:3:4:5:6:7:0", 9 },
        { "PROXY TCP6 ABCD:0::0aBc ::1.2.3.4 9 9\r\n", "abcd::abc", 9 },
        { "PROXY TCP6 ::ffff:192.0.2.1 1:2:3:4:5:6:1.2.3.4 9 9\r\n", "192.0.2.1", 9 },
        { "PROXY TCP6 ::ffff:c000:201 ::ffff:0:1 9 9\r\n", "192.0.2.1", 9 },
        { "PROXY UNKNOWN\r\n", NULL, 0 },
        { "PROXY UNKNOWN \r\n", NULL, 0 },
        { "PROXY UNKNOWN TCP4 what \x01\xff\r\n", NULL, 0 },
        { "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        takes(span_of(cases[i].line), cases[i].address, cases[i].port);
}

/* A '^' stands before the byte that cannot be right. */
static void test_refused_lines(void **state)
{
    static const char *const cases[] = {
        "^GET / HTTP/1.1\r\n",
        "^proxy TCP4",
        "PROXY^\tTCP4",
        "PROXY ^ TCP4",
        "PROXY ^\r\n",
        "PROXY T^LS",
        "PROXY TCP^5 ",
        "PROXY TCP^ ",
        "PROXY TCP4^\r\n",
        "PROXY U^DP4 192.0.2.1 192.0.2.1 1 2\r\n",
        "PROXY UNKNOWN^S\r\n",
        "PROXY UNKNOWN^\n",
        "PROXY UNKNOWN\r^\r\n",
        "PROXY UNKNOWN a^\n",
        "PROXY UNKNOWN a\r^b\r\n",
        "PROXY TCP4 ^ 192.0.2.1 192.0.2.1 1 2\r\n",
        "PROXY TCP4 0^1.0.0.1 192.0.2.1 1 2\r\n",
        "PROXY TCP4 0^0.0.0.1 192.0.2.1 1 2\r\n",
        "PROXY TCP4 25^6.0.0.1 192.0.2.1 1 2\r\n",
        "PROXY TCP4 1^ 192.0.2.1 1 2\r\n",
        "PROXY TCP4 1.2.3^ 192.0.2.1 1 2\r\n",
        "PROXY TCP4 1.2.3.4^. 192.0.2.1 1 2\r\n",
        "PROXY TCP4 1.^.3.4 192.0.2.1 1 2\r\n",
        "PROXY TCP4 1.2.3.4 ^ 192.0.2.1 1 2\r\n",
        "PROXY TCP4 1.2.3.4^\t192.0.2.1 1 2\r\n",
        "PROXY TCP4 200^1:db8::1 2001:db8::1 1 2\r\n",
        "PROXY TCP4 1.2.3.4 ^:: 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 ^\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1^\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 ^\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2^\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2^ \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r^\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 0^1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 6553^6 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65535^0 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 ^-1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 ^+1 2\r\n",
        "PROXY TCP6 1^.2.3.4 ::1 1 2\r\n",
        "PROXY TCP6 ^ ::1 1 2\r\n",
        "PROXY TCP6 ^[::1] ::1 1 2\r\n",
        "PROXY TCP6 :^1 ::1 1 2\r\n",
        "PROXY TCP6 ::^: ::1 1 2\r\n",
        "PROXY TCP6 ::1:^:2 ::1 1 2\r\n",
        "PROXY TCP6 1:^ ::1 1 2\r\n",
        "PROXY TCP6 1^ ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7^ ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7:8^:9 ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7:8^:: ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7::^8 ::1 1 2\r\n",
        "PROXY TCP6 ::1:2:3:4:5:6:7^:8 ::1 1 2\r\n",
        "PROXY TCP6 1234^5:: ::1 1 2\r\n",
        "PROXY TCP6 ::^g ::1 1 2\r\n",
        "PROXY TCP6 ::1^%1 ::1 1 2\r\n",
        "PROXY TCP6 ::999^.1.1.1 ::1 1 2\r\n",
        "PROXY TCP6 ::a^.1.1.1 ::1 1 2\r\n",
        "PROXY TCP6 ::01^.1.1.1 ::1 1 2\r\n",
        "PROXY TCP6 ::1.2.3.4^:5 ::1 1 2\r\n",
        "PROXY TCP6 ::1.2.3.4^.5 ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:1^.2.3.4 ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7:1^.2.3.4 ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6::1^.2.3.4 ::1 1 2\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *mark = strchr(cases[i], '^');
        char line[200];
        struct addr source;
        ssize_t r;
        size_t at;

        snprintf(line, sizeof line, "%.*s%s", (int)(mark - cases[i]), cases[i], mark + 1);
        at = verdict_at(span_of(line), &r, &source);
        if (r != -EBADMSG || at != (size_t)(mark - cases[i]) + 1)
            fail_msg("'%s': verdict %zd with %zu bytes", cases[i], r, at);
    }
}

static void test_lines_that_are_too_long(void **state)
{
    char line[200];
    struct addr source;
    ssize_t r;

    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    assert_int_equal(verdict_at((struct span){ line, 180 }, &r, &source), 107);
    assert_int_equal(r, -EBADMSG);
    memcpy(line + 106, "\r\n", 2);
    assert_int_equal(verdict_at((struct span){ line, 108 }, &r, &source), 107);
    assert_int_equal(r, -EBADMSG);
    memcpy(line + 105, "\r\n", 2);
    takes((struct span){ line, 107 }, NULL, 0);
    snprintf(line, sizeof line, "PROXY TCP6 %s %s 1 2\r\n",
             "1111:2222:3333:4444:5555:6666:111.111.111.111",
             "1111:2222:3333:4444:5555:6666:111.111.111.111");
    assert_int_equal(verdict_at(span_of(line), &r, &source), 107);
    assert_int_equal(r, -EBADMSG);
}

#define V4_ADDRESSES "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"
#define V6_ADDRESSES                                                                               \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x00\x01" \
    "\x01\xbb"
#define MAPPED_ADDRESSES                                                                           \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x02\x00\x01" \
    "\x01\xbb"
#define ADDITIONS "\x04\x00\x01\x00\x03\x00\x04\xde\xad\xbe\xef"

static void test_binary_headers(void **state)
{
    char local[16 + 216] = SIGNATURE "\x21\x31\x00\xd8";

    (void)state;
    takes(SPAN(SIGNATURE "\x21\x11\x00\x0c" V4_ADDRESSES), "192.0.2.1", 56324);
    takes(SPAN(SIGNATURE "\x21\x11\x00\x17" V4_ADDRESSES ADDITIONS), "192.0.2.1", 56324);
    takes(SPAN(SIGNATURE "\x21\x21\x00\x24" V6_ADDRESSES), "2001:db8::1", 1);
    takes(SPAN(SIGNATURE "\x21\x21\x00\x2f" V6_ADDRESSES ADDITIONS), "2001:db8::1", 1);
    takes(SPAN(SIGNATURE "\x21\x21\x00\x24" MAPPED_ADDRESSES), "192.0.2.1", 1);
    takes(SPAN(SIGNATURE "\x21\x00\x00\x00"), NULL, 0);
    takes(SPAN(SIGNATURE "\x21\x01\x00\x0c" V4_ADDRESSES), NULL, 0);
    takes(SPAN(SIGNATURE "\x21\x10\x00\x0c" V4_ADDRESSES), NULL, 0);
    takes(SPAN(SIGNATURE "\x20\x00\x00\x00"), NULL, 0);
    takes(SPAN(SIGNATURE "\x20\x11\x00\x0c" V4_ADDRESSES), NULL, 0);
    takes(SPAN(SIGNATURE "\x20\x11\x00\x00"), NULL, 0);
    takes(SPAN(SIGNATURE "\x20\xff\x00\x01?"), NULL, 0);
    takes((struct span){ local, sizeof local }, NULL, 0);
}

static void test_the_longest_binary_header(void **state)
{
    char *header = calloc(1, PROXY_PROTOCOL_MAX + 1);
    struct addr source;

    (void)state;
    memcpy(header, SIGNATURE "\x21\x11\x10\x00" V4_ADDRESSES, 28);
    assert_int_equal(parse((struct span){ header, PROXY_PROTOCOL_MAX - 1 }, &source), -EAGAIN);
    assert_int_equal(parse((struct span){ header, PROXY_PROTOCOL_MAX }, &source),
                     PROXY_PROTOCOL_MAX);
    assert_int_equal(parse((struct span){ header, PROXY_PROTOCOL_MAX + 1 }, &source),
                     PROXY_PROTOCOL_MAX);
    assert_int_equal(source.port, 56324);
    free(header);
}

static void test_refused_binary_headers(void **state)
{
    static const struct {
        struct span in;
        size_t at;
    } cases[] = {
        { { "\r\n\r\n\r", 5 }, 5 },
        { { "\r\n\r\nGET / HTTP/1.1", 18 }, 5 },
        { { SIGNATURE "\x11\x11\x00\x0c", 16 }, 13 },
        { { SIGNATURE "\x31\x11\x00\x0c", 16 }, 13 },
        { { SIGNATURE "\x22\x11\x00\x0c", 16 }, 13 },
        { { SIGNATURE "\x2f\x11\x00\x0c", 16 }, 13 },
        { { SIGNATURE "\x21\x12\x00\x0c", 16 }, 14 },
        { { SIGNATURE "\x21\x1f\x00\x0c", 16 }, 14 },
        { { SIGNATURE "\x21\x41\x00\x0c", 16 }, 14 },
        { { SIGNATURE "\x21\x02\x00\x00", 16 }, 14 },
        { { SIGNATURE "\x21\x11\x11\x00", 16 }, 15 },
        { { SIGNATURE "\x20\x00\xff\xff", 16 }, 15 },
        { { SIGNATURE "\x21\x11\x10\x01", 16 }, 16 },
        { { SIGNATURE "\x21\x11\x00\x0b", 16 }, 16 },
        { { SIGNATURE "\x21\x10\x00\x00", 16 }, 16 },
        { { SIGNATURE "\x21\x21\x00\x23", 16 }, 16 },
        { { SIGNATURE "\x21\x31\x00\xd7", 16 }, 16 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addr source;
        ssize_t r;

        assert_int_equal(verdict_at(cases[i].in, &r, &source), cases[i].at);
        assert_int_equal(r, -EBADMSG);
    }
}

static uint32_t seed = 1;

static uint32_t random_below(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

/* Random texts of the characters of IPv6 addresses; inet_pton says which are addresses. C libraries
 * differ about leading zeros in an IPv4 tail, so such texts are left out. */
static void test_v6_addresses_as_the_library_reads_them(void **state)
{
    static const char *const pieces[] = { ":", ":",    ":",  "::",         "0", "1",
                                          "a", "fFfF", "12", "10.0.0.255", ".", "12345" };
    unsigned taken = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[128] = "", line[160];
        struct addr source, expected;
        unsigned char ip[16];
        ssize_t r;
        bool is_address;

        for (uint32_t n = 1 + random_below(16); n > 0; n--)
            strcat(text, pieces[random_below(sizeof pieces / sizeof *pieces)]);
        is_address = inet_pton(AF_INET6, text, ip) == 1;
        snprintf(line, sizeof line, "PROXY TCP6 %s :: 7 7\r\n", text);
        source = untouched;
        r = proxy_protocol_parse(span_of(line), &source);
        if ((r > 0) != is_address)
            fail_msg("'%s': %zd", text, r);
        if (!is_address)
            continue;
        taken++;
        addr_set(&expected, 6, ip, 7);
        assert_same(&source, &expected);
    }
    assert_true(taken > 2000);
}

/* Continues a header's beginning with any byte that is not refused. There always is one, or an
 * earlier byte should have been refused. */
static void walk(char *text, size_t n, size_t most)
{
    struct addr source = untouched;
    ssize_t r;

    while ((r = proxy_protocol_parse((struct span){ text, n }, &source)) == -EAGAIN && n < most) {
        unsigned char next[256];
        unsigned choices = 0;

        for (int c = 0; c < 256; c++) {
            text[n] = (char)c;
            if (proxy_protocol_parse((struct span){ text, n + 1 }, &source) != -EBADMSG)
                next[choices++] = (unsigned char)c;
        }
        if (choices == 0)
            fail_msg("'%.*s' cannot go on", (int)n, text);
        text[n++] = (char)next[random_below(choices)];
    }
    assert_true(r == -EAGAIN || r == (ssize_t)n);
}

static void test_nothing_is_refused_too_late(void **state)
{
    static const struct span beginnings[] = {
        { "", 0 },
        { "PROXY ", 6 },
        { "PROXY TCP4 ", 11 },
        { "PROXY TCP6 ", 11 },
        { "PROXY TCP6 1:2:3:4:5:", 21 },
        { SIGNATURE, 12 },
        { SIGNATURE "\x21", 13 },
    };
    char text[101];

    (void)state;
    for (int i = 0; i < 700; i++) {
        const struct span *s = &beginnings[(size_t)i % (sizeof beginnings / sizeof *beginnings)];

        memcpy(text, s->p, s->n);
        walk(text, s->n, sizeof text - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_refused_lines),
        cmocka_unit_test(test_lines_that_are_too_long),
        cmocka_unit_test(test_binary_headers),
        cmocka_unit_test(test_the_longest_binary_header),
        cmocka_unit_test(test_refused_binary_headers),
        cmocka_unit_test(test_v6_addresses_as_the_library_reads_them),
        cmocka_unit_test(test_nothing_is_refused_too_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
