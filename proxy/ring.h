/* A bounded ring of bytes between the loop and a file that may block: one side fills it, a thread writes it out.
 * Knows nothing of lines but that a piece is kept or dropped whole; what was dropped is counted.
 * Who builds the lines is proxy/log.h. */
#ifndef PROXY_RING_H
#define PROXY_RING_H

#include "net/span.h"

#include <stdint.h>

struct ring;

/* Makes a ring of size bytes (a power of two) that is written to fd, which stays the caller's. Its thread starts with the first flush. Returns 0 with *out or -ENOMEM. */
int ring_make(struct ring **out, size_t size, int fd);

/* Appends a piece whole, or drops it and counts it. Called by one thread only, as all of these. */
void ring_put(struct ring *r, struct span piece);

/* Shows the writer what was put so far, and wakes it if it sleeps. */
void ring_flush(struct ring *r);

/* How many pieces were dropped since this was last asked, if there is room for a line that says so; else 0. */
uint64_t ring_lost(struct ring *r);

/* Gives the writer up to wait_ms to finish, then frees r; a writer that is stuck is left behind with its memory. Returns true if
 * it has finished. */
bool ring_free(struct ring *r, int wait_ms);

#endif
