/* A span is a pointer and a length: bytes that somebody else owns.
 * It knows nothing of encodings, sockets or lifetimes beyond "valid for the call".
 * Every codec speaks in spans; read http/head.h next. */
#ifndef NET_SPAN_H
#define NET_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *p;
    size_t n;
};

/* A span over a string literal. */
#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })

/* A span over the NUL-terminated string s, NUL left out; NULL gives an empty span. */
static inline struct span span_of(const char *s)
{
    return (struct span){ s, s ? strlen(s) : 0 };
}

/* True if a and b hold the same bytes. */
static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* c in lower case if it is an ASCII letter; no locale. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* True if a and b are the same but for the case of ASCII letters. */
static inline bool span_eq_nocase(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

/* What is left of s after its first n bytes; n may not exceed s.n. */
static inline struct span span_skip(struct span s, size_t n)
{
    return (struct span){ s.p + n, s.n - n };
}

/* Overwrites n bytes in a way that no compiler leaves out. p may be NULL. */
static inline void wipe(void *p, size_t n)
{
    volatile unsigned char *bytes = (volatile unsigned char *)p;

    while (bytes && n-- > 0)
        bytes[n] = 0;
}

#endif
