/* The table of metrics, and writing their samples. */
#include "proxy/exposition.h"
#include "base/text.h"
#include "base/version.h"
#include "net/poller.h"
#include "net/tls.h"
#include "proxy/access_log.h"
#include "proxy/route.h"

#define PREFIX "openai_chat_proxy_"
#define BOUNDS 19 /* the buckets that are shown, up to 1048 s; all further are in +Inf */
#define HISTOGRAM_LINES (BOUNDS + 3)
#define LABEL_MAX 300 /* bytes of a label that are shown */

struct metric;

/* Writes the sample at index of its metric, or nothing if there is none of that index. */
typedef void put_sample(const struct metric *m, const struct snapshot *s, struct out *o,
                        unsigned index);

/* A metric. What a number of samples is counted in is said by of. */
struct metric {
    const char *name, *type, *help;
    put_sample *put;
    enum { ONE, OF_SERIES, OF_UPSTREAM } of;
    unsigned each; /* samples for each of them */
    size_t at;     /* of its number in what it is counted in, or the enum tally_number */
};

/* The value of a label as the format has it: three characters escaped, all of it UTF-8. */
static void put_value(struct out *o, const char *value)
{
    struct span s = span_of(value);
    size_t n;

    if (s.n > LABEL_MAX)
        s.n = LABEL_MAX;
    for (; s.n > 0; s = span_skip(s, n)) {
        n = text_utf8(s);
        if (s.p[0] == '\n')
            out_put(o, SPAN("\\n"));
        else if (s.p[0] == '"' || s.p[0] == '\\')
            out_put(o, SPAN("\\"));
        if (n == 0)
            out_put(o, SPAN("\xEF\xBF\xBD"));
        else if (s.p[0] != '\n')
            out_put(o, (struct span){ s.p, n });
        n = n ? n : 1;
    }
}

/* first: no label stands before it. */
static void put_label(struct out *o, const char *name, const char *value, bool first)
{
    out_put(o, first ? SPAN("{") : SPAN(","));
    out_put(o, span_of(name));
    out_put(o, SPAN("=\""));
    put_value(o, value);
    out_put(o, SPAN("\""));
}

static void put_name(struct out *o, const struct metric *m, const char *suffix)
{
    out_put(o, SPAN(PREFIX));
    out_put(o, span_of(m->name));
    out_put(o, span_of(suffix));
}

/* Ends a sample, labels: that has some. */
static void put_number(struct out *o, uint64_t n, bool labels)
{
    out_put(o, labels ? SPAN("} ") : SPAN(" "));
    out_uint(o, n);
    out_put(o, SPAN("\n"));
}

/* Milliseconds as seconds. */
static void put_seconds(struct out *o, uint64_t ms)
{
    char rest[4] = { '.', (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10),
                     (char)('0' + ms % 10) };

    out_uint(o, ms / 1000);
    out_put(o, (struct span){ rest, sizeof rest });
}

static void put_request(const struct metric *m, const struct snapshot *s, struct out *o,
                        unsigned index)
{
    const struct snapshot_series *one = &s->series[index];
    char class[] = { (char)('0' + one->class), 'x', 'x', 0 };

    if (one->n == 0 || TALLY_ROUTE(one->what) >= TALLY_INPUT)
        return;
    put_name(o, m, "");
    put_label(o, "route", route_name(TALLY_ROUTE(one->what)), true);
    put_label(o, "key", snapshot_key(s, one->key), false);
    put_label(o, "upstream", snapshot_upstream(s, one->upstream), false);
    put_label(o, "code", one->class ? class : "none", false);
    put_label(o, "ending", access_ending(TALLY_ENDING(one->what)), false);
    put_number(o, one->n, true);
}

