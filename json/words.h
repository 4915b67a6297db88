/* The same mask of several blocks side by side, one word for each: one instruction works on all of
 * them. The lanes choose how many (JSON_WORDS); with one of them this is plain arithmetic. */
#ifndef JSON_WORDS_H
#define JSON_WORDS_H

#include "json/lanes.h"

#if JSON_WORDS == 1
typedef uint64_t json_words;
#else
typedef uint64_t json_words __attribute__((vector_size(8 * JSON_WORDS)));
#endif

static inline json_words json_words_load(const uint64_t from[JSON_WORDS])
{
    json_words w;

    memcpy(&w, from, sizeof w);
    return w;
}

static inline void json_words_store(uint64_t to[JSON_WORDS], json_words w)
{
    memcpy(to, &w, sizeof w);
}

/* For each block the word of the block before it; for the first one the last word of `before`. */
static inline json_words json_words_before(json_words before, json_words now)
{
#if JSON_WORDS == 1
    (void)now;
    return before;
#elif JSON_WORDS == 2
    return __builtin_shufflevector(before, now, 1, 2);
#elif JSON_WORDS == 4
    return __builtin_shufflevector(before, now, 3, 4, 5, 6);
#else
    return __builtin_shufflevector(before, now, 7, 8, 9, 10, 11, 12, 13, 14);
#endif
}

/* The carry that json_moved and json_through want before the first block: bit is 1 or 0. */
static inline json_words json_words_first(uint64_t bit)
{
    uint64_t w[JSON_WORDS] = { 0 };

    w[JSON_WORDS - 1] = bit << 63;
    return json_words_load(w);
}

/* mask moved on by one byte; *carry brings the blocks before and takes these. */
static inline json_words json_moved(json_words mask, json_words *carry)
{
    json_words before = json_words_before(*carry, mask);

    *carry = mask;
    return mask << 1 | before >> 63;
}

/* Adds a mark at the beginning of some of the runs of ones in runs: each of those turns to zeros,
 * and the byte after it to one. A run that fills a whole block is too long for this; then the last
 * bit of that block is set in *lost, and the following bits mean nothing. */
static inline json_words json_through(json_words marks, json_words runs, json_words *carry,
                                      json_words *lost)
{
    json_words sum = marks + runs, over = (marks & runs) | ((marks | runs) & ~sum);
    json_words total = sum + (json_words_before(*carry, over) >> 63);

    *carry = over;
    *lost |= (sum & ~total) >> 63 << 63;
    return total;
}

#endif
