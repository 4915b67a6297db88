/* Sixteen bytes in one register, in what every x86-64 and every arm64 has: VEC16 names it, and is
 * not defined elsewhere. Comparisons are of bytes without a sign, and give all ones or zero for
 * each byte. */
#ifndef BASE_VEC16_H
#define BASE_VEC16_H

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>

#define VEC16 "SSE2"
#define VEC16_HIT_BITS 1 /* bits of vec16_hits for each byte */
#define VEC16_ALL 0xFFFFu
typedef __m128i vec16;

static inline vec16 vec16_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline vec16 vec16_equal(vec16 v, char c)
{
    return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

static inline vec16 vec16_at_most(vec16 v, char c)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(c)), v);
}

static inline vec16 vec16_less(vec16 v, char c)
{
    return _mm_sub_epi8(v, _mm_set1_epi8(c));
}

static inline vec16 vec16_either(vec16 a, vec16 b)
{
    return _mm_or_si128(a, b);
}

static inline vec16 vec16_lower(vec16 v)
{
    return _mm_or_si128(v, _mm_set1_epi8(0x20));
}

static inline vec16 vec16_but_not(vec16 a, vec16 b)
{
    return _mm_andnot_si128(b, a);
}

static inline uint64_t vec16_hits(vec16 v)
{
    return (uint32_t)_mm_movemask_epi8(v);
}

#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#include <arm_neon.h>

#define VEC16 "NEON"
#define VEC16_HIT_BITS 4
#define VEC16_ALL UINT64_MAX
typedef uint8x16_t vec16;

static inline vec16 vec16_load(const char *p)
{
    return vld1q_u8((const uint8_t *)p);
}

static inline vec16 vec16_equal(vec16 v, char c)
{
    return vceqq_u8(v, vdupq_n_u8((uint8_t)c));
}

static inline vec16 vec16_at_most(vec16 v, char c)
{
    return vcleq_u8(v, vdupq_n_u8((uint8_t)c));
}

static inline vec16 vec16_less(vec16 v, char c)
{
    return vsubq_u8(v, vdupq_n_u8((uint8_t)c));
}

static inline vec16 vec16_either(vec16 a, vec16 b)
{
    return vorrq_u8(a, b);
}

static inline vec16 vec16_lower(vec16 v)
{
    return vorrq_u8(v, vdupq_n_u8(0x20));
}

static inline vec16 vec16_but_not(vec16 a, vec16 b)
{
    return vbicq_u8(a, b);
}

/* NEON cannot gather one bit of each byte; a narrowing shift leaves four of each, in order. */
static inline uint64_t vec16_hits(vec16 v)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(v), 4)), 0);
}
#endif

#ifdef VEC16
/* Which byte the first hit is. */
static inline int vec16_first(uint64_t hits)
{
    return __builtin_ctzll(hits) / VEC16_HIT_BITS;
}
#endif

#endif
