/* The tokens of a response: of a JSON body, and of event streams at every split; and which of their
 * events are those of usage. */
#include "proxy/tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define USAGE(in, out) "{\"usage\":{\"prompt_tokens\":" #in ",\"completion_tokens\":" #out "}}"

static const struct {
    const char *body;
    bool stream;
    uint64_t input, output;
} cases[] = {
    { USAGE(3, 4), false, 3, 4 },
    { "data: " USAGE(3, 4) "\n\n", false, 0, 0 },
    { "data: " USAGE(3, 4) "\n\n", true, 3, 4 },
    { "data:" USAGE(3, 4) "\r\n\r\n", true, 3, 4 },
    { "data: " USAGE(3, 4) "\r\r", true, 3, 4 },
    { "data: " USAGE(3, 4) "\n", true, 3, 4 },
    { USAGE(3, 4) "\n\n", true, 0, 0 },
    { ": " USAGE(3, 4) "\n\nevent: data: " USAGE(5, 6) "\n\ndat: " USAGE(7, 8) "\n\n", true, 0, 0 },
    { "event: message\r\ndata: " USAGE(1, 2) "\r\nid: 7\r\n\r\n", true, 1, 2 },
    { "data: {\"choices\":[{}],\"usage\":null}\n\ndata: " USAGE(9, 8) "\n\ndata: [DONE]\n\n", true,
      9, 8 },
    { "data: " USAGE(1, 1) "\n\ndata: " USAGE(1, 2) "\n\ndata: {\"choices\":[]}\n\n", true, 1, 2 },
    { "data: {\"a\":\"cut\n\ndata: " USAGE(3, 4) "\n\n", true, 3, 4 },
    { "data: {\"usage\":\ndata: {\"prompt_tokens\":3,\r\ndata:\"completion_tokens\":4}}\n\n", true,
      3, 4 },
    { "", true, 0, 0 },
};

static void check(struct tokens *t, size_t i, size_t at)
{
    tokens_end(t);
    if (t->input != cases[i].input || t->output != cases[i].output)
        fail_msg("case %zu split at %zu: %llu and %llu", i, at, (unsigned long long)t->input,
                 (unsigned long long)t->output);
}

static void tokens_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span body = span_of(cases[i].body);

        for (size_t at = 0; at <= body.n; at++) {
            struct tokens t;

            tokens_init(&t, TOKENS_COUNT | (cases[i].stream ? TOKENS_STREAM : 0));
            tokens_read(&t, (struct span){ body.p, at });
            tokens_read(&t, span_skip(body, at));
            check(&t, i, at);
        }
    }
}

static void tokens_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span body = span_of(cases[i].body);
        struct tokens t;

        tokens_init(&t, TOKENS_COUNT | (cases[i].stream ? TOKENS_STREAM : 0));
        for (size_t k = 0; k < body.n; k++)
            tokens_read(&t, (struct span){ body.p + k, 1 });
        check(&t, i, body.n);
    }
}

#define CHUNK "data: {\"choices\":[{\"index\":0}],\"usage\":null}"
#define ONLY "data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":3}}"

