/* Bytes that have come in and cannot be used yet, in one piece: an incomplete head, or what a client sent ahead.
 * Knows nothing of what the bytes are, and holds memory only while it holds bytes.
 * The ceiling is the owner's: it reads no more while it cannot use what is here. */
#ifndef NET_INBUF_H
#define NET_INBUF_H

#include "net/span.h"

#include <stdint.h>

struct inbuf {
    char *p;
    uint32_t start, end, cap;
};

/* Appends a copy of s. Returns 0 or -ENOMEM (b is as before). */
int inbuf_put(struct inbuf *b, struct span s);

/* The bytes held; valid until the next inbuf_put or inbuf_drop. */
static inline struct span inbuf_span(const struct inbuf *b)
{
    return (struct span){ b->p + b->start, b->end - b->start };
}

/* Drops the first n bytes; when none are left the memory goes too. */
void inbuf_drop(struct inbuf *b, size_t n);

/* Drops everything. */
void inbuf_clear(struct inbuf *b);

#endif
