/* The search, in vectors of 32 or 16 bytes where the processor has them, else a byte at a time.
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

#include <immintrin.h>

/* Bit k is set if a pair begins at p[k], of 16; p[16] is read too. */
static inline uint32_t hits16(const char *p, const __m128i v[4])
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p), y = _mm_loadu_si128((const __m128i *)(const void *)(p + 1));
    __m128i ab = _mm_and_si128(_mm_cmpeq_epi8(x, v[0]), _mm_cmpeq_epi8(y, v[1]));
    __m128i cd = _mm_and_si128(_mm_cmpeq_epi8(x, v[2]), _mm_cmpeq_epi8(y, v[3]));

    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(ab, cd));
}

/* The last vector overlaps the one before it, so that no byte is looked at alone. */
static size_t find_sse2(struct span s, size_t from, const char ab[2], const char cd[2])
{
    const __m128i v[4] = { _mm_set1_epi8(ab[0]), _mm_set1_epi8(ab[1]), _mm_set1_epi8(cd[0]), _mm_set1_epi8(cd[1]) };

    if (s.n < 17)
        return find_pairs_plain(s, from, ab, cd);
    for (size_t i = from; i + 1 < s.n; i += 16) {
        size_t at = i + 17 <= s.n ? i : s.n - 17;
        uint32_t hits = hits16(s.p + at, v) >> (i - at);

        if (hits)
            return i + (size_t)__builtin_ctz(hits);
    }
    return s.n;
}

#define WIDE __attribute__((target("avx2")))

/* Like hits16, as a vector: a byte is 0xFF where a pair begins, of 32; p[32] is read too. */
WIDE static inline __m256i hits32(const char *p, const __m256i v[4])
{
    __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p), y = _mm256_loadu_si256((const __m256i *)(const void *)(p + 1));
    __m256i ab = _mm256_and_si256(_mm256_cmpeq_epi8(x, v[0]), _mm256_cmpeq_epi8(y, v[1]));
    __m256i cd = _mm256_and_si256(_mm256_cmpeq_epi8(x, v[2]), _mm256_cmpeq_epi8(y, v[3]));

    return _mm256_or_si256(ab, cd);
}

WIDE static inline uint32_t mask32(__m256i hits)
{
    return (uint32_t)_mm256_movemask_epi8(hits);
}

/* Two vectors with one branch, then one, then what is left. */
WIDE static size_t find_avx2(struct span s, size_t from, const char ab[2], const char cd[2])
{
    const __m256i v[4] = { _mm256_set1_epi8(ab[0]), _mm256_set1_epi8(ab[1]), _mm256_set1_epi8(cd[0]), _mm256_set1_epi8(cd[1]) };
    size_t i = from;

    if (s.n < 33)
        return find_sse2(s, from, ab, cd);
    for (; i + 65 <= s.n; i += 64) {
        __m256i low = hits32(s.p + i, v), high = hits32(s.p + i + 32, v);

        if (!_mm256_testz_si256(_mm256_or_si256(low, high), _mm256_or_si256(low, high)))
            return i + (size_t)__builtin_ctzll(mask32(low) | (uint64_t)mask32(high) << 32);
    }
    for (; i + 1 < s.n; i += 32) {
        size_t at = i + 33 <= s.n ? i : s.n - 33;
        uint32_t hits = mask32(hits32(s.p + at, v)) >> (i - at);

        if (hits)
            return i + (size_t)__builtin_ctz(hits);
    }
    return s.n;
}

#define WIDEST __attribute__((target("avx512bw,avx512vl,bmi2")))

/* The last vector is loaded only as far as s goes. */
WIDEST static size_t find_avx512(struct span s, size_t from, const char ab[2], const char cd[2])
{
    const __m512i a = _mm512_set1_epi8(ab[0]), b = _mm512_set1_epi8(ab[1]), c = _mm512_set1_epi8(cd[0]), d = _mm512_set1_epi8(cd[1]);

    for (size_t i = from; i + 1 < s.n; i += 64) {
        size_t left = s.n - 1 - i;
        __mmask64 there = left < 64 ? _bzhi_u64(~(uint64_t)0, (unsigned)left) : ~(uint64_t)0;
        __m512i x = _mm512_maskz_loadu_epi8(there, s.p + i), y = _mm512_maskz_loadu_epi8(there, s.p + i + 1);
        __mmask64 is_ab = _mm512_mask_cmpeq_epi8_mask(_mm512_mask_cmpeq_epi8_mask(there, x, a), y, b);
        __mmask64 is_cd = _mm512_mask_cmpeq_epi8_mask(_mm512_mask_cmpeq_epi8_mask(there, x, c), y, d);

        if (is_ab | is_cd)
            return i + (size_t)__builtin_ctzll(is_ab | is_cd);
    }
    return s.n;
}

/* Not every processor that has AVX-512 may use it without slowing down: those with VBMI may. */
static unsigned ways_here(void)
{
    if (!__builtin_cpu_supports("avx2"))
        return 2;
    return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2") ? 4 : 3;
}

find_fn *find_nth(unsigned i)
{
    static find_fn *const ways[] = { find_pairs_plain, find_sse2, find_avx2, find_avx512 };

    return i < ways_here() ? ways[i] : NULL;
}

#elif defined(__ARM_NEON) && defined(__aarch64__)

#include <arm_neon.h>

static size_t find_neon(struct span s, size_t from, const char ab[2], const char cd[2])
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

find_fn *find_nth(unsigned i)
{
    static find_fn *const ways[] = { find_pairs_plain, find_neon };

    return i < 2 ? ways[i] : NULL;
}

#else

find_fn *find_nth(unsigned i)
{
    return i == 0 ? find_pairs_plain : NULL;
}

#endif

static size_t choose(struct span s, size_t from, const char ab[2], const char cd[2])
{
    for (unsigned i = 0; find_nth(i); i++)
        find_pairs = find_nth(i);
    return find_pairs(s, from, ab, cd);
}

find_fn *find_pairs = choose;
