/* The scanning loops in 16-byte vectors: SSE2, which every x86-64 has, or NEON, which every arm64 has.
 * Only the first section knows the instruction set; the loops below it are the same for both.
 * The choice is made in json/scan.c. */
#include "json/scan.h"

#if defined(__SSE2__)
#include <emmintrin.h>

#define VECTOR_NAME "SSE2"
typedef __m128i vec;

static inline vec load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline vec equal(vec v, char c)
{
    return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

static inline vec at_most(vec v, char c)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(c)), v);
}

static inline vec less(vec v, char c)
{
    return _mm_sub_epi8(v, _mm_set1_epi8(c));
}

static inline vec either(vec a, vec b)
{
    return _mm_or_si128(a, b);
}

static inline vec folded(vec v)
{
    return _mm_or_si128(v, _mm_set1_epi8(0x20));
}

static inline uint64_t bits(const vec v[4])
{
    uint64_t low = (uint32_t)_mm_movemask_epi8(v[0]) | (uint32_t)_mm_movemask_epi8(v[1]) << 16;
    uint64_t high = (uint32_t)_mm_movemask_epi8(v[2]) | (uint32_t)_mm_movemask_epi8(v[3]) << 16;

    return low | high << 32;
}

#elif defined(__aarch64__)
#include <arm_neon.h>

#define VECTOR_NAME "NEON"
typedef uint8x16_t vec;

static inline vec load(const char *p)
{
    return vld1q_u8((const uint8_t *)p);
}

static inline vec equal(vec v, char c)
{
    return vceqq_u8(v, vdupq_n_u8((uint8_t)c));
}

static inline vec at_most(vec v, char c)
{
    return vcleq_u8(v, vdupq_n_u8((uint8_t)c));
}

static inline vec less(vec v, char c)
{
    return vsubq_u8(v, vdupq_n_u8((uint8_t)c));
}

static inline vec either(vec a, vec b)
{
    return vorrq_u8(a, b);
}

static inline vec folded(vec v)
{
    return vorrq_u8(v, vdupq_n_u8(0x20));
}

/* NEON has no instruction that gathers the high bits: keep one bit of weight 1 to 128 in each byte and add neighbours three times. */
static inline uint64_t bits(const vec v[4])
{
    static const uint8_t weights[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
    vec w = vld1q_u8(weights);
    vec low = vpaddq_u8(vandq_u8(v[0], w), vandq_u8(v[1], w));
    vec high = vpaddq_u8(vandq_u8(v[2], w), vandq_u8(v[3], w));
    vec sum = vpaddq_u8(low, high);

    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}
#endif

#ifdef VECTOR_NAME
static inline vec ends_stretch(vec v)
{
    return either(either(equal(v, '"'), equal(v, '\\')), at_most(v, 0x1F));
}

static size_t string_vector(const char *p, size_t n)
{
    size_t i = 0;

    for (; n - i >= JSON_BLOCK; i += JSON_BLOCK) {
        const vec hit[4] = { ends_stretch(load(p + i)), ends_stretch(load(p + i + 16)),
                             ends_stretch(load(p + i + 32)), ends_stretch(load(p + i + 48)) };
        uint64_t mask = bits(hit);

        if (mask)
            return i + (size_t)__builtin_ctzll(mask);
    }
    return i + json_scan_portable.string(p + i, n - i);
}

static inline vec is_white(vec v)
{
    return either(either(equal(v, ' '), equal(v, '\t')), either(equal(v, '\n'), equal(v, '\r')));
}

static inline vec is_digit(vec v)
{
    return at_most(less(v, '0'), 9);
}

static inline vec is_short_escape(vec v)
{
    vec low = either(either(equal(v, 'b'), equal(v, 'f')), either(equal(v, 'n'), either(equal(v, 'r'), equal(v, 't'))));

    return either(low, either(equal(v, '"'), either(equal(v, '\\'), equal(v, '/'))));
}

static inline uint64_t equal_bits(const vec v[4], char c)
{
    const vec hit[4] = { equal(v[0], c), equal(v[1], c), equal(v[2], c), equal(v[3], c) };

    return bits(hit);
}

static void text_vector(const char *p, struct json_text_masks *m)
{
    const vec v[4] = { load(p), load(p + 16), load(p + 32), load(p + 48) };
    const vec control[4] = { at_most(v[0], 0x1F), at_most(v[1], 0x1F), at_most(v[2], 0x1F), at_most(v[3], 0x1F) };

    m->quote = equal_bits(v, '"');
    m->backslash = equal_bits(v, '\\');
    m->control = bits(control);
}

/* Folding to lower case makes [ into { and ] into }; nothing else becomes one of them, and only E becomes e. */
static void tokens_vector(const char *p, struct json_token_masks *m)
{
    const vec v[4] = { load(p), load(p + 16), load(p + 32), load(p + 48) };
    const vec low[4] = { folded(v[0]), folded(v[1]), folded(v[2]), folded(v[3]) };
    const vec white[4] = { is_white(v[0]), is_white(v[1]), is_white(v[2]), is_white(v[3]) };
    const vec digit[4] = { is_digit(v[0]), is_digit(v[1]), is_digit(v[2]), is_digit(v[3]) };

    m->open = equal_bits(low, '{');
    m->close = equal_bits(low, '}');
    m->comma = equal_bits(v, ',');
    m->colon = equal_bits(v, ':');
    m->white = bits(white);
    m->digit = bits(digit);
    m->zero = equal_bits(v, '0');
    m->dot = equal_bits(v, '.');
    m->exponent = equal_bits(low, 'e');
    m->plus = equal_bits(v, '+');
    m->minus = equal_bits(v, '-');
}

static void escapes_vector(const char *p, struct json_escape_masks *m)
{
    const vec v[4] = { load(p), load(p + 16), load(p + 32), load(p + 48) };
    const vec plain[4] = { is_short_escape(v[0]), is_short_escape(v[1]), is_short_escape(v[2]), is_short_escape(v[3]) };

    m->plain = bits(plain);
    m->u = equal_bits(v, 'u');
}

static uint64_t any_vector(const char *p, const uint8_t set[4])
{
    vec hit[4];

    for (unsigned i = 0; i < 4; i++) {
        vec v = load(p + 16 * i);

        hit[i] = either(either(equal(v, (char)set[0]), equal(v, (char)set[1])), either(equal(v, (char)set[2]), equal(v, (char)set[3])));
    }
    return bits(hit);
}

const struct json_scan json_scan_vector = { VECTOR_NAME, string_vector, text_vector, tokens_vector, escapes_vector, any_vector };
#else
const struct json_scan json_scan_vector = { 0 };
#endif
