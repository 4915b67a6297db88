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

struct snapshot_upstream {
    uint64_t numbers[TALLY_NUMBERS];
    uint64_t resting, keys_resting; /* in how many processes it rests, how many keys of it do */
};

/* 1. upstreams holds the one of SNAPSHOT_OTHER first, then those of conf in order.
 * 2. series is a table of a power of two places, at most half of which are in use. */
struct snapshot {
    const struct conf *conf;
    uint64_t clients, exchanges, streams, open, held, lines_lost, reloads[2];
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

/* True where no request can be sent any more: every upstream of conf has failed three times in a
 * row, in all processes together, and the last failure is less than a minute ago. After that
 * somebody has to try, or nobody would ever find out. */
bool snapshot_all_fail(const struct tallies *t, const struct conf *conf, uint64_t now);

#endif
