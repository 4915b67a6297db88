/* Secrets in texts, against a reference that tries every secret at every place, and with many keys.
 */
#include "log/secrets.h"
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
    struct secrets_search search = { .sets = { s }, .text = { copy, n } };

    for (;;) {
        struct span found = secrets_next(&search);
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

/* The key that stands for a client's. */
#define ONE_KEY(text) .upstream_keys = (char *[]){ (char *)(text) }, .n_upstream_keys = 1

static struct conf_key keys[] = {
    { .client = (char *)"my_key_1", ONE_KEY("sk-real") },
    { .client = (char *)"my_key_12", ONE_KEY("sk-real") },
    { .client = (char *)"front=key:1", ONE_KEY("a\"b\\c/d/e") },
    { .client = (char *)"abc", ONE_KEY("7") },
    { .client = (char *)"/+", ONE_KEY("key_1-tail") },
    { .client = (char *)"x\"y", ONE_KEY("") },
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
        /* One begins within the other. No part of either may show. */
        { "my_key_1-tail", "<13>" },
        { "my_key_1-tai", "<8>-tai" },
        /* Short ones stand alone. */
        { "abc", "<3>" },
        { "(abc) _abc_ \xc3\xa9"
          "abc",
          "(<3>) _<3>_ \xc3\xa9<3>" },
        { "xabc abcx 1abc abc1 Abc abC", "xabc abcx 1abc abc1 Abc abC" },
        { "7 17 71 7.7", "<1> 17 71 <1>.<1>" },
        { "\"7\":7,", "\"<1>\":<1>," },
        { "a/+b /+ /+/+", "a/+b <2> <2><2>" },
        /* As JSON writes them. */
        { "a\"b\\c/d/e", "<9>" },
        { "a\\\"b\\\\c/d/e", "<11>" },
        { "a\\\"b\\\\c\\/d\\/e", "<13>" },
        { "a\\\"b\\\\c\\/d/e", "<12>" },
        { "a\"b\\c\\/d\\/e", "<11>" },
        { "my\\u005fkey\\u005F1 \\u006dy_key_1\\u0032!", "<18> <19>!" },
        { "my\\u015fkey_1 my\\u005gkey_1 my\\u00", "my\\u015fkey_1 my\\u005gkey_1 my\\u00" },
        { "sk\\u002dreal\\", "<12>\\" },
        { "x\"y x\\\"y 1x\\\"y", "<3> <4> 1x\\\"y" },
        { "\\/+", "<3>" },
    };
    struct secrets *s = make(&with_keys);

    (void)state;
    check_all(s, cases, sizeof cases / sizeof *cases);
    assert_true(secrets_longest(s) >= 6 * 11);
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
        { "Bearer a\x7f"
          "b",
          "Bearer <1>\x7f"
          "b" },
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
    assert_int_equal(secrets_next(&(struct secrets_search){ .text = { NULL, 0 } }).n, 0);
    assert_int_equal(secrets_longest(NULL), 0);
    secrets_free(NULL);
}

/* A key may overlap the word, begin with the token, or extend beyond it. */
static void test_bearer_tokens_and_keys(void **state)
{
    struct conf_key odd[] = {
        { .client = (char *)"Bearer", ONE_KEY("sk-a") },
        { .client = (char *)"sk-b,c d", ONE_KEY("z e") },
    };
    const struct conf c = { .keys = odd, .n_keys = 2 };
    static const struct masking cases[] = {
        { "Bearer x", "<6> <1>" },           { "bearer sk-a", "bearer <4>" },
        { "bearer sk-abc", "bearer <6>" },   { "bearer sk-b,c d!", "bearer <8>!" },
        { "bearer xz e!", "bearer <2> e!" }, { "bearer x.z e!", "bearer <5>!" },
    };
    struct secrets *s = make(&c);

    (void)state;
    check_all(s, cases, sizeof cases / sizeof *cases);
    secrets_free(s);
}

/* A short key as JSON writes it is also a long key; the rules for the long one hold. */
static void test_one_text_of_two_keys(void **state)
{
    struct conf_key two[] = { { .client = (char *)"x\"y", ONE_KEY("x\\\"y") },
                              { .client = (char *)"x\\\"y", ONE_KEY("x\"y") } };
    const struct conf c = { .keys = two, .n_keys = 2 };
    static const struct masking cases[] = { { "1x\\\"y", "1<4>" }, { "1x\"y x\"y", "1x\"y <3>" } };
    struct secrets *s = make(&c);

    (void)state;
    check_all(s, cases, 2);
    secrets_free(s);
}

