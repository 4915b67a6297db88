/* Reads one line of an event stream byte by byte, resumable anywhere, and notes what it says about
 * a chat completion: enough of JSON to know which object a member belongs to. */
#ifndef SSE_LINE_H
#define SSE_LINE_H

#include "base/span.h"

#include <stdint.h>

#define SSE_CHOICES 64 /* choices that are told apart */

/* The member by which most events say that a choice goes on, after the start of its name. */
#define SSE_GOES_ON "h_reason\":null"

/* The line being read, by its bytes so far. It belongs to line.c; all zero where a line begins. */
struct sse_line {
    uint8_t state;
    uint8_t name; /* the member whose name or value is being read, if it matters */
    uint8_t at;   /* bytes of that name or value that agree so far */
    uint8_t goes_on_at;
    uint16_t depth; /* open arrays and objects */
    uint16_t index; /* of the choice being read */
    bool wants_name, in_choices, in_choice, reason;
    bool chosen, zero, empty; /* it has a choice, choice 0, an empty list of choices */
    bool usage, error;        /* it has usage, an error */
    bool goes_on;             /* it says that a choice has no finish_reason yet */
};

/* What the lines of a stream have said so far.
 * 1. chat, began, finished and beyond only ever grow.
 * 2. done, error and closing end with an event that goes on, one with "finish_reason":null; closing
 *    ends with any later choice. */
struct sse_findings {
    uint64_t began, finished; /* bit i: choice i of the first SSE_CHOICES */
    bool chat;                /* an event was a chat completion chunk */
    bool done;                /* the data [DONE] came */
    bool error;               /* the upstream sent an error event of its own */
    bool closing;             /* the last chunk had usage and no choices */
    bool beyond;              /* there was a choice with another index */
    struct sse_line line;
};

static inline bool sse_is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

/* Reads bytes of the line that f->line has begun, or begins one. Returns the byte after its end (CR
 * or LF; the LF after a CR is a line of its own, and says nothing), or end. */
const char *sse_line_take(struct sse_findings *f, const char *p, const char *end);

/* Notes that choice 0 goes on: whatever has ended the stream did not. */
static inline void sse_note_going_on(struct sse_findings *f)
{
    f->done = f->error = f->closing = false;
    f->began |= 1;
}

#endif
