/* Sets of addresses: their texts, the edges of blocks, and random sets against a plain list. */
#include "base/addrset.h"
#include "tests/unit/short_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct addr addr_of(const char *text)
{
    struct addr a;

    if (strcmp(text, "unix:") == 0)
        return (struct addr){ 0 };
    assert_true(addr_parse(&a, span_of(text)));
    return a;
}

/* Whether a set of the texts, separated by blanks, has the address. */
static bool has(const char *texts, const char *address)
{
    char copy[256], *list[16], *rest = copy;
    struct addr a = addr_of(address);
    struct addrset *s;
    unsigned n = 0;
    bool found;

    snprintf(copy, sizeof copy, "%s", texts);
    for (char *item; (item = strtok_r(rest, " ", &rest)) != NULL;)
        list[n++] = item;
    assert_int_equal(addrset_make(&s, list, n), 0);
    found = addrset_has(s, &a);
    addrset_free(s);
    return found;
}

static void test_what_a_text_stands_for(void **state)
{
    static const struct {
        const char *texts, *in, *out;
    } cases[] = {
        { "192.0.2.1", "192.0.2.1", "192.0.2.2" },
        { "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.0" },
        { "192.0.2.1/32", "192.0.2.1", "192.0.2.2" },
        { "10.0.0.0/8", "10.255.255.255", "11.0.0.0" },
        { "10.0.0.0/8", "10.0.0.0", "9.255.255.255" },
        { "10.1.2.3/8", "10.0.0.0", "9.255.255.255" },
        { "128.0.0.0/1", "255.255.255.255", "127.255.255.255" },
        { "0.0.0.0/0", "255.255.255.255", "::" },
        { "0.0.0.0/0", "0.0.0.0", "::1" },
        { "2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::" },
        { "2001:db8::/32", "2001:db8::", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff" },
        { "2001:db8::7/127", "2001:db8::6", "2001:db8::8" },
        { "2001:db8:0:0:8000::/65", "2001:db8::8000:0:0:0", "2001:db8::7fff:ffff:ffff:ffff" },
        { "2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::" },
        { "2001:db8::/63", "2001:db8:0:1:ffff::", "2001:db8:0:2::" },
        { "::1", "::1", "127.0.0.1" },
        { "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.0" },
        { "::/0", "::", "255.255.255.255" },
        { "::/0", "::ffff:0:0:1", "unix:" },
        { "::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0" },
        { "::ffff:10.0.0.0/104", "10.1.2.3", "::a01:203" },
        { "::ffff:0:0/96", "255.255.255.255", "::fffe:ffff:ffff" },
        { "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.0" },
        { "::ffff:10.0.0.0/95", "::fffe:0:1", "10.0.0.0" },
        { "::ffff:0:0/64", "::1", "0.0.0.1" },
        { "unix:", "unix:", "127.0.0.1" },
        { "unix: ::/0 0.0.0.0/0", "unix:", NULL },
        { "10.0.0.0/8 10.1.0.0/16", "10.200.0.0", "11.0.0.0" },
        { "10.1.0.0/16 10.0.0.0/8", "10.1.0.1", "9.0.0.0" },
        { "10.0.0.1 10.0.0.3 10.0.0.2", "10.0.0.2", "10.0.0.4" },
        { "10.0.0.1 10.0.0.3", "10.0.0.3", "10.0.0.2" },
        { "2001:db8::1 10.0.0.1 ::2 10.0.0.1/32", "2001:db8::1", "10.0.0.2" },
        { "2001:db8::5 2001:db8:0:1::6", "2001:db8:0:1::6", "2001:db8::7" },
        { "2001:db8::/64 2001:db8:0:1::/64", "2001:db8:0:1::", "2001:db8:0:2::" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!has(cases[i].texts, cases[i].in) ||
            (cases[i].out && has(cases[i].texts, cases[i].out)))
            fail_msg("'%s' is to hold %s and not %s", cases[i].texts, cases[i].in, cases[i].out);
}

static void test_refused_texts(void **state)
{
    static const char *const bad[] = {
        "",
        "localhost",
        "10.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/00",
        "fe80::1%eth0/64",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "10.0.0.0/8 ",
        " 10.0.0.0",
        "/8",
        "::/129",
        "::1/",
        "[::1]",
        "::1%lo",
        "10.0.0.0/+8",
        "unix",
        "unix:/run/x.sock",
        "10.0.0.0/4294967304",
        "::/x",
        "1.2.3.4:5",
        "10.0.0.0\\8",
        "0x0a000001",
        "10/8",
        "::ffff:1.2.3.4/129",
        ("00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
         "001"),
    };
    struct addrset *s;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[128], *list[] = { (char *)"192.0.2.1", text };

        snprintf(text, sizeof text, "%s", bad[i]);
        if (addrset_make(&s, list, 2) != -EINVAL || s)
            fail_msg("'%s' is taken", bad[i]);
    }
}

static void test_one_block(void **state)
{
    static const struct {
        const char *text;
        int verdict;
        const char *in, *out;
    } cases[] = {
        { "10.0.0.0/8", 0, "10.255.255.255", "11.0.0.0" },
        { "10.0.0.0/8", 0, "::ffff:10.0.0.1", "::a00:1" },
        { "10.1.2.3", 0, "10.1.2.3", "10.1.2.4" },
        { "0.0.0.0/0", 0, "0.0.0.0", "::" },
        { "fe80::/10", 0, "fe80::1%eth0", "fec0::" },
        { "10.0.0.0/08", -ERANGE, NULL, "10.0.0.0" },
        { "10.0.0.0/33", -ERANGE, NULL, "10.0.0.0" },
        { "::/129", -ERANGE, NULL, "::" },
        { "10.0.0.0/", -ERANGE, NULL, "10.0.0.0" },
        { "10.0.0/8", -EINVAL, NULL, "10.0.0.0" },
        { "fe80::1%eth0", -EINVAL, NULL, "fe80::1" },
        { "unix:", -EINVAL, NULL, "unix:" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addr in = addr_of(cases[i].in ? cases[i].in : "::"), out = addr_of(cases[i].out);
        struct span text = span_of(cases[i].text);

        assert_int_equal(addr_block_check(text), cases[i].verdict);
        assert_false(addr_block_has(text, &out));
        assert_int_equal(addr_block_has(text, &in), cases[i].in != NULL);
    }
}

static void test_nothing_is_in_an_empty_set(void **state)
{
    struct addr v4 = addr_of("0.0.0.0"), v6 = addr_of("::"), local = { 0 };
    struct addrset *s;

    (void)state;
    assert_int_equal(addrset_make(&s, NULL, 0), 0);
    for (int i = 0; i < 2; i++) {
        assert_false(addrset_has(i ? s : NULL, &v4));
        assert_false(addrset_has(i ? s : NULL, &v6));
        assert_false(addrset_has(i ? s : NULL, &local));
    }
    addrset_free(s);
    addrset_free(NULL);
}

static void test_no_set_without_memory(void **state)
{
    struct addrset *s = (struct addrset *)state;
    char *texts[] = { (char *)"10.0.0.1" };
    int err;

    memory_short(0, 1);
    err = addrset_make(&s, texts, 1);
    assert_true(memory_plenty());
    assert_int_equal(err, -ENOMEM);
    assert_null(s);
}

/* The reference: a list of prefixes, compared bit by bit. */

struct prefix {
    struct addr addr;
    int bits;
};

static uint32_t seed = 1;

static uint32_t random_below(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

/* Few different bytes, so that blocks lie within each other and side by side. */
static struct addr random_addr(void)
{
    static const uint8_t bytes[] = { 0x00, 0x01, 0x02, 0x7f, 0x80, 0xfe, 0xff };
    struct addr a = { .family = random_below(2) ? 4 : 6 };
    int n = a.family == 4 ? 4 : 16;

    for (int i = 0; i < n; i++)
        a.ip[i] = bytes[i < n / 2 ? random_below(2) : random_below(sizeof bytes)];
    if (a.family == 6)
        a.ip[0] = 0x20;
    return a;
}

static bool in_prefix(const struct prefix *p, const struct addr *a)
{
    if (p->addr.family != a->family)
        return false;
    for (int i = 0; i < p->bits; i++)
        if ((p->addr.ip[i / 8] ^ a->ip[i / 8]) >> (7 - i % 8) & 1)
            return false;
    return true;
}

static bool in_list(const struct prefix *list, unsigned n, const struct addr *a)
{
    for (unsigned i = 0; i < n; i++)
        if (in_prefix(&list[i], a))
            return true;
    return false;
}

/* Makes a random list of n prefixes, as texts and as a reference; long ones are more frequent. */
static void random_list(struct prefix *list, char **texts, unsigned n)
{
    char text[ADDR_TEXT_MAX];

    for (unsigned i = 0; i < n; i++) {
        struct prefix *p = &list[i];
        int width;

        p->addr = random_addr();
        width = p->addr.family == 4 ? 32 : 128;
        p->bits = width - (int)random_below(random_below(4) ? 10 : (uint32_t)width);
        texts[i] = malloc(80);
        snprintf(texts[i], 80, "%s/%d", addr_text(&p->addr, text), p->bits);
    }
}

static void test_random_sets(void **state)
{
    enum { MOST = 60, SETS = 300, LOOKUPS = 400 };
    struct prefix list[MOST];
    char *texts[MOST];
    struct addrset *s;
    unsigned held = 0;

    (void)state;
    for (int round = 0; round < SETS; round++) {
        unsigned n = random_below(MOST);

        random_list(list, texts, n);
        assert_int_equal(addrset_make(&s, texts, n), 0);
        for (int i = 0; i < LOOKUPS; i++) {
            struct addr a = random_addr();
            bool expected = in_list(list, n, &a);

            held += expected;
            assert_int_equal(addrset_has(s, &a), expected);
        }
        addrset_free(s);
        for (unsigned i = 0; i < n; i++)
            free(texts[i]);
    }
    assert_in_range(held, SETS * LOOKUPS / 10, SETS * LOOKUPS * 9 / 10);
}

/* Every second address: nothing can be merged. */
static void test_a_hundred_thousand_entries(void **state)
{
    enum { MANY = 100000 };
    char(*lines)[40] = malloc(MANY * sizeof *lines), **texts = calloc(MANY, sizeof *texts);
    struct addrset *s;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        unsigned at = (i * 7919u) % MANY * 2;

        texts[i] = lines[i];
        snprintf(lines[i], sizeof lines[i], i % 2 ? "10.%u.%u.%u" : "2001:db8::%u:%u:%u", at >> 16,
                 at >> 8 & 0xff, at & 0xff);
    }
    assert_int_equal(addrset_make(&s, texts, MANY), 0);
    for (unsigned i = 0; i < MANY; i++) {
        struct addr a = addr_of(lines[i]);

        assert_true(addrset_has(s, &a));
        a.ip[a.family == 4 ? 3 : 15] ^= 1;
        assert_false(addrset_has(s, &a));
    }
    addrset_free(s);
    free(texts);
    free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_text_stands_for),
        cmocka_unit_test(test_refused_texts),
        cmocka_unit_test(test_one_block),
        cmocka_unit_test(test_nothing_is_in_an_empty_set),
        cmocka_unit_test(test_no_set_without_memory),
        cmocka_unit_test(test_random_sets),
        cmocka_unit_test(test_a_hundred_thousand_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
