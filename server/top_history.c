/* A ring of pictures, and differences of their counters. */
#include "server/top_history.h"

/* Events come a little early or late. */
#define SLACK_MS 99

static const struct picture *picture_at(const struct history *h, uint64_t n)
{
    return &h->pictures[n % HISTORY_PICTURES];
}

struct picture *history_place(struct history *h)
{
    return &h->pictures[h->n % HISTORY_PICTURES];
}

const struct picture *history_last(const struct history *h)
{
    return picture_at(h, h->n - 1);
}

/* The picture at least ms milliseconds before the last one, or the first that there is. */
static const struct picture *before(const struct history *h, uint64_t ms)
{
    uint64_t at = h->n - 1, oldest = h->n > HISTORY_PICTURES ? h->n - HISTORY_PICTURES : 0;

    while (at > oldest && history_last(h)->time_ms < picture_at(h, at)->time_ms + ms - SLACK_MS)
        at--;
    return picture_at(h, at);
}

static uint64_t sum(const uint64_t *list, unsigned n)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < n; i++)
        all += list[i];
    return all;
}

/* How much more a counter has; what was dropped with a label makes it less. */
static uint64_t more(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}

/* Tenths a second. */
static uint64_t rate(const struct history *h, const struct picture *then, uint64_t n)
{
    uint64_t ms = more(history_last(h)->time_ms, then->time_ms);

    return ms == 0 ? HISTORY_UNKNOWN : (n * 10000 + ms / 2) / ms;
}

/* The same upstream in another picture; NULL: it was not there. */
static const struct picture_upstream *same(const struct picture *in,
                                           const struct picture_upstream *as)
{
    for (uint64_t i = 0; i < in->n_upstreams; i++)
        if (strcmp(in->upstreams[i].name, as->name) == 0)
            return &in->upstreams[i];
    return NULL;
}

static uint64_t ended(const struct history *h, const struct picture *then, int upstream)
{
    const struct picture *now = history_last(h);
    const struct picture_upstream *a, *b;

    if (upstream < 0)
        return more(sum(now->requests, PICTURE_CLASSES), sum(then->requests, PICTURE_CLASSES));
    b = &now->upstreams[upstream];
    a = same(then, b);
    return more(sum(b->requests, PICTURE_CLASSES), a ? sum(a->requests, PICTURE_CLASSES) : 0);
}

uint64_t history_requests(const struct history *h, int upstream, uint64_t ms)
{
    const struct picture *then = before(h, ms);

    return rate(h, then, ended(h, then, upstream));
}

uint64_t history_tokens(const struct history *h, unsigned direction, uint64_t ms)
{
    const struct picture *then = before(h, ms);

    return rate(h, then, more(history_last(h)->tokens[direction], then->tokens[direction]));
}

uint64_t history_ended(const struct history *h, uint64_t ms)
{
    return ended(h, before(h, ms), -1);
}

uint64_t history_first(const struct history *h, int upstream, unsigned percent, uint64_t ms)
{
    static const uint64_t none[TALLY_BUCKETS];
    const struct picture *then = before(h, ms), *now = history_last(h);
    const struct picture_upstream *u = upstream < 0 ? NULL : &now->upstreams[upstream],
                                  *old = u ? same(then, u) : NULL;
    const uint64_t *b = u ? u->first_event : now->first_event,
                   *a = !u ? then->first_event
        : old              ? old->first_event
                           : none;
    uint64_t all = 0, seen = 0;

    for (unsigned i = 0; i < TALLY_BUCKETS; i++)
        all += more(b[i], a[i]);
    for (unsigned i = 0; i < TALLY_BUCKETS && all > 0; i++) {
        uint64_t n = more(b[i], a[i]), low = i ? TALLY_BOUND(i - 1) : 0;

        if (n > 0 && (seen + n) * 100 >= all * percent)
            return low + (TALLY_BOUND(i) - low) * (all * percent - seen * 100) / (n * 100);
        seen += n;
    }
    return HISTORY_UNKNOWN;
}

void history_add(struct history *h)
{
    struct picture *p = history_place(h);
    uint64_t at;

    if (h->n > 0 && p->uptime_ms < history_last(h)->uptime_ms) {
        h->pictures[0] = *p;
        h->n = h->n_points = 0;
    }
    h->n++;
    at = h->n_points++ % HISTORY_POINTS;
    h->points[LINE_REQUESTS][at] = history_requests(h, -1, 3000);
    h->points[LINE_STREAMS][at] = history_last(h)->streams;
    h->points[LINE_FIRST][at] = history_first(h, -1, 50, 20000);
    h->points[LINE_TOKENS][at] = history_tokens(h, 1, 3000);
}

uint64_t history_point(const struct history *h, enum history_line line, uint64_t ago)
{
    if (ago >= h->n_points || ago >= HISTORY_POINTS)
        return HISTORY_UNKNOWN;
    return h->points[line][(h->n_points - 1 - ago) % HISTORY_POINTS];
}
