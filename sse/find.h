/* Finding two pairs of bytes in one pass, 16 bytes at a time where the processor can.
 * Knows nothing of what the pairs mean. */
#ifndef SSE_FIND_H
#define SSE_FIND_H

#include "net/span.h"

/* The offset at or after from where s has the bytes ab or cd; s.n if there is none. */
size_t find_pairs(struct span s, size_t from, const char ab[2], const char cd[2]);

/* The same, a byte at a time: the portable twin, and what the other is tested against. */
size_t find_pairs_plain(struct span s, size_t from, const char ab[2], const char cd[2]);

#endif
