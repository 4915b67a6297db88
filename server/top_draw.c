/* The drawing, from its first line to its last. */
#include "server/top_draw.h"
#include "server/top_words.h"

#include <stdio.h>
#include <time.h>

#define RATE_MS 10000
#define MINUTE_MS 60000
#define LABEL 15 /* columns of what a line shows, of its number, and of what stands behind it */
#define NUMBER 11
#define NOTE 24

static void put_dot(struct pen *p)
{
    pen_put(p, SPAN(" · "));
}

static void draw_head(struct pen *p, const struct picture *now, bool lost)
{
    const struct look *look = p->look;
    enum word state = lost ? W_LOST : now->draining ? W_DRAINING : W_LIVE;
    char text[TEXT_MAX], of[TEXT_MAX], clock[16] = "";
    time_t t = time(NULL);
    struct tm tm;
    unsigned width, at;

    if (!look->screen && localtime_r(&t, &tm))
        strftime(clock, sizeof clock, "%H:%M:%S ", &tm);
    width = pen_width(span_of(word(look, state))) + (unsigned)strlen(clock);
    at = pen_columns(look) > width + 2 ? pen_columns(look) - width : 0;
    p->limit = at > 2 ? at - 2 : p->limit;
    pen_style(p, STYLE_BOLD);
    pen_put(p, SPAN("openai-chat-proxy"));
    pen_style(p, STYLE_SOFT);
    pen_put(p, SPAN(" "));
    pen_put(p, span_of(now->version));
    put_dot(p);
    pen_put(p, span_of(say(text, look, W_UP, say_time(of, now->uptime_ms))));
    put_dot(p);
    pen_put(p, span_of(say(text, look, W_WORKERS, say_number(of, now->workers))));
    put_dot(p);
    pen_put(p, span_of(say(text, look, W_CLIENTS, say_number(of, now->clients))));
    p->limit = pen_columns(look);
    pen_to(p, at);
    pen_put(p, span_of(clock));
    pen_style(p, lost ? STYLE_BAD : now->draining ? STYLE_WARN : STYLE_GOOD);
    pen_put(p, span_of(word(look, state)));
    pen_end(p);
}

