/* The judge of event streams: every verdict whole, byte by byte and at every split, and its search
 * against the plain twin. */
#include "sse/find.h"
#include "sse/judge.h"
#include "tests/unit/guard.h"
#include "tests/unit/sse_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *verdict(const struct sse_judge *j)
{
    static char text[8];

    snprintf(text, sizeof text, "%s%s%s%s%s", j->found.chat ? "c" : "", j->found.done ? "d" : "",
             j->found.error ? "e" : "", j->found.closing ? "u" : "", sse_cut_short(j) ? "-" : "");
    return text;
}

static void check(const struct sse_judge *j, const struct stream_case *c, size_t split)
{
    if (strcmp(verdict(j), c->want) != 0)
        fail_msg("%s, split at %zu: %s and not %s", c->name, split, verdict(j), c->want);
}

/* Each part lies flush against a page that cannot be read. */
static void feed(struct sse_judge *j, const char *p, size_t n)
{
    char *copy = guard_end(p, n);

    sse_judge(j, (struct span){ copy, n });
    guard_free(copy, n);
}

static void test_whole_and_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n = strlen(cases[i].text);

        for (size_t split = 0; split <= n; split++) {
            struct sse_judge j;

            sse_judge_init(&j);
            feed(&j, cases[i].text, split);
            feed(&j, cases[i].text + split, n - split);
            check(&j, &cases[i], split);
        }
    }
}

static void test_in_small_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n = strlen(cases[i].text);

        for (size_t part = 1; part < 60; part++) {
            struct sse_judge j;

            sse_judge_init(&j);
            for (size_t at = 0; at < n; at += part)
                feed(&j, cases[i].text + at, n - at < part ? n - at : part);
            check(&j, &cases[i], part);
        }
    }
}

/* Each line as a chunk, with the chunks' framing, as http_body_lines finds them. */
static void test_sizes_between_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char wire[4000];
        const char *line = cases[i].text, *end;
        struct sse_judge j;
        size_t n = 0;

        for (; (end = strchr(line, '\n')); line = end + 1)
            n += (size_t)snprintf(wire + n, sizeof wire - n, "%zx\r\n%.*s\r\n",
                                  (size_t)(end + 1 - line), (int)(end + 1 - line), line);
        sse_judge_init(&j);
        if (n > 0)
            sse_judge_chunks(&j, (struct span){ wire, n });
        assert_true(sse_at_line_start(&j));
        feed(&j, line, strlen(line));
        check(&j, &cases[i], n);
    }
}

/* Streams of all kinds of lines, right and wrong: many at once, where most are passed by the
 * search, must give what single bytes give, which are all read. */
static void test_any_stream(void **state)
{
    static const char *const parts[] = {
        GOES_ON,
        CHOICE("0", "\"stop\""),
        CHOICE("1", "null"),
        CHOICE("1", "\"stop\""),
        CHOICE("0", "\"null\""),
        "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n",
        "data: {\"choices\": [{\"index\": 0, \"finish_reason\": null}]}\n\n",
        "data: {\"choices\":[{\"finish_reason\":null}]}\r\n\r\n",
        "data: {\"a_reason\":null,\"h_reason\":null,\"error\":{}}\n",
        USAGE,
        FAILED,
        "event: error\n",
        "data: [DONE]\n\n",
        ": ping\n\n",
        "\r",
        "data: {\"x\":\"x\",\"max\":7,\"h_\":[D,\"usage\":1}\n",
        "data: {\"choices\":[{\"index\":2,\n",
        "data: {\"choices\":[\n",
        "{",
        "\"",
        "data: "
    };
    static char text[8000];

    (void)state;
    srand(1);
    for (int round = 0; round < 6000; round++) {
        struct sse_judge whole, parted, single;
        size_t n = 0, split;

        for (int k = 0; k < 1 + rand() % 12; k++) {
            const char *part = parts[(size_t)rand() % (round % 3 ? 10 : COUNT(parts))];

            memcpy(text + n, part, strlen(part));
            n += strlen(part);
        }
        split = (size_t)rand() % (n + 1);
        sse_judge_init(&whole);
        sse_judge_init(&parted);
        sse_judge_init(&single);
        feed(&whole, text, n);
        feed(&parted, text, split);
        feed(&parted, text + split, n - split);
        for (size_t i = 0; i < n; i++)
            sse_judge(&single, (struct span){ text + i, 1 });
        if (memcmp(&whole, &single, sizeof whole) != 0 ||
            memcmp(&parted, &single, sizeof whole) != 0) {
            print_error("whole %s, ", verdict(&whole));
            print_error("split at %zu %s, ", split, verdict(&parted));
            fail_msg("single %s: %.*s", verdict(&single), (int)n, text);
        }
    }
}

