/* Every kernel that the machine has against the bytewise machine: the same bytes and the same
 * verdict for texts of all kinds, right and wrong, at every place in a block and in a batch, flush
 * against a guard page. */
#include "json/rename.h"
#include "json/rules.h"
#include "tests/unit/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define TEXT_MAX 20000

static const struct json_alias aliases[] = {
    { { "model", 5 }, { "model_id", 8 } },
    { { "a", 1 }, { "b", 1 } },
    { { "b", 1 }, { "a much longer name", 18 } },
    { { "", 0 }, { "empty", 5 } },
    { { "\xf0\x9f\x98\x80", 4 }, { "\"\\\n", 3 } },
    { { "q\"", 2 }, { "q", 1 } },
    { { "role", 4 }, { "t", 1 } },
};
static const struct json_default defaults[] = { { { "t", 1 }, { "0.6", 3 } },
                                                { { "a", 1 }, { "{\"a\":[]}", 8 } } };

static struct json_rules *make(unsigned n_aliases, unsigned n_defaults)
{
    struct json_rules_spec spec = {
        .aliases = aliases, .n_aliases = n_aliases, .defaults = defaults, .n_defaults = n_defaults
    };
    struct json_rules *rules;
    const char *why;

    assert_int_equal(json_rules_make(&rules, &spec, &why), 0);
    return rules;
}

/* Memory for one renamer at a time, of garbage that must not matter. */
static void *memory_for(const struct json_rules *rules)
{
    static char memory[1 << 18];

    assert_true(json_rename_memory(rules) <= sizeof memory);
    memset(memory, 0xA5, sizeof memory);
    return memory;
}

/* What the next runs ask for of the model; p is NULL if they do not. */
static struct span model;

struct result {
    int err;
    uint64_t offset;
    const char *why;
    size_t n;
    char text[3 * TEXT_MAX];
};

/* Feeds in, first bytes and then the rest, or one by one if first is 0, into room of cap bytes at a
 * time. */
static void run(struct result *res, const struct json_rules *rules, struct span in, size_t first,
                size_t cap)
{
    struct json_renamer r;
    size_t written, at = 0;

    json_rename_init(&r, rules, memory_for(rules));
    if (model.p)
        json_rename_model(&r, model);
    *res = (struct result){ .n = 0 };
    while (at < in.n && res->err >= 0) {
        size_t n = first == 0 ? 1 : at < first ? first - at : in.n - at;

        res->err =
            (int)json_rename(&r, (struct span){ in.p + at, n }, res->text + res->n, cap, &written);
        assert_true(written <= cap);
        res->n += written;
        at += res->err > 0 ? (size_t)res->err : 0;
    }
    while (res->err >= 0 &&
           (res->err = json_rename_end(&r, res->text + res->n, cap, &written)) == -EAGAIN) {
        res->n += written;
        res->err = 0;
    }
    res->n += res->err == 0 ? written : 0;
    res->offset = r.offset;
    res->why = r.why;
}

static bool same(const struct result *a, const struct result *b)
{
    return a->err == b->err && a->offset == b->offset && a->why == b->why &&
        span_eq((struct span){ a->text, a->n }, (struct span){ b->text, b->n });
}

/* Compares all kernels with the outcome of the bytewise machine for in, which is flush against a
 * guard page; split and cap as run has them. */
static void compare(struct json_rules *rules, struct span in, const struct result *want,
                    size_t split, size_t cap)
{
    static struct result got;

    for (unsigned i = 0; json_kernel_nth(i); i++) {
        rules->kernel = json_kernel_nth(i);
        run(&got, rules, in, split, cap);
        if (!same(&got, want))
            fail_msg("%s, split at %zu, room of %zu: %d at %llu (%s) and not %d at %llu (%s)\nin:  "
                     "%.*s\nout: %.*s",
                     rules->kernel->name, split, cap, got.err, (unsigned long long)got.offset,
                     got.why ? got.why : "", want->err, (unsigned long long)want->offset,
                     want->why ? want->why : "", (int)in.n, in.p, (int)got.n, got.text);
    }
}

/* Compares all kernels for one text: whole, at some splits, and with some sizes of output. every:
 * at all of them. */
static void check(struct json_rules *rules, struct span text, bool every)
{
    static struct result want;
    char *in = guard_end(text.p, text.n);
    struct span whole = { in, text.n };

    run(&want, rules, whole, 0, sizeof want.text / 2);
    compare(rules, whole, &want, text.n, sizeof want.text / 2);
    compare(rules, whole, &want, text.n / 3, 100);
    for (size_t i = 1; every && i < text.n; i++)
        compare(rules, whole, &want, i, TEXT_MAX);
    for (size_t cap = 60; every && cap < text.n + 40; cap += 1 + cap / 200)
        compare(rules, whole, &want, text.n, cap);
    guard_free(in, text.n);
}

