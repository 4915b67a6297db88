/* The tokens that a response reports as it goes by: of a JSON body its usage, of an event stream
 * the last usage in the data of an event. It holds back and changes nothing. A response whose
 * tokens nobody counts is not read. */
#ifndef PROXY_TOKENS_H
#define PROXY_TOKENS_H

#include "json/usage.h"

struct tokens {
    uint64_t input, output; /* what the ended events reported */
    bool stream;            /* the body is an event stream */
    bool skips;             /* the line is none of data */
    bool cr;                /* the last byte was CR: LF after it belongs to it */
    uint8_t matched;        /* how much of "data:" the line began with */
    struct json_usage text; /* of the body, or of the event under way */
};

/* Starts a body. stream: it is an event stream, else one JSON text. */
void tokens_init(struct tokens *t, bool stream);

/* Reads the next bytes of the body, without its transfer coding. */
void tokens_read(struct tokens *t, struct span data);

/* The body has ended, be it whole or cut. input and output hold what it reported from here on. */
void tokens_end(struct tokens *t);

#endif
