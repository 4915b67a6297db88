/* Secrets in texts: what counts as one and where, against a reference that tries every secret at every place, and with many keys. */
#include "proxy/secrets.h"
#include "http/emit.h"
#include "tests/unit/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct secrets *make(const struct conf *c)
{
    struct secrets *s;

    assert_int_equal(secrets_make(&s, c), 0);
    assert_non_null(s);
    return s;
}

/* A text with every secret in it replaced by "<n>", n its length; out has room. */
static const char *masked(const struct secrets *s, const char *text, char *out)
{
    size_t n = strlen(text), from = 0, to = 0;
    char *copy = guard_end(text, n);

    for (;;) {
        struct span all = { copy, n }, found = secrets_next(s, NULL, all, from);
        size_t at = (size_t)(found.p - copy);

        assert_true(at >= from && at + found.n <= n);
        memcpy(out + to, copy + from, at - from);
        to += at - from;
        if (found.n == 0) {
            assert_int_equal(at, n);
            break;
        }
        to += (size_t)sprintf(out + to, "<%zu>", found.n);
        from = at + found.n;
    }
    out[to] = 0;
    guard_free(copy, n);
    return out;
}

static struct conf_key keys[] = {
    { .client = (char *)"my_key_1", .upstream = (char *)"sk-real" },
    { .client = (char *)"my_key_12", .upstream = (char *)"sk-real" },
    { .client = (char *)"front=key:1", .upstream = (char *)"a\"b\\c/d/e" },
    { .client = (char *)"abc", .upstream = (char *)"7" },
    { .client = (char *)"/+", .upstream = (char *)"key_1-tail" },
    { .client = (char *)"x\"y", .upstream = (char *)"" },
};

static const struct conf with_keys = { .keys = keys, .n_keys = sizeof keys / sizeof *keys };

struct masking {
    const char *text, *expected;
};

static void check_all(const struct secrets *s, const struct masking *cases, size_t n)
{
    char out[500];

    for (size_t i = 0; i < n; i++)
        assert_string_equal(masked(s, cases[i].text, out), cases[i].expected);
}

static void test_keys(void **state)
{
    static const struct masking cases[] = {
        { "", "" },
        { "nothing in here", "nothing in here" },
        { "my_key_1", "<8>" },
        { "my_key_12", "<9>" },
        { "my_key_123", "<9>3" },
        { "xmy_key_1x my_key_ MY_KEY_1 my_key_1", "x<8>x my_key_ MY_KEY_1 <8>" },
        { "sk-realsk-real", "<7><7>" },
        { "sk-reasonably sk-rea", "sk-reasonably sk-rea" },
        { "front=key:1", "<11>" },
        /* One begins within the other: neither may be seen in part. */
        { "my_key_1-tail", "<13>" },
        { "my_key_1-tai", "<8>-tai" },
        /* Short ones stand alone. */
        { "abc", "<3>" },
        { "(abc) _abc_ \xc3\xa9" "abc", "(<3>) _<3>_ \xc3\xa9<3>" },
        { "xabc abcx 1abc abc1 Abc abC", "xabc abcx 1abc abc1 Abc abC" },
        { "7 17 71 7.7", "<1> 17 71 <1>.<1>" },
        { "\"7\":7,", "\"<1>\":<1>," },
        { "a/+b /+ /+/+", "a/+b <2> <2><2>" },
        /* As JSON writes them. */
        { "a\"b\\c/d/e", "<9>" },
        { "a\\\"b\\\\c/d/e", "<11>" },
        { "a\\\"b\\\\c\\/d\\/e", "<13>" },
        { "a\\\"b\\\\c\\/d/e", "a\\\"b\\\\c\\/d/e" },
        { "a\"b\\c\\/d\\/e", "a\"b\\c\\/d\\/e" },
        { "x\"y x\\\"y 1x\\\"y", "<3> <4> 1x\\\"y" },
        { "\\/+", "<3>" },
    };
    struct secrets *s = make(&with_keys);

    (void)state;
    check_all(s, cases, sizeof cases / sizeof *cases);
    assert_int_equal(secrets_longest(s), 13);
    secrets_free(s);
}

static void test_bearer_tokens(void **state)
{
    static const struct masking cases[] = {
        { "Bearer sk-x", "Bearer <4>" },
        { "bearer sk-x", "bearer <4>" },
        { "{\"a\":\"BEARER  \t sk-x\"}", "{\"a\":\"BEARER  \t <4>\"}" },
        { "Bearer a.b~c+d/e=", "Bearer <10>" },
        { "Bearer a b", "Bearer <1> b" },
        { "Bearer a,b", "Bearer <1>,b" },
        { "Bearer a\\nb", "Bearer <1>\\nb" },
        { "Bearer a\r\nb", "Bearer <1>\r\nb" },
        { "Bearer a\x7f" "b", "Bearer <1>\x7f" "b" },
        { "Bearer a'b\xc3\xa9", "Bearer <5>" },
        { "Bearer: a, Bearer\na, Bearera, Bearer", "Bearer: a, Bearer\na, Bearera, Bearer" },
        { "Bearer ", "Bearer " },
        { "Bearer \"a\"", "Bearer \"a\"" },
        { "Bearer ,a", "Bearer ,a" },
        { "earer a", "earer a" },
        { " a", " a" },
        { "forbearer a", "forbearer <1>" },
        { "Bearer bearer a", "Bearer <6> <1>" },
        { "bear bearer bearer", "bear bearer <6>" },
    };

    (void)state;
    check_all(NULL, cases, sizeof cases / sizeof *cases);
    assert_int_equal(secrets_next(NULL, NULL, (struct span){ NULL, 0 }, 0).n, 0);
    assert_int_equal(secrets_longest(NULL), 0);
    secrets_free(NULL);
}