static void put_tokens(const struct metric *m, const struct snapshot *s, struct out *o,
                       unsigned index)
{
    const struct snapshot_series *one = &s->series[index];

    if (one->n == 0 || TALLY_ROUTE(one->what) < TALLY_INPUT)
        return;
    put_name(o, m, "");
    put_label(o, "key", snapshot_key(s, one->key), true);
    put_label(o, "upstream", snapshot_upstream(s, one->upstream), false);
    put_label(o, "direction", TALLY_ROUTE(one->what) == TALLY_INPUT ? "input" : "output", false);
    put_number(o, one->n, true);
}

/* The upstream of a sample. There is none of SNAPSHOT_OTHER unless something is counted there. */
static const struct snapshot_upstream *upstream_of(const struct metric *m, const struct snapshot *s,
                                                   unsigned index)
{
    const struct snapshot_upstream *u = &s->upstreams[index / m->each];

    return u == s->upstreams && u->numbers[TALLY_DIALS] == 0 ? NULL : u;
}

static void put_upstream(const struct metric *m, const struct snapshot *s, struct out *o,
                         unsigned index)
{
    put_label(o, "upstream", snapshot_upstream(s, SNAPSHOT_OTHER + index / m->each), true);
}

static uint64_t sum_of(const uint64_t *numbers, unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += numbers[i];
    return sum;
}

static void put_histogram(const struct metric *m, const struct snapshot *s, struct out *o,
                          unsigned index)
{
    const struct snapshot_upstream *u = upstream_of(m, s, index);
    const uint64_t *numbers = u ? &u->numbers[m->at] : NULL;
    unsigned line = index % m->each;

    if (!numbers)
        return;
    put_name(o, m, line <= BOUNDS ? "_bucket" : line == BOUNDS + 1 ? "_sum" : "_count");
    put_upstream(m, s, o, index);
    if (line < BOUNDS) {
        out_put(o, SPAN(",le=\""));
        put_seconds(o, TALLY_BOUND(line));
        out_put(o, SPAN("\""));
    } else if (line == BOUNDS) {
        out_put(o, SPAN(",le=\"+Inf\""));
    }
    if (line == BOUNDS + 1) {
        out_put(o, SPAN("} "));
        put_seconds(o, numbers[TALLY_BUCKETS]);
        out_put(o, SPAN("\n"));
    } else {
        put_number(o, sum_of(numbers, line < BOUNDS ? line + 1 : TALLY_BUCKETS), true);
    }
}

/* The reasons of dials are those of enum dial_fault; those of retries, too, but for the first. */
static const char *const reasons[TALLY_REASONS] = { "ok",    "dns",     "connect", "tls",
                                                    "proxy", "timeout", "full",    "memory" };

static void put_reason(const struct metric *m, const struct snapshot *s, struct out *o,
                       unsigned index)
{
    const struct snapshot_upstream *u = upstream_of(m, s, index);
    unsigned reason = index % m->each;

    if (!u)
        return;
    put_name(o, m, "");
    put_upstream(m, s, o, index);
    put_label(o, "reason", m->at == TALLY_RETRIES && reason == 0 ? "declined" : reasons[reason],
              false);
    put_number(o, u->numbers[m->at + reason], true);
}

static void put_resting(const struct metric *m, const struct snapshot *s, struct out *o,
                        unsigned index)
{
    const struct snapshot_upstream *u = upstream_of(m, s, index);

    if (!u)
        return;
    put_name(o, m, "");
    put_upstream(m, s, o, index);
    put_number(o, *(const uint64_t *)(const void *)((const char *)u + m->at), true);
}

static void put_one(const struct metric *m, const struct snapshot *s, struct out *o, unsigned index)
{
    (void)index;
    put_name(o, m, "");
    put_number(o, *(const uint64_t *)(const void *)((const char *)s + m->at), false);
}

static void put_reloads(const struct metric *m, const struct snapshot *s, struct out *o,
                        unsigned index)
{
    put_name(o, m, "");
    put_label(o, "result", index ? "ok" : "failed", true);
    put_number(o, s->reloads[index], true);
}

