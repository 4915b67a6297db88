/* A table of sets, in each of which a few stand. */
#include "base/crowd.h"
#include "base/random.h"
#include "base/siphash.h"

void crowd_set(struct crowd *c, uint32_t n)
{
    if (n == 0 || n == c->a_minute)
        return;
    if (c->a_minute == 0)
        random_bytes(c->secret, sizeof c->secret);
    for (unsigned i = 0; c->a_minute > 0 && i < CROWD_SETS; i++)
        for (unsigned k = 0; k < CROWD_WAYS; k++)
            bucket_scale(&c->places[i][k].bucket, c->a_minute, n);
    c->a_minute = n;
}

/* The place of the tag, or NULL; *best gets the one that can best be given away then, *missing what
 * is missing there, and *owner whose it is. */
static struct crowd_place *search(struct crowd_place *set, uint32_t tag, uint64_t now,
                                  struct crowd_place **best, uint64_t *missing, uint32_t *owner)
{
    *best = NULL;
    for (unsigned i = 0; i < CROWD_WAYS; i++) {
        uint32_t at = atomic_load_explicit(&set[i].tag, memory_order_acquire);
        struct bucket_look look = bucket_look(&set[i].bucket);
        uint64_t here = bucket_missing(&look, now);

        if (at == tag)
            return &set[i];
        if (!*best || here < *missing) {
            *best = &set[i];
            *missing = here;
            *owner = at;
        }
    }
    return NULL;
}

/* A place that another process takes meanwhile may be for the same one. */
struct bucket *crowd_find(struct crowd *c, struct span name, uint64_t now)
{
    uint64_t hash = siphash(c->secret, name), missing = 0;
    struct crowd_place *set = c->places[hash % CROWD_SETS], *found, *best;
    uint32_t tag = (uint32_t)(hash >> 32) | 1, owner = 0;

    for (unsigned i = 0; i <= CROWD_WAYS; i++) {
        found = search(set, tag, now, &best, &missing, &owner);
        if (found)
            return &found->bucket;
        if (!atomic_compare_exchange_strong(&best->tag, &owner, tag))
            continue;
        if (missing > 0)
            bucket_fill(&best->bucket, now);
        return &best->bucket;
    }
    return &best->bucket;
}