/* A key may be in the way of the word, begin with the token, or go on behind it. */
static void test_bearer_tokens_and_keys(void **state)
{
    static struct conf_key odd[] = {
        { .client = (char *)"Bearer", .upstream = (char *)"sk-a" },
        { .client = (char *)"sk-b,c d", .upstream = (char *)"z e" },
    };
    static const struct conf c = { .keys = odd, .n_keys = 2 };
    static const struct masking cases[] = {
        { "Bearer x", "<6> <1>" },
        { "bearer sk-a", "bearer <4>" },
        { "bearer sk-abc", "bearer <6>" },
        { "bearer sk-b,c d!", "bearer <8>!" },
        { "bearer xz e!", "bearer <2> e!" },
        { "bearer x.z e!", "bearer <5>!" },
    };
    struct secrets *s = make(&c);

    (void)state;
    check_all(s, cases, sizeof cases / sizeof *cases);
    secrets_free(s);
}

/* As JSON writes a short key, so a long one is: what is true of the long one counts. */
static void test_one_text_of_two_keys(void **state)
{
    static struct conf_key two[] = { { .client = (char *)"x\"y", .upstream = (char *)"x\\\"y" }, { .client = (char *)"x\\\"y", .upstream = (char *)"x\"y" } };
    static const struct conf c = { .keys = two, .n_keys = 2 };
    static const struct masking cases[] = { { "1x\\\"y", "1<4>" }, { "1x\"y x\"y", "1x\"y <3>" } };
    struct secrets *s = make(&c);

    (void)state;
    check_all(s, cases, 2);
    secrets_free(s);
}

static void test_api_key_and_proxy_credentials(void **state)
{
    struct conf c = {
        .upstream.api_key = (char *)"sk-own",
        .upstream.proxy = { .host = (char *)"proxy", .user = (char *)"Aladdin", .password = (char *)"open sesame" },
    };
    static const struct masking cases[] = {
        { "sk-own, open sesame", "<6>, <11>" },
        { "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Proxy-Authorization: Basic <28>" },
        { "Aladdin", "Aladdin" },
    };
    static const struct masking without[] = {
        { "sk-own, : Og== ", "sk-own, : Og== " },
    };
    struct secrets *s = make(&c);

    (void)state;
    check_all(s, cases, sizeof cases / sizeof *cases);
    secrets_free(s);
    c = (struct conf){ .upstream.api_key = (char *)"" };
    s = make(&c);
    check_all(s, without, 1);
    assert_int_equal(secrets_longest(s), 0);
    secrets_free(s);
}

/* What a text is shown of is what was searched: a key that begins there is found when the longest one's length more was searched. */
static void test_a_text_that_is_cut(void **state)
{
    static const char text[] = "0123 my_key_12 ...............";
    struct secrets *s = make(&with_keys);

    (void)state;
    for (size_t shown = 6; shown <= 14; shown++) {
        struct span found = secrets_next(s, NULL, (struct span){ text, shown + secrets_longest(s) }, 0);

        assert_ptr_equal(found.p, text + 5);
        assert_int_equal(found.n, 9);
    }
    secrets_free(s);
}

/* The reference */

static uint32_t seed = 1;

