/* Passes whole lines by a search for the few bytes that a line must have to matter, and has the
 * others read. */
#include "sse/judge.h"
#include "sse/find.h"
#include "sse/line.h"

#define NOWHERE SIZE_MAX
#define LEAST_LINE (sizeof "data:[DONE]" - 1) /* of the lines that end_matters looks for */
#define LEAST_END (sizeof SSE_GOES_ON - 1 + sizeof "\n" - 1 + LEAST_LINE)

void sse_judge_init(struct sse_judge *j)
{
    memset(j, 0, sizeof *j);
}

bool sse_at_line_start(const struct sse_judge *j)
{
    return !j->in_line;
}

bool sse_between_events(const struct sse_judge *j)
{
    return !j->inside;
}

bool sse_is_done(const struct sse_judge *j)
{
    return j->found.done;
}

bool sse_has_error(const struct sse_judge *j)
{
    return j->found.error;
}

bool sse_cut_short(const struct sse_judge *j)
{
    const struct sse_findings *f = &j->found;
    bool finished = f->finished && !(f->began & ~f->finished) && !f->beyond;

    return f->chat && !finished && !f->done && !f->error && !f->closing;
}

/* Where the line in s that holds the byte at `at` begins; from is the start of a line. */
static size_t line_start(struct span s, size_t from, size_t at)
{
    while (at > from && ((uint8_t)s.p[at - 1] > '\r' || !sse_is_line_end(s.p[at - 1])))
        at--;
    return at;
}

/* Where the line in s that holds the byte at `at` ends: after its CR or LF, or with s. */
static size_t line_end(struct span s, size_t at)
{
    while (at < s.n && !sse_is_line_end(s.p[at]))
        at++;
    return at < s.n ? at + 1 : at;
}

static size_t judge_line(struct sse_judge *j, struct span s, size_t at)
{
    return (size_t)(sse_line_take(&j->found, s.p + at, s.p + s.n) - s.p);
}

static bool names(struct span s, size_t at, struct span word)
{
    return s.n - at >= word.n && memcmp(s.p + at, word.p, word.n) == 0;
}

/* True if the pair at `at`, "[D", "rr" or a quote and u, may belong to [DONE], "error" or "usage".
 * */
static bool end_matters(struct span s, size_t at)
{
    return s.p[at] == '[' || names(s, at, SPAN("\"usage\"")) ||
        (at >= 1 && names(s, at - 1, SPAN("error")));
}

/* Has the lines of s from `at` on read that may be [DONE], an error or a closing chunk with usage.
 * Returns where it stopped: after a closing chunk the next lines have to be read, too. */
static size_t search_end(struct sse_judge *j, struct span s, size_t at)
{
    static const struct find done_or_error = { .ab = "[D", .cd = "rr" },
                             usage = { .ab = "\"u", .cd = "\"u" };
    size_t dull, first = find_pairs(s, at, &done_or_error, &dull),
                 second = find_pairs(s, at, &usage, &dull);

    while (first < s.n || second < s.n) {
        size_t hit = first < second ? first : second, next = hit + 1;

        if (end_matters(s, hit))
            next = judge_line(j, s, line_start(s, at, hit));
        if (j->found.closing)
            return next;
        if (first < next)
            first = find_pairs(s, next, &done_or_error, &dull);
        if (second < next)
            second = find_pairs(s, next, &usage, &dull);
    }
    return s.n;
}

/* What most lines have, and what they have where there is something to read. */
static const struct find most_lines = { "h_",    "x\"", SSE_GOES_ON, "x\":0", "h_reason\": null",
                                        "x\": 0" };

/* Passes the lines of s from `at` on, in which nothing is to be read but lines that may end the
 * stream. Of those only the ones after the last line that goes on count; going_on tells where it
 * does. Returns where it stopped, as search_end does. */
