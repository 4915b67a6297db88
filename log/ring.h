/* A bounded ring of lines between the loop and a sink that may block: the loop fills it, a thread
 * empties it. A line is kept or dropped whole, and dropped lines are counted. */
#ifndef LOG_RING_H
#define LOG_RING_H

#include "base/span.h"
#include "log/sink.h"

#include <stdint.h>

struct ring;

/* Makes a ring of at least size bytes in front of a sink, which is the ring's from now on (also
 * when this fails). Its thread starts with the first flush, or ring_start. Returns 0 with *out or
 * -ENOMEM. */
int ring_make(struct ring **out, size_t size, struct sink *sink);

/* Appends a piece of a line, if there is room for it. One thread calls this and the functions
 * below. */
void ring_add(struct ring *r, struct span piece);

/* Ends the line. If there was no room for one of its pieces, it is taken out again, lost, and
 * counted. */
void ring_end(struct ring *r);

/* Starts the thread, unless it runs. Returns 0 or -EAGAIN: there is none to be had. */
int ring_start(struct ring *r);

/* Shows the writer the lines that were ended so far, and wakes it if it sleeps. Without a thread
 * they wait for the next call, which tries to start one again. */
void ring_flush(struct ring *r);

/* The number of lines lost since the last call, here or in the sink, if there is room for a line
 * that says so; else 0. */
uint64_t ring_lost(struct ring *r);

/* The sink, for sink_reopen, sink_give and sink_wants_severity. */
struct sink *ring_sink(struct ring *r);

/* Starts over in a process that has just been forked, where the thread is missing. The bytes in the
 * ring are the parent's to write. */
void ring_after_fork(struct ring *r);

/* Gives the writer up to wait_ms to finish. The later of the two, writer and caller, frees r and
 * its sink. NULL is fine. */
void ring_free(struct ring *r, int wait_ms);

#endif