/* Where b may follow: a bar stands where a line may be inserted. */
static void test_between_events(void **state)
{
    static const char *const streams[] = {
        "|d\n\n|e: f\ng\n\n|\n|\n|h\n",
        "|d\r\n\r|\n|e\r\n\r|\n|\r|\n|",
        "|d\r\r|e\r\r|\r|",
        "|:\n\n|:\n",
        "|\n|\r|\n|\r|\r|\n|d\n\r|\n|\r|\n|x",
        "|d\r\n\n|\r|x\n\r|",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(streams); i++) {
        char bytes[60];
        bool may[60];
        size_t n = 0;

        for (const char *p = streams[i]; *p; p++) {
            may[n] = *p == '|';
            p += may[n];
            if (*p)
                bytes[n++] = *p;
            else
                break;
        }
        if (streams[i][strlen(streams[i]) - 1] != '|')
            may[n] = false;
        for (size_t from = 0; from <= n; from++)
            for (size_t to = from; to <= n; to++) {
                struct sse_judge j;

                sse_judge_init(&j);
                feed(&j, bytes, from);
                assert_int_equal(sse_between_events(&j), may[from]);
                feed(&j, bytes + from, to - from);
                if (sse_between_events(&j) != may[to])
                    fail_msg("%s at %zu and %zu", streams[i], from, to);
            }
    }
}

static void test_between_events_in_chunks(void **state)
{
    static const struct {
        const char *before, *chunks;
        bool between;
    } streams[] = {
        { "", "3\r\nd\n\n\r\n", true },
        { "", "2\r\nd\n\r\n", false },
        { "", "2\r\nd\n\r\n1\r\n\n\r\n", true },
        { "", "3\r\nd\r\n\r\n", false },
        { "", "3\r\nd\r\n\r\n2\r\n\r\n\r\n", true },
        { "", "5\r\nd\r\n\r\n\r\n", true },
        { "d\r", "1\r\n\n\r\n", false },
        { "d\r\n\r", "1\r\n\n\r\n", true },
        { "d\n", "1\r\n\n\r\n", true },
        { "d\r", "2\r\n\n\n\r\n", true },
        { "d\n\n", "2\r\nd\n\r\n", false },
        { "d\n\n", "11\r\nd: 5678901234\nxx\n\r\n", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(streams); i++) {
        struct sse_judge j;

        sse_judge_init(&j);
        feed(&j, streams[i].before, strlen(streams[i].before));
        sse_judge_chunks(&j, span_of(streams[i].chunks));
        if (sse_between_events(&j) != streams[i].between)
            fail_msg("%s %s", streams[i].before, streams[i].chunks);
    }
}

static const struct find both = { "h_",    "x\"", "h_reason\":null", "x\":0", "h_reason\": null",
                                  "x\": 0" };

/* Pairs alone, within the dull bytes, and within almost dull ones. */
static void test_find_pairs(void **state)
{
    static const char *const words[] = { "h_",
                                         "x\"",
                                         "h_reason\":null",
                                         "h_reason\":nul",
                                         "h_reason\":\"",
                                         "h_reason\": null",
                                         "x\":0",
                                         "x\": 0",
                                         "x\": 1",
                                         "h",
                                         "_",
                                         "x",
                                         "\"",
                                         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" };
    char text[400];

    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        size_t n = 0, want = (size_t)rand() % 300, from;
        char *copy;

        while (n < want) {
            const char *word =
                words[(size_t)rand() % (round % 2 ? COUNT(words) : 400) % COUNT(words)];
            size_t length = (size_t)rand() % 20 ? strlen(word) : 1;

            memcpy(text + n, word, length);
            n += length;
        }
        from = n ? (size_t)rand() % n : 0;
        copy = guard_end(text, n);
        for (unsigned i = 1; find_has(i); i++) {
            size_t dull[2] = { 1000, 1000 };

            assert_int_equal(find_pairs_nth(i, (struct span){ copy, n }, from, &both, &dull[0]),
                             find_pairs_nth(0, (struct span){ copy, n }, from, &both, &dull[1]));
            assert_int_equal(dull[0], dull[1]);
        }
        guard_free(copy, n);
    }
}

static void test_find_pairs_plain(void **state)
{
    static const struct {
        const char *text;
        size_t from, hit, dull;
    } searches[] = {
        { "ah_bx\"", 0, 1, 99 },
        { "ah_bx\"", 2, 4, 99 },
        { "ah_reason\":nullx\"", 0, 15, 1 },
        { "ah_reason\":nul", 0, 1, 99 },
        { "ah_reason\":\"stop", 0, 1, 99 },
        { "h_reason\": nullh_", 0, 15, 0 },
        { "x\":0x\": 0x\":1", 0, 9, 99 },
        { "hx_\"", 0, 4, 99 },
        { "h_reason\":nullh_reason\":null", 0, 28, 14 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(searches); i++) {
        size_t dull = 99;

        assert_int_equal(
            find_pairs_nth(0, span_of(searches[i].text), searches[i].from, &both, &dull),
            searches[i].hit);
        assert_int_equal(dull, searches[i].dull);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_and_split),     cmocka_unit_test(test_in_small_parts),
        cmocka_unit_test(test_sizes_between_lines), cmocka_unit_test(test_any_stream),
        cmocka_unit_test(test_between_events),      cmocka_unit_test(test_between_events_in_chunks),
        cmocka_unit_test(test_find_pairs),          cmocka_unit_test(test_find_pairs_plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
