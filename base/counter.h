/* A number that one process or thread counts up and others read at any time. It is 64 bits wide on
 * every machine: where words have 32, a reader still never sees half of a carry. */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>

#if !defined(COUNTER_OF_WORDS) && ULONG_MAX > UINT32_MAX
struct counter {
    uint64_t n;
};

/* Adds n, or takes -n away. Only one thread may. It is a plain addition, because that is a single
 * instruction: an aligned word is written whole, so that no reader sees a half of it. */
static inline void counter_add(struct counter *c, uint64_t n)
{
    c->n += n;
}

/* Makes it n. Only that thread may, or another one after its end. */
static inline void counter_set(struct counter *c, uint64_t n)
{
    __atomic_store_n(&c->n, n, __ATOMIC_RELEASE);
}

/* The number so far, for the thread that counts: an operand of another instruction. */
static inline uint64_t counter_own(const struct counter *c)
{
    return c->n;
}

/* The number so far. */
static inline uint64_t counter_read(const struct counter *c)
{
    return __atomic_load_n(&c->n, __ATOMIC_RELAXED);
}
#else
/* The writer changes next before low, and high after it; a reader takes them in the other order. If
 * high and next are the same, no carry came between, and low belongs to them. */
struct counter {
    _Atomic uint32_t high, low, next;
};

static inline void counter_set(struct counter *c, uint64_t n)
{
    atomic_store_explicit(&c->next, (uint32_t)(n >> 32), memory_order_release);
    atomic_store_explicit(&c->low, (uint32_t)n, memory_order_release);
    atomic_store_explicit(&c->high, (uint32_t)(n >> 32), memory_order_release);
}

static inline void counter_add(struct counter *c, uint64_t n)
{
    uint32_t low = atomic_load_explicit(&c->low, memory_order_relaxed),
             high = atomic_load_explicit(&c->high, memory_order_relaxed);

    counter_set(c, ((uint64_t)high << 32 | low) + n);
}

static inline uint64_t counter_read(const struct counter *c)
{
    uint32_t high, low;

    do {
        high = atomic_load_explicit(&c->high, memory_order_acquire);
        low = atomic_load_explicit(&c->low, memory_order_acquire);
    } while (atomic_load_explicit(&c->next, memory_order_acquire) != high);
    return (uint64_t)high << 32 | low;
}

static inline uint64_t counter_own(const struct counter *c)
{
    return counter_read(c);
}
#endif

#endif
