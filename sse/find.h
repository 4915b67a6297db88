/* Finding two pairs of bytes in one pass, in vectors where the processor has them.
 * Knows nothing of what the pairs mean. */
#ifndef SSE_FIND_H
#define SSE_FIND_H

#include "net/span.h"

/* The offset at or after from where s has the bytes ab or cd; s.n if there is none. */
typedef size_t find_fn(struct span s, size_t from, const char ab[2], const char cd[2]);

/* The fastest way this machine has, from the first call on. */
extern find_fn *find_pairs;

/* A byte at a time: the portable twin, and what the others are tested against. */
find_fn find_pairs_plain;

/* The i-th way that this machine has, the portable one first; NULL past the last. For tests. */
find_fn *find_nth(unsigned i);

#endif
