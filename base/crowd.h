/* Buckets for whoever comes, in a table whose size is fixed, in memory that processes share. Each
 * has a bucket of his own as long as something is missing in it. Where more come at once than fit,
 * he whose bucket is fullest is forgotten: his next one is full. */
#ifndef BASE_CROWD_H
#define BASE_CROWD_H

#include "base/bucket.h"
#include "base/span.h"

#define CROWD_SETS 2048
#define CROWD_WAYS 8 /* the places where somebody can stand */

struct crowd_place {
    _Atomic uint32_t tag; /* a part of the hash of whom it belongs to; 0: nobody */
    struct bucket bucket;
};

/* 1. All zero is empty; secret and a_minute are the keeper's, who made the memory. Nobody is looked
 *    for before crowd_set. */
struct crowd {
    uint64_t secret[2]; /* so that nobody can choose whom he shares places with */
    uint32_t a_minute;  /* that the buckets were filled by */
    struct crowd_place places[CROWD_SETS][CROWD_WAYS];
};

/* Each bucket gets n permits a minute from now on; 0: none is asked for. What was taken stays
 * taken. For the keeper. */
void crowd_set(struct crowd *c, uint32_t n);

/* The bucket of him whom name stands for, any bytes, at present. He has it at least until he takes
 * from it: that has to be at once. */
struct bucket *crowd_find(struct crowd *c, struct span name, uint64_t now);

#endif
