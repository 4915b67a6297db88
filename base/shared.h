/* The memory that the processes of an instance share: what they count, and what clients have used.
 * Each process has a row of its own in both, of the same number. */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

#include "base/quota.h"
#include "base/tally.h"

struct shared {
    struct tallies *tallies;
    struct quotas *quotas;
};

/* Makes the memory for n processes: this one, and those that it forks. Returns 0 or -ENOMEM;
 * shared_free is due either way. */
int shared_make(struct shared *s, unsigned n);

/* Gives the memory for n processes back. */
void shared_free(struct shared *s, unsigned n);

/* The process of the row has ended: nothing of what it held is there any more. */
void shared_clear(const struct shared *s, unsigned row);

#endif