static uint32_t random_below(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static const char *random_text(char *out, uint32_t n)
{
    static const char letters[] = "ab-\"\\/";

    for (uint32_t i = 0; i < n; i++)
        out[i] = letters[random_below(random_below(3) ? 3 : sizeof letters - 1)];
    out[n] = 0;
    return out;
}

static bool letter_or_digit(const char *text, size_t n, size_t at)
{
    return at < n && (text[at] == 'a' || text[at] == 'b');
}

/* Whether `form` stands at text + at, and may. */
static bool stands(const char *text, size_t at, const char *form, bool alone)
{
    size_t n = strlen(text), m = strlen(form);

    if (m == 0 || strncmp(text + at, form, m) != 0)
        return false;
    return !alone || !((at > 0 && letter_or_digit(text, n, at - 1)) || letter_or_digit(text, n, at + m));
}

static void json_forms(const char *key, char *plain, char *slashes)
{
    struct http_out o;

    http_out_init(&o, plain, 63);
    http_put_json(&o, span_of(key));
    plain[o.n] = 0;
    for (; *plain; plain++) {
        if (*plain == '/')
            *slashes++ = '\\';
        *slashes++ = *plain;
    }
    *slashes = 0;
}

/* Notes at each place where a form of key stands how far the longest one that begins there reaches. */
static void mark(const char *text, const char *key, size_t *reach)
{
    char plain[64], slashes[64];
    const char *forms[] = { key, plain, slashes };

    json_forms(key, plain, slashes);
    for (size_t at = 0; text[at]; at++)
        for (int f = 0; f < 3; f++)
            if (stands(text, at, forms[f], strlen(key) < 4) && reach[at] < at + strlen(forms[f]))
                reach[at] = at + strlen(forms[f]);
}

static void expect_as_marked(const struct secrets *s, const char *text, const size_t *reach)
{
    size_t n = strlen(text), at = 0;

    for (;;) {
        struct span found = secrets_next(s, NULL, (struct span){ text, n }, at);
        size_t end;

        while (at < n && reach[at] == 0)
            at++;
        end = at < n ? reach[at] : n;
        for (size_t i = at; i < end && at < n; i++)
            end = reach[i] > end ? reach[i] : end;
        assert_ptr_equal(found.p, text + at);
        assert_int_equal(found.n, end - at);
        if (at == n)
            return;
        at = end;
    }
}

/* Of two sets, each finds its own, and what overlaps is one. */
static void test_two_sets(void **state)
{
    static struct conf_key old[] = { { .client = (char *)"old-key", .upstream = (char *)"sk-abc" } };
    static struct conf_key fresh[] = { { .client = (char *)"key-sk-a", .upstream = (char *)"sk-abcdef" } };
    static const char text[] = "x old-key-sk-abcdefg sk-abc";
    struct secrets *a = make(&(struct conf){ .keys = old, .n_keys = 1 }), *b = make(&(struct conf){ .keys = fresh, .n_keys = 1 });
    const struct secrets *pairs[][2] = { { a, b }, { b, a } };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct span found = secrets_next(pairs[i][0], pairs[i][1], SPAN(text), 0);

        assert_ptr_equal(found.p, text + 2);
        assert_int_equal(found.n, strlen("old-key-sk-abcdef"));
        found = secrets_next(pairs[i][0], pairs[i][1], SPAN(text), 2 + found.n);
        assert_ptr_equal(found.p, text + strlen("x old-key-sk-abcdefg "));
        assert_int_equal(found.n, strlen("sk-abc"));
    }
    secrets_free(a);
    secrets_free(b);
}

static void test_random_texts(void **state)
{
    enum { MOST = 12, TEXT = 60 };
    char text[TEXT + 1], room[2 * MOST][8];
    struct conf_key some[MOST];

    (void)state;
    for (int round = 0; round < 5000; round++) {
        struct conf c = { .keys = some, .n_keys = random_below(MOST) };
        struct secrets *s;

        for (unsigned i = 0; i < c.n_keys; i++) {
            some[i].client = (char *)random_text(room[2 * i], random_below(8));
            some[i].upstream = (char *)random_text(room[2 * i + 1], 1 + random_below(6));
        }
        s = make(&c);
        for (int i = 0; i < 10; i++) {
            size_t reach[TEXT + 1] = { 0 };

            random_text(text, random_below(TEXT));
            for (unsigned k = 0; k < c.n_keys; k++) {
                mark(text, some[k].client, reach);
                mark(text, some[k].upstream, reach);
            }
            expect_as_marked(s, text, reach);
        }
        secrets_free(s);
    }
}

#define MANY 30000

static void test_many_keys(void **state)
{
    struct conf_key *many = calloc(MANY, sizeof *many);
    struct conf c = { .keys = many, .n_keys = MANY };
    char (*client)[32] = calloc(MANY, sizeof *client), text[100], out[100];
    struct secrets *s;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        sprintf(client[i], "sk-proj-%u-end", i * 7919u);
        many[i] = (struct conf_key){ .client = client[i], .upstream = (char *)"one-for-all" };
    }
    s = make(&c);
    assert_int_equal(secrets_longest(s), sizeof "sk-proj-237562081-end" - 1);
    for (unsigned i = 0; i < MANY; i++) {
        sprintf(text, "x%sx one-for-all %u", client[i], i);
        assert_int_equal(masked(s, text, out)[1], '<');
        assert_non_null(strstr(out, "> "));
        assert_null(strstr(out, "one"));
    }
    assert_string_equal(masked(s, "sk-proj-7919-enb sk-proj-1-end sk-proj-7919-en", out), "sk-proj-7919-enb sk-proj-1-end sk-proj-7919-en");
    secrets_free(s);
    free(client);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_bearer_tokens),
        cmocka_unit_test(test_bearer_tokens_and_keys),
        cmocka_unit_test(test_one_text_of_two_keys),
        cmocka_unit_test(test_api_key_and_proxy_credentials),
        cmocka_unit_test(test_a_text_that_is_cut),
        cmocka_unit_test(test_two_sets),
        cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_many_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
