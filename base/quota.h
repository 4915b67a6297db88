/* What clients have used of what they may use: a row for each label that has limits, in memory that
 * the processes of an instance share, so that all workers count as one. It knows labels by their
 * ids (tally_id) and says nothing of what is refused: that is proxy/limits.h. */
#ifndef BASE_QUOTA_H
#define BASE_QUOTA_H

#include "base/crowd.h"

#include <stddef.h>

#define QUOTA_ROWS 16384
/* So many labels can have limits at once: there is room for two generations of others. */
#define QUOTA_LABELS_MAX 8000

/* What a label may use; 0 of anything is no limit. */
struct quota_limits {
    uint32_t requests;      /* a minute */
    uint32_t tokens;        /* a minute */
    uint32_t tokens_of_day; /* of UTC */
    uint32_t open;          /* requests at once */
};

/* The row of a label.
 * 1. id, generation and the counts a minute are the keeper's: the process that made the rows.
 * 2. open is how many requests are under way, of a label without such a limit as well.
 * 3. What was used on day is used - base, of which used only grows: who finds another day makes
 *    base what used was, and it does not matter who is first. */
struct quota {
    _Atomic uint32_t id[2];                      /* 0 in a row that has never been used */
    uint32_t generation;                         /* the last one that has the label */
    uint32_t requests_a_minute, tokens_a_minute; /* that the buckets were filled by */
    struct bucket requests, tokens;
    _Atomic uint32_t used, base, day;
    _Atomic uint32_t open;
};

struct quotas;

/* Makes rows that n processes share: this one, and those that it forks. They take memory as far as
 * they are used. Returns NULL without memory. */
struct quotas *quotas_make(unsigned n);

/* Gives the rows of n processes back. NULL is fine. */
void quotas_free(struct quotas *q, unsigned n);

/* The buckets of clients that have no label. */
struct crowd *quotas_crowd(struct quotas *q);

/* The keeper is about to claim the rows of a new generation of labels: quota_keep for all of them,
 * then quota_claim for all of them. */
void quotas_turn(struct quotas *q);

/* Keeps the row of the label with that id, which stays as it is, if it has one. */
void quota_keep(struct quotas *q, uint64_t id);

/* The row of the label with that id, which is made where it has none, from one whose label is gone
 * if need be. What was used stays used where the limits are others now. The row is the label's as
 * long as it is claimed in each generation, and in the one after. */
struct quota *quota_claim(struct quotas *q, uint64_t id, const struct quota_limits *limits);

/* The row of the label with that id, that the keeper has claimed; NULL: it has not. */
struct quota *quota_find(struct quotas *q, uint64_t id);

/* Process number process begins a request, of max at once; 0: there is no limit. Returns false if
 * there are as many. */
bool quota_enter(struct quotas *q, unsigned process, struct quota *row, uint32_t max);

/* That request has ended. */
void quota_leave(struct quotas *q, unsigned process, struct quota *row);

/* The process has ended, and all its requests with it. */
void quotas_clear(struct quotas *q, unsigned process);

/* The tokens that were used on that day. */
uint32_t quota_used(struct quota *row, uint32_t day);

/* Adds n tokens to those of that day, and to those that are missing in the bucket of the minute
 * where there is such a limit. */
void quota_charge(struct quota *row, const struct quota_limits *limits, uint64_t n, uint32_t day);

#endif
