/* The search, in vectors where the processor has them, else a byte at a time. */
#include "sse/find.h"

#include <stdint.h>

static bool begins(struct span s, size_t at, const char *word)
{
    size_t n = strlen(word);

    return n > 0 && s.n - at >= n && memcmp(s.p + at, word, n) == 0;
}

/* The rarer ways of being dull: in the spaced form, or a dull_cd too near the end of s for the
 * search to look. */
static bool is_rarely_dull(struct span s, size_t at, const struct find *f, size_t *dull)
{
    if (begins(s, at, f->dull_cd) || begins(s, at, f->spaced_cd))
        return true;
    if (!begins(s, at, f->spaced_ab))
        return false;
    *dull = at;
    return true;
}

/* True if the pair at `at` is dull in the usual way, which a few words of memory tell where it
 * stands before room. */
static inline bool is_dull(const char *p, size_t at, size_t room, const struct find *f,
                           size_t *dull)
{
    if (at >= room)
        return false;
    if (memcmp(p + at, f->dull_cd, FIND_DULL_CD) == 0)
        return true;
    if (memcmp(p + at, f->dull_ab, FIND_DULL_AB) != 0)
        return false;
    *dull = at;
    return true;
}

/* Where in s there is no room for a dull word any more. */
static inline size_t room_in(struct span s)
{
    return s.n < FIND_DULL_AB ? 0 : s.n - FIND_DULL_AB + 1;
}

static inline bool is_pair(struct span s, size_t at, const struct find *f)
{
    return (s.p[at] == f->ab[0] && s.p[at + 1] == f->ab[1]) ||
        (s.p[at] == f->cd[0] && s.p[at + 1] == f->cd[1]);
}

static size_t search_plain(struct span s, size_t from, const struct find *f, size_t *dull)
{
    size_t room = room_in(s);

    for (size_t i = from; i + 1 < s.n; i++)
        if (is_pair(s, i, f) && !is_dull(s.p, i, room, f, dull))
            return i;
    return s.n;
}

#if defined(__SSE2__)

#include <immintrin.h>

/* What a search is about, for its inner loop. */
struct search {
    struct span s;
    size_t room;
    const struct find *f;
    size_t *dull;
};

/* The first hit that is not dull: bit k of hits is a pair at i + k. q->s.n if there is none. */
static inline size_t first_hit(const struct search *q, size_t i, uint64_t hits)
{
    for (; hits; hits &= hits - 1) {
        size_t at = i + (unsigned)__builtin_ctzll(hits);

        if (!is_dull(q->s.p, at, q->room, q->f, q->dull))
            return at;
    }
    return q->s.n;
}

/* Bit k is set if a pair begins at p[k], of 16; p[16] is read too. */
static inline uint32_t hits16(const char *p, const __m128i v[4])
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p),
            y = _mm_loadu_si128((const __m128i *)(const void *)(p + 1));
    __m128i ab = _mm_and_si128(_mm_cmpeq_epi8(x, v[0]), _mm_cmpeq_epi8(y, v[1]));
    __m128i cd = _mm_and_si128(_mm_cmpeq_epi8(x, v[2]), _mm_cmpeq_epi8(y, v[3]));

    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(ab, cd));
}

/* The last vector overlaps the one before it, so that no byte is looked at alone. */
static size_t search_sse2(struct span s, size_t from, const struct find *f, size_t *dull)
{
    const struct search q = { s, room_in(s), f, dull };
    const __m128i v[4] = { _mm_set1_epi8(f->ab[0]), _mm_set1_epi8(f->ab[1]),
                           _mm_set1_epi8(f->cd[0]), _mm_set1_epi8(f->cd[1]) };

    if (s.n < 17)
        return search_plain(s, from, f, dull);
    for (size_t i = from; i + 1 < s.n; i += 16) {
        size_t at = i + 17 <= s.n ? i : s.n - 17;
        uint32_t hits = hits16(s.p + at, v) >> (i - at);

        if (hits && (at = first_hit(&q, i, hits)) < s.n)
            return at;
    }
    return s.n;
}

#define WIDE __attribute__((target("avx2")))

/* Like hits16, of 32; p[32] is read too. */
WIDE static inline uint32_t hits32(const char *p, const __m256i v[4])
{
    __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p),
            y = _mm256_loadu_si256((const __m256i *)(const void *)(p + 1));
    __m256i ab = _mm256_and_si256(_mm256_cmpeq_epi8(x, v[0]), _mm256_cmpeq_epi8(y, v[1]));
    __m256i cd = _mm256_and_si256(_mm256_cmpeq_epi8(x, v[2]), _mm256_cmpeq_epi8(y, v[3]));

    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(ab, cd));
}

