/* The search, by SSE2 or NEON (every x86-64 and every arm64 has them), else a byte at a time.
 * Knows nothing of what the pairs mean.
 * The interface is sse/find.h. */
#include "sse/find.h"

#include <stdint.h>

size_t find_pairs_plain(struct span s, size_t from, const char ab[2], const char cd[2])
{
    for (size_t i = from; i + 1 < s.n; i++)
        if ((s.p[i] == ab[0] && s.p[i + 1] == ab[1]) || (s.p[i] == cd[0] && s.p[i + 1] == cd[1]))
            return i;
    return s.n;
}

#if defined(__SSE2__)

#include <emmintrin.h>

size_t find_pairs(struct span s, size_t from, const char ab[2], const char cd[2])
{
    const __m128i a = _mm_set1_epi8(ab[0]), b = _mm_set1_epi8(ab[1]), c = _mm_set1_epi8(cd[0]), d = _mm_set1_epi8(cd[1]);
    size_t i = from;

    for (; i + 17 <= s.n; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));
        __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i + 1));
        __m128i hit = _mm_or_si128(_mm_and_si128(_mm_cmpeq_epi8(x, a), _mm_cmpeq_epi8(y, b)),
                                   _mm_and_si128(_mm_cmpeq_epi8(x, c), _mm_cmpeq_epi8(y, d)));
        int mask = _mm_movemask_epi8(hit);

        if (mask)
            return i + (size_t)__builtin_ctz((unsigned)mask);
    }
    return find_pairs_plain(s, i, ab, cd);
}

#elif defined(__ARM_NEON) && defined(__aarch64__)

#include <arm_neon.h>

size_t find_pairs(struct span s, size_t from, const char ab[2], const char cd[2])
{
    const uint8x16_t a = vdupq_n_u8((uint8_t)ab[0]), b = vdupq_n_u8((uint8_t)ab[1]);
    const uint8x16_t c = vdupq_n_u8((uint8_t)cd[0]), d = vdupq_n_u8((uint8_t)cd[1]);
    size_t i = from;

    for (; i + 17 <= s.n; i += 16) {
        uint8x16_t x = vld1q_u8((const uint8_t *)s.p + i), y = vld1q_u8((const uint8_t *)s.p + i + 1);
        uint8x16_t hit = vorrq_u8(vandq_u8(vceqq_u8(x, a), vceqq_u8(y, b)), vandq_u8(vceqq_u8(x, c), vceqq_u8(y, d)));

        if (vmaxvq_u8(hit))
            break;
    }
    return find_pairs_plain(s, i, ab, cd);
}

#else

size_t find_pairs(struct span s, size_t from, const char ab[2], const char cd[2])
{
    return find_pairs_plain(s, from, ab, cd);
}

#endif
