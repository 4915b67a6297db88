/* Event streams under fuzzing: the judge says the same however the bytes come, single bytes
 * included, of which each is read and none is searched; and it knows where an event begins. What is
 * hidden of a stream is the same, too: whole events of usage, and nothing else. Bytes
 * below 0x10 that end no line stand for whole parts of a stream. The first byte says how the bytes
 * are cut. */
#include "proxy/tokens.h"
#include "sse/judge.h"

#include <stdlib.h>

#define CHECK(c) ((c) ? (void)0 : abort())
#define CAP 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const parts[16] = {
    "data: "
    "{\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_"
    "reason\":"
    "null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\": [{\"index\": 0, \"finish_reason\": null}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"total_tokens\":1}}\n\n",
    "data: {\"error\":{\"message\":\"m\"}}\n\n",
    "data: [DONE]\n\n",
    "event: error\n",
    "\"finish_reason\":",
    "\"index\":",
    "\n",
    "\"choices\":[{",
    "h_reason\":null",
    "\r",
    "data: {",
    ": x\n\n",
};

static char text[CAP];
static size_t text_n;

static void expand(const uint8_t *data, size_t n)
{
    text_n = 0;
    for (size_t i = 0; i < n; i++) {
        const char *part = parts[data[i] & 15];
        char byte[2] = { (char)data[i], '\0' };
        size_t length = data[i] < 16 ? strlen(part) : 1;

        if (text_n + length > CAP)
            return;
        memcpy(text + text_n, data[i] < 16 ? part : byte, length);
        text_n += length;
    }
}

/* Judges a block of its own, so that nothing beyond it can be read unnoticed. */
static void feed(struct sse_judge *j, const char *p, size_t n)
{
    char byte = n == 1 ? *p : 0, *copy;

    if (n == 1) {
        sse_judge(j, (struct span){ &byte, 1 });
        return;
    }
    copy = malloc(n ? n : 1);
    memcpy(copy, p, n);
    sse_judge(j, (struct span){ copy, n });
    free(copy);
}

static void cut(struct sse_judge *j, size_t step, size_t from)
{
    sse_judge_init(j);
    feed(j, text, from);
    for (size_t n; from < text_n; from += n) {
        n = text_n - from < step ? text_n - from : step;
        feed(j, text + from, n);
        step = step == 1 ? 1 : step * 7 % 613 + 1;
    }
}

static void check_same(const struct sse_judge *a, const struct sse_judge *b)
{
    CHECK(memcmp(a, b, sizeof *a) == 0);
}

/* Whether an event may begin after the first n bytes, by the lines before. */
static bool between(size_t n)
{
    bool blank = true, cr = false, empty = true;

    for (size_t i = 0; i < n; i++) {
        bool lf = text[i] == '\n', end = lf || text[i] == '\r';

        if (!(lf && cr)) {
            blank = end && empty;
            empty = end;
        }
        cr = text[i] == '\r';
    }
    return blank;
}

/* What a client sees of the text, and how much of what is held has not met its fate. */
static struct seen {
    char text[CAP];
    size_t n, held;
} seen[3];

/* Cuts the text as cut does. */
static void sift(struct seen *s, unsigned flags, size_t step, size_t from)
{
    struct tokens t;
    size_t at = 0, end = from ? from : text_n < step ? text_n : step;

    s->n = s->held = 0;
    tokens_init(&t, TOKENS_STREAM | TOKENS_SIFT | flags);
    while (at < text_n) {
        enum tokens_fate fate;
        size_t n = tokens_sift(&t, (struct span){ text + at, end - at }, &fate);

        CHECK(n > 0 && n <= end - at);
        at += n;
        s->held += n;
        if (fate == TOKENS_PASS) {
            memmove(s->text + s->n, text + at - s->held, s->held);
            s->n += s->held;
        }
        if (fate == TOKENS_HIDE) /* an event of usage ends with a blank line */
            CHECK(sse_is_line_end(text[at - 1]) &&
                  (s->held == 1 ||
                   (memmem(text + at - s->held, s->held, "usage", 5) &&
                    memmem(text + at - s->held, s->held, "choices", 7))));
        if (fate != TOKENS_HOLD)
            s->held = 0;
        CHECK(s->held <= TOKENS_EVENT_MAX);
        if (at == end)
            end = text_n - at < step ? text_n : at + step;
    }
    if (!tokens_end_hidden(&t)) {
        memmove(s->text + s->n, text + text_n - s->held, s->held);
        s->n += s->held;
    }
}

static void check_seen(const struct seen *a, const struct seen *b)
{
    CHECK(a->n == b->n && memcmp(a->text, b->text, a->n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sse_judge whole, single, split;

    if (n < 1 || n > 4096)
        return 0;
    expand(data + 1, n - 1);
    cut(&single, 1, 0);
    cut(&whole, CAP, 0);
    check_same(&whole, &single);
    cut(&split, data[0] + 2u, text_n ? data[0] * 31u % text_n : 0);
    check_same(&split, &single);
    sift(&seen[0], 0, CAP, 0);
    sift(&seen[1], TOKENS_COUNT, 1, 0);
    sift(&seen[2], data[0] & 1, data[0] + 2u, text_n ? data[0] * 31u % text_n : 0);
    check_seen(&seen[0], &seen[1]);
    check_seen(&seen[0], &seen[2]);
    CHECK(sse_between_events(&whole) == between(text_n));
    CHECK(sse_at_line_start(&whole) ==
          (text_n == 0 || text[text_n - 1] == '\n' || text[text_n - 1] == '\r'));
    CHECK(!sse_cut_short(&whole) ||
          (whole.found.chat && !whole.found.done && !whole.found.error && !whole.found.closing));
    return 0;
}
