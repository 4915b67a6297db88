/* Rows of quotas: finding them, and counting in them. */
#include "base/quota.h"

#include <sys/mman.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* 1. A label's row is where its id says, or up to longest rows behind.
 * 2. Behind the rows, each process has how many requests of each row it has begun and not ended.
 *    Only it writes there; when it has died, its parent takes them away from the rows. */
struct quotas {
    uint32_t generation;
    _Atomic uint32_t longest;
    struct crowd crowd;
    struct quota rows[QUOTA_ROWS];
    uint32_t begun[][QUOTA_ROWS];
};

static size_t size_of(unsigned n)
{
    return sizeof(struct quotas) + n * sizeof(uint32_t[QUOTA_ROWS]);
}

struct quotas *quotas_make(unsigned n)
{
    void *shared = mmap(NULL, size_of(n), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return shared == MAP_FAILED ? NULL : shared;
}

void quotas_free(struct quotas *q, unsigned n)
{
    if (q)
        munmap(q, size_of(n));
}

struct crowd *quotas_crowd(struct quotas *q)
{
    return &q->crowd;
}

void quotas_turn(struct quotas *q)
{
    q->generation++;
}

static uint64_t id_of(const struct quota *row)
{
    return (uint64_t)atomic_load_explicit(&row->id[1], memory_order_acquire) << 32 |
        atomic_load_explicit(&row->id[0], memory_order_relaxed);
}

static bool is_open(const struct quota *row)
{
    return atomic_load_explicit(&row->open, memory_order_relaxed) > 0;
}

/* True if row can be given to another label. A row of this generation cannot, and neither can one
 * of the generation before, which may still be in use in processes that have not followed. */
static bool is_room(const struct quotas *q, const struct quota *row)
{
    return row->generation + 2 <= q->generation;
}

/* True if a is better to give away than b: b cannot be, or a's label is gone for longer, and none
 * that has requests under way if possible. */
static bool is_better(const struct quotas *q, const struct quota *a, const struct quota *b)
{
    if (!is_room(q, a) || !is_room(q, b))
        return is_room(q, a);
    return is_open(a) == is_open(b) ? a->generation < b->generation : is_open(b);
}

/* True if id has a row, which *at gets; else it gets the best one to give away, which there always
 * is. */
static bool search(struct quotas *q, uint64_t id, struct quota **at)
{
    uint32_t longest = atomic_load_explicit(&q->longest, memory_order_acquire);
    struct quota *best = &q->rows[id % QUOTA_ROWS];

    for (unsigned i = 0; i < QUOTA_ROWS; i++) {
        struct quota *row = &q->rows[(id + i) % QUOTA_ROWS];
        uint64_t whose = id_of(row);

        *at = row;
        if (whose == id || whose == 0)
            return whose == id;
        if (is_better(q, row, best))
            best = row;
        if (i >= longest && is_room(q, best) && !is_open(best))
            break;
    }
    *at = best;
    return false;
}

struct quota *quota_find(struct quotas *q, uint64_t id)
{
    struct quota *row;

    return search(q, id, &row) ? row : NULL;
}

void quota_keep(struct quotas *q, uint64_t id)
{
    struct quota *row = quota_find(q, id);

    if (row)
        row->generation = q->generation;
}

/* The row gets another label, or its first one. */
static void give(struct quotas *q, struct quota *row, uint64_t id)
{
    uint32_t distance = (uint32_t)((size_t)(row - q->rows) - id) % QUOTA_ROWS;

    if (distance > atomic_load_explicit(&q->longest, memory_order_relaxed))
        atomic_store_explicit(&q->longest, distance, memory_order_release);
    atomic_store_explicit(&row->id[0], (uint32_t)id, memory_order_relaxed);
    atomic_store_explicit(&row->id[1], (uint32_t)(id >> 32), memory_order_release);
    row->requests_a_minute = row->tokens_a_minute = 0;
    bucket_fill(&row->requests, bucket_now());
    bucket_fill(&row->tokens, bucket_now());
    atomic_store_explicit(&row->day, 0, memory_order_relaxed);
}

/* Where n permits a minute come instead of *before, as many are missing as were. */
static void change(struct bucket *b, uint32_t *before, uint32_t n)
{
    if (*before > 0 && n > 0 && *before != n)
        bucket_scale(b, *before, n);
    if (n > 0)
        *before = n;
}

struct quota *quota_claim(struct quotas *q, uint64_t id, const struct quota_limits *limits)
{
    struct quota *row;

    if (!search(q, id, &row))
        give(q, row, id);
    row->generation = q->generation;
    change(&row->requests, &row->requests_a_minute, limits->requests);
    change(&row->tokens, &row->tokens_a_minute, limits->tokens);
    return row;
}

/* Takes requests away from those under way. Never below 0: what a process had just begun, or ended,
 * when it was killed is taken away twice. */
static void take_away(struct quota *row, uint32_t n)
{
    uint32_t open = atomic_load_explicit(&row->open, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(&row->open, &open, open > n ? open - n : 0,
                                                  memory_order_acq_rel, memory_order_relaxed))
        ;
}

/* A request stands in begun for at least as long as in open: if the process is killed in between,
 * rather one too many may be admitted than one too few, and not for longer than the label is in
 * use. */
bool quota_enter(struct quotas *q, unsigned process, struct quota *row, uint32_t max)
{
    uint32_t open = atomic_load_explicit(&row->open, memory_order_relaxed), *begun;

    if (max > 0 && open >= max)
        return false;
    begun = &q->begun[process][row - q->rows];
    ++*begun;
    while (!atomic_compare_exchange_weak_explicit(&row->open, &open, open + 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
        if (max > 0 && open >= max) {
            --*begun;
            return false;
        }
    return true;
}

void quota_leave(struct quotas *q, unsigned process, struct quota *row)
{
    take_away(row, 1);
    --q->begun[process][row - q->rows];
}

void quotas_clear(struct quotas *q, unsigned process)
{
    for (unsigned i = 0; i < QUOTA_ROWS; i++)
        if (q->begun[process][i] > 0) {
            take_away(&q->rows[i], q->begun[process][i]);
            q->begun[process][i] = 0;
        }
}

uint32_t quota_used(struct quota *row, uint32_t day)
{
    uint32_t used = atomic_load_explicit(&row->used, memory_order_acquire), base;

    if (atomic_load_explicit(&row->day, memory_order_acquire) != day) {
        atomic_store_explicit(&row->base, used, memory_order_release);
        atomic_store_explicit(&row->day, day, memory_order_release);
    }
    base = atomic_load_explicit(&row->base, memory_order_acquire);
    return atomic_load_explicit(&row->used, memory_order_acquire) - base;
}

void quota_charge(struct quota *row, const struct quota_limits *limits, uint64_t n, uint32_t day)
{
    uint32_t room = UINT32_MAX - quota_used(row, day);

    n = n < UINT32_MAX ? n : UINT32_MAX;
    atomic_fetch_add_explicit(&row->used, n < room ? (uint32_t)n : room, memory_order_acq_rel);
    if (limits->tokens > 0)
        bucket_take(&row->tokens, n * BUCKET_MINUTE / limits->tokens, UINT64_MAX);
}