/* What a client that did not ask sees of a stream: in, without what is between < and >. */
static const char *const sifted[] = {
    "",
    CHUNK "\n\n<" ONLY "\n\n>data: [DONE]\n\n",
    CHUNK "\r\n\r\n<" ONLY "\r\n\r\n>data: [DONE]\r\n\r\n",
    CHUNK "\r\r<" ONLY "\r\r>data: [DONE]\r\r",
    CHUNK "\r\n\n<" ONLY "\n\r\n>\n\n<" ONLY "\r\r\n>\n",
    "<" ONLY "\n\n" ONLY "\n\n>",
    ": a\n\n: b\n<" ONLY "\n\n>: c\n\n",
    ":" ONLY "\n\n",
    "<id: 1\n" ONLY "\n: with it\n\n>id: 2\n" CHUNK "\n\n",
    "\n\n<event: x\r\n" ONLY "\r\n\r\n>event: y\r\n\r\n",
    "<data:{\"choices\" :\ndata: [\ndata:],\ndata: \"usage\":{ } }\n\n>",
    "<data: {\"usage\":{},\"x\":[{\"choices\":[1],\"error\":{}}],\"choices\":[ ]}\n\n>",
    "<data: {\"choices\":[],\"usage\":{},\"error\":null}\n\n>",
    /* of no end: the stream's ends it */
    CHUNK "\n\n<" ONLY ">",
    CHUNK "\n\n<" ONLY "\n>",
    "<" ONLY "\r>",
    ": c\n<" ONLY ">",
    /* others */
    "data: {\"choices\":[],\"usage\":{}\n\n",
    "data: {\"choices\":[],\"usage\":{",
    "data: {\"choices\":[],\"usage\":null}\n\n",
    "data: {\"choices\":[],\"usage\":[]}\n\n",
    "data: {\"choices\":[{}],\"usage\":{}}\n\n",
    "data: {\"choices\":[1],\"usage\":{}}\n\n",
    "data: {\"choices\":[\"]\"],\"usage\":{}}\n\n",
    "data: {\"choices\":[[]],\"usage\":{}}\n\n",
    "data: {\"choices\":{},\"usage\":{}}\n\n",
    "data: {\"choices\":\"[]\",\"usage\":{}}\n\n",
    "data: {\"usage\":{},\"choices\":null}\n\n",
    "data: {\"usage\":{}}\n\n",
    "data: {\"choices\":[],\"usage\":{},\"error\":{\"message\":\"m\"}}\n\n",
    "data: {\"error\":\"m\",\"choices\":[],\"usage\":{}}\n\n",
    "data: {\"choices\":[{}],\"choices\":[],\"usage\":{}}\n\n",
    "data: [{\"choices\":[],\"usage\":{}}]\n\n",
    "data: {\"x\":{\"choices\":[],\"usage\":{}}}\n\n",
    "data : {\"choices\":[],\"usage\":{}}\n\n",
    "dat: " ONLY "\n\n",
    "data: [DONE]\n" ONLY "\n\n",
    ONLY "\ndata: [DONE]\n\n",
    ONLY "\ndata: " ONLY "\n\n",
    ONLY " x\n\n<" ONLY " \t\ndata:\n\n>",
    "retry: 7\n\n",
    "data",
};

/* A stream as a client sees it. */
struct seen {
    char text[40000], held[40000];
    size_t n, n_held;
};

static void see(struct tokens *t, struct seen *s, struct span data)
{
    while (data.n > 0) {
        enum tokens_fate fate;
        size_t n = tokens_sift(t, data, &fate);

        assert_in_range(n, 1, data.n);
        memcpy(s->held + s->n_held, data.p, n);
        s->n_held += n;
        data = span_skip(data, n);
        if (fate == TOKENS_HOLD) {
            assert_true(s->n_held <= TOKENS_EVENT_MAX);
            continue;
        }
        if (fate == TOKENS_PASS) {
            memcpy(s->text + s->n, s->held, s->n_held);
            s->n += s->n_held;
        }
        s->n_held = 0;
    }
}

static void see_end(struct tokens *t, struct seen *s)
{
    if (!tokens_end_hidden(t)) {
        memcpy(s->text + s->n, s->held, s->n_held);
        s->n += s->n_held;
    }
    s->n_held = 0;
}

/* Splits body at two places, and in steps of that many bytes from there on. */
static void sift_split(struct span body, struct span want, unsigned flags, const size_t split[3])
{
    static struct seen s;
    struct tokens t;
    size_t at = split[0] + split[1];

    s.n = s.n_held = 0;
    tokens_init(&t, TOKENS_STREAM | TOKENS_SIFT | flags);
    see(&t, &s, (struct span){ body.p, split[0] });
    see(&t, &s, (struct span){ body.p + split[0], split[1] });
    for (size_t n; at < body.n; at += n) {
        n = body.n - at < split[2] ? body.n - at : split[2];
        see(&t, &s, (struct span){ body.p + at, n });
    }
    see_end(&t, &s);
    if (!span_eq((struct span){ s.text, s.n }, want))
        fail_msg("split at %zu, %zu and by %zu: %.*s", split[0], at, split[2], (int)s.n, s.text);
}

