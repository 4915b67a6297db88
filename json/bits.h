/* Arithmetic on masks in which each bit speaks of one byte of a block of 64.
 * It knows of quotes and backslashes only as bits.
 * Used by json/bulk.c and json/number.h, inline: these are the inner loops. */
#ifndef JSON_BITS_H
#define JSON_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_APPEND_SLACK 8             /* entries past the end of a list that json_append may scribble on */

/* mask moved on by one byte; *carry brings the bit from the block before and takes the one for the next. */
static inline uint64_t json_moved(uint64_t mask, uint64_t *carry)
{
    uint64_t moved = mask << 1 | *carry;

    *carry = mask >> 63;
    return moved;
}

/* Adds a mark at the beginning of some of the runs of ones in runs: each of those turns to zeros, and the byte after it to one. */
static inline uint64_t json_through(uint64_t marks, uint64_t runs, uint64_t *carry)
{
    uint64_t sum;
    bool over = __builtin_add_overflow(marks, runs, &sum);

    over |= __builtin_add_overflow(sum, *carry, &sum);
    *carry = over;
    return sum;
}

/* Each bit of the result is the parity of the bits up to and with its own. */
static inline uint64_t json_parity(uint64_t bits)
{
    for (unsigned shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

/* The bytes that the backslashes of a block escape: those behind a run of backslashes of odd length. was_escaped and *escaped are such a byte at a border. */
static inline uint64_t json_escaped(uint64_t backslash, uint64_t was_escaped, uint64_t *escaped)
{
    const uint64_t even = 0x5555555555555555;
    uint64_t runs = backslash & ~was_escaped;
    uint64_t starts = runs & ~(runs << 1), after_even, after_odd;

    (void)__builtin_add_overflow(runs, starts & even, &after_even);
    *escaped = __builtin_add_overflow(runs, starts & ~even, &after_odd);
    return (after_even & ~runs & ~even) | (after_odd & ~runs & even) | was_escaped;
}

static inline unsigned json_count(uint64_t bits)
{
#if defined(__POPCNT__) || defined(__aarch64__)
    return (unsigned)__builtin_popcountll(bits);
#else
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    return (unsigned)(((bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0F) * 0x0101010101010101 >> 56);
#endif
}

/* Appends base plus the number of each bit that is set to a list of n entries; returns the new n. It writes `step` entries at a time (at most
 * JSON_APPEND_SLACK), some of them for nothing: cheaper than a branch for each. */
static inline size_t json_append(uint16_t *list, size_t n, uint64_t bits, unsigned base, unsigned step)
{
    size_t count = json_count(bits);

    for (size_t i = 0; i < count; i += step)
        for (size_t j = i; j < i + step; j++) {
            list[n + j] = (uint16_t)(base + (unsigned)__builtin_ctzll(bits | (uint64_t)1 << 63));
            bits &= bits - 1;
        }
    return n + count;
}

#endif