static uint32_t seed = 1;

static unsigned draw(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

struct text {
    size_t n;
    char at[TEXT_MAX];
};

static void add(struct text *t, const char *s)
{
    size_t n = strlen(s);

    assert_true(t->n + n <= sizeof t->at);
    memcpy(t->at + t->n, s, n);
    t->n += n;
}

static void add_one_of(struct text *t, const char *const *from, size_t n)
{
    add(t, from[draw((unsigned)n)]);
}

#define ADD_ONE_OF(t, from) add_one_of(t, from, sizeof(from) / sizeof *(from))

static void add_white(struct text *t)
{
    static const char *const white[] = {
        "",   "",       "",
        "",   "",       " ",
        "\n", "\r\n\t", "                                                                         "
    };

    ADD_ONE_OF(t, white);
}

static void add_string(struct text *t)
{
    static const char *const parts[] = {
        "abc",
        "",
        "model",
        "a",
        "\\\"",
        "\\\\",
        "\\n",
        "\\u4f60\\u597D",
        "\\ud83d\\uDE00",
        "\\ud83d",
        "\\uDE00",
        "\\uDbFf\\udc00\\udbff\\uDFFF",
        "\xe4\xbd\xa0",
        "\\\\\\\"",
        "{",
        "]",
        ":",
        ",",
        "  ",
        "\\/\\b\\f\\r\\t",
        "1234567890123456789012345678901234567890",
        "\\u00e9\\u0000",
    };

    add(t, "\"");
    for (unsigned n = draw(4) ? draw(4) : draw(60); n > 0; n--)
        ADD_ONE_OF(t, parts);
    add(t, "\"");
}

/* A random value whose text has about size bytes. */
static void add_value(struct text *t, size_t size, unsigned depth)
{
    static const char *const scalars[] = { "0",
                                           "-0",
                                           "12",
                                           "-120.5",
                                           "0.25e7",
                                           "1E+9",
                                           "6e-0",
                                           "true",
                                           "false",
                                           "null",
                                           "1000000000000000000000000000000000.5" };
    static const char *const keys[] = { "\"model\"",
                                        "\"a\"",
                                        "\"b\"",
                                        "\"\"",
                                        "\"\\u006dodel\"",
                                        "\"\\ud83d\\ude00\"",
                                        "\"\\ud83d\"",
                                        "\"\\ud83d\x9f\x98\x80\"",
                                        "\"\xf0\x9f\x98\x80\"",
                                        "\"q\\\"\"",
                                        "\"modem\"",
                                        "\"t\"",
                                        "\"role\"" };
    size_t end = t->n + size;
    bool object = draw(2), first = true;

    if (size < 30 || depth > 70) {
        if (draw(2))
            add_string(t);
        else
            ADD_ONE_OF(t, scalars);
        return;
    }
    add(t, object ? "{" : "[");
    add_white(t);
    while (t->n < end && draw(40)) {
        add(t, first ? "" : ",");
        first = false;
        add_white(t);
        if (object) {
            if (draw(3))
                ADD_ONE_OF(t, keys);
            else
                add_string(t);
            add_white(t);
            add(t, ":");
            add_white(t);
        }
        add_value(t, (t->n < end ? end - t->n : 0) / (1 + draw(8)) + draw(20), depth + 1);
        add_white(t);
    }
    add(t, object ? "}" : "]");
}

/* Spoils text at one place, after a backslash if there is one: another byte, one more, or one
 * less. */
static void spoil(struct text *t)
{
    static const char bytes[] = "\"\\{}[],: \n\t0123456789.eE+-truefalsnudDbc8x\x01\x7f\x80\xff";
    size_t at = draw((unsigned)t->n);
    const char *backslash = draw(2) ? memchr(t->at + at, '\\', t->n - at - 1) : NULL;
    char c = bytes[draw(sizeof bytes)];

    if (backslash)
        at = (size_t)(backslash + 1 - t->at);
    switch (draw(4)) {
    case 0:
        memmove(t->at + at, t->at + at + 1, t->n - at - 1);
        t->n--;
        break;
    case 1:
        memmove(t->at + at + 1, t->at + at, t->n - at);
        t->at[at] = c;
        t->n++;
        break;
    default:
        t->at[at] = c;
        break;
    }
}

/* The kernels must take a right text themselves: the bytewise machine is slow. */
static void test_right_text_is_taken(void **state)
{
    static struct json_name_starts none;
    static struct json_batch b;
    static struct text t;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        size_t blocks;

        do {
            t.n = 0;
            add_white(&t);
            add_value(&t, 10 + draw(3000), 45);
        } while (t.n > JSON_BATCH_BYTES - 200);
        add(&t, ",\"");
        blocks = (t.n + JSON_BLOCK - 1) / JSON_BLOCK;
        memset(t.at + t.n, 'x', 2 * JSON_BLOCK);
        for (unsigned i = 0; json_kernel_nth(i); i++) {
            b.p = t.at;
            b.in_string = false;
            b.expect = (struct json_expect){ .value = 1 };
            b.levels = 2;
            b.starts = &none;
            json_kernel_nth(i)->squeeze(&b, t.at + (blocks + 1) * JSON_BLOCK);
            assert_int_equal(b.n_blocks, blocks + 1);
            assert_ptr_equal(b.stop, t.at + (blocks + 1) * JSON_BLOCK);
            assert_true(b.in_string);
            if (json_kernel_nth(i)->check(&b) != b.n)
                fail_msg("%s leaves %.*s", json_kernel_nth(i)->name, (int)t.n, t.at);
            assert_int_equal(b.end_levels, 2);
            assert_int_equal(b.n_candidates, 0);
        }
    }
}

