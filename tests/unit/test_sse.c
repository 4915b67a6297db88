/* The watcher of event streams: every verdict whole, byte by byte and at every split, and its search against the plain twin. */
#include "sse/find.h"
#include "sse/watch.h"
#include "tests/unit/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define CHUNK "\"object\":\"chat.completion.chunk\""

struct verdict {
    bool chat, finished, done;
};

struct stream_case {
    const char *name;
    const char *text;
    struct verdict want;
};

static const struct stream_case cases[] = {
    { "empty", "", { 0 } },
    { "chunk, unfinished", "data: {\"id\":\"x\"," CHUNK ",\"choices\":[{\"delta\":{},\"finish_reason\":null}]}\n\n", { .chat = true } },
    { "finished", "data: {" CHUNK ",\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n", { true, true, false } },
    { "finished, spaced", "data: {" CHUNK ",\"choices\":[{\"finish_reason\" : \t \"length\"}]}\n\n", { true, true, false } },
    { "empty reason", "data: {" CHUNK ",\"choices\":[{\"finish_reason\":\"\"}]}\n\n", { .chat = true } },
    { "done", "data: {" CHUNK "}\n\ndata: [DONE]\n\n", { true, true, true } },
    { "done without a space", "data: {" CHUNK "}\n\ndata:[DONE]\n\n", { true, true, true } },
    { "done after CR", "data: {" CHUNK "}\r\rdata: [DONE]\r\r", { true, true, true } },
    { "done after CRLF", "data: {" CHUNK "}\r\n\r\ndata: [DONE]\r\n\r\n", { true, true, true } },
    { "done without a line end", "data: {" CHUNK "}\n\ndata: [DONE]", { true, true, true } },
    { "only done", "data: [DONE]\n\n", { false, true, true } },
    { "done in a comment", "data: {" CHUNK "}\n\n: data: [DONE]\n\n", { .chat = true } },
    { "done in another field", "data: {" CHUNK "}\n\nxdata: [DONE]\n\n", { .chat = true } },
    { "done within a text", "data: {" CHUNK ",\"content\":\"data: [DONE]\"}\n\n", { .chat = true } },
    { "reason within a text", "data: {" CHUNK ",\"content\":\"\\\"finish_reason\\\":\\\"stop\\\"\"}\n\n", { .chat = true } },
    { "reason cut behind its quote", "data: {" CHUNK ",\"choices\":[{\"finish_reason\":\"\n\n", { .chat = true } },
    { "reason as a value", "data: {" CHUNK ",\"a\":\"finish_reason\",\"b\":\"stop\"}\n\n", { .chat = true } },
    { "choices and delta", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n", { .chat = true } },
    { "delta and choices", "data: {\"delta\":1,\"choices\":1}\n\n", { .chat = true } },
    { "choices and delta of two lines", "data: {\"choices\":[]}\n\ndata: {\"delta\":\"x\"}\n\n", { 0 } },
    { "delta alone", "event: content_block_delta\ndata: {\"type\":\"x\",\"delta\":{\"text\":\"a\"}}\n\n", { 0 } },
    { "kind within a text", "data: {\"a\":\"\\\"object\\\":\\\"chat.completion.chunk\\\"\"}\n\n", { 0 } },
    { "another stream", "event: ping\ndata: {\"object\":\"thread.run\"}\n\n", { 0 } },
    { "a name that begins with a quote", "data: {" CHUNK ",\"\\\"finish_reason\":\"stop\",\"x\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\n\n",
      { .chat = true } },
    { "two reasons", "data: {" CHUNK ",\"choices\":[{\"finish_reason\":null},{\"finish_reason\":\"stop\"}]}\n\n", { true, true, false } },
    { "long content between", "data: {" CHUNK ",\"choices\":[{\"delta\":{\"content\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"},\"finish_reason\":\"stop\"}]}\n\n", { true, true, false } },
};

