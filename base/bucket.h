/* A bucket of permits that fills again by itself in a minute: one word that several processes
 * change at once, and one that tells how old it is. Nobody waits for anybody. The algorithm is GCRA
 * (ITU-T I.371, annex A): the word is the time at which the bucket will be full. Callers say what
 * time it is, by bucket_now. */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Times are counted in units that are fractions of a second, in 64 bits. A word has their lower 32,
 * which tell them apart as long as they differ by less than 68 minutes. */
#define BUCKET_SECOND_BITS 19
#define BUCKET_SECOND (UINT64_C(1) << BUCKET_SECOND_BITS)
#define BUCKET_MINUTE (60 * BUCKET_SECOND)
/* What is missing in a bucket comes back within this at the latest, however much was taken. */
#define BUCKET_LONGEST (30 * BUCKET_MINUTE)

/* All zero is full.
 * 1. full_at is behind the present, or BUCKET_LONGEST and a minute ahead of it at the most.
 * 2. seen is a second in which full_at was right. Once it lies back further than full_at can have
 *    been ahead, the bucket is full, whatever full_at says. */
struct bucket {
    _Atomic uint32_t full_at, seen;
};

/* What a process has read of a bucket. */
struct bucket_look {
    uint32_t full_at, seen;
};

/* The present, of a clock that no one sets and that all processes of the machine share. */
uint64_t bucket_now(void);

/* Units as milliseconds, rounded up. */
static inline uint64_t bucket_ms(uint64_t units)
{
    return (units * 1000 + BUCKET_SECOND - 1) >> BUCKET_SECOND_BITS;
}

/* What one of n permits a minute costs: so much that n of them fill a bucket of n. n is not 0. */
static inline uint64_t bucket_cost(uint32_t n)
{
    return (BUCKET_MINUTE + n - 1) / n;
}

/* Reads b. The present must be asked for afterwards: then it is not behind what was read. */
struct bucket_look bucket_look(const struct bucket *b);

/* The units that are missing in the bucket, 0: it is full. */
uint64_t bucket_missing(const struct bucket_look *look, uint64_t now);

/* Takes cost units out of b, which looked so, if no more than room are missing then. Returns 0,
 * -EDQUOT if there is too little in it, or -EAGAIN if b has changed meanwhile: look again. */
int bucket_try(struct bucket *b, const struct bucket_look *look, uint64_t now, uint64_t cost,
               uint64_t room);

/* The same at present. False: there is too little in it. */
bool bucket_take(struct bucket *b, uint64_t cost, uint64_t room);

/* Fills b, whatever was taken. */
void bucket_fill(struct bucket *b, uint64_t now);

/* Puts back cost units that were taken. */
void bucket_put_back(struct bucket *b, uint64_t cost);

/* What is missing becomes to times as much and by times less, but no more than a minute's worth,
 * unless it was more: the permits that were taken stay taken where there are fewer a minute. */
void bucket_scale(struct bucket *b, uint32_t to, uint32_t by);

#endif
