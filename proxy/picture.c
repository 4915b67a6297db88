/* Writing the members, one function for each object. */
#include "proxy/picture.h"
#include "base/version.h"
#include "proxy/access_log.h"
#include "proxy/failure.h"
#include "proxy/route.h"

#define LABEL_MAX 100 /* bytes of a label that are shown */
#define CLASSES 6     /* of a status: none, 1xx to 5xx */

/* Requests and tokens, of one upstream or of all. */
struct sums {
    uint64_t requests[CLASSES], tokens[2];
};

/* What comes after an opening bracket or another comma needs none. */
static void put_comma(struct out *o)
{
    char last = o->n > 0 ? o->p[o->n - 1] : '{';

    if (last != '{' && last != '[' && last != ':' && last != ' ')
        out_put(o, SPAN(","));
}

static void put_name(struct out *o, const char *name)
{
    put_comma(o);
    out_put(o, SPAN("\""));
    out_put(o, span_of(name));
    out_put(o, SPAN("\":"));
}

static void put_number(struct out *o, const char *name, uint64_t n)
{
    put_name(o, name);
    out_uint(o, n);
}

static void put_text(struct out *o, const char *name, const char *text)
{
    struct span s = span_of(text);

    if (s.n > LABEL_MAX)
        s.n = LABEL_MAX;
    put_name(o, name);
    out_put(o, SPAN("\""));
    out_json(o, s);
    out_put(o, SPAN("\""));
}

/* An array of numbers, but for the zeros at its end. */
static void put_numbers(struct out *o, const char *name, const uint64_t *list, unsigned n)
{
    put_name(o, name);
    while (n > 0 && list[n - 1] == 0)
        n--;
    out_put(o, SPAN("["));
    for (unsigned i = 0; i < n; i++) {
        put_comma(o);
        out_uint(o, list[i]);
    }
    out_put(o, SPAN("]"));
}

/* Who looks at the program is no client of the API. upstream: whose, SNAPSHOT_NONE: all. */
static void add_up(struct sums *sums, const struct snapshot *s, unsigned upstream)
{
    for (unsigned i = 0; i < s->n_series; i++) {
        const struct snapshot_series *one = &s->series[i];
        unsigned route = TALLY_ROUTE(one->what);

        if (one->n == 0 || (upstream != SNAPSHOT_NONE && one->upstream != upstream))
            continue;
        if (route >= TALLY_INPUT)
            sums->tokens[route == TALLY_OUTPUT] += one->n;
        else if (!route_is_probe(route) && one->class < CLASSES)
            sums->requests[one->class] += one->n;
    }
}

static void put_sums(struct out *o, const struct sums *sums)
{
    put_numbers(o, "requests", sums->requests, CLASSES);
    put_numbers(o, "tokens", sums->tokens, 2);
}

/* Times to the first event of all upstreams. */
static void put_first_events(struct out *o, const struct snapshot *s)
{
    uint64_t buckets[TALLY_BUCKETS] = { 0 };

    for (unsigned i = 0; i < s->n_upstreams; i++)
        for (unsigned k = 0; k < TALLY_BUCKETS; k++)
            buckets[k] += s->upstreams[i].numbers[TALLY_FIRST_EVENT + k];
    put_numbers(o, "first_event", buckets, TALLY_BUCKETS);
}

static uint64_t left(const struct snapshot *s, uint64_t until)
{
    return until > s->at ? until - s->at : 0;
}

/* The keys of the upstream that rest: an index and milliseconds for each. */
static void put_rests(struct out *o, const struct snapshot *s, const struct snapshot_upstream *u)
{
    put_name(o, "keys_resting");
    out_put(o, SPAN("["));
    for (unsigned i = 0; i < u->n_rests; i++) {
        put_comma(o);
        out_put(o, SPAN("["));
        out_uint(o, TALLY_STAMP_MARK(u->rests[i]));
        out_put(o, SPAN(","));
        out_uint(o, left(s, TALLY_STAMP_MS(u->rests[i])));
        out_put(o, SPAN("]"));
    }
    out_put(o, SPAN("]"));
}

