/* The loops that look at every byte of a head: where a field name, a field value or a request target ends. They know which bytes
 * may stand where and nothing else; each exists in 16-byte vectors that every x86-64 and arm64 has, and in portable C. Who calls
 * them is http/head.c and http/fields.c. */
#ifndef HTTP_SCAN_H
#define HTTP_SCAN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    HTTP_CLASS_TOKEN = 1,               /* tchar (RFC 9110, 5.6.2) */
    HTTP_CLASS_HOST = 2,                /* visible ASCII that has no business of its own around a host: not / \ @ , ? # */
};

extern const uint8_t http_class[256];

/* True if c may stand in a method or a field name. */
static inline bool http_is_token(char c)
{
    return http_class[(uint8_t)c] & HTTP_CLASS_TOKEN;
}

/* True if c may stand in a field value, a reason phrase or a chunk extension: no control but HTAB (RFC 9110, 5.5). */
static inline bool http_is_text(char c)
{
    return ((uint8_t)c >= 0x20 && c != 0x7F) || c == '\t';
}

/* True if c may stand in a request target: visible ASCII, and no fragment. */
static inline bool http_is_target(char c)
{
    return c > 0x20 && c < 0x7F && c != '#';
}

/* The first byte from p on that may not stand in a name, a value or a target; end if there is none. */
static inline const char *http_name_end_portable(const char *p, const char *end)
{
    while (p < end && http_is_token(*p))
        p++;
    return p;
}

static inline const char *http_value_end_portable(const char *p, const char *end)
{
    while (p < end && http_is_text(*p))
        p++;
    return p;
}

static inline const char *http_target_end_portable(const char *p, const char *end)
{
    while (p < end && http_is_target(*p))
        p++;
    return p;
}

#if defined(__SSE2__)
#include <emmintrin.h>

#define HTTP_VECTOR "SSE2"
#define HTTP_LANE_BITS 1                /* bits of http_vec_hits for each byte */
#define HTTP_ALL_LANES 0xFFFFu
typedef __m128i http_vec;

static inline http_vec http_vec_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline http_vec http_vec_equal(http_vec v, char c)
{
    return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

static inline http_vec http_vec_at_most(http_vec v, char c)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(c)), v);
}

static inline http_vec http_vec_less(http_vec v, char c)
{
    return _mm_sub_epi8(v, _mm_set1_epi8(c));
}

static inline http_vec http_vec_either(http_vec a, http_vec b)
{
    return _mm_or_si128(a, b);
}

static inline http_vec http_vec_lower(http_vec v)
{
    return _mm_or_si128(v, _mm_set1_epi8(0x20));
}

static inline http_vec http_vec_but_not(http_vec a, http_vec b)
{
    return _mm_andnot_si128(b, a);
}

static inline uint64_t http_vec_hits(http_vec v)
{
    return (uint32_t)_mm_movemask_epi8(v);
}

#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#include <arm_neon.h>

#define HTTP_VECTOR "NEON"
#define HTTP_LANE_BITS 4
#define HTTP_ALL_LANES UINT64_MAX
typedef uint8x16_t http_vec;

static inline http_vec http_vec_load(const char *p)
{
    return vld1q_u8((const uint8_t *)p);
}

static inline http_vec http_vec_equal(http_vec v, char c)
{
    return vceqq_u8(v, vdupq_n_u8((uint8_t)c));
}

static inline http_vec http_vec_at_most(http_vec v, char c)
{
    return vcleq_u8(v, vdupq_n_u8((uint8_t)c));
}

static inline http_vec http_vec_less(http_vec v, char c)
{
    return vsubq_u8(v, vdupq_n_u8((uint8_t)c));
}

static inline http_vec http_vec_either(http_vec a, http_vec b)
{
    return vorrq_u8(a, b);
}

static inline http_vec http_vec_lower(http_vec v)
{
    return vorrq_u8(v, vdupq_n_u8(0x20));
}

static inline http_vec http_vec_but_not(http_vec a, http_vec b)
{
    return vbicq_u8(a, b);
}

/* NEON cannot gather one bit of each byte; a shift that narrows leaves four of each, in order. */
static inline uint64_t http_vec_hits(http_vec v)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(v), 4)), 0);
}
#endif

#ifdef HTTP_VECTOR
static inline int http_vec_first(uint64_t hits)
{
    return __builtin_ctzll(hits) / HTTP_LANE_BITS;
}

/* Letters, digits and hyphens go by sixteens; the rarer bytes of a name are looked up one at a time. */
static inline const char *http_name_end(const char *p, const char *end)
{
    while (end - p >= 16) {
        http_vec v = http_vec_load(p);
        http_vec letter = http_vec_at_most(http_vec_less(http_vec_lower(v), 'a'), 25);
        http_vec digit = http_vec_at_most(http_vec_less(v, '0'), 9);
        http_vec plain = http_vec_either(http_vec_either(letter, digit), http_vec_equal(v, '-'));
        uint64_t others = http_vec_hits(plain) ^ HTTP_ALL_LANES;

        p += others ? http_vec_first(others) : 16;
        if (others && !http_is_token(*p))
            return p;
        p += others != 0;
    }
    return http_name_end_portable(p, end);
}

static inline const char *http_value_end(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        http_vec v = http_vec_load(p);
        http_vec control = http_vec_but_not(http_vec_at_most(v, 0x1F), http_vec_equal(v, '\t'));
        uint64_t hits = http_vec_hits(http_vec_either(control, http_vec_equal(v, 0x7F)));

        if (hits)
            return p + http_vec_first(hits);
    }
    return http_value_end_portable(p, end);
}

static inline const char *http_target_end(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        http_vec v = http_vec_load(p);
        http_vec low = http_vec_at_most(v, 0x20);
        http_vec high = http_vec_at_most(http_vec_less(v, 0x7F), (char)0x80);
        uint64_t hits = http_vec_hits(http_vec_either(http_vec_either(low, high), http_vec_equal(v, '#')));

        if (hits)
            return p + http_vec_first(hits);
    }
    return http_target_end_portable(p, end);
}
#else
#define HTTP_VECTOR "none"

static inline const char *http_name_end(const char *p, const char *end)
{
    return http_name_end_portable(p, end);
}

static inline const char *http_value_end(const char *p, const char *end)
{
    return http_value_end_portable(p, end);
}

static inline const char *http_target_end(const char *p, const char *end)
{
    return http_target_end_portable(p, end);
}
#endif

#endif