static void test_any_text(void **state)
{
    struct json_rules *rules[] = { make(0, 0), make(6, 0), make(6, 2), make(7, 0) };
    static struct text right, wrong;

    (void)state;
    for (unsigned round = 0; round < 600; round++) {
        struct json_rules *r = rules[round % 4];

        model = round % 6 == 4 ? SPAN("\"a longer name of a model\"")
            : round % 6 == 5   ? SPAN("")
                               : (struct span){ NULL, 0 };
        right.n = 0;
        add_white(&right);
        add_value(&right, round % 10 ? 30 + draw(400) : draw(9000), 0);
        add_white(&right);
        check(r, (struct span){ right.at, right.n }, round % 50 == 0 && right.n < 700);
        for (unsigned i = 0; i < 20; i++) {
            memcpy(&wrong, &right, sizeof wrong);
            spoil(&wrong);
            check(r, (struct span){ wrong.at, wrong.n }, false);
        }
    }
    model = (struct span){ NULL, 0 };
    for (unsigned i = 0; i < 4; i++)
        json_rules_free(rules[i]);
}

/* Short pieces, right and wrong, at every place around the ends of blocks and of a batch, inside a
 * string that the kernels have to look at. */
static void test_borders_in_strings(void **state)
{
    static const char *const pieces[] = { "\\u12aF",
                                          "\\u12ag",
                                          "\\ud83d\\ude00",
                                          "\\ud83d\\ud83d",
                                          "\\ude00",
                                          "\\ud83dx",
                                          "\\\\\\\"",
                                          "\\\\\\\\\\\\\\\\\\\\\\n",
                                          "\\x",
                                          "\x1f",
                                          "\\ud83d\\n",
                                          "\\UD83D",
                                          "\\ud83d\",\"",
                                          "\\ud83dx\",\"",
                                          "\\ud83d\\n\",\"",
                                          "\\ud83d\\u\",\"",
                                          "\\ud83d\"],[\"",
                                          "\\u1\",\"",
                                          "\\ug000" };
    struct json_rules *rules = make(6, 0);
    static struct text t;

    (void)state;
    for (size_t at = JSON_BATCH_BYTES - 80; at < JSON_BATCH_BYTES + 80; at++)
        for (unsigned i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            t.n = 0;
            add(&t, "[\"\\n");
            while (t.n < at)
                add(&t, at % 3 || at - t.n == 1 ? "x" : "\\\\");
            add(&t, pieces[i]);
            add(&t,
                "                                                                                  "
                "                  \",1]");
            check(rules, (struct span){ t.at, t.n }, false);
        }
    json_rules_free(rules);
}

/* The same between strings, in texts of which the skeleton is nearly as long, so that its blocks
 * end everywhere too. */
