/* 64 bytes in one vector of AVX-512, with VBMI and VBMI2: Intel's since Ice Lake, AMD's since Zen
 * 4. Its comparisons give masks. Compiled only into the kernel that runs where the machine has all
 * of this. json/lanes.h tells what each function does. */
#ifndef JSON_LANES_AVX512_H
#define JSON_LANES_AVX512_H

#include "json/bits.h"
#include "json/names.h"

#include <immintrin.h>

#define JSON_KERNEL json_kernel_avx512
#define JSON_KERNEL_NAME "AVX-512"
#define JSON_WORDS 8

struct json_lanes {
    __m512i v;
};

static inline struct json_lanes json_load(const char *p)
{
    return (struct json_lanes){ _mm512_loadu_si512(p) };
}

static inline void json_store(char *to, struct json_lanes b)
{
    _mm512_storeu_si512(to, b.v);
}

static inline struct json_lanes json_fold(struct json_lanes b)
{
    return (struct json_lanes){ _mm512_or_si512(b.v, _mm512_set1_epi8(0x20)) };
}

static inline uint64_t json_equal(struct json_lanes b, char c)
{
    return _mm512_cmpeq_epi8_mask(b.v, _mm512_set1_epi8(c));
}

static inline uint64_t json_range(struct json_lanes b, char low, char high)
{
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(b.v, _mm512_set1_epi8(low)),
                                  _mm512_set1_epi8((char)(high - low)));
}

static inline bool json_plain(struct json_lanes b)
{
    return (json_equal(b, '"') | json_equal(b, '\\') | json_range(b, 0, 0x1F)) == 0;
}

/* The bytes of a set, each at the place of its lower six bits. The place of NUL, unless NUL is in
 * the set, must hold something else. */
static inline uint64_t json_member(struct json_lanes b, const char set[64])
{
    return _mm512_cmpeq_epi8_mask(_mm512_permutexvar_epi8(b.v, _mm512_loadu_si512(set)), b.v);
}

static inline uint64_t json_short_escapes(struct json_lanes b)
{
    static const char set[64] = { 1,
                                  ['n' & 63] = 'n',
                                  ['t' & 63] = 't',
                                  ['r' & 63] = 'r',
                                  ['b' & 63] = 'b',
                                  ['f' & 63] = 'f',
                                  ['/' & 63] = '/' };

    return json_member(b, set);
}

static inline uint64_t json_white(struct json_lanes b)
{
    static const char set[64] = { 1, [' '] = ' ', ['\n'] = '\n', ['\r'] = '\r', ['\t'] = '\t' };

    return json_member(b, set);
}

static inline uint64_t json_punctuation(struct json_lanes b)
{
    static const char set[64] = {
        1,           ['{' & 63] = '{', ['}' & 63] = '}', ['[' & 63] = '[', [']' & 63] = ']',
        [','] = ',', [':'] = ':',      ['"'] = '"'
    };

    return json_member(b, set);
}

static inline void json_squeeze(char *to, const char *p, uint64_t keep)
{
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi8(keep, _mm512_loadu_si512(p)));
}

static inline uint64_t json_name_starts(const struct json_name_starts *starts, const char *p,
                                        uint64_t quotes)
{
    __m512i first =
        _mm512_permutexvar_epi8(_mm512_loadu_si512(p + 1), _mm512_loadu_si512(starts->first.at));
    __m512i second =
        _mm512_permutexvar_epi8(_mm512_loadu_si512(p + 2), _mm512_loadu_si512(starts->second.at));

    return quotes & _mm512_test_epi8_mask(first, second);
}

#endif