static void sift_splits(struct span body, struct span want)
{
    for (unsigned flags = 0; flags <= TOKENS_COUNT; flags += TOKENS_COUNT)
        for (size_t a = 0; a <= body.n; a++) {
            sift_split(body, want, flags, (size_t[]){ a, 0, body.n });
            sift_split(body, want, flags, (size_t[]){ a, (body.n - a) / 2, body.n });
            sift_split(body, want, flags, (size_t[]){ a, 0, 1 });
            sift_split(body, want, flags, (size_t[]){ a, 0, 7 });
        }
}

static void events_of_usage_are_told_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sifted); i++) {
        char body[1000], want[1000];
        size_t n = 0, n_want = 0;
        bool hidden = false;

        for (const char *p = sifted[i]; *p; p++) {
            if (*p == '<' || *p == '>') {
                hidden = *p == '<';
                continue;
            }
            body[n++] = *p;
            if (!hidden)
                want[n_want++] = *p;
        }
        sift_splits((struct span){ body, n }, (struct span){ want, n_want });
    }
}

/* What is longer than may be held passes, be it held or not. */
static void what_is_held_is_bounded(void **state)
{
    static char body[3 * TOKENS_EVENT_MAX];
    static const char begin[] = "data: {\"choices\":[],\"x\":\"", end[] = "\",\"usage\":{}}\n\n";
    const size_t frame = sizeof begin - 1 + sizeof end - 1 - 1;

    (void)state;
    for (size_t n = TOKENS_EVENT_MAX - frame - 2; n < TOKENS_EVENT_MAX - frame + 3; n++) {
        int length = snprintf(body, sizeof body, "%s%0*d%s", begin, (int)n, 0, end);
        struct span all = { body, (size_t)length };
        bool hidden = n + frame <= TOKENS_EVENT_MAX;

        for (size_t step = 1; step <= all.n; step = step * 3 + 1)
            sift_split(all, hidden ? SPAN("") : all, 0, (size_t[]){ 0, 0, step });
        sift_split(all, hidden ? SPAN("") : all, 0, (size_t[]){ all.n, 0, 1 });
    }
}

/* Comments and events of choices are not held: only what may become one of usage. */
static void nothing_waits_in_vain(void **state)
{
    static const struct {
        const char *text;
        enum tokens_fate fate;
    } waits[] = {
        { ": ping\n", TOKENS_PASS },
        { ": pi", TOKENS_PASS },
        { CHUNK "\n\n", TOKENS_PASS },
        { CHUNK "\n", TOKENS_PASS },
        { "data: {\"choices\":[{", TOKENS_PASS },
        { "data: [", TOKENS_PASS },
        { "data: {\"error\":{", TOKENS_PASS },
        { "d", TOKENS_HOLD },
        { "id: 1\n", TOKENS_HOLD },
        { "data: {\"id\":\"x", TOKENS_HOLD },
        { "data: {\"choices\":[", TOKENS_HOLD },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(waits); i++) {
        struct span text = span_of(waits[i].text);
        enum tokens_fate fate;
        struct tokens t;

        tokens_init(&t, TOKENS_STREAM | TOKENS_SIFT);
        if (tokens_sift(&t, text, &fate) != text.n || fate != waits[i].fate)
            fail_msg("%s: %d", waits[i].text, fate);
    }
}

static void only_what_is_wanted_is_counted(void **state)
{
    struct span body = SPAN(CHUNK "\n\n" ONLY "\n\n");

    (void)state;
    for (unsigned flags = 0; flags <= TOKENS_COUNT; flags += TOKENS_COUNT) {
        static struct seen s;
        struct tokens t;

        s.n = s.n_held = 0;
        tokens_init(&t, TOKENS_STREAM | TOKENS_SIFT | flags);
        see(&t, &s, body);
        tokens_end(&t);
        assert_int_equal(t.input, flags ? 3 : 0);
        assert_int_equal(t.output, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_usage_are_told_at_every_split),
        cmocka_unit_test(what_is_held_is_bounded),
        cmocka_unit_test(nothing_waits_in_vain),
        cmocka_unit_test(only_what_is_wanted_is_counted),
        cmocka_unit_test(tokens_at_every_split),
        cmocka_unit_test(tokens_byte_by_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
