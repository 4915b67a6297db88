/* The loops that look at every byte of a body: find the end of a plain stretch of a string, and sort 64 bytes into masks of bits.
 * They know bytes, not grammar; each exists as portable C, as the vectors every x86-64 and arm64 has, and as AVX2 chosen at run time.
 * Who reads the masks is json/bulk.c. */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include <stddef.h>
#include <stdint.h>

#define JSON_BLOCK 64

/* Bit i of each mask speaks of byte i of a block. */
struct json_text_masks {
    uint64_t quote, backslash;
    uint64_t control;                   /* below 0x20 */
};

struct json_token_masks {
    uint64_t open, close;               /* { and [ ; } and ] */
    uint64_t comma, colon;
    uint64_t white;                     /* space, tab, line feed, carriage return */
    uint64_t digit, zero;               /* 0 to 9; 0 alone */
    uint64_t dot, exponent, plus, minus; /* . ; e and E; + ; - */
};

struct json_escape_masks {
    uint64_t plain;                     /* the letters of short escapes: " \\ / b f n r t */
    uint64_t u;
};

/* One way of doing it. All ways give the same results and read nothing outside the bytes named. */
struct json_scan {
    const char *name;
    /* Returns the index of the first quote, backslash or byte below 0x20 among the n bytes at p; n if there is none. */
    size_t (*string)(const char *p, size_t n);
    /* Each sorts the JSON_BLOCK bytes at p into *m. */
    void (*text)(const char *p, struct json_text_masks *m);
    void (*tokens)(const char *p, struct json_token_masks *m);
    void (*escapes)(const char *p, struct json_escape_masks *m);
    /* Bit i of the result: byte i of the block at p is one of the four in set. */
    uint64_t (*any)(const char *p, const uint8_t set[4]);
};

/* The fastest way this machine has; static. */
const struct json_scan *json_scan_best(void);

/* The i-th way this machine has, the portable one first; NULL past the last. For tests and measurements. */
const struct json_scan *json_scan_nth(unsigned i);

/* The ways themselves; the vector ones have NULL members where the compiler's target lacks them. */
extern const struct json_scan json_scan_portable, json_scan_vector, json_scan_avx2;

#endif