/* How many keys the requests to c take in turn, if they are its own. */
static unsigned keys_of(const struct conf *c, unsigned i)
{
    return c->upstreams[i].client_key ? c->upstreams[0].n_api_keys : c->upstreams[i].n_api_keys;
}

static void put_upstream(struct out *o, const struct snapshot *s, const struct tallies *t,
                         unsigned i)
{
    const struct snapshot_upstream *u = &s->upstreams[i + 1];
    const char *name = s->conf->upstreams[i].name;
    uint64_t retries = 0, failed = 0;
    struct sums sums = { 0 };

    add_up(&sums, s, SNAPSHOT_FIRST + i);
    for (unsigned k = 0; k < TALLY_REASONS; k++) {
        retries += u->numbers[TALLY_RETRIES + k];
        failed += k > 0 ? u->numbers[TALLY_DIALS + k] : 0;
    }
    put_comma(o);
    out_put(o, SPAN("{"));
    put_text(o, "name", name);
    put_text(o, "state",
             snapshot_fails(t, name, s->at) ? "failing"
                 : u->resting > 0           ? "resting"
                                            : "ok");
    put_number(o, "rests_ms", left(s, u->rests_until));
    put_number(o, "keys", keys_of(s->conf, i));
    put_rests(o, s, u);
    put_number(o, "client_keys_resting", u->clients_resting);
    put_sums(o, &sums);
    put_number(o, "dials_failed", failed);
    put_number(o, "retries", retries);
    put_numbers(o, "first_event", &u->numbers[TALLY_FIRST_EVENT], TALLY_BUCKETS);
    out_put(o, SPAN("}"));
}

static void put_error(struct out *o, const struct snapshot *s, const struct snapshot_error *e)
{
    const char *code = e->reason ? failure_info((enum failure)e->reason)->code : "";

    put_comma(o);
    out_put(o, SPAN("{"));
    put_number(o, "ago_ms", s->at > e->at ? s->at - e->at : 0);
    put_number(o, "status", e->status);
    put_text(o, "ending", access_ending(TALLY_ENDING(e->what)));
    put_text(o, "route", route_name(TALLY_ROUTE(e->what)));
    put_text(o, "upstream", snapshot_upstream(s, e->upstream));
    put_text(o, "key", snapshot_key(s, e->key));
    put_text(o, "reason", code);
    put_number(o, "n", e->n);
    out_put(o, SPAN("}"));
}

static void put_gauges(struct out *o, const struct snapshot *s)
{
    put_number(o, "in_flight", s->exchanges > s->watchers ? s->exchanges - s->watchers : 0);
    put_number(o, "streams", s->streams);
    put_number(o, "clients", s->clients);
    put_number(o, "connections", s->open);
    put_number(o, "held", s->held);
}

void picture_put(const struct snapshot *s, const struct tallies *t, bool draining, struct out *o)
{
    unsigned n = s->conf->n_upstreams;
    struct sums sums = { 0 };

    add_up(&sums, s, SNAPSHOT_NONE);
    out_put(o, SPAN("{"));
    put_text(o, "version", OCP_VERSION);
    put_number(o, "time_ms", s->at);
    put_number(o, "uptime_ms", s->at > s->began ? s->at - s->began : 0);
    put_number(o, "workers", s->serves);
    put_name(o, "draining");
    out_put(o, draining ? SPAN("true") : SPAN("false"));
    put_gauges(o, s);
    put_sums(o, &sums);
    put_first_events(o, s);
    put_name(o, "upstreams");
    out_put(o, SPAN("["));
    for (unsigned i = 0; i < n && i < PICTURE_UPSTREAMS; i++)
        put_upstream(o, s, t, i);
    out_put(o, SPAN("]"));
    put_number(o, "upstreams_more", n > PICTURE_UPSTREAMS ? n - PICTURE_UPSTREAMS : 0);
    put_name(o, "errors");
    out_put(o, SPAN("["));
    for (unsigned i = 0; i < s->n_errors; i++)
        put_error(o, s, &s->errors[i]);
    out_put(o, SPAN("]}"));
}
