/* The tokens that a response reports as it goes by: of a JSON body its usage, of an event stream
 * the last usage in the data of an event. Of a stream it also tells the events that report usage
 * and nothing else, so that they can be hidden from a client that did not ask: proxy/hide.h does
 * that. A response whose tokens nobody counts or hides is not read. */
#ifndef PROXY_TOKENS_H
#define PROXY_TOKENS_H

#include "json/usage.h"

/* A longer event is never hidden, in bytes: it is held until it is known. */
#define TOKENS_EVENT_MAX 8192

enum {
    TOKENS_STREAM = 1, /* the body is an event stream, else one JSON text */
    TOKENS_COUNT = 2,  /* input and output are wanted */
    TOKENS_SIFT = 4,   /* its events of usage may be hidden */
};

/* What becomes of bytes of a stream. */
enum tokens_fate {
    TOKENS_PASS, /* they go on, and before them those that are held */
    TOKENS_HOLD, /* they may belong to an event of usage */
    TOKENS_HIDE, /* they end one: they and those that are held are not for the client */
};

/* 1. Of an event that passes nothing is held any more; of one that has not begun nothing is held
 *    yet, but comments before it pass.
 * 2. event_n is not above TOKENS_EVENT_MAX while the event does not pass. */
struct tokens {
    uint64_t input, output; /* what the ended events reported */
    uint8_t flags;
    uint8_t matched;        /* how much of "data:" the line began with */
    bool skips;             /* the line is none of data */
    bool cr;                /* the last byte was CR: LF after it belongs to it */
    bool comment;           /* the line is a comment */
    bool begun;             /* a line of the event that is no comment has begun */
    bool passes;            /* the event under way surely does not report usage alone */
    bool ended;             /* the last byte ended an event */
    bool hidden;            /* that event was one of usage */
    uint32_t event_n;       /* bytes of the event under way */
    struct json_usage text; /* of the body, or of the event under way */
};

/* Starts a body. flags: TOKENS_*. */
void tokens_init(struct tokens *t, unsigned flags);

/* Reads the next bytes of the body, without its transfer coding. */
void tokens_read(struct tokens *t, struct span data);

/* Reads the next bytes of a stream, at least one: up to the end of an event at the most, or of a
 * comment before one. Returns how many, and in *fate what becomes of them. The outcome does not
 * depend on how the stream is split, but for the fate of bytes whose event has not ended. */
size_t tokens_sift(struct tokens *t, struct span data, enum tokens_fate *fate);

/* True if the stream that ends here ends with an event of usage, which only lacks its blank
 * line. */
bool tokens_end_hidden(const struct tokens *t);

/* The body has ended, be it whole or cut. input and output hold what it reported from here on. */
void tokens_end(struct tokens *t);

#endif
