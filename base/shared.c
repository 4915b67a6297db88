/* Shared memory, made and given back in one. */
#include "base/shared.h"

#include <errno.h>

int shared_make(struct shared *s, unsigned n)
{
    *s = (struct shared){ tallies_make(n), quotas_make(n) };
    return s->tallies && s->quotas ? 0 : -ENOMEM;
}

void shared_free(struct shared *s, unsigned n)
{
    tallies_free(s->tallies, n);
    quotas_free(s->quotas, n);
    *s = (struct shared){ 0 };
}

void shared_clear(const struct shared *s, unsigned row)
{
    tally_clear(&s->tallies->rows[row]);
    quotas_clear(s->quotas, row);
}