static void test_borders_between_strings(void **state)
{
    static const char *const pieces[] = {
        "tru",
        "true",
        "false",
        "falsy",
        "-0.5e+1",
        "01",
        "-01",
        "1.",
        "1e",
        "1.5.",
        "1.5e",
        "-",
        "1e+",
        "1 2",
        "tr ue",
        "[]",
        "[1}",
        "{\"model\":{}}",
        "{\"model\"",
        ",",
        "\"\\u006",
        "null1",
        "{\"q\\\"\" : [true , null],\"\":1}",
        "1e5e5",
        "\x01",
    };
    static const char digits[] = "12345678901234567890123456789012345678901234567890123456789012345"
                                 "67890123456789012345678901234567890";
    static const char *const ends[] = { "", ".5", "e5", ".5.5", "e5e5", "x", ".", "e" };
    struct json_rules *rules = make(6, 0);
    static struct text t;

    (void)state;
    for (size_t at = JSON_BATCH_BYTES - 80; at < JSON_BATCH_BYTES + 80; at++)
        for (unsigned i = 0; i < sizeof pieces / sizeof *pieces + sizeof ends / sizeof *ends; i++) {
            t.n = 0;
            add(&t, "[");
            while (t.n < at)
                add(&t, at - t.n == 3 ? "[]," : at - t.n == 1 ? " " : "1,");
            if (i < sizeof pieces / sizeof *pieces) {
                add(&t, pieces[i]);
            } else {
                add(&t, digits);
                add(&t, digits + draw(sizeof digits));
                add(&t, ends[i - sizeof pieces / sizeof *pieces]);
            }
            add(&t,
                ",[                                                                                "
                "                    ],\"x\"]");
            check(rules, (struct span){ t.at, t.n }, false);
        }
    json_rules_free(rules);
}

static void test_depth(void **state)
{
    struct json_rules *rules = make(2, 0);
    static struct text t;

    (void)state;
    for (unsigned depth = 55; depth < 70; depth++) {
        t.n = 0;
        for (unsigned i = 0; i < depth; i++)
            add(&t, i % 3 ? "{\"a\":" : "[");
        for (unsigned i = 0; i < 50; i++)
            add(&t, i ? ",{\"a\":[1]}" : "[1");
        add(&t, "]");
        for (unsigned i = depth; i-- > 0;)
            add(&t, i % 3 ? "}" : "]");
        add(&t, "                                                                      ");
        check(rules, (struct span){ t.at, t.n }, depth % 4 == 0);
    }
    json_rules_free(rules);
}

/* A text with keys to rename in every block, in all sizes of output: where there is no room for the
 * longer name, it is only put off. */
static void test_no_room(void **state)
{
    struct json_rules *rules = make(6, 2);
    static struct text t;

    (void)state;
    t.n = 0;
    add(&t, "{\"x\":[");
    for (unsigned i = 0; i < 12; i++)
        add(&t,
            i % 4 ? "{\"b\" :1,\"model\"       :\"model\"},"
                  : "{\"b\":\"a longer text, in which nothing is to be renamed: \\\"b\\\":1\"},");
    add(&t, "0],\"b\":0}");
    check(rules, (struct span){ t.at, t.n }, true);
    json_rules_free(rules);
}

/* More names than the filter has groups; few of them, or so many that it lets nearly all pass. */
static void test_many_names(void **state)
{
    static char names[200][8], news[200][8];
    static struct json_alias many[200];
    static struct text t;

    (void)state;
    for (unsigned n = 24; n <= 200; n += 176) {
        struct json_rules_spec spec = { .aliases = many, .n_aliases = n };
        struct json_rules *rules;
        const char *why;

        t.n = 0;
        add(&t, "{");
        for (unsigned i = 0; i < n; i++) {
            char member[40];

            snprintf(names[i], sizeof names[i], "%c%c%u", 'A' + (int)i % 25, 'z' - (int)i % 25, i);
            snprintf(news[i], sizeof news[i], "new%u", i);
            many[i] = (struct json_alias){ span_of(names[i]), span_of(news[i]) };
            snprintf(member, sizeof member, "%s\"%.7s\":[\"%.7s\"]", i ? "," : "", names[i],
                     names[i]);
            add(&t, member);
        }
        add(&t, "}");
        assert_int_equal(json_rules_make(&rules, &spec, &why), 0);
        check(rules, (struct span){ t.at, t.n }, false);
        json_rules_free(rules);
    }
}

/* Objects in objects, in which an old or a new name may come, not far from where a kernel's
 * batch ends or where the kernels give up for their depth. */
static void add_twins(struct text *t, unsigned depth, unsigned level)
{
    static const char *const members[] = { "\"role\":1",   "\"t\":2",         "\"x\":3",
                                           "\"y\":[{},1]", "\"y\":{\"z\":4}", "\"long\":\"" };
    unsigned n = 1 + draw(4), at = draw(n);

    add(t, level % 5 == 4 ? "[{" : "{");
    for (unsigned i = 0; i < n; i++) {
        unsigned which = draw(20);

        add(t, i ? "," : "");
        if (i == at && depth > 0) {
            add(t, "\"in\":");
            add_twins(t, depth - 1, level + 1);
            continue;
        }
        which = which < 2 ? which : 2 + which % 4;
        add(t, members[which]);
        for (unsigned k = draw(150); which == 5 && k > 0; k--)
            add(t, "x");
        add(t, which == 5 ? "\"" : "");
    }
    add(t, level % 5 == 4 ? "}]" : "}");
}