static size_t pass_to_end(struct sse_judge *j, struct span s, size_t at, size_t going_on)
{
    if (going_on != NOWHERE && going_on >= s.n) {
        going_on = NOWHERE;
        find_pairs(s, at, &most_lines, &going_on);
    }
    if (going_on != NOWHERE) {
        sse_note_going_on(&j->found);
        at = line_end(s, going_on + sizeof SSE_GOES_ON - 1);
    }
    return s.n - at < LEAST_LINE ? s.n : search_end(j, s, at);
}

/* Passes lines of s, whole ones from `at` on, but reads those in which a choice finishes or has
 * another index. hit is the first place to read, going_on the last one before it that goes on.
 * Returns where it stopped, as search_end does. */
static size_t pass_few_lines(struct sse_judge *j, struct span s, size_t at, size_t hit,
                             size_t going_on)
{
    while (hit < s.n) {
        size_t start = line_start(s, at, hit);

        at = pass_to_end(j, (struct span){ s.p, start }, at, going_on);
        if (!j->found.closing)
            at = judge_line(j, s, start);
        if (j->found.closing)
            return at;
        going_on = NOWHERE;
        hit = find_pairs(s, at, &most_lines, &going_on);
    }
    return pass_to_end(j, s, at, going_on);
}

/* The same for all lines from `at` on, most of which have a choice 0 that goes on. */
static inline size_t pass_lines(struct sse_judge *j, struct span s, size_t at)
{
    size_t going_on = NOWHERE, hit = find_pairs(s, at, &most_lines, &going_on);

    if (hit < s.n || going_on == NOWHERE || s.n - going_on >= LEAST_END)
        return pass_few_lines(j, s, at, hit, going_on);
    sse_note_going_on(&j->found);
    return s.n;
}

/* Follows the last lines of bytes, after which the stream stands in a line, in an event, or between
 * two. Two line ends have at most four bytes: all before those are as good as a line that has
 * begun. */
static void follow_last_lines(struct sse_judge *j, struct span bytes)
{
    const char *end = bytes.p + bytes.n, *p = bytes.n > 4 ? end - 4 : bytes.p;

    if (bytes.n > 4) {
        j->inside = j->in_line = true;
        j->cr = false;
    }
    for (; p < end; p++) {
        bool follows_cr = j->cr && *p == '\n';

        j->cr = *p == '\r';
        if (follows_cr)
            continue;
        j->inside = !sse_is_line_end(*p) || j->in_line;
        j->in_line = !sse_is_line_end(*p);
    }
}

static inline void follow_lines(struct sse_judge *j, struct span bytes)
{
    if (bytes.n > 4 && memcmp(bytes.p + bytes.n - 2, "\n\n", 2) == 0)
        j->inside = j->in_line = j->cr = false;
    else
        follow_last_lines(j, bytes);
}

/* Judges whole lines of s from `at` on. */
static void judge_lines(struct sse_judge *j, struct span s, size_t at)
{
    while (at < s.n)
        at = j->found.chat && !j->found.closing ? pass_lines(j, s, at) : judge_line(j, s, at);
}

void sse_judge(struct sse_judge *j, struct span bytes)
{
    size_t at, whole;

    if (bytes.n == 0)
        return;
    at = j->in_line ? judge_line(j, bytes, 0) : 0;
    whole = line_start(bytes, at, bytes.n);
    judge_lines(j, (struct span){ bytes.p, whole }, at);
    if (whole < bytes.n)
        judge_line(j, bytes, whole);
    follow_lines(j, bytes);
}

void sse_judge_chunks(struct sse_judge *j, struct span chunks)
{
    struct span last = { chunks.p, chunks.n - 2 }; /* without the last chunk's CRLF */

    judge_lines(j, chunks, 0);
    if (j->cr && last.n == sizeof "1\r\n\n" - 1)
        j->cr = false; /* the only chunk is the LF of a CRLF */
    else
        follow_lines(j, last);
}
