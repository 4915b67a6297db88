/* 64 bytes in eight words, for any machine. json/lanes.h tells what each function does. */
#ifndef JSON_LANES_PORTABLE_H
#define JSON_LANES_PORTABLE_H

#include "json/bits.h"
#include "json/names.h"

#define JSON_KERNEL json_kernel_portable
#define JSON_KERNEL_NAME "portable"
#define JSON_WORDS 1
#define JSON_VECTORS 8

typedef uint64_t json_vector; /* eight bytes, the first in the lowest bits */

/* Turns a word as it lies in memory into a vector, or back. */
static inline json_vector json_vector_order(uint64_t w)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(w);
#else
    return w;
#endif
}

static inline json_vector json_vector_load(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof w);
    return json_vector_order(w);
}

static inline void json_vector_store(char *to, json_vector v)
{
    uint64_t w = json_vector_order(v);

    memcpy(to, &w, sizeof w);
}

static inline json_vector json_vector_all(char c)
{
    return (uint8_t)c * (uint64_t)0x0101010101010101;
}

static inline json_vector json_vector_or(json_vector a, json_vector b)
{
    return a | b;
}

/* The high bit of each byte that is at most limit, which is below 0x80; exact, no carry crosses a
 * byte. */
static inline json_vector json_vector_at_most(json_vector v, char limit)
{
    const uint64_t high = json_vector_all((char)0x80);

    return ~((v & ~high) + json_vector_all((char)(0x7F - limit))) & ~v & high;
}

static inline json_vector json_vector_equal(json_vector v, char c)
{
    return json_vector_at_most(v ^ json_vector_all(c), 0);
}

static inline json_vector json_vector_range(json_vector v, char low, char high)
{
    return json_vector_at_most(v, high) & ~(low > 0 ? json_vector_at_most(v, (char)(low - 1)) : 0);
}

static inline bool json_vector_none(json_vector v)
{
    return v == 0;
}

/* One bit for each byte whose high bit is set; the other bits are zero. The multiplication gathers
 * eight of them. */
static inline uint64_t json_vector_bits(const json_vector v[JSON_VECTORS])
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < JSON_VECTORS; i++)
        mask |= ((v[i] >> 7) * 0x0102040810204080 >> 56) << 8 * i;
    return mask;
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
