/* Rows of counters: making them, and finding places in them. */
#include "base/tally.h"
#include "base/siphash.h"

#include <sys/mman.h>
#include <time.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

static size_t size_of(unsigned n)
{
    return sizeof(struct tallies) + n * sizeof(struct tally);
}

struct tallies *tallies_make(unsigned n)
{
    void *shared = mmap(NULL, size_of(n), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct tallies *t = shared == MAP_FAILED ? NULL : shared;
    struct timespec now;

    if (!t)
        return NULL;
    clock_gettime(CLOCK_MONOTONIC, &now);
    counter_set(&t->began, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    tallies_use(t, 0);
    return t;
}

void tallies_free(struct tallies *t, unsigned n)
{
    if (t)
        munmap(t, size_of(n));
}

struct tally *tallies_use(struct tallies *t, unsigned index)
{
    if (counter_read(&t->n) <= index)
        counter_set(&t->n, index + 1);
    return &t->rows[index];
}

void tally_clear(struct tally *t)
{
    counter_set(&t->clients, 0);
    counter_set(&t->exchanges, 0);
    counter_set(&t->streams, 0);
    counter_set(&t->open, 0);
    counter_set(&t->held, 0);
    counter_set(&t->serves, 0);
    counter_set(&t->watchers, 0);
    for (unsigned i = 0; i < TALLY_UPSTREAMS; i++) {
        struct tally_upstream *u = &t->upstreams[i];

        counter_set(&t->users[i], 0);
        if (!counter_read(&t->ids[i]) && i != TALLY_OTHER_UPSTREAM)
            continue;
        for (struct counter *c = &u->failures; c < &u->keys_rest_until[TALLY_RESTS]; c++)
            if (counter_read(c))
                counter_set(c, 0);
    }
}

uint64_t tally_requests(const struct tally *t)
{
    uint64_t sum = counter_read(&t->dropped);

    for (unsigned i = 0; i < TALLY_SERIES; i++)
        if (!tally_of_tokens(counter_read(&t->series[i].tag)))
            sum += counter_read(&t->series[i].count);
    return sum;
}

uint64_t tally_id(struct span name)
{
    static const uint64_t nothing_secret[2];
    uint64_t id = siphash(nothing_secret, name);

    return id ? id : 1;
}

/* Drops the series at a place; TALLY_DROPPED stays there, so that what lies behind it is found. */
static void drop_series(struct tally *t, unsigned at)
{
    if (!tally_of_tokens(counter_read(&t->series[at].tag)))
        counter_add(&t->dropped, counter_read(&t->series[at].count));
    counter_set(&t->series[at].tag, TALLY_DROPPED);
    counter_set(&t->series[at].count, 0);
    counter_add(&t->n_series, UINT64_MAX);
}

/* Makes the place that of another upstream, whose numbers begin at 0. */
static void replace_upstream(struct tally *t, unsigned place, uint64_t id)
{
    struct tally_upstream *u = &t->upstreams[place];

    for (unsigned i = 0; counter_read(&t->ids[place]) && i < TALLY_SERIES; i++)
        if (tally_in_use(t, i) && tally_kind(counter_read(&t->series[i].tag)).place == place)
            drop_series(t, i);
    for (unsigned i = 0; i < TALLY_ERRORS; i++)
        if (tally_kind(counter_read(&t->errors[i].tag)).place == place)
            counter_set(&t->errors[i].last, 0);
    counter_set(&t->ids[place], 0);
    for (struct counter *c = u->numbers; c < &u->keys_rest_until[TALLY_RESTS]; c++)
        counter_set(c, 0);
    counter_set(&t->ids[place], id);
}

unsigned tally_take_upstream(struct tally *t, uint64_t id)
{
    unsigned found = TALLY_OTHER_UPSTREAM;

    for (unsigned i = TALLY_UPSTREAMS - 1; i > TALLY_OTHER_UPSTREAM; i--) {
        bool better = counter_read(&t->ids[i]) == 0 || found == TALLY_OTHER_UPSTREAM;

        if (counter_read(&t->ids[i]) == id) {
            found = i;
            break;
        }
        if (counter_read(&t->users[i]) == 0 && better)
            found = i;
    }
    if (found != TALLY_OTHER_UPSTREAM && counter_read(&t->ids[found]) != id)
        replace_upstream(t, found, id);
    counter_add(&t->users[found], 1);
    return found;
}

void tally_drop_upstream(struct tally *t, const struct tally_upstream *u)
{
    counter_add(&t->users[u - t->upstreams], UINT64_MAX);
}

void tally_drop_keys(struct tally *t, bool (*keeps)(const void *arg, uint32_t key), const void *arg)
{
    for (unsigned i = 0; i < TALLY_SERIES; i++) {
        uint32_t key = tally_key(counter_read(&t->series[i].tag));

        if (tally_in_use(t, i) && key >= TALLY_FIRST_KEY && !keeps(arg, key))
            drop_series(t, i);
    }
}

void tally_key_rests(struct tally_upstream *u, uint64_t before, uint64_t until, uint64_t now)
{
    struct counter *place = &u->keys_rest_until[0];

    for (unsigned i = 0; i < TALLY_RESTS; i++) {
        uint64_t at = counter_read(&u->keys_rest_until[i]);

        if (at < counter_read(place))
            place = &u->keys_rest_until[i];
        if (at == before && TALLY_STAMP_MS(before) > now) {
            place = &u->keys_rest_until[i];
            break;
        }
    }
    counter_set(place, until);
}

/* What stands between the same stamp twice belongs to it: the writer clears the stamp first. */
bool tally_read_error(const struct tally_error *e, struct tally_failure *to)
{
    to->last = counter_read(&e->last);
    atomic_thread_fence(memory_order_acquire);
    to->tag = counter_read(&e->tag);
    to->n = counter_read(&e->n);
    atomic_thread_fence(memory_order_acquire);
    return to->last != 0 && counter_read(&e->last) == to->last;
}

void tally_fail(struct tally *t, uint64_t tag, unsigned reason, uint64_t now)
{
    struct tally_error *e = &t->errors[0];
    uint64_t n = 0;

    for (unsigned i = 0; i < TALLY_ERRORS; i++) {
        uint64_t last = counter_read(&t->errors[i].last);

        if (last && counter_read(&t->errors[i].tag) == tag && TALLY_STAMP_MARK(last) == reason) {
            e = &t->errors[i];
            n = counter_read(&e->n);
            break;
        }
        if (last < counter_read(&e->last))
            e = &t->errors[i];
    }
    counter_set(&e->last, 0);
    counter_set(&e->tag, tag);
    counter_set(&e->n, n + 1);
    counter_set(&e->last, TALLY_STAMP(now, reason));
}

/* The place of the tag, or -1; *room gets the first place that is free on the way, or -1. */
static int find(const struct tally *t, uint64_t tag, int *room)
{
    *room = -1;
    for (unsigned i = 0; i < TALLY_SERIES; i++) {
        unsigned place = (tally_home(tag) + i) % TALLY_SERIES;
        uint64_t at = counter_read(&t->series[place].tag);

        if (at == tag)
            return (int)place;
        if (*room < 0 && (at == 0 || at == TALLY_DROPPED))
            *room = (int)place;
        if (at == 0)
            break;
    }
    return -1;
}

/* The last place of all is always left, for what finds none. */
void tally_add(struct tally *t, uint64_t tag, uint64_t n)
{
    uint64_t used = counter_read(&t->n_series);
    int room, at = find(t, tag, &room);

    if (at < 0 && used >= TALLY_CROWDED && tally_key(tag) >= TALLY_FIRST_KEY) {
        tag = tally_tag(TALLY_OTHER_KEY, tally_kind(tag));
        at = find(t, tag, &room);
    }
    if (at < 0 && used >= TALLY_SERIES - 1 && tally_of_tokens(tag))
        return;
    if (at < 0 && used >= TALLY_SERIES - 1) {
        tag = tally_tag(TALLY_OTHER_KEY, (struct tally_kind){ .place = TALLY_OTHER_UPSTREAM });
        at = find(t, tag, &room);
    }
    if (at < 0) {
        at = room;
        counter_add(&t->n_series, 1);
        counter_set(&t->series[at].tag, tag);
    }
    counter_add(&t->series[at].count, n);
}
