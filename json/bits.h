/* Arithmetic on masks in which each bit stands for one byte of a block of 64. Inline, for the inner
 * loops of json/kernel.c, json/text.h and json/number.h. */
#ifndef JSON_BITS_H
#define JSON_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define JSON_BLOCK 64
#define JSON_APPEND_SLACK 2 /* entries past the end of a list that json_append may write */

/* Each bit of the result is the parity of the bits up to and including it. */
static inline uint64_t json_parity(uint64_t bits)
{
#ifdef __PCLMUL__
    return (uint64_t)_mm_cvtsi128_si64(
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)bits), _mm_set1_epi8(-1), 0));
#else
    for (unsigned shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
#endif
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

/* Moves the lowest bits of bits, in their order, to the ones of mask. */
static inline uint64_t json_deposit(uint64_t bits, uint64_t mask)
{
#ifdef __BMI2__
    return _pdep_u64(bits, mask);
#else
    uint64_t out = 0;

    for (; mask; mask &= mask - 1, bits >>= 1)
        out |= mask & (0 - mask) & (0 - (bits & 1));
    return out;
#endif
}

/* Writes the bytes at p that keep has bits for to `to`, side by side. */
static inline void json_squeeze_bytewise(char *to, const char *p, uint64_t keep)
{
    for (; keep; keep &= keep - 1)
        *to++ = p[__builtin_ctzll(keep)];
}

/* Appends base plus the number of each set bit to a list of n entries; returns the new n. It writes
 * JSON_APPEND_SLACK entries at a time, some of them in vain: cheaper than a branch for each. */
static inline size_t json_append(uint16_t *list, size_t n, uint64_t bits, unsigned base)
{
    uint16_t *to = list + n, *end = to + json_count(bits);

    do {
        for (unsigned i = 0; i < JSON_APPEND_SLACK; i++) {
            *to++ = (uint16_t)(base + (unsigned)__builtin_ctzll(bits | (uint64_t)1 << 63));
            bits &= bits - 1;
        }
    } while (to < end);
    return (size_t)(end - list);
}

#endif
