/* Finding two pairs of bytes in one pass, in vectors where the processor has them.
 * Knows nothing of what the pairs mean. */
#ifndef SSE_FIND_H
#define SSE_FIND_H

#include "net/span.h"

#define FIND_DULL 14

/* What to look for: the bytes ab, and the bytes cd. Where a pair begins the bytes dull, it is passed over: that is what most of them begin. */
struct find {
    char ab[2 + 1], cd[2 + 1], dull[FIND_DULL + 1];     /* with a NUL that is not looked for */
};

/* The offset at or after from where s has a pair that f looks for; s.n if there is none. */
typedef size_t find_fn(struct span s, size_t from, const struct find *f);

/* The fastest way this machine has, from the first call on. */
extern find_fn *find_pairs;

/* A byte at a time: the portable twin, and what the others are tested against. */
find_fn find_pairs_plain;

/* The i-th way that this machine has, the portable one first; NULL past the last. For tests. */
find_fn *find_nth(unsigned i);

#endif
