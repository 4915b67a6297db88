/* Reading the lines of an event stream for the JSON in them (WHATWG HTML, "Server-sent events"). */
#include "proxy/tokens.h"

#define DATA SPAN("data:")

void tokens_init(struct tokens *t, bool stream)
{
    *t = (struct tokens){ .stream = stream };
    json_usage_init(&t->text);
}

static void take_text(struct tokens *t)
{
    if (t->text.found) {
        t->input = t->text.input;
        t->output = t->text.output;
    }
    json_usage_init(&t->text);
}

/* A line has ended; a blank one ends the event. */
static void end_line(struct tokens *t)
{
    if (t->matched == 0 && !t->skips)
        take_text(t);
    t->matched = 0;
    t->skips = false;
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
        t->skips = in.p[0] != DATA.p[t->matched];
        t->matched = (uint8_t)(t->matched + !t->skips);
        return 1;
    }
    if (!t->skips)
        json_usage_read(&t->text, (struct span){ in.p, n });
    return n;
}

static void read_stream(struct tokens *t, struct span in)
{
    while (in.n > 0) {
        bool cr = in.p[0] == '\r', lf = in.p[0] == '\n';
        size_t n = 1;

        if (!cr && !lf)
            n = read_line(t, in);
        else if (cr || !t->cr)
            end_line(t);
        t->cr = cr;
        in = span_skip(in, n);
    }
}

void tokens_read(struct tokens *t, struct span data)
{
    if (t->stream)
        read_stream(t, data);
    else
        json_usage_read(&t->text, data);
}

void tokens_end(struct tokens *t)
{
    take_text(t);
}