static void check(const struct sse_watch *w, const struct stream_case *c, size_t split)
{
    if (w->chat != c->want.chat || w->finished != c->want.finished || w->done != c->want.done)
        fail_msg("%s, split at %zu: chat %d finished %d done %d", c->name, split, w->chat, w->finished, w->done);
    assert_int_equal(sse_cut_short(w), c->want.chat && !c->want.finished);
}

/* Each part lies flush against a page that cannot be read. */
static void feed(struct sse_watch *w, const char *p, size_t n)
{
    char *copy = guard_end(p, n);

    sse_watch(w, (struct span){ copy, n });
    guard_free(copy, n);
}

static void test_whole_and_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].text);

        for (size_t split = 0; split <= n; split++) {
            struct sse_watch w;

            sse_watch_init(&w);
            feed(&w, cases[i].text, split);
            feed(&w, cases[i].text + split, n - split);
            check(&w, &cases[i], split);
        }
    }
}

static void test_in_small_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].text);

        for (size_t part = 1; part < 60; part++) {
            struct sse_watch w;

            sse_watch_init(&w);
            for (size_t at = 0; at < n; at += part)
                feed(&w, cases[i].text + at, n - at < part ? n - at : part);
            check(&w, &cases[i], part);
        }
    }
}

/* Each line as a chunk, seen with the chunks' framing, as http_body_lines finds them. */
static void test_sizes_between_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char wire[2000];
        const char *line = cases[i].text, *end;
        struct sse_watch w;
        size_t n = 0;

        for (; (end = strchr(line, '\n')); line = end + 1)
            n += (size_t)snprintf(wire + n, sizeof wire - n, "%zx\r\n%.*s\r\n", (size_t)(end + 1 - line), (int)(end + 1 - line), line);
        sse_watch_init(&w);
        feed(&w, wire, n);
        assert_true(sse_at_line_start(&w));
        feed(&w, line, strlen(line));
        check(&w, &cases[i], n);
    }
}

/* Pairs alone, within what is dull, and within what almost is. */
static void test_find_pairs(void **state)
{
    static const struct find f = { "h_", "[D", "h_reason\":null" };
    static const char *const words[] = { "h_", "[D", "h_reason\":null", "h_reason\":nul", "h_reason\":\"", "h", "_", "[", "D", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" };
    char text[400];

    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        size_t n = 0, want = (size_t)rand() % 300, from;
        char *copy;

        while (n < want) {
            const char *word = words[rand() % (round % 2 ? 10 : 400) % 10];
            size_t length = (size_t)rand() % 20 ? strlen(word) : 1;

            memcpy(text + n, word, length);
            n += length;
        }
        from = n ? (size_t)rand() % n : 0;
        copy = guard_end(text, n);
        for (unsigned i = 1; find_nth(i); i++)
            assert_int_equal(find_nth(i)((struct span){ copy, n }, from, &f), find_pairs_plain((struct span){ copy, n }, from, &f));
        guard_free(copy, n);
    }
}

static void test_find_pairs_plain(void **state)
{
    static const struct find f = { "h_", "[D", "h_reason\":null" };

    (void)state;
    assert_int_equal(find_pairs_plain(SPAN("ah_b[D"), 0, &f), 1);
    assert_int_equal(find_pairs_plain(SPAN("ah_b[D"), 2, &f), 4);
    assert_int_equal(find_pairs_plain(SPAN("ah_reason\":null[D"), 0, &f), 15);
    assert_int_equal(find_pairs_plain(SPAN("ah_reason\":nul"), 0, &f), 1);
    assert_int_equal(find_pairs_plain(SPAN("ah_reason\":\"stop"), 0, &f), 1);
    assert_int_equal(find_pairs_plain(SPAN("h[_D"), 0, &f), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_and_split),
        cmocka_unit_test(test_in_small_parts),
        cmocka_unit_test(test_sizes_between_lines),
        cmocka_unit_test(test_find_pairs),
        cmocka_unit_test(test_find_pairs_plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
