/* Judges an event stream (WHATWG HTML, "Server-sent events") as it goes by, without holding or
 * changing a byte of it: was it a stream of chat completion chunks, and did it say that it was
 * finished? Most events are passed by a fast search (sse/find.h); sse/line.h reads the others. */
#ifndef SSE_JUDGE_H
#define SSE_JUDGE_H

#include "sse/line.h"

/* 1. The outcome depends on the bytes of the stream, not on how they were split between calls.
 * 2. The line in found begins where in_line is false. */
struct sse_judge {
    struct sse_findings found;
    bool inside;  /* an event or comment has begun and no blank line ended it */
    bool in_line; /* the last byte ended no line */
    bool cr;      /* the last byte was CR: LF after it belongs to it */
};

/* Starts a stream. */
void sse_judge_init(struct sse_judge *j);

/* Reads the next bytes of the stream. */
void sse_judge(struct sse_judge *j, struct span bytes);

/* The same for bytes of the stream that lie in whole chunks of the chunked coding, each ending with
 * a line feed, as http_body_lines finds them: their framing reads as lines that say nothing. To be
 * called at the start of a line. */
void sse_judge_chunks(struct sse_judge *j, struct span chunks);

/* True if the next byte begins a line. */
bool sse_at_line_start(const struct sse_judge *j);

/* True if the next byte begins an event: nothing has come yet, or the last line was blank. A line
 * may be inserted here. */
bool sse_between_events(const struct sse_judge *j);

/* True if the data [DONE] came: nothing after it matters. */
bool sse_is_done(const struct sse_judge *j);

/* True if the stream has come to an error event of the upstream's own. */
bool sse_has_error(const struct sse_judge *j);

/* True if a stream that ends here without error is a chat completion that was cut short: it had
 * chunks, but neither [DONE], nor an error event, nor a closing chunk with usage alone, nor a
 * finish_reason of every choice that began. The finish_reasons "" and "null" are none. Choices past
 * the first SSE_CHOICES are not counted: with any of those only the other three will do. */
bool sse_cut_short(const struct sse_judge *j);

#endif
