/* A bounded ring of lines between the loop and a writer that may block: one side fills it, a thread empties it.
 * Knows nothing of what a line says but that it is kept or dropped whole; what was dropped is counted.
 * Who builds the lines is proxy/log.h, where they go is proxy/sink.h. */
#ifndef PROXY_RING_H
#define PROXY_RING_H

#include "net/span.h"
#include "proxy/sink.h"

#include <stdint.h>

struct ring;

/* Makes a ring of at least size bytes in front of a sink, which is the ring's from now on (also when this fails). Its thread starts with the first flush. Returns 0 with
 * *out or -ENOMEM. */
int ring_make(struct ring **out, size_t size, struct sink *sink);

/* Makes room for a line of n bytes, which ring_add is then to bring in any number of pieces. False if there is none: the line is lost, and counted. Called by one
 * thread only, as all of these. */
bool ring_reserve(struct ring *r, size_t n);

/* Appends a piece of the line that room was made for. */
void ring_add(struct ring *r, struct span piece);

/* Shows the writer what was put so far, and wakes it if it sleeps. */
void ring_flush(struct ring *r);

/* How many lines were lost since this was last asked, here or in the sink, if there is room for a line that says so; else 0. */
uint64_t ring_lost(struct ring *r);

/* The sink, for what may be done to it from outside of its thread. */
struct sink *ring_sink(struct ring *r);

/* In a process that has just been forked: the thread has stayed behind. What was in the ring is the parent's to write. */
void ring_after_fork(struct ring *r);

/* Gives the writer up to wait_ms to finish, then lets go of r: whoever is last, the writer or this, frees it and its sink. NULL is fine. */
void ring_free(struct ring *r, int wait_ms);

#endif
