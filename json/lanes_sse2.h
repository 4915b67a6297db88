/* 64 bytes in four vectors of SSE2, which every x86-64 has. json/lanes.h tells what each function
 * does. */
#ifndef JSON_LANES_SSE2_H
#define JSON_LANES_SSE2_H

#include "json/bits.h"
#include "json/names.h"

#include <emmintrin.h>

#define JSON_KERNEL json_kernel_sse2
#define JSON_KERNEL_NAME "SSE2"
#define JSON_WORDS 2
#define JSON_VECTORS 4

typedef __m128i json_vector;

static inline json_vector json_vector_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline void json_vector_store(char *to, json_vector v)
{
    _mm_storeu_si128((__m128i *)(void *)to, v);
}

static inline json_vector json_vector_all(char c)
{
    return _mm_set1_epi8(c);
}

static inline json_vector json_vector_or(json_vector a, json_vector b)
{
    return _mm_or_si128(a, b);
}

static inline json_vector json_vector_equal(json_vector v, char c)
{
    return _mm_cmpeq_epi8(v, json_vector_all(c));
}

static inline json_vector json_vector_range(json_vector v, char low, char high)
{
    json_vector from_low = _mm_sub_epi8(v, json_vector_all(low));

    return _mm_cmpeq_epi8(_mm_min_epu8(from_low, json_vector_all((char)(high - low))), from_low);
}

static inline bool json_vector_none(json_vector v)
{
    return _mm_movemask_epi8(v) == 0;
}

/* One bit for each byte that is all ones; the others are zero. */
static inline uint64_t json_vector_bits(const json_vector v[JSON_VECTORS])
{
    uint64_t low = (uint32_t)_mm_movemask_epi8(v[0]) | (uint32_t)_mm_movemask_epi8(v[1]) << 16;
    uint64_t high = (uint32_t)_mm_movemask_epi8(v[2]) | (uint32_t)_mm_movemask_epi8(v[3]) << 16;

    return low | high << 32;
}

#include "json/lanes_vectors.h"

static inline void json_squeeze(char *to, const char *p, uint64_t keep)
{
    json_squeeze_bytewise(to, p, keep);
}

static inline uint64_t json_name_starts(const struct json_name_starts *starts, const char *p,
                                        uint64_t quotes)
{
    return json_name_starts_bytewise(starts, p, quotes);
}

#endif
