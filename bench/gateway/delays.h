/* Delays in nanoseconds, counted in a histogram: what bench/gateway/load.c and
 * tests/stress/attack.c report of them. */
#ifndef BENCH_DELAYS_H
#define BENCH_DELAYS_H

#include <stdint.h>
#include <time.h>

#define DELAY_BUCKETS 4096 /* 32 to each doubling */

struct delays {
    uint64_t counts[DELAY_BUCKETS], n, max;
};

static inline uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline void delays_note(struct delays *d, uint64_t ns)
{
    unsigned top = ns < 32 ? 0 : 63 - (unsigned)__builtin_clzll(ns);

    d->counts[ns < 32 ? ns : (top - 4) * 32 + (ns >> (top - 5) & 31)]++;
    d->n++;
    if (ns > d->max)
        d->max = ns;
}

/* The delay in microseconds that the part p (0 to 1) of all is below; 0 where there are none. */
static inline double delays_percentile_us(const struct delays *d, double p)
{
    uint64_t want = (uint64_t)((double)d->n * p), seen = 0;

    for (unsigned b = 0; b < DELAY_BUCKETS; b++)
        if ((seen += d->counts[b]) > want)
            return b < 32 ? b / 1000.0 : (double)((32ull + b % 32) << (b / 32 - 1)) / 1000.0;
    return 0;
}

#endif
