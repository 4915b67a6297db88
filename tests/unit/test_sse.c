/* The watcher of event streams: every verdict whole, byte by byte and at every split, and its search against the plain twin. */
#include "sse/find.h"
#include "sse/watch.h"
#include "tests/unit/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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
    { "reason as a value", "data: {" CHUNK ",\"a\":\"finish_reason\",\"b\":\"stop\"}\n\n", { .chat = true } },
    { "choices and delta", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n", { .chat = true } },
    { "choices and delta of two lines", "data: {\"choices\":[]}\n\ndata: {\"delta\":\"x\"}\n\n", { 0 } },
    { "delta alone", "event: content_block_delta\ndata: {\"type\":\"x\",\"delta\":{\"text\":\"a\"}}\n\n", { 0 } },
    { "kind within a text", "data: {\"a\":\"\\\"object\\\":\\\"chat.completion.chunk\\\"\"}\n\n", { 0 } },
    { "another stream", "event: ping\ndata: {\"object\":\"thread.run\"}\n\n", { 0 } },
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

static void test_find_pairs(void **state)
{
    char text[200];

    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)rand() % sizeof text;
        size_t from = n ? (size_t)rand() % n : 0;
        char *copy;

        for (size_t i = 0; i < n; i++)
            text[i] = "xh_[Dy"[rand() % (round % 2 ? 6 : 200) % 6];
        copy = guard_end(text, n);
        for (unsigned i = 1; find_nth(i); i++)
            assert_int_equal(find_nth(i)((struct span){ copy, n }, from, "h_", "[D"), find_pairs_plain((struct span){ copy, n }, from, "h_", "[D"));
        guard_free(copy, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_and_split),
        cmocka_unit_test(test_in_small_parts),
        cmocka_unit_test(test_find_pairs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
