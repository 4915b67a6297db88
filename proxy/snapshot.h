/* What all processes have counted at one moment, added up, by the labels of one configuration:
 * what it has no label for is left out. It knows no text; that is proxy/exposition.h. */
#ifndef PROXY_SNAPSHOT_H
#define PROXY_SNAPSHOT_H

#include "base/tally.h"
#include "cfg/conf.h"

/* Indices of labels. */
#define SNAPSHOT_NONE 0u  /* there is none */
#define SNAPSHOT_OTHER 1u /* all that have no series of their own */
#define SNAPSHOT_FIRST 2u /* conf.keys[0], conf.upstreams[0] and so on */

/* Requests of one kind. n is 0 in a place that is free. */
struct snapshot_series {
    uint32_t key;
    uint16_t upstream;
    uint8_t what, class; /* as in struct tally_kind; the status' first digit */
    uint64_t n;
};

#define SNAPSHOT_RESTS 32
#define SNAPSHOT_ERRORS 12

/* 1. rests holds, of the keys that rest, stamps of the upstream's own, one for each. */
struct snapshot_upstream {
    uint64_t numbers[TALLY_NUMBERS];
    uint64_t resting, keys_resting; /* in how many processes it rests, how many keys of it do */
    uint64_t rests_until, rests[SNAPSHOT_RESTS];
    unsigned n_rests, clients_resting; /* keys that the table has for clients */
};

/* Requests that failed in the same way, the last of them at a time of the monotonic clock. */
struct snapshot_error {
    uint64_t at, n;
    uint32_t key;
    uint16_t upstream, status;
    uint8_t what, reason; /* reason: an enum failure */
};

/* 1. upstreams holds the one of SNAPSHOT_OTHER first, then those of conf in order.
 * 2. series is a table of a power of two places, at most half of which are in use.
 * 3. errors holds the last ones, the latest first. */
struct snapshot {
    const struct conf *conf;
    uint64_t at, began; /* when it was taken, when the instance began: milliseconds */
    uint64_t clients, exchanges, streams, open, held, lines_lost, reloads[2];
    uint64_t serves, watchers; /* processes that serve, who looks at a page of the status */
    struct snapshot_error errors[SNAPSHOT_ERRORS];
    unsigned n_errors;
    struct snapshot_upstream *upstreams;
    unsigned n_upstreams;
    struct snapshot_series *series;
    unsigned n_series;
};

/* Takes a snapshot of t at now, a time of the monotonic clock in milliseconds; conf outlives it.
 * Returns 0, to be ended by snapshot_free, or -ENOMEM. */
int snapshot_take(struct snapshot *s, const struct tallies *t, const struct conf *conf,
                  uint64_t now);

/* Frees what s holds. One that is all zero is fine. */
void snapshot_free(struct snapshot *s);

/* The labels of an index; "" is that of SNAPSHOT_NONE. */
const char *snapshot_key(const struct snapshot *s, unsigned index);
const char *snapshot_upstream(const struct snapshot *s, unsigned index);

/* True where the upstream of that name has failed three times in a row, in all processes together,
 * and the last failure is less than a minute ago. After that somebody has to try, or nobody would
 * ever find out. */
bool snapshot_fails(const struct tallies *t, const char *name, uint64_t now);

/* True where no request can be sent any more: every upstream of conf fails. */
bool snapshot_all_fail(const struct tallies *t, const struct conf *conf, uint64_t now);

#endif
