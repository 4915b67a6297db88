/* What the processes of an instance count: a row of numbers for each process, in memory that they
 * share. Each writes its own row and reads all of them, and what has died stays counted. It knows
 * numbers and no names: labels become text in proxy/exposition.h. */
#ifndef BASE_TALLY_H
#define BASE_TALLY_H

#include "base/counter.h"
#include "base/span.h"

/* The buckets of a histogram: bucket i has the times below TALLY_BOUND(i) milliseconds. There are
 * as many as times of 32 bits need. Powers of 2 cost an instruction or two to find. */
#define TALLY_BUCKETS 31
#define TALLY_BOUND(i) (UINT64_C(4) << (i))
#define TALLY_HISTOGRAM (TALLY_BUCKETS + 1) /* the numbers of one: its buckets, and the sum */
#define TALLY_REASONS 8                     /* outcomes of a dial, or why a request was retried */
#define TALLY_RESTS 16                      /* keys that rest at once; of more, some are not seen */
#define TALLY_ERRORS 16                     /* kinds of failed requests, the last ones of a row */

/* A time in milliseconds and 16 bits that go with it, as one number: it is never read by halves. */
#define TALLY_STAMP(ms, mark) ((uint64_t)(ms) << 16 | (mark))
#define TALLY_STAMP_MS(stamp) ((stamp) >> 16)
#define TALLY_STAMP_MARK(stamp) ((unsigned)((stamp)&0xffffu))

/* The numbers of an upstream that are added up over the rows. */
enum tally_number {
    TALLY_DURATION,
    TALLY_FIRST_BYTE = TALLY_DURATION + TALLY_HISTOGRAM,
    TALLY_FIRST_EVENT = TALLY_FIRST_BYTE + TALLY_HISTOGRAM,
    TALLY_DIALS = TALLY_FIRST_EVENT + TALLY_HISTOGRAM,
    TALLY_RETRIES = TALLY_DIALS + TALLY_REASONS,
    TALLY_NUMBERS = TALLY_RETRIES + TALLY_REASONS,
};

/* What one process counts of one upstream. Times are those of the monotonic clock, in milliseconds.
 * What follows numbers is true of this moment, and void when the process has ended. */
struct tally_upstream {
    struct counter numbers[TALLY_NUMBERS];
    struct counter failures;              /* dials that failed in a row */
    struct counter failed_at, reached_at; /* the last dial of either kind */
    struct counter rests_until;
    struct counter keys_rest_until[TALLY_RESTS]; /* stamps, whose mark says which key */
};

/* What requests of one kind have in common beside their key: a word, so that one load takes it. */
struct tally_kind {
    uint8_t what;  /* the route, and above it the ending: TALLY_WHAT */
    uint8_t place; /* of the upstream */
    uint16_t status;
};

#define TALLY_WHAT(route, ending) ((uint8_t)((unsigned)(route) | (unsigned)(ending) << 6))
#define TALLY_ROUTE(what) ((what)&0x3fu)
/* Routes that are none: a series of such a kind counts tokens, those of requests and responses. */
#define TALLY_INPUT 62u
#define TALLY_OUTPUT 63u
#define TALLY_ENDING(what) ((unsigned)(what) >> 6)

/* The mark of a key that rests: its index among those of the upstream, or with this bit among those
 * that the table of clients has for one client. */
#define TALLY_CLIENTS_KEY 0x100u

#define TALLY_UPSTREAMS 32
#define TALLY_NO_UPSTREAM 0    /* the place for requests that went to none */
#define TALLY_OTHER_UPSTREAM 1 /* for upstreams beyond the places */
#define TALLY_SERIES_BITS 12
#define TALLY_SERIES (1u << TALLY_SERIES_BITS)
/* With so many series in a row, new ones are counted under TALLY_OTHER_KEY. */
#define TALLY_CROWDED (TALLY_SERIES / 4 * 3)

#define TALLY_NO_KEY 0u
#define TALLY_OTHER_KEY 1u
#define TALLY_FIRST_KEY 2u /* the ids of keys that have series of their own begin here */

/* The kind as the lower half of a tag. */
static inline uint32_t tally_low(struct tally_kind kind)
{
    uint32_t low;

    memcpy(&low, &kind, sizeof low);
    return low;
}

/* The tag of a series: the key's id, and the kind below it. 0 has no request: one without a status
 * has not ended well. */
static inline uint64_t tally_tag(uint32_t key, struct tally_kind kind)
{
    return (uint64_t)key << 32 | tally_low(kind);
}

static inline uint32_t tally_key(uint64_t tag)
{
    return (uint32_t)(tag >> 32);
}

static inline struct tally_kind tally_kind(uint64_t tag)
{
    uint32_t low = (uint32_t)tag;
    struct tally_kind kind;

    memcpy(&kind, &low, sizeof kind);
    return kind;
}

/* Requests of one kind, or tokens. tag 0: the place is free. */
struct tally_series {
    struct counter tag, count;
};

/* Requests that failed in the same way. A reader finds the same stamp before and after the rest, or
 * has to look again.
 * 1. last is the stamp of the last one, whose mark is the reason; 0: the place is free, or is being
 *    written.
 * 2. The place of the upstream in tag is this row's. */
struct tally_error {
    struct counter last, tag, n;
};