static void test_twins(void **state)
{
    struct json_rules *rules = make(7, 0);
    static struct text t;

    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        t.n = 0;
        add_twins(&t, round % 10 ? draw(40) : 55 + draw(30), 0);
        check(rules, (struct span){ t.at, t.n }, round % 500 == 0);
    }
    json_rules_free(rules);
}

static void test_copy(void **state)
{
    static const char specials[] = { '"', '\\', 0x1F, 0, '\n' };
    char text[300];

    (void)state;
    memset(text, '\xe4', sizeof text);
    memset(text + 100, ' ', 100);
    for (unsigned k = 0; json_kernel_nth(k); k++) {
        for (size_t n = 0; n < sizeof text; n++) {
            char *in = guard_end(text, n), *out = guard_end(text, n);
            size_t whole = json_kernel_nth(k)->copy(out, in, n);

            assert_int_equal(whole, n < JSON_BLOCK ? 0 : n);
            assert_memory_equal(out, in, whole);
            for (size_t at = 0; at < whole; at++) {
                size_t done;

                in[at] = specials[at % sizeof specials];
                done = json_kernel_nth(k)->copy(out, in, n);
                assert_int_equal(done, at / JSON_BLOCK * JSON_BLOCK);
                assert_memory_equal(out, in, done);
                in[at] = text[at];
            }
            guard_free(in, n);
            guard_free(out, n);
        }
    }
}

/* The marks of n blocks at p, byte by byte. */
static void mark_plainly(struct json_marks *marks, const char *p, size_t n)
{
    bool in_string = false, escaped = false;

    for (size_t i = 0; i < n * JSON_BLOCK; i++) {
        struct json_marks *m = &marks[i / JSON_BLOCK];
        uint64_t bit = (uint64_t)1 << i % JSON_BLOCK;
        bool quote = p[i] == '"' && !escaped;

        m->after_escape |= escaped ? bit : 0;
        m->begin |= quote && !in_string ? bit : 0;
        in_string ^= quote;
        m->strings |= in_string ? bit : 0;
        m->open |= !in_string && (p[i] == '{' || p[i] == '[') ? bit : 0;
        m->close |= !in_string && (p[i] == '}' || p[i] == ']') ? bit : 0;
        m->comma |= !in_string && p[i] == ',' ? bit : 0;
        escaped = p[i] == '\\' && !escaped;
        m->in_string = 0 - (uint64_t)in_string;
        m->escaped = escaped;
    }
}

static void test_marks(void **state)
{
    static const char bytes[] = "\"\"\\\\{}[],,:x 1\xe4\x01\xdb\xfd";
    enum { BLOCKS = 20 };
    char text[BLOCKS * JSON_BLOCK];

    (void)state;
    for (unsigned round = 0; round < 500; round++) {
        struct json_marks want[BLOCKS] = { { 0 } };
        char *in;

        for (size_t i = 0; i < sizeof text; i++)
            text[i] = round % 2 && draw(8) ? '\\' : bytes[draw(sizeof bytes - 1)];
        mark_plainly(want, text, BLOCKS);
        in = guard_end(text, sizeof text);
        for (unsigned k = 0; json_kernel_nth(k); k++) {
            struct json_marks m = { 0 };

            for (size_t i = 0; i < BLOCKS; i++) {
                json_kernel_nth(k)->mark(&m, in + i * JSON_BLOCK);
                assert_memory_equal(&m, &want[i], sizeof m);
            }
        }
        guard_free(in, sizeof text);
    }
}

static void test_kernels(void **state)
{
    unsigned n = 0;

    (void)state;
    while (json_kernel_nth(n)) {
        print_message("%s\n", json_kernel_nth(n)->name);
        n++;
    }
    assert_string_equal(json_kernel_nth(0)->name, "portable");
    assert_ptr_equal(json_kernel_best(), json_kernel_nth(n - 1));
    assert_null(json_kernel_nth(n + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_any_text),
        cmocka_unit_test(test_right_text_is_taken),
        cmocka_unit_test(test_borders_in_strings),
        cmocka_unit_test(test_borders_between_strings),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_marks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