/* The last minutes of a line, a column for each picture. */
static void draw_line(struct pen *p, const struct history *h, enum history_line line,
                      unsigned columns)
{
    static const char *const bars[2][8] = {
        { "_", ".", "-", "=", "+", "*", "#", "@" },
        { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" },
    };
    uint64_t top = 1;

    for (unsigned i = 0; i < columns; i++) {
        uint64_t v = history_point(h, line, i);

        if (v != HISTORY_UNKNOWN && v > top)
            top = v;
    }
    for (unsigned i = columns; i > 0; i--) {
        uint64_t v = history_point(h, line, i - 1);

        pen_put(p, v == HISTORY_UNKNOWN ? SPAN(" ") : span_of(bars[p->look->utf8][v * 7 / top]));
    }
}

static void draw_number(struct pen *p, const struct history *h, enum word name,
                        const char *const texts[2], enum history_line line)
{
    unsigned columns = pen_columns(p->look), fixed = LABEL + NUMBER + NOTE + 2;

    pen_style(p, STYLE_SOFT);
    pen_cell(p, word(p->look, name), LABEL);
    pen_style(p, STYLE_BOLD);
    pen_right(p, texts[0], NUMBER);
    pen_to(p, LABEL + NUMBER + 1);
    if (p->look->screen && columns > fixed + 8) {
        pen_style(p, STYLE_LINE);
        draw_line(p, h, line, columns - fixed < HISTORY_POINTS ? columns - fixed : HISTORY_POINTS);
        pen_put(p, SPAN("  "));
    }
    pen_style(p, STYLE_SOFT);
    pen_put(p, span_of(texts[1]));
    pen_end(p);
}

static void draw_numbers(struct pen *p, const struct history *h)
{
    const struct picture *now = history_last(h);
    const struct look *look = p->look;
    char number[TEXT_MAX], note[TEXT_MAX], of[TEXT_MAX];
    const char *const texts[2] = { number, note };

    say_tenths(number, history_requests(h, -1, RATE_MS));
    say(note, look, W_MINUTE, say_number(of, history_ended(h, MINUTE_MS)));
    draw_number(p, h, W_REQUESTS, texts, LINE_REQUESTS);
    say_number(number, now->streams);
    say(note, look, W_FLIGHT, say_number(of, now->in_flight));
    draw_number(p, h, W_STREAMS, texts, LINE_STREAMS);
    say_time(number, history_first(h, -1, 50, MINUTE_MS));
    snprintf(note, sizeof note, "p50 · p95 %.60s",
             say_time(of, history_first(h, -1, 95, MINUTE_MS)));
    draw_number(p, h, W_FIRST, texts, LINE_FIRST);
    say_tenths(number, history_tokens(h, 1, RATE_MS));
    say(note, look, W_IN, say_tenths(of, history_tokens(h, 0, RATE_MS)));
    draw_number(p, h, W_TOKENS, texts, LINE_TOKENS);
    pen_end(p);
}

static void draw_classes(struct pen *p, const struct picture *now)
{
    static const enum style styles[] = { STYLE_SOFT, STYLE_PLAIN, STYLE_GOOD,
                                         STYLE_LINE, STYLE_WARN,  STYLE_BAD };
    bool any = false;
    char n[TEXT_MAX], text[TEXT_MAX + 8];

    for (unsigned i = 0; i < PICTURE_CLASSES; i++) {
        char class[] = { (char)('0' + i), 'x', 'x', 0 };

        if (now->requests[i] == 0)
            continue;
        any = true;
        pen_style(p, styles[i]);
        pen_put(p, span_of(i ? class : word(p->look, W_NO_ANSWER)));
        pen_style(p, STYLE_PLAIN);
        snprintf(text, sizeof text, " %s   ", say_number(n, now->requests[i]));
        pen_put(p, span_of(text));
    }
    if (!any)
        pen_put(p, span_of(word(p->look, W_EMPTY)));
    pen_end(p);
    pen_end(p);
}

/* The columns of the table of upstreams. keys: 0 where there is no room for them. */
struct table {
    unsigned name, state, keys, requests, time;
};

static struct table table_for(const struct look *look)
{
    unsigned columns = pen_columns(look);
    struct table t = {
        .name = columns < 76 ? 13 : 15, .state = columns < 76 ? 22 : 25, .requests = 11, .time = 9
    };

    if (columns >= 76)
        t.keys = columns - t.name - t.state - t.requests - 2 * t.time;
    if (t.keys > 40)
        t.keys = 40;
    return t;
}

static void draw_keys(struct pen *p, const struct picture_upstream *u, unsigned columns)
{
    unsigned end = p->column + columns, limit = p->limit;
    char text[2 * TEXT_MAX], rest[TEXT_MAX];

    if (end - 1 < p->limit)
        p->limit = end - 1;
    for (uint64_t k = 0; k < u->keys && p->column + 2 < p->limit; k++) {
        uint64_t ms = 0;

        for (unsigned i = 0; i < PICTURE_KEYS; i++)
            if (u->keys_resting[2 * i] == k && u->keys_resting[2 * i + 1] > 0)
                ms = u->keys_resting[2 * i + 1];
        snprintf(text, sizeof text, "%llu%s%s ", (unsigned long long)k, ms ? ":" : "",
                 ms ? say_time(rest, ms) : "");
        pen_style(p, ms ? STYLE_WARN : STYLE_SOFT);
        pen_put(p, span_of(text));
    }
    p->limit = limit;
    pen_style(p, STYLE_PLAIN);
    pen_to(p, end);
}

static void draw_upstream(struct pen *p, const struct history *h, unsigned i, struct table t)
{
    const struct picture_upstream *u = &history_last(h)->upstreams[i];
    bool fails = strcmp(u->state, "failing") == 0, rests = strcmp(u->state, "resting") == 0;
    char text[TEXT_MAX], of[TEXT_MAX], state[2 * TEXT_MAX];

    snprintf(state, sizeof state, "%s%s",
             word(p->look,
                  fails       ? W_FAILING
                      : rests ? W_RESTING
                              : W_OK),
             u->rests_ms ? say(text, p->look, W_AGAIN, say_time(of, u->rests_ms)) : "");
    pen_style(p, fails ? STYLE_BAD : rests ? STYLE_WARN : STYLE_GOOD);
    pen_put(p, SPAN("● "));
    pen_style(p, STYLE_PLAIN);
    pen_cell(p, u->name, t.name - 2);
    pen_style(p, fails ? STYLE_BAD : rests ? STYLE_WARN : STYLE_SOFT);
    pen_cell(p, state, t.state);
    pen_style(p, STYLE_PLAIN);
    if (t.keys)
        draw_keys(p, u, t.keys);
    pen_right(p, say_tenths(text, history_requests(h, (int)i, RATE_MS)), t.requests);
    pen_right(p, say_time(text, history_first(h, (int)i, 50, MINUTE_MS)), t.time);
    pen_right(p, say_time(text, history_first(h, (int)i, 95, MINUTE_MS)), t.time);
    pen_end(p);
}

/* shown: how many have room. */
static void draw_upstreams(struct pen *p, const struct history *h, unsigned shown)
{
    const struct picture *now = history_last(h);
    struct table t = table_for(p->look);
    uint64_t hidden = now->n_upstreams + now->upstreams_more - shown;
    char text[TEXT_MAX], of[TEXT_MAX];

    pen_style(p, STYLE_SOFT);
    pen_cell(p, word(p->look, W_UPSTREAM), t.name);
    pen_cell(p, word(p->look, W_STATE), t.state);
    if (t.keys)
        pen_cell(p, word(p->look, W_KEYS), t.keys);
    pen_right(p, word(p->look, W_REQUESTS), t.requests);
    pen_right(p, "p50", t.time);
    pen_right(p, "p95", t.time);
    pen_end(p);
    for (unsigned i = 0; i < shown; i++)
        draw_upstream(p, h, i, t);
    if (hidden > 0) {
        pen_style(p, STYLE_SOFT);
        pen_put(p, span_of(say(text, p->look, W_MORE, say_number(of, hidden))));
        pen_end(p);
    }
    pen_end(p);
}

static void draw_error(struct pen *p, const struct picture_error *e)
{
    char clock[32] = "", status[24], times[TEXT_MAX + 4] = "", n[TEXT_MAX];
    time_t t = time(NULL) - (time_t)(e->ago_ms / 1000);
    bool complete = strcmp(e->ending, "complete") == 0;
    struct tm tm;

    if (localtime_r(&t, &tm))
        strftime(clock, sizeof clock, e->ago_ms < 86400000 ? "%H:%M:%S" : "%d.%m.", &tm);
    snprintf(status, sizeof status, "%llu", (unsigned long long)e->status);
    if (e->n > 1)
        snprintf(times, sizeof times, "×%s", say_number(n, e->n));
    pen_style(p, STYLE_SOFT);
    pen_cell(p, clock, 10);
    pen_style(p, e->status >= 500 || e->status < 400 ? STYLE_BAD : STYLE_WARN);
    pen_cell(p, e->status ? status : "–", 5);
    pen_style(p, STYLE_PLAIN);
    pen_cell(p, e->reason[0] ? e->reason : complete ? word(p->look, W_THEIRS) : e->ending, 28);
    pen_style(p, STYLE_SOFT);
    pen_cell(p, e->upstream, 15);
    pen_cell(p, e->key, 15);
    pen_put(p, span_of(times));
    pen_end(p);
}

static void draw_errors(struct pen *p, const struct picture *now)
{
    pen_style(p, STYLE_SOFT);
    pen_put(p, span_of(word(p->look, W_ERRORS)));
    pen_end(p);
    for (uint64_t i = 0; i < now->n_errors && pen_has_room(p, 1); i++)
        draw_error(p, &now->errors[i]);
    if (now->n_errors == 0) {
        pen_put(p, span_of(word(p->look, W_NONE)));
        pen_end(p);
    }
}

/* How many upstreams have room, where errors have some, too. */
static unsigned upstreams_shown(const struct pen *p, const struct picture *now)
{
    const unsigned errors = now->n_errors < 4 ? (unsigned)now->n_errors : 4, others = 5;
    unsigned n = (unsigned)now->n_upstreams;

    while (n > 1 && !pen_has_room(p, n + errors + others))
        n--;
    return n;
}

void top_draw(const struct history *h, const struct look *look, bool lost, struct out *o)
{
    const struct picture *now = history_last(h);
    struct pen p;

    pen_init(&p, o, look);
    draw_head(&p, now, lost);
    pen_end(&p);
    draw_numbers(&p, h);
    draw_classes(&p, now);
    draw_upstreams(&p, h, upstreams_shown(&p, now));
    draw_errors(&p, now);
    if (look->screen && pen_has_room(&p, 2)) {
        pen_end(&p);
        pen_style(&p, STYLE_SOFT);
        pen_put(&p, span_of(word(look, W_END)));
        pen_end(&p);
    }
}
