/* Watches an event stream (WHATWG HTML, 9.2) go by, without holding or changing a byte of it.
 * Knows no HTTP and no sockets. It answers one question at the end: was this a stream of chat completion chunks, and did it say that it was
 * finished? The fast search behind it is sse/find.h. */
#ifndef SSE_WATCH_H
#define SSE_WATCH_H

#include "net/span.h"

#include <stdint.h>

#define SSE_TAIL_MAX 46

/* 1. chat, finished and done only ever go from false to true.
 * 2. tail is a copy of the last bytes of an unfinished line, so that a word that is split between two calls is still read. */
struct sse_watch {
    bool chat;                          /* an event was a chat completion chunk */
    bool finished;                      /* a finish_reason that is neither null nor empty, or [DONE] */
    bool done;                          /* [DONE] itself */
    bool choices, delta;                /* this line has named "choices", "delta" */
    bool line_cut;                      /* tail does not begin where its line does */
    uint8_t tail_n;
    char tail[SSE_TAIL_MAX];
};

/* Starts a stream. */
void sse_watch_init(struct sse_watch *w);

/* Looks at the next bytes of the stream. */
void sse_watch(struct sse_watch *w, struct span bytes);

/* True if the next byte begins a line. */
bool sse_at_line_start(const struct sse_watch *w);

/* True if a stream that ends here without error is a chat completion that was cut short: it had chunks, and neither a finish_reason nor [DONE]. */
bool sse_cut_short(const struct sse_watch *w);

#endif