static void test_api_key_and_proxy_credentials(void **state)
{
    struct conf_pair header = { (char *)"cf-aig-authorization", (char *)"Bearer gateway", 1 };
    char *own[] = { (char *)"sk-own", (char *)"sk-other" };
    struct conf_upstream upstreams[] = {
        { .api_keys = own, .n_api_keys = 1, .headers = &header, .n_headers = 1 },
        { .api_keys = own + 1,
          .n_api_keys = 1,
          .proxy = { .host = (char *)"proxy",
                     .user = (char *)"Aladdin",
                     .password = (char *)"open sesame" } },
    };
    struct conf c = { .upstreams = upstreams, .n_upstreams = 2 };
    static const struct masking cases[] = {
        { "sk-own, open sesame, sk-other", "<6>, <11>, <8>" },
        { "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
          "Proxy-Authorization: Basic <28>" },
        { "Aladdin", "Aladdin" },
        { "cf-aig-authorization: Bearer gateway", "cf-aig-authorization: <14>" },
    };
    static const struct masking without[] = {
        { "sk-own, : Og== ", "sk-own, : Og== " },
    };
    struct secrets *s = make(&c);

    (void)state;
    check_all(s, cases, sizeof cases / sizeof *cases);
    secrets_free(s);
    upstreams[0] = (struct conf_upstream){ 0 };
    c.n_upstreams = 1;
    s = make(&c);
    check_all(s, without, 1);
    assert_int_equal(secrets_longest(s), 0);
    secrets_free(s);
}

/* A text is shown in part: a key that begins there is found if the search went the length of the
 * longest key further. */