/* Two vectors with one branch, then one, then the rest. */
WIDE static size_t search_avx2(struct span s, size_t from, const struct find *f, size_t *dull)
{
    const struct search q = { s, room_in(s), f, dull };
    const __m256i v[4] = { _mm256_set1_epi8(f->ab[0]), _mm256_set1_epi8(f->ab[1]),
                           _mm256_set1_epi8(f->cd[0]), _mm256_set1_epi8(f->cd[1]) };
    size_t i = from, at;

    if (s.n < 33)
        return search_sse2(s, from, f, dull);
    for (; i + 64 < s.n; i += 64) {
        uint64_t hits = hits32(s.p + i, v) | (uint64_t)hits32(s.p + i + 32, v) << 32;

        if (hits && (at = first_hit(&q, i, hits)) < s.n)
            return at;
    }
    for (; i + 1 < s.n; i += 32) {
        uint32_t hits;

        at = i + 33 <= s.n ? i : s.n - 33;
        hits = hits32(s.p + at, v) >> (i - at);
        if (hits && (at = first_hit(&q, i, hits)) < s.n)
            return at;
    }
    return s.n;
}

#define WIDEST __attribute__((target("avx512bw,avx512vl,bmi2")))

/* Bit k is set if a pair begins at byte k of x; y has the byte after each. */
WIDEST static inline uint64_t hits64(__m512i x, __m512i y, const __m512i v[4])
{
    __mmask64 ab = _mm512_mask_cmpeq_epi8_mask(_mm512_cmpeq_epi8_mask(x, v[0]), y, v[1]);
    __mmask64 cd = _mm512_mask_cmpeq_epi8_mask(_mm512_cmpeq_epi8_mask(x, v[2]), y, v[3]);

    return ab | cd;
}

/* The last vector is loaded only as far as s goes. */
WIDEST static size_t search_avx512(struct span s, size_t from, const struct find *f, size_t *dull)
{
    const struct search q = { s, room_in(s), f, dull };
    const __m512i v[4] = { _mm512_set1_epi8(f->ab[0]), _mm512_set1_epi8(f->ab[1]),
                           _mm512_set1_epi8(f->cd[0]), _mm512_set1_epi8(f->cd[1]) };
    size_t i = from, at;
    uint64_t hits, there;

    for (; i + 65 <= s.n; i += 64) {
        hits = hits64(_mm512_loadu_si512(s.p + i), _mm512_loadu_si512(s.p + i + 1), v);
        if (hits && (at = first_hit(&q, i, hits)) < s.n)
            return at;
    }
    if (i + 1 >= s.n)
        return s.n;
    there = _bzhi_u64(~(uint64_t)0, (unsigned)(s.n - 1 - i));
    hits = there &
        hits64(_mm512_maskz_loadu_epi8(there, s.p + i), _mm512_maskz_loadu_epi8(there, s.p + i + 1),
               v);
    return first_hit(&q, i, hits);
}

/* Some processors slow down when they use AVX-512; those with VBMI do not. */
static unsigned ways_here(void)
{
    if (!__builtin_cpu_supports("avx2"))
        return 2;
    return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("bmi2")
        ? 4
        : 3;
}

static find_fn *search_nth(unsigned i)
{
    static find_fn *const ways[] = { search_plain, search_sse2, search_avx2, search_avx512 };

    return i < ways_here() ? ways[i] : NULL;
}

#elif defined(__ARM_NEON) && defined(__aarch64__)

#include <arm_neon.h>

/* Where a vector has a pair, its bytes are looked at one by one. */
static size_t search_neon(struct span s, size_t from, const struct find *f, size_t *dull)
{
    const uint8x16_t a = vdupq_n_u8((uint8_t)f->ab[0]), b = vdupq_n_u8((uint8_t)f->ab[1]);
    const uint8x16_t c = vdupq_n_u8((uint8_t)f->cd[0]), d = vdupq_n_u8((uint8_t)f->cd[1]);
    size_t i = from;

    for (; i + 17 <= s.n; i += 16) {
        uint8x16_t x = vld1q_u8((const uint8_t *)s.p + i),
                   y = vld1q_u8((const uint8_t *)s.p + i + 1);
        uint8x16_t hit = vorrq_u8(vandq_u8(vceqq_u8(x, a), vceqq_u8(y, b)),
                                  vandq_u8(vceqq_u8(x, c), vceqq_u8(y, d)));

        for (size_t at = i; vmaxvq_u8(hit) && at < i + 16; at++)
            if (is_pair(s, at, f) && !is_dull(s.p, at, room_in(s), f, dull))
                return at;
    }
    return search_plain(s, i, f, dull);
}

static find_fn *search_nth(unsigned i)
{
    static find_fn *const ways[] = { search_plain, search_neon };

    return i < 2 ? ways[i] : NULL;
}

#else

static find_fn *search_nth(unsigned i)
{
    return i == 0 ? search_plain : NULL;
}

#endif

static size_t search_choose(struct span s, size_t from, const struct find *f, size_t *dull)
{
    for (unsigned i = 0; search_nth(i); i++)
        find_search = search_nth(i);
    return find_search(s, from, f, dull);
}

find_fn *find_search = search_choose;

size_t find_on(find_fn *search, struct span s, size_t at, const struct find *f, size_t *dull)
{
    while (at < s.n && is_rarely_dull(s, at, f, dull))
        at = search(s, at + 1, f, dull);
    return at;
}

size_t find_pairs_nth(unsigned i, struct span s, size_t from, const struct find *f, size_t *dull)
{
    return find_on(search_nth(i), s, search_nth(i)(s, from, f, dull), f, dull);
}

bool find_has(unsigned i)
{
    return search_nth(i) != NULL;
}
