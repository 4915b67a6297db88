/* Input that cannot be parsed yet, in one piece: an incomplete head, or bytes that a client sent
 * ahead. Holds memory only while it holds bytes. The ceiling is the owner's, which stops reading
 * while it cannot use what is here. */
#ifndef NET_INBUF_H
#define NET_INBUF_H

#include "base/span.h"

#include <stdint.h>

struct inbuf {
    char *p;
    uint32_t start, end, cap;
};

/* Appends a copy of s. Returns 0 or -ENOMEM (b is as before). */
int inbuf_put(struct inbuf *b, struct span s);

/* The bytes in b; valid until the next inbuf_put or inbuf_drop. */
static inline struct span inbuf_span(const struct inbuf *b)
{
    return b->p ? (struct span){ b->p + b->start, b->end - b->start } : (struct span){ NULL, 0 };
}

/* The most memory that holding up to n bytes takes, n < 2^31. */
size_t inbuf_memory(size_t n);

/* Drops the first n bytes; frees the memory when none are left. */
void inbuf_drop(struct inbuf *b, size_t n);

/* Drops everything. */
void inbuf_clear(struct inbuf *b);

#endif