static void test_a_text_that_is_cut(void **state)
{
    static const char text[] = "0123 my_key_12 ...............";
    struct secrets *s = make(&with_keys);

    (void)state;
    for (size_t shown = 6; shown <= 14; shown++) {
        struct secrets_search search = { .sets = { s },
                                         .text = { text, shown + sizeof "my_key_12" - 1 } };
        struct span found = secrets_next(&search);

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

/* Where a key that stands at text + at ends; 0: it does not. */
static size_t end_as_it_is(const char *text, size_t at, const char *key)
{
    return strncmp(text + at, key, strlen(key)) == 0 ? at + strlen(key) : 0;
}

static size_t end_as_json(const char *text, size_t at, const char *key)
{
    for (; *key && text[at]; key++, at++) {
        if (text[at] == '\\' && text[at + 1] && strchr("\"\\/", text[at + 1]))
            at++;
        if (text[at] != *key)
            return 0;
    }
    return *key ? 0 : at;
}

/* Records for each place how far the longest key that begins there reaches. */
static void mark(const char *text, const char *key, size_t *reach)
{
    size_t n = strlen(text);

    for (size_t at = 0; at < n && *key; at++) {
        size_t ends[] = { end_as_it_is(text, at, key), end_as_json(text, at, key) };

        for (int i = 0; i < 2; i++) {
            bool beside =
                (at > 0 && letter_or_digit(text, n, at - 1)) || letter_or_digit(text, n, ends[i]);

            if (ends[i] > reach[at] && (strlen(key) >= 4 || !beside))
                reach[at] = ends[i];
        }
    }
}

static void expect_as_marked(const struct secrets *s, const char *text, const size_t *reach)
{
    size_t n = strlen(text), at = 0;
    struct secrets_search search = { .sets = { s }, .text = { text, n } };

    for (;;) {
        struct span found = secrets_next(&search);
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

/* Each of two sets finds its own secrets. Overlapping ones are one. */
static void test_two_sets(void **state)
{
    struct conf_key old[] = { { .client = (char *)"old-key", ONE_KEY("sk-abc") } };
    struct conf_key fresh[] = { { .client = (char *)"key-sk-a", ONE_KEY("sk-abcdef") } };
    static const char text[] = "x old-key-sk-abcdefg sk-abc";
    struct secrets *a = make(&(struct conf){ .keys = old, .n_keys = 1 }),
                   *b = make(&(struct conf){ .keys = fresh, .n_keys = 1 });
    const struct secrets *sets[][3] = { { a, b }, { b, a }, { NULL, a, b }, { a, NULL, b } };

    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct secrets_search search = { .sets = { sets[i][0], sets[i][1], sets[i][2] },
                                         .text = SPAN(text) };
        struct span found = secrets_next(&search);

        assert_ptr_equal(found.p, text + 2);
        assert_int_equal(found.n, strlen("old-key-sk-abcdef"));
        found = secrets_next(&search);
        assert_ptr_equal(found.p, text + strlen("x old-key-sk-abcdefg "));
        assert_int_equal(found.n, strlen("sk-abc"));
        assert_int_equal(secrets_next(&search).n, 0);
    }
    secrets_free(a);
    secrets_free(b);
}

static void test_random_texts(void **state)
{
    enum { MOST = 12, TEXT = 60 };
    char text[TEXT + 1], room[2 * MOST][8], *real[MOST];
    struct conf_key some[MOST];

    (void)state;
    for (int round = 0; round < 5000; round++) {
        struct conf c = { .keys = some, .n_keys = random_below(MOST) };
        struct secrets *s;

        for (unsigned i = 0; i < c.n_keys; i++) {
            real[i] = (char *)random_text(room[2 * i + 1], 1 + random_below(6));
            some[i] = (struct conf_key){
                .client = (char *)random_text(room[2 * i], random_below(8)),
                .upstream_keys = &real[i],
                .n_upstream_keys = 1,
            };
        }
        s = make(&c);
        for (int i = 0; i < 10; i++) {
            size_t reach[TEXT + 1] = { 0 };

            random_text(text, random_below(TEXT));
            for (unsigned k = 0; k < c.n_keys; k++) {
                mark(text, some[k].client, reach);
                mark(text, real[k], reach);
            }
            expect_as_marked(s, text, reach);
        }
        secrets_free(s);
    }
}

/* Inside of other text, at each of the three places of a group. */
static void test_base64(void **state)
{
    static const char key[] = "sk-\xbe\xff?>~real_0";
    const struct conf_key one = { .client = (char *)key, ONE_KEY("other-key-1") };
    struct secrets *s = make(&(struct conf){ .keys = (struct conf_key *)&one, .n_keys = 1 });
    char plain[80], text[120], out[200];

    (void)state;
    for (size_t before = 0; before < 7; before++) {
        for (size_t after = 0; after < 4; after++) {
            struct out o;
            size_t n = (size_t)snprintf(plain, sizeof plain, "%.*s%s%.*s", (int)before, "user:x",
                                        key, (int)after, "abc");

            out_init(&o, text, sizeof text - 1);
            out_base64(&o, (struct span){ plain, n });
            text[o.n] = 0;
            masked(s, text, out);
            assert_non_null(strchr(out, '<'));
            assert_true(strlen(out) < strlen(text) - 10);
        }
    }
    secrets_free(s);
}

static void test_what_looks_like_a_key(void **state)
{
    static const struct masking cases[] = {
        { "sk-0123456789abcdefABCD", "<23>" },
        { "/v1/sk-proj-0123456789-abc_DEF-x/y", "/v1/<28>/y" },
        { "(sk-0123456789abcdefABCD)", "(<23>)" },
        { "sk-0123456789abcdefABC", "sk-0123456789abcdefABC" },
        { "task-0123456789abcdefABCDEF _sk-0123456789abcdefABCD",
          "task-0123456789abcdefABCDEF _sk-0123456789abcdefABCD" },
        { "sk-sk-0123456789abcdefABCD", "<26>" },
    };

    (void)state;
    check_all(NULL, cases, sizeof cases / sizeof *cases);
}

static void test_one_secret(void **state)
{
    struct secrets *s;
    char out[100];

    (void)state;
    assert_int_equal(secrets_make_one(&s, SPAN("client/own")), 0);
    assert_string_equal(masked(s, "a client\\/own b client/own", out), "a <11> b <10>");
    secrets_free(s);
    assert_int_equal(secrets_make_one(&s, SPAN("")), 0);
    assert_string_equal(masked(s, "nothing", out), "nothing");
    secrets_free(s);
}

#define MANY 30000

static void test_many_keys(void **state)
{
    struct conf_key *many = calloc(MANY, sizeof *many);
    char *real = (char *)"one-for-all";
    struct conf c = { .keys = many, .n_keys = MANY };
    char(*client)[32] = calloc(MANY, sizeof *client), text[100], out[100];
    struct secrets *s;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        sprintf(client[i], "sk-proj-%u-end", i * 7919u);
        many[i] =
            (struct conf_key){ .client = client[i], .upstream_keys = &real, .n_upstream_keys = 1 };
    }
    s = make(&c);
    assert_true(secrets_longest(s) >= 6 * (sizeof "sk-proj-237562081-end" - 1));
    for (unsigned i = 0; i < MANY; i++) {
        sprintf(text, "x%sx one-for-all %u", client[i], i);
        assert_int_equal(masked(s, text, out)[1], '<');
        assert_non_null(strstr(out, "> "));
        assert_null(strstr(out, "one"));
    }
    assert_string_equal(masked(s, "sk-proj-7919-enb sk-proj-1-end sk-proj-7919-en", out),
                        "sk-proj-7919-enb sk-proj-1-end sk-proj-7919-en");
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
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_what_looks_like_a_key),
        cmocka_unit_test(test_one_secret),
        cmocka_unit_test(test_many_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
