/* Text into a buffer of the caller's, with one sticky overflow flag instead of a check per call.
 * It knows nothing of what is written. Field lines built with it are in http/emit.h. */
#ifndef BASE_OUT_H
#define BASE_OUT_H

#include "base/span.h"

#include <stdint.h>

/* 1. n <= cap always; 2. once overflow is set nothing more is written and n stays. */
struct out {
    char *p;
    size_t n, cap;
    bool overflow;
};

/* Starts writing at buf, which has room for cap bytes and stays the caller's. */
void out_init(struct out *o, char *buf, size_t cap);

/* Appends bytes as they are. Inline, so that a literal costs a store or two. */
static inline void out_put(struct out *o, struct span s)
{
    if (s.n > o->cap - o->n)
        o->overflow = true;
    if (o->overflow || s.n == 0)
        return;
    memcpy(o->p + o->n, s.p, s.n);
    o->n += s.n;
}

/* Appends v in decimal. */
void out_uint(struct out *o, uint64_t v);

/* Appends s as the inside of a JSON string (RFC 8259, 7): quotes, backslashes, controls and what
 * else changes how text is shown are escaped, and every byte that is not valid UTF-8 is replaced by
 * U+FFFD. */
void out_json(struct out *o, struct span s);

/* How long n bytes are in base64. */
#define OUT_BASE64_SIZE(n) (((n) + 2) / 3 * 4)

/* Appends s in base64 with its padding (RFC 4648, 4). */
void out_base64(struct out *o, struct span s);

/* Appends the credentials of the Basic scheme (RFC 7617, 2) without the scheme's name:
 * user:password in base64. */
void out_basic(struct out *o, struct span user, struct span password);

/* What was written so far. */
struct span out_span(const struct out *o);

#endif
