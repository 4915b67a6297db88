/* Squeezes eight bytes at a time, for instruction sets that can shuffle bytes by a vector of
 * places but cannot squeeze by a mask: json/lanes_avx2.h and json/lanes_neon.h, which bring
 * json_shuffle. */
#ifndef JSON_SQUEEZE_H
#define JSON_SQUEEZE_H

#include "json/bits.h"

/* The places of the bits of m, an eight-bit mask: one byte each, the lowest bit's in the lowest
 * byte. */
#define JSON_PLACE(m, i, rest) ((rest) << 8 * ((m) >> (i)&1) | (uint64_t)((i) * ((m) >> (i)&1)))
#define JSON_PLACES_HIGH(m)                                                                        \
    JSON_PLACE(m, 4, JSON_PLACE(m, 5, JSON_PLACE(m, 6, JSON_PLACE(m, 7, (uint64_t)0))))
#define JSON_PLACES(m)                                                                             \
    JSON_PLACE(m, 0, JSON_PLACE(m, 1, JSON_PLACE(m, 2, JSON_PLACE(m, 3, JSON_PLACES_HIGH(m)))))
#define JSON_PLACES_4(m) JSON_PLACES(m), JSON_PLACES(m + 1), JSON_PLACES(m + 2), JSON_PLACES(m + 3)
#define JSON_PLACES_16(m)                                                                          \
    JSON_PLACES_4(m), JSON_PLACES_4(m + 4), JSON_PLACES_4(m + 8), JSON_PLACES_4(m + 12)
#define JSON_PLACES_64(m)                                                                          \
    JSON_PLACES_16(m), JSON_PLACES_16(m + 16), JSON_PLACES_16(m + 32), JSON_PLACES_16(m + 48)

static const uint64_t json_places[256] = { JSON_PLACES_64(0), JSON_PLACES_64(64),
                                           JSON_PLACES_64(128), JSON_PLACES_64(192) };

static inline void json_squeeze(char *to, const char *p, uint64_t keep)
{
    if (!keep)
        return;
    for (unsigned i = 0; i < JSON_BLOCK; i += 8) {
        unsigned mask = keep >> i & 0xFF;

        json_shuffle(to, p + i, &json_places[mask]);
        to += json_count(mask);
    }
}

#endif
