/* Reading the lines of an event stream for the JSON in them (WHATWG HTML, "Server-sent events"). */
#include "proxy/tokens.h"

#define DATA SPAN("data:")

/* A text, or the data of an event, begins. Where only the events of usage matter, no other is read
 * on. */
static void begin_text(struct tokens *t)
{
    json_usage_init(&t->text);
    t->text.stops = !(t->flags & TOKENS_COUNT);
}

void tokens_init(struct tokens *t, unsigned flags)
{
    *t = (struct tokens){ .flags = (uint8_t)flags };
    begin_text(t);
}

static void take_text(struct tokens *t)
{
    if (t->text.found && (t->flags & TOKENS_COUNT)) {
        t->input = t->text.input;
        t->output = t->text.output;
    }
    begin_text(t);
}

/* The data so far is a chunk of usage, and complete. */
static bool is_usage(const struct tokens *t)
{
    return !t->passes && t->event_n <= TOKENS_EVENT_MAX && json_usage_is_chunk(&t->text);
}

/* A blank line ends the event. */
static void end_event(struct tokens *t)
{
    t->hidden = is_usage(t);
    take_text(t);
    t->ended = true;
    t->begun = t->passes = false;
    t->event_n = 0;
}

/* A line has ended. */
static void end_line(struct tokens *t)
{
    if (t->matched == 0 && !t->skips)
        end_event(t);
    t->matched = 0;
    t->skips = t->comment = false;
}

/* The bytes of s in front of the first CR or LF. */
static size_t rest_of_line(struct span s)
{
    size_t n = span_find(s, '\n');

    return span_find((struct span){ s.p, n }, '\r');
}

/* Reads bytes of one line that end no line: at least one. Returns how many. */
static size_t read_line(struct tokens *t, struct span in)
{
    size_t n = rest_of_line(in);

    if (t->matched < DATA.n && !t->skips) {
        t->comment = t->matched == 0 && in.p[0] == ':';
        t->begun |= !t->comment;
        t->skips = in.p[0] != DATA.p[t->matched];
        t->matched = (uint8_t)(t->matched + !t->skips);
        return 1;
    }
    if (!t->skips)
        json_usage_read(&t->text, (struct span){ in.p, n });
    return n;
}

/* Reads some bytes of a line, or a byte of its end: at least one. Returns how many. */
static size_t read_some(struct tokens *t, struct span in)
{
    bool cr = in.p[0] == '\r', lf = in.p[0] == '\n';
    size_t n = 1;

    t->ended = false;
    if (!cr && !lf)
        n = read_line(t, in);
    else if (cr || !t->cr)
        end_line(t);
    t->cr = cr;
    if (t->begun && t->event_n <= TOKENS_EVENT_MAX)
        t->event_n += (uint32_t)n;
    return n;
}

void tokens_read(struct tokens *t, struct span data)
{
    if (!(t->flags & TOKENS_STREAM))
        json_usage_read(&t->text, data);
    while ((t->flags & TOKENS_STREAM) && data.n > 0)
        data = span_skip(data, read_some(t, data));
}

/* True while bytes of the stream can have the same fate as those before them. */
static bool goes_on(const struct tokens *t)
{
    return !t->ended && (t->begun || t->comment);
}

size_t tokens_sift(struct tokens *t, struct span data, enum tokens_fate *fate)
{
    bool follows_cr = t->ended && t->cr && data.p[0] == '\n';
    size_t n = read_some(t, data);

    while (n < data.n && !follows_cr && goes_on(t))
        n += read_some(t, span_skip(data, n));
    if (t->begun)
        t->passes |= t->event_n > TOKENS_EVENT_MAX || json_usage_is_other(&t->text);
    if (t->ended || follows_cr)
        *fate = t->hidden ? TOKENS_HIDE : TOKENS_PASS;
    else
        *fate = t->begun && !t->passes ? TOKENS_HOLD : TOKENS_PASS;
    return n;
}

bool tokens_end_hidden(const struct tokens *t)
{
    return t->begun && is_usage(t);
}

void tokens_end(struct tokens *t)
{
    take_text(t);
}
