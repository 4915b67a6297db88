/* 64 bytes in four vectors of NEON, which every arm64 has. json/lanes.h tells what each function
 * does. */
#ifndef JSON_LANES_NEON_H
#define JSON_LANES_NEON_H

#include "json/bits.h"
#include "json/names.h"

#include <arm_neon.h>

#define JSON_KERNEL json_kernel_neon
#define JSON_KERNEL_NAME "NEON"
#define JSON_WORDS 2
#define JSON_VECTORS 4

typedef uint8x16_t json_vector;

static inline json_vector json_vector_load(const char *p)
{
    return vld1q_u8((const uint8_t *)p);
}

static inline void json_vector_store(char *to, json_vector v)
{
    vst1q_u8((uint8_t *)to, v);
}

static inline json_vector json_vector_all(char c)
{
    return vdupq_n_u8((uint8_t)c);
}

static inline json_vector json_vector_or(json_vector a, json_vector b)
{
    return vorrq_u8(a, b);
}

static inline json_vector json_vector_equal(json_vector v, char c)
{
    return vceqq_u8(v, json_vector_all(c));
}

static inline json_vector json_vector_range(json_vector v, char low, char high)
{
    return vcleq_u8(vsubq_u8(v, json_vector_all(low)), json_vector_all((char)(high - low)));
}

static inline bool json_vector_none(json_vector v)
{
    return vmaxvq_u8(v) == 0;
}

/* One bit for each byte that is all ones; the others are zero. NEON has no instruction for it: keep
 * one bit of weight 1 to 128 in each byte and add neighbours three times. */
static inline uint64_t json_vector_bits(const json_vector v[JSON_VECTORS])
{
    static const uint8_t weights[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
    uint8x16_t w = vld1q_u8(weights);
    uint8x16_t low = vpaddq_u8(vandq_u8(v[0], w), vandq_u8(v[1], w));
    uint8x16_t high = vpaddq_u8(vandq_u8(v[2], w), vandq_u8(v[3], w));
    uint8x16_t sum = vpaddq_u8(low, high);

    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

#include "json/lanes_vectors.h"

/* Writes the eight bytes at p to `to` in the order that the bytes of places say. */
static inline void json_shuffle(char *to, const char *p, const uint64_t *places)
{
    vst1_u8((uint8_t *)to, vtbl1_u8(vld1_u8((const uint8_t *)p), vcreate_u8(*places)));
}

#include "json/squeeze.h"

static inline uint64_t json_name_starts(const struct json_name_starts *starts, const char *p,
                                        uint64_t quotes)
{
    return json_name_starts_bytewise(starts, p, quotes);
}

#endif
