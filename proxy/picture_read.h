/* The other end of proxy/picture.h: its JSON as a struct again. It believes nothing of what it
 * reads: the peer may be another program. */
#ifndef PROXY_PICTURE_READ_H
#define PROXY_PICTURE_READ_H

#include "base/span.h"
#include "base/tally.h"

#define PICTURE_TEXT 64 /* with its NUL; a longer text is cut */
#define PICTURE_ERRORS 12
#define PICTURE_READ_UPSTREAMS 30
#define PICTURE_KEYS 32
#define PICTURE_CLASSES 6

/* Texts are UTF-8 without any character that does more than be shown. */
struct picture_upstream {
    char name[PICTURE_TEXT], state[PICTURE_TEXT];
    uint64_t rests_ms, keys, client_keys_resting;
    uint64_t keys_resting[2 * PICTURE_KEYS]; /* an index and milliseconds for each that rests */
    uint64_t requests[PICTURE_CLASSES], first_event[TALLY_BUCKETS];
};

struct picture_error {
    uint64_t ago_ms, status, n;
    char ending[PICTURE_TEXT], upstream[PICTURE_TEXT], key[PICTURE_TEXT], reason[PICTURE_TEXT];
};

/* Members as docs/status.md has them. */
struct picture {
    char version[PICTURE_TEXT];
    bool draining;
    uint64_t time_ms, uptime_ms, workers, in_flight, streams, clients;
    uint64_t requests[PICTURE_CLASSES], tokens[2], first_event[TALLY_BUCKETS];
    struct picture_upstream upstreams[PICTURE_READ_UPSTREAMS];
    struct picture_error errors[PICTURE_ERRORS];
    uint64_t n_upstreams, upstreams_more, n_errors;
};

/* Reads json into *p. Members that are not there are 0, those that are not known are passed over,
 * and lists are cut to their room. No
 * number is above 2^48. Returns 0, or -EBADMSG if it is not the JSON of such an
 * object. */
int picture_read(struct picture *p, struct span json);

#endif