static void put_build(const struct metric *m, const struct snapshot *s, struct out *o,
                      unsigned index)
{
    (void)s;
    (void)index;
    put_name(o, m, "");
    put_label(o, "version", OCP_VERSION, true);
    put_label(o, "tls", tls_library(), false);
    put_label(o, "poller", poller_name, false);
    put_number(o, 1, true);
}

#define HISTOGRAM(name, help, number)                                                              \
    {                                                                                              \
        name, "histogram", help, put_histogram, OF_UPSTREAM, HISTOGRAM_LINES, number               \
    }
#define GAUGE(name, help, field)                                                                   \
    {                                                                                              \
        name, "gauge", help, put_one, ONE, 1, offsetof(struct snapshot, field)                     \
    }

static const struct metric metrics[] = {
    { "build_info", "gauge", "What is running.", put_build, ONE, 1, 0 },
    { "requests_total", "counter", "Requests that have ended.", put_request, OF_SERIES, 1, 0 },
    HISTOGRAM("request_duration_seconds", "From a request's head to its end.", TALLY_DURATION),
    HISTOGRAM("time_to_first_byte_seconds",
              "From a request's head to the first byte of the upstream's answer.",
              TALLY_FIRST_BYTE),
    HISTOGRAM("time_to_first_event_seconds",
              "From a request's head to the first event of a stream.", TALLY_FIRST_EVENT),
    { "tokens_total", "counter", "Tokens that upstreams have reported.", put_tokens, OF_SERIES, 1,
      0 },
    GAUGE("streams_open", "Event streams under way.", streams),
    GAUGE("requests_in_flight", "Requests under way.", exchanges),
    GAUGE("client_connections", "Connections of clients.", clients),
    GAUGE("upstream_connections", "Connections to upstreams, idle ones too.", open),
    { "dials_total", "counter", "Attempts to connect to an upstream, by what came of them.",
      put_reason, OF_UPSTREAM, TALLY_REASONS, TALLY_DIALS },
    { "retries_total", "counter", "Requests that were asked again elsewhere, by why.", put_reason,
      OF_UPSTREAM, TALLY_REASONS, TALLY_RETRIES },
    { "upstream_resting", "gauge", "Workers in which the upstream rests after failures.",
      put_resting, OF_UPSTREAM, 1, offsetof(struct snapshot_upstream, resting) },
    { "keys_resting", "gauge", "Keys that rest, in all workers together.", put_resting, OF_UPSTREAM,
      1, offsetof(struct snapshot_upstream, keys_resting) },
    { "log_lines_lost_total", "counter", "Lines of the log that could not be written.", put_one,
      ONE, 1, offsetof(struct snapshot, lines_lost) },
    { "reloads_total", "counter", "Reloads of the configuration.", put_reloads, ONE, 2, 0 },
    GAUGE("memory_held_bytes", "What requests hold back, of buffer_memory in each worker.", held),
};

#define N_METRICS (sizeof metrics / sizeof *metrics)

static void put_head(struct out *o, const struct metric *m)
{
    out_put(o, SPAN("# HELP "));
    put_name(o, m, " ");
    out_put(o, span_of(m->help));
    out_put(o, SPAN("\n# TYPE "));
    put_name(o, m, " ");
    out_put(o, span_of(m->type));
    out_put(o, SPAN("\n"));
}

static unsigned samples_of(const struct metric *m, const struct snapshot *s)
{
    unsigned n = m->of == OF_SERIES ? s->n_series : m->of == OF_UPSTREAM ? s->n_upstreams : 1;

    return n * m->each;
}

bool exposition_put(struct exposition *e, struct out *o)
{
    while (e->metric < N_METRICS) {
        const struct metric *m = &metrics[e->metric];

        if (o->cap - o->n < EXPOSITION_PIECE_MAX)
            return false;
        if (e->sample == 0)
            put_head(o, m);
        m->put(m, &e->now, o, e->sample++);
        if (e->sample >= samples_of(m, &e->now)) {
            e->metric++;
            e->sample = 0;
        }
    }
    return true;
}
