/* Finds two pairs of bytes in one pass, in vectors where the processor has them. */
#ifndef SSE_FIND_H
#define SSE_FIND_H

#include "base/span.h"

#define FIND_DULL_AB 14
#define FIND_DULL_CD 4

/* The pairs to look for, ab and cd. A pair that begins its dull word is skipped: most do, and so
 * are those that begin the spaced form, which may be empty. */
struct find {
    char ab[2 + 1], cd[2 + 1]; /* these and all below with a NUL that is not looked for */
    char dull_ab[FIND_DULL_AB + 1], dull_cd[FIND_DULL_CD + 1];
    char spaced_ab[FIND_DULL_AB + 2], spaced_cd[FIND_DULL_CD + 2];
};

/* A search stops at pairs that are dull in a rare way, too, so that its loop has no calls, which
 * would cost it its registers. The others are as in find_pairs. */
typedef size_t find_fn(struct span s, size_t from, const struct find *f, size_t *dull);

/* The fastest search that this machine has, from the first call on. */
extern find_fn *find_search;

/* Goes on with a search that stopped at `at`, to the first pair that is not dull. */
size_t find_on(find_fn *search, struct span s, size_t at, const struct find *f, size_t *dull);

/* The offset at or after from where s has a pair that f looks for; s.n if there is none. If a pair
 * ab was skipped before it, *dull becomes the offset of the last such one. */
static inline size_t find_pairs(struct span s, size_t from, const struct find *f, size_t *dull)
{
    size_t at = find_search(s, from, f, dull);

    return at == s.n ? at : find_on(find_search, s, at, f, dull);
}

/* The same by the i-th search that this machine has, the portable one first. For tests. */
size_t find_pairs_nth(unsigned i, struct span s, size_t from, const struct find *f, size_t *dull);

/* True if there is an i-th search. */
bool find_has(unsigned i);

#endif