struct tally_failure {
    uint64_t last, tag, n; /* as in struct tally_error */
};

/* The row of one process.
 * 1. Only this process writes to it. When it has ended, its parent clears what is true of a moment
 *    alone (tally_clear), and another process may go on with the row.
 * 2. Requests are counted in series when they end. Those of series that were dropped are still in
 *    dropped.
 * 3. ids[i] is 0 in a place for an upstream that is free, and users[i] tells how many use it in
 *    this process; with none it may be replaced. They stand apart from the numbers, which take
 *    memory only where there is something to count. */
struct tally {
    struct counter connections, dials, dropped;
    struct counter reloads[2]; /* that failed, that were done */
    struct counter lines_lost;
    struct counter clients, exchanges, streams, open, held; /* at this moment; held: bytes */
    struct counter serves, watchers; /* likewise: 1 of a process that serves; who looks at it */
    struct counter n_series;         /* places of series that are in use */
    struct counter ids[TALLY_UPSTREAMS], users[TALLY_UPSTREAMS];
    struct tally_error errors[TALLY_ERRORS];
    struct tally_upstream upstreams[TALLY_UPSTREAMS];
    struct tally_series series[TALLY_SERIES];
};

/* The tag of a place whose series was dropped: a search goes on behind it. */
#define TALLY_DROPPED UINT64_MAX

/* True if there is a series at the place. */
static inline bool tally_in_use(const struct tally *t, unsigned at)
{
    uint64_t tag = counter_read(&t->series[at].tag);

    return tag != 0 && tag != TALLY_DROPPED;
}

/* Rows. The first one belongs to the process that makes them. */
struct tallies {
    struct counter n;     /* of the rows that have been in use: no other is to be touched */
    struct counter began; /* when they were made, by the monotonic clock, in milliseconds */
    struct tally rows[];
};

/* Makes n rows that this process shares with those that it forks. A row takes memory as far as it
 * is written to. Returns NULL without memory. */
struct tallies *tallies_make(unsigned n);

/* Gives the n rows back. NULL is fine. */
void tallies_free(struct tallies *t, unsigned n);

/* The row at index, which counts as used from then on. The process that made the rows may call
 * this. */
struct tally *tallies_use(struct tallies *t, unsigned index);

/* The process of the row has ended: nothing of what it held is there any more. */
void tally_clear(struct tally *t);

/* All requests that have ended, as the row has them. */
uint64_t tally_requests(const struct tally *t);

/* An id for a name, never 0, the same in every process. */
uint64_t tally_id(struct span name);

/* The place for the upstream of that id in a row, TALLY_OTHER_UPSTREAM if all are taken. It has one
 * user more. */
unsigned tally_take_upstream(struct tally *t, uint64_t id);

/* Gives one use of a place back: that of u, which is in t. */
void tally_drop_upstream(struct tally *t, const struct tally_upstream *u);

/* Drops the series of keys for which keeps is false: their labels are gone. */
void tally_drop_keys(struct tally *t, bool (*keeps)(const void *arg, uint32_t key),
                     const void *arg);

/* Notes that a key of the upstream rests. before, until: stamps of the key, with the time when its
 * rest would have ended (0: it did not rest) and with the one when it does. */
void tally_key_rests(struct tally_upstream *u, uint64_t before, uint64_t until, uint64_t now);

/* Notes that a request of the tag has failed at now. reason: a mark that tells more. Where there
 * are more kinds than places, the one that came longest ago is forgotten. */
void tally_fail(struct tally *t, uint64_t tag, unsigned reason, uint64_t now);

/* Copies the place e, whose parts belong together then. Returns false if it is free, or just being
 * written. */
bool tally_read_error(const struct tally_error *e, struct tally_failure *to);

/* Adds n to the series of the tag, which is made if there is none; where there is no room, to one
 * for all such requests. Tokens are lost then. */
void tally_add(struct tally *t, uint64_t tag, uint64_t n);

/* True if the tag is that of a series of tokens. */
static inline bool tally_of_tokens(uint64_t tag)
{
    return TALLY_ROUTE(tally_kind(tag).what) >= TALLY_INPUT;
}

/* Where the search for a tag begins. */
static inline unsigned tally_home(uint64_t tag)
{
    return (unsigned)(tag * UINT64_C(0x9e3779b97f4a7c15) >> (64 - TALLY_SERIES_BITS));
}

/* Adds a request, and faster: most series stand where the search begins. */
static inline void tally_count(struct tally *t, uint64_t tag)
{
    struct tally_series *at = &t->series[tally_home(tag)];

    if (counter_own(&at->tag) == tag)
        counter_add(&at->count, 1);
    else
        tally_add(t, tag, 1);
}

/* The bucket of a time in milliseconds: its bits but the last two. */
static inline size_t tally_bucket(uint32_t ms)
{
    return (size_t)(63 - __builtin_clzll(ms | 3)) - 1;
}

/* Counts a time in one of the histograms of u. */
static inline void tally_observe(struct tally_upstream *u, enum tally_number histogram, uint32_t ms)
{
    counter_add(&u->numbers[histogram + tally_bucket(ms)], 1);
    counter_add(&u->numbers[histogram + TALLY_BUCKETS], ms);
}

#endif
