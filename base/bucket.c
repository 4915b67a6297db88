/* Taking from buckets, and putting back. */
#include "base/bucket.h"

#include <errno.h>
#include <time.h>

#define SEEN_AGAIN 60   /* seconds after which a bucket that is used is seen again */
#define FULL_AFTER 2048 /* seconds, more than full_at can be ahead of seen: 30 minutes and two */

uint64_t bucket_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec << BUCKET_SECOND_BITS |
        ((uint64_t)ts.tv_nsec << BUCKET_SECOND_BITS) / 1000000000;
}

static uint32_t second_of(uint64_t now)
{
    return (uint32_t)(now >> BUCKET_SECOND_BITS);
}

/* Who has read a full_at that was written after a bucket had been seen again knows that it was. */
struct bucket_look bucket_look(const struct bucket *b)
{
    struct bucket_look look;

    look.full_at = atomic_load_explicit(&b->full_at, memory_order_acquire);
    look.seen = atomic_load_explicit(&b->seen, memory_order_acquire);
    return look;
}

static bool is_old(const struct bucket_look *look, uint64_t now)
{
    return (int32_t)(second_of(now) - look->seen) >= FULL_AFTER;
}

uint64_t bucket_missing(const struct bucket_look *look, uint64_t now)
{
    int32_t ahead = (int32_t)(look->full_at - (uint32_t)now);

    return is_old(look, now) || ahead < 0 ? 0 : (uint64_t)ahead;
}

static bool replace(struct bucket *b, uint32_t from, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(&b->full_at, &from, (uint32_t)to,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

/* An old bucket is filled first, and seen again then: nobody takes from it in between, so that who
 * still takes it for old can only fill what is full. */
static void renew(struct bucket *b, const struct bucket_look *look, uint64_t now)
{
    if (replace(b, look->full_at, now))
        atomic_store_explicit(&b->seen, second_of(now), memory_order_release);
}

int bucket_try(struct bucket *b, const struct bucket_look *look, uint64_t now, uint64_t cost,
               uint64_t room)
{
    uint64_t missing = bucket_missing(look, now) + cost;

    if (missing > room)
        return -EDQUOT;
    if (is_old(look, now)) {
        renew(b, look, now);
        return -EAGAIN;
    }
    if (missing > BUCKET_LONGEST)
        missing = BUCKET_LONGEST;
    if (!replace(b, look->full_at, now + missing))
        return -EAGAIN;
    if (second_of(now) - look->seen >= SEEN_AGAIN)
        atomic_store_explicit(&b->seen, second_of(now), memory_order_release);
    return 0;
}

bool bucket_take(struct bucket *b, uint64_t cost, uint64_t room)
{
    int err;

    do {
        struct bucket_look look = bucket_look(b);

        err = bucket_try(b, &look, bucket_now(), cost, room);
    } while (err == -EAGAIN);
    return err == 0;
}

void bucket_fill(struct bucket *b, uint64_t now)
{
    atomic_store_explicit(&b->full_at, (uint32_t)now, memory_order_relaxed);
    atomic_store_explicit(&b->seen, second_of(now), memory_order_release);
}

void bucket_put_back(struct bucket *b, uint64_t cost)
{
    atomic_fetch_sub_explicit(&b->full_at, (uint32_t)cost, memory_order_acq_rel);
}

void bucket_scale(struct bucket *b, uint32_t to, uint32_t by)
{
    struct bucket_look look;
    uint64_t now, missing, most;

    do {
        look = bucket_look(b);
        now = bucket_now();
        missing = bucket_missing(&look, now);
        if (missing == 0)
            return;
        most = missing > BUCKET_MINUTE ? missing : BUCKET_MINUTE;
        missing = missing * to / by;
    } while (!replace(b, look.full_at, now + (missing < most ? missing : most)));
}
