/* 64 bytes in two vectors of AVX2, with BMI2: Intel's since Haswell, AMD's since Excavator.
 * Compiled only into the kernel that runs where the machine has all of this. json/lanes.h tells
 * what each function does. */
#ifndef JSON_LANES_AVX2_H
#define JSON_LANES_AVX2_H

#include "json/bits.h"
#include "json/names.h"

#include <immintrin.h>

#define JSON_KERNEL json_kernel_avx2
#define JSON_KERNEL_NAME "AVX2"
#define JSON_WORDS 4
#define JSON_VECTORS 2

typedef __m256i json_vector;

static inline json_vector json_vector_load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline void json_vector_store(char *to, json_vector v)
{
    _mm256_storeu_si256((__m256i *)(void *)to, v);
}

static inline json_vector json_vector_all(char c)
{
    return _mm256_set1_epi8(c);
}

static inline json_vector json_vector_or(json_vector a, json_vector b)
{
    return _mm256_or_si256(a, b);
}

static inline json_vector json_vector_equal(json_vector v, char c)
{
    return _mm256_cmpeq_epi8(v, json_vector_all(c));
}

static inline json_vector json_vector_range(json_vector v, char low, char high)
{
    json_vector from_low = _mm256_sub_epi8(v, json_vector_all(low));

    return _mm256_cmpeq_epi8(_mm256_min_epu8(from_low, json_vector_all((char)(high - low))),
                             from_low);
}

static inline bool json_vector_none(json_vector v)
{
    return _mm256_movemask_epi8(v) == 0;
}

/* One bit for each byte that is all ones; the others are zero. */
static inline uint64_t json_vector_bits(const json_vector v[JSON_VECTORS])
{
    return (uint32_t)_mm256_movemask_epi8(v[0]) |
        (uint64_t)(uint32_t)_mm256_movemask_epi8(v[1]) << 32;
}

#include "json/lanes_vectors.h"

/* Writes to `to` the eight bytes at p in the order that the bytes of places say. */
static inline void json_shuffle(char *to, const char *p, const uint64_t *places)
{
    __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)p),
            order = _mm_loadl_epi64((const __m128i *)(const void *)places);

    _mm_storel_epi64((__m128i *)(void *)to, _mm_shuffle_epi8(bytes, order));
}

#include "json/squeeze.h"

static inline json_vector json_vector_look_up(const uint8_t table[16], json_vector half)
{
    return _mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table)), half);
}

/* The groups of names that have the bytes at p at this place. */
static inline json_vector json_vector_groups(const struct json_name_byte *b, const char *p)
{
    const json_vector half = json_vector_all(0x0F);
    json_vector v = json_vector_load(p);

    return _mm256_and_si256(
        json_vector_look_up(b->low, _mm256_and_si256(v, half)),
        json_vector_look_up(b->high, _mm256_and_si256(_mm256_srli_epi16(v, 4), half)));
}

static inline uint64_t json_name_starts(const struct json_name_starts *starts, const char *p,
                                        uint64_t quotes)
{
    json_vector none[JSON_VECTORS];

    if (!quotes)
        return 0;
    for (unsigned i = 0; i < JSON_VECTORS; i++, p += sizeof(json_vector))
        none[i] = json_vector_equal(_mm256_and_si256(json_vector_groups(&starts->first, p + 1),
                                                     json_vector_groups(&starts->second, p + 2)),
                                    0);
    return quotes & ~json_vector_bits(none);
}

#endif
