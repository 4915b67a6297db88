/* The scanning loops in AVX2, 32 bytes at a time, for x86-64 machines that turn out to have it.
 * Compiled for AVX2 by attribute alone, so the rest of the program still runs on any x86-64.
 * The choice is made in json/scan.c. */
#include "json/scan.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#define WIDE __attribute__((target("avx2")))

WIDE static inline __m256i load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

WIDE static inline __m256i equal(__m256i v, char c)
{
    return _mm256_cmpeq_epi8(v, _mm256_set1_epi8(c));
}

WIDE static inline __m256i at_most(__m256i v, char c)
{
    return _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(c)), v);
}

WIDE static inline __m256i either(__m256i a, __m256i b)
{
    return _mm256_or_si256(a, b);
}

WIDE static inline __m256i ends_stretch(__m256i v)
{
    return either(either(equal(v, '"'), equal(v, '\\')), at_most(v, 0x1F));
}

WIDE static inline uint32_t bits(__m256i v)
{
    return (uint32_t)_mm256_movemask_epi8(v);
}

WIDE static size_t string_avx2(const char *p, size_t n)
{
    size_t i = 0;

    if (n < 32)
        return json_scan_portable.string(p, n);
    for (; n - i >= 128; i += 128) {
        __m256i a = either(ends_stretch(load(p + i)), ends_stretch(load(p + i + 32)));
        __m256i b = either(ends_stretch(load(p + i + 64)), ends_stretch(load(p + i + 96)));

        if (bits(either(a, b)))
            break;
    }
    while (i < n) {
        size_t at = n - i >= 32 ? i : n - 32;   /* the last vector may overlap the one before it */
        uint32_t hit = bits(ends_stretch(load(p + at)));

        if (hit)
            return at + (size_t)__builtin_ctz(hit);
        i = at + 32;
    }
    return n;
}

WIDE static inline __m256i folded(__m256i v)
{
    return either(v, _mm256_set1_epi8(0x20));
}

WIDE static inline __m256i is_white(__m256i v)
{
    return either(either(equal(v, ' '), equal(v, '\t')), either(equal(v, '\n'), equal(v, '\r')));
}

WIDE static inline __m256i is_digit(__m256i v)
{
    return at_most(_mm256_sub_epi8(v, _mm256_set1_epi8('0')), 9);
}

WIDE static inline __m256i is_short_escape(__m256i v)
{
    __m256i low = either(either(equal(v, 'b'), equal(v, 'f')), either(equal(v, 'n'), either(equal(v, 'r'), equal(v, 't'))));

    return either(low, either(equal(v, '"'), either(equal(v, '\\'), equal(v, '/'))));
}

WIDE static inline uint64_t pair(__m256i low, __m256i high)
{
    return bits(low) | (uint64_t)bits(high) << 32;
}

WIDE static void text_avx2(const char *p, struct json_text_masks *m)
{
    __m256i a = load(p), b = load(p + 32);

    m->quote = pair(equal(a, '"'), equal(b, '"'));
    m->backslash = pair(equal(a, '\\'), equal(b, '\\'));
    m->control = pair(at_most(a, 0x1F), at_most(b, 0x1F));
}

/* Folding to lower case makes [ into { and ] into }; nothing else becomes one of them, and only E becomes e. */
WIDE static void tokens_avx2(const char *p, struct json_token_masks *m)
{
    __m256i a = load(p), b = load(p + 32), low_a = folded(a), low_b = folded(b);

    m->open = pair(equal(low_a, '{'), equal(low_b, '{'));
    m->close = pair(equal(low_a, '}'), equal(low_b, '}'));
    m->comma = pair(equal(a, ','), equal(b, ','));
    m->colon = pair(equal(a, ':'), equal(b, ':'));
    m->white = pair(is_white(a), is_white(b));
    m->digit = pair(is_digit(a), is_digit(b));
    m->zero = pair(equal(a, '0'), equal(b, '0'));
    m->dot = pair(equal(a, '.'), equal(b, '.'));
    m->exponent = pair(equal(low_a, 'e'), equal(low_b, 'e'));
    m->plus = pair(equal(a, '+'), equal(b, '+'));
    m->minus = pair(equal(a, '-'), equal(b, '-'));
}

WIDE static void escapes_avx2(const char *p, struct json_escape_masks *m)
{
    __m256i a = load(p), b = load(p + 32);

    m->plain = pair(is_short_escape(a), is_short_escape(b));
    m->u = pair(equal(a, 'u'), equal(b, 'u'));
}

WIDE static uint64_t any_avx2(const char *p, const uint8_t set[4])
{
    __m256i a = load(p), b = load(p + 32);
    const char c[4] = { (char)set[0], (char)set[1], (char)set[2], (char)set[3] };

    return pair(either(either(equal(a, c[0]), equal(a, c[1])), either(equal(a, c[2]), equal(a, c[3]))),
                either(either(equal(b, c[0]), equal(b, c[1])), either(equal(b, c[2]), equal(b, c[3]))));
}

const struct json_scan json_scan_avx2 = { "AVX2", string_avx2, text_avx2, tokens_avx2, escapes_avx2, any_avx2 };
#else
const struct json_scan json_scan_avx2 = { 0 };
#endif
