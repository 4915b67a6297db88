/* A span is a pointer and a length: bytes that somebody else owns.
 * It knows nothing of encodings, sockets or lifetimes beyond "valid for the call".
 * What spans may say is read by base/text.h and written by base/out.h. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

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

/* True if s begins with start. */
static inline bool span_starts(struct span s, struct span start)
{
    return s.n >= start.n && (start.n == 0 || memcmp(s.p, start.p, start.n) == 0);
}

/* Where c is in s for the first time; s.n if it is not. */
static inline size_t span_find(struct span s, char c)
{
    const char *at = s.n > 0 ? (const char *)memchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

/* Where c is in s for the last time; s.n if it is not. */
static inline size_t span_find_last(struct span s, char c)
{
    size_t i = s.n;

    while (i > 0 && s.p[i - 1] != c)
        i--;
    return i > 0 ? i - 1 : s.n;
}

/* Overwrites n bytes in a way that no compiler leaves out: to it the assembler might read them. p
 * may be NULL. */
static inline void wipe(void *p, size_t n)
{
    if (!p || n == 0)
        return;
    memset(p, 0, n);
    __asm__ volatile("" : : "r"(p) : "memory");
}

#endif
