/* Adding rows up, and finding the labels of what stands in them. */
#include "proxy/snapshot.h"

#include <errno.h>
#include <stdlib.h>

#define FAILURES_MIN 3
#define FAILURES_FORGOTTEN_MS 60000
#define SERIES_MAX (1u << 15) /* places of a table; beyond its half, keys are SNAPSHOT_OTHER */

/* The ids of a configuration's keys and upstreams, and what they are the ids of. */
struct label {
    uint32_t id, index;
};

struct labels {
    struct label *keys; /* in the order of ids */
    unsigned n_keys;
    uint64_t *upstreams;
    unsigned n_upstreams;
};

static int compare(const void *a, const void *b)
{
    const struct label *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static int labels_make(struct labels *l, const struct conf *c)
{
    l->keys = calloc(c->n_keys + 1, sizeof *l->keys);
    l->upstreams = calloc(c->n_upstreams, sizeof *l->upstreams);
    if (!l->keys || !l->upstreams)
        return -ENOMEM;
    for (unsigned i = 0; i < c->n_keys; i++) {
        uint32_t id = tally_key(c->keys[i].tally);

        if (id >= TALLY_FIRST_KEY)
            l->keys[l->n_keys++] = (struct label){ id, SNAPSHOT_FIRST + i };
    }
    qsort(l->keys, l->n_keys, sizeof *l->keys, compare);
    l->n_upstreams = c->n_upstreams;
    for (unsigned i = 0; i < c->n_upstreams; i++)
        l->upstreams[i] = tally_id(span_of(c->upstreams[i].name));
    return 0;
}

static void labels_free(struct labels *l)
{
    free(l->keys);
    free(l->upstreams);
}

/* The index of the key with that id, -1 if its label is gone. */
static int find_key(const struct labels *l, uint32_t id)
{
    const struct label key = { .id = id },
                       *found = bsearch(&key, l->keys, l->n_keys, sizeof key, compare);

    if (id < TALLY_FIRST_KEY)
        return (int)id;
    return found ? (int)found->index : -1;
}

/* The same of the upstream at a place of a row. */
static int find_upstream(const struct labels *l, const struct tally *row, unsigned place)
{
    uint64_t id;

    if (place <= TALLY_OTHER_UPSTREAM)
        return (int)place;
    if (place >= TALLY_UPSTREAMS)
        return -1;
    id = counter_read(&row->ids[place]);
    for (unsigned i = 0; i < l->n_upstreams; i++)
        if (l->upstreams[i] == id)
            return (int)(SNAPSHOT_FIRST + i);
    return -1;
}

/* Of a key that rests in several processes the longest rest counts. */
static void add_rest(struct snapshot_upstream *to, uint64_t rest)
{
    unsigned i = 0;

    to->keys_resting++;
    if (TALLY_STAMP_MARK(rest) >= TALLY_CLIENTS_KEY) {
        to->clients_resting++;
        return;
    }
    while (i < to->n_rests && TALLY_STAMP_MARK(to->rests[i]) != TALLY_STAMP_MARK(rest))
        i++;
    if (i == SNAPSHOT_RESTS)
        return;
    if (i == to->n_rests)
        to->rests[to->n_rests++] = 0;
    if (to->rests[i] < rest)
        to->rests[i] = rest;
}

static void add_upstream(struct snapshot_upstream *to, const struct tally_upstream *u, uint64_t now)
{
    uint64_t until = counter_read(&u->rests_until);

    for (unsigned i = 0; i < TALLY_NUMBERS; i++)
        to->numbers[i] += counter_read(&u->numbers[i]);
    to->resting += now < until;
    if (to->rests_until < until)
        to->rests_until = until;
    for (unsigned i = 0; i < TALLY_RESTS; i++) {
        uint64_t rest = counter_read(&u->keys_rest_until[i]);

        if (now < TALLY_STAMP_MS(rest))
            add_rest(to, rest);
    }
}

/* Puts one among the latest, in their order. What several processes have counted is one. */
static void insert_error(struct snapshot *s, struct snapshot_error one)
{
    unsigned i = 0, at;

    while (i < s->n_errors &&
           (s->errors[i].key != one.key || s->errors[i].upstream != one.upstream ||
            s->errors[i].status != one.status || s->errors[i].what != one.what ||
            s->errors[i].reason != one.reason))
        i++;
    if (i < s->n_errors) {
        one.n += s->errors[i].n;
        one.at = s->errors[i].at > one.at ? s->errors[i].at : one.at;
    } else if (i < SNAPSHOT_ERRORS) {
        s->n_errors++;
    } else if (s->errors[--i].at >= one.at) {
        return;
    }
    for (at = i; at > 0 && s->errors[at - 1].at < one.at; at--)
        s->errors[at] = s->errors[at - 1];
    s->errors[at] = one;
}

static void add_errors(struct snapshot *s, const struct tally *row, const struct labels *l)
{
    for (unsigned i = 0; i < TALLY_ERRORS; i++) {
        struct tally_failure f;
        struct tally_kind kind;
        int key, upstream;

        if (!tally_read_error(&row->errors[i], &f))
            continue;
        kind = tally_kind(f.tag);
        key = find_key(l, tally_key(f.tag));
        upstream = find_upstream(l, row, kind.place);
        if (key >= 0 && upstream >= 0)
            insert_error(s,
                         (struct snapshot_error){ .at = TALLY_STAMP_MS(f.last),
                                                  .n = f.n,
                                                  .key = (uint32_t)key,
                                                  .upstream = (uint16_t)upstream,
                                                  .status = kind.status,
                                                  .what = kind.what,
                                                  .reason = (uint8_t)TALLY_STAMP_MARK(f.last) });
    }
}

static void add_row(struct snapshot *s, const struct tally *row, const struct labels *l,
                    uint64_t now)
{
    s->clients += counter_read(&row->clients);
    s->exchanges += counter_read(&row->exchanges);
    s->streams += counter_read(&row->streams);
    s->open += counter_read(&row->open);
    s->held += counter_read(&row->held);
    s->lines_lost += counter_read(&row->lines_lost);
    s->serves += counter_read(&row->serves);
    s->watchers += counter_read(&row->watchers);
    s->reloads[0] += counter_read(&row->reloads[0]);
    s->reloads[1] += counter_read(&row->reloads[1]);
    for (unsigned i = TALLY_OTHER_UPSTREAM; i < TALLY_UPSTREAMS; i++) {
        int at = find_upstream(l, row, i);

        if (at >= 0)
            add_upstream(&s->upstreams[at - (int)SNAPSHOT_OTHER], &row->upstreams[i], now);
    }
    add_errors(s, row, l);
}

static bool same(const struct snapshot_series *a, const struct snapshot_series *b)
{
    return a->key == b->key && a->upstream == b->upstream && a->what == b->what &&
        a->class == b->class;
}

/* The place of series like one, or the free one where it belongs. */
static struct snapshot_series *find_series(struct snapshot *s, const struct snapshot_series *one)
{
    uint64_t mixed = ((uint64_t)one->key << 32 | (uint32_t)one->upstream << 16 |
                      (uint32_t)one->what << 8 | one->class) *
        UINT64_C(0x9e3779b97f4a7c15);
    unsigned at = (unsigned)(mixed >> 32);

    while (s->series[at & (s->n_series - 1)].n > 0 &&
           !same(&s->series[at & (s->n_series - 1)], one))
        at++;
    return &s->series[at & (s->n_series - 1)];
}

/* In a table that is half full, only those of the labels that are no client's go on. */
static void add_series(struct snapshot *s, struct snapshot_series one, unsigned *used)
{
    struct snapshot_series *at = find_series(s, &one);
    uint64_t n = one.n;

    if (at->n == 0 && *used >= s->n_series / 2) {
        one.key = one.upstream = SNAPSHOT_OTHER;
        at = find_series(s, &one);
    }
    n += at->n;
    *used += at->n == 0;
    *at = one;
    at->n = n;
}

static void add_requests(struct snapshot *s, const struct tally *row, const struct labels *l,
                         unsigned *used)
{
    for (unsigned i = 0; i < TALLY_SERIES && counter_read(&row->n_series) > 0; i++) {
        uint64_t tag = counter_read(&row->series[i].tag), n = counter_read(&row->series[i].count);
        struct tally_kind kind = tally_kind(tag);
        int key = find_key(l, tally_key(tag)), upstream = find_upstream(l, row, kind.place);

        if (!tally_in_use(row, i) || n == 0 || key < 0 || upstream < 0 ||
            counter_read(&row->series[i].tag) != tag)
            continue;
        add_series(s,
                   (struct snapshot_series){ .key = (uint32_t)key,
                                             .upstream = (uint16_t)upstream,
                                             .what = kind.what,
                                             .class = (uint8_t)(kind.status / 100),
                                             .n = n },
                   used);
    }
}

/* Twice as many places as there are series. */
static unsigned places(const struct tallies *t)
{
    uint64_t n = 64;
    unsigned size = 64;

    for (unsigned i = 0; i < counter_read(&t->n); i++)
        n += counter_read(&t->rows[i].n_series);
    while (size < SERIES_MAX && size < 2 * n)
        size *= 2;
    return size;
}

int snapshot_take(struct snapshot *s, const struct tallies *t, const struct conf *conf,
                  uint64_t now)
{
    struct labels l = { 0 };
    unsigned used = 0;
    int err = labels_make(&l, conf);

    *s = (struct snapshot){ .conf = conf,
                            .at = now,
                            .began = counter_read(&t->began),
                            .n_upstreams = conf->n_upstreams + 1 };
    s->n_series = places(t);
    s->upstreams = calloc(s->n_upstreams, sizeof *s->upstreams);
    s->series = calloc(s->n_series, sizeof *s->series);
    if (!s->upstreams || !s->series)
        err = -ENOMEM;
    for (unsigned i = 0; !err && i < counter_read(&t->n); i++) {
        add_row(s, &t->rows[i], &l, now);
        add_requests(s, &t->rows[i], &l, &used);
    }
    labels_free(&l);
    if (err)
        snapshot_free(s);
    return err;
}

void snapshot_free(struct snapshot *s)
{
    free(s->upstreams);
    free(s->series);
    *s = (struct snapshot){ 0 };
}

const char *snapshot_key(const struct snapshot *s, unsigned index)
{
    return index == SNAPSHOT_NONE ? ""
        : index == SNAPSHOT_OTHER ? "other"
                                  : s->conf->keys[index - SNAPSHOT_FIRST].label;
}

const char *snapshot_upstream(const struct snapshot *s, unsigned index)
{
    return index == SNAPSHOT_NONE ? ""
        : index == SNAPSHOT_OTHER ? "other"
                                  : s->conf->upstreams[index - SNAPSHOT_FIRST].name;
}

/* What a process knows of the upstream with that id; NULL: nothing. */
static const struct tally_upstream *known(const struct tally *row, uint64_t id)
{
    for (unsigned i = TALLY_OTHER_UPSTREAM + 1; i < TALLY_UPSTREAMS; i++)
        if (counter_read(&row->ids[i]) == id)
            return &row->upstreams[i];
    return NULL;
}

/* Failures count that came after the last success, whoever had it. */
bool snapshot_fails(const struct tallies *t, const char *name, uint64_t now)
{
    uint64_t id = tally_id(span_of(name)), reached = 0, failed = 0, failures = 0;
    const struct tally_upstream *u;

    for (unsigned i = 0; i < counter_read(&t->n); i++)
        if ((u = known(&t->rows[i], id)) && counter_read(&u->reached_at) > reached)
            reached = counter_read(&u->reached_at);
    for (unsigned i = 0; i < counter_read(&t->n); i++) {
        u = known(&t->rows[i], id);
        if (!u || counter_read(&u->failures) == 0 || counter_read(&u->failed_at) < reached)
            continue;
        failures += counter_read(&u->failures);
        if (counter_read(&u->failed_at) > failed)
            failed = counter_read(&u->failed_at);
    }
    return failures >= FAILURES_MIN && now < failed + FAILURES_FORGOTTEN_MS;
}

bool snapshot_all_fail(const struct tallies *t, const struct conf *conf, uint64_t now)
{
    for (unsigned i = 0; i < conf->n_upstreams; i++)
        if (!snapshot_fails(t, conf->upstreams[i].name, now))
            return false;
    return true;
}
