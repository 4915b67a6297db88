/* Looking for the few words that tell a finished chat completion from one that was cut.
 * It parses no JSON and does not need to: inside a JSON string a quote is always escaped, so a quoted name behind no backslash and before
 * a colon is a member's name. The interface is sse/watch.h. */
#include "sse/watch.h"
#include "sse/find.h"

void sse_watch_init(struct sse_watch *w)
{
    memset(w, 0, sizeof *w);
}

bool sse_at_line_start(const struct sse_watch *w)
{
    return w->tail_n == 0 && !w->line_cut;
}

bool sse_cut_short(const struct sse_watch *w)
{
    return w->chat && !w->finished;
}

static inline bool has(struct span v, size_t at, struct span word)
{
    return v.n - at >= word.n && memcmp(v.p + at, word.p, word.n) == 0;
}

static size_t skip_blanks(struct span v, size_t at)
{
    while (at < v.n && (v.p[at] == ' ' || v.p[at] == '\t'))
        at++;
    return at;
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

/* The offset of the value of a member whose quoted name stands at `at`; 0 if that is not what stands there, or if v ends before. No line begins with a
 * name, so one at the start of v is behind something that is not known here. */
static inline size_t value_of(struct span v, size_t at, struct span quoted)
{
    if (!has(v, at, quoted) || at == 0 || v.p[at - 1] == '\\' || is_line_end(v.p[at - 1]))
        return 0;
    at = skip_blanks(v, at + quoted.n);
    if (at >= v.n || v.p[at] != ':')
        return 0;
    at = skip_blanks(v, at + 1);
    return at < v.n ? at : 0;
}

/* A finish_reason of "" is how some servers write null; one that is cut behind its first quote says nothing. */
static void look_for_reason(struct sse_watch *w, struct span v, size_t at)
{
    size_t value = value_of(v, at, SPAN("\"finish_reason\""));

    if (value > 0 && v.p[value] == '"' && value + 1 < v.n && v.p[value + 1] != '"' && !is_line_end(v.p[value + 1]))
        w->finished = true;
}

/* "[DONE]" at `at`, as the beginning of a data field's value. at_start: v begins where a line does. */
static void look_for_done(struct sse_watch *w, struct span v, size_t at, bool at_start)
{
    if (!has(v, at, SPAN("[DONE]")))
        return;
    if (at > 0 && v.p[at - 1] == ' ')
        at--;
    if (at < 5 || !has(v, at - 5, SPAN("data:")))
        return;
    at -= 5;
    if (at == 0 ? at_start : is_line_end(v.p[at - 1]))
        w->finished = w->done = true;
}

/* A chunk names its kind, or has choices with a delta: servers that are compatible only roughly leave the kind out. */
static void look_for_chunk(struct sse_watch *w, struct span v, size_t at)
{
    size_t kind = value_of(v, at, SPAN("\"object\""));

    if (kind > 0 && has(v, kind, SPAN("\"chat.completion.chunk\"")))
        w->chat = true;
    else if (value_of(v, at, SPAN("\"choices\"")) > 0)
        w->choices = true;
    else if (value_of(v, at, SPAN("\"delta\"")) > 0)
        w->delta = true;
    w->chat = w->chat || (w->choices && w->delta);
}

/* A byte at a time, until it is known what kind of stream this is. Returns where it stopped. */
static size_t scan_kind(struct sse_watch *w, struct span v, bool at_start)
{
    size_t i;

    for (i = 0; i < v.n && !w->chat; i++) {
        if (v.p[i] == '"') {
            look_for_chunk(w, v, i);
            look_for_reason(w, v, i);
        } else if (v.p[i] == '[') {
            look_for_done(w, v, i, at_start);
        } else if (is_line_end(v.p[i])) {
            w->choices = w->delta = false;
        }
    }
    return i;
}

/* "finish_reason" is found by its "h_", which hardly anything else has, and passed over where it is null. */
static void scan(struct sse_watch *w, struct span v, bool at_start)
{
    static const struct find unfinished = { "h_", "[D", "h_reason\":null" }, finished = { "[D", "[D", "" };
    static const size_t before_pair = sizeof "\"finis" - 1;
    const struct find *f = w->finished ? &finished : &unfinished;
    size_t i = scan_kind(w, v, at_start);

    i = i > SSE_TAIL_MAX ? i - SSE_TAIL_MAX : 0;
    for (i = find_pairs(v, i, f); i < v.n; i = find_pairs(v, i + 1, f)) {
        if (v.p[i] == '[')
            look_for_done(w, v, i, at_start);
        else if (i >= before_pair)
            look_for_reason(w, v, i - before_pair);
    }
}

/* Keeps the end of v, as far as it is one unfinished line. */
static void keep_tail(struct sse_watch *w, struct span v, bool at_start)
{
    size_t n = 0;

    w->tail_n = 0;
    w->line_cut = false;
    if (is_line_end(v.p[v.n - 1]))
        return;
    while (n < v.n && n < SSE_TAIL_MAX && !is_line_end(v.p[v.n - 1 - n]))
        n++;
    w->line_cut = n == v.n ? !at_start : !is_line_end(v.p[v.n - 1 - n]);
    memmove(w->tail, v.p + v.n - n, n);
    w->tail_n = (uint8_t)n;
}

/* The length of the line that v begins with, at most max. */
static size_t line_length(struct span v, size_t max)
{
    size_t n = 0;

    while (n < v.n && n < max && !is_line_end(v.p[n]))
        n++;
    return n;
}

/* A word that began in the tail is looked for in the tail and what follows on the same line; everything else lies in bytes alone. */
static void watch_joined(struct sse_watch *w, struct span bytes)
{
    char joined[2 * SSE_TAIL_MAX];
    size_t more = line_length(bytes, SSE_TAIL_MAX);
    struct span both = { joined, w->tail_n + more };
    bool at_start = !w->line_cut;

    memcpy(joined, w->tail, w->tail_n);
    memcpy(joined + w->tail_n, bytes.p, more);
    scan(w, both, at_start);
    if (bytes.n > more) {
        scan(w, bytes, false);
        keep_tail(w, bytes, false);
    } else {
        keep_tail(w, both, at_start);
    }
}

void sse_watch(struct sse_watch *w, struct span bytes)
{
    if (bytes.n == 0)
        return;
    if (!sse_at_line_start(w)) {
        watch_joined(w, bytes);
        return;
    }
    scan(w, bytes, true);
    keep_tail(w, bytes, true);
}
