/* The access line: one for every exchange, when it ends.
 * Knows what is written down and what is not: labels, never keys; paths without their query. */
#ifndef PROXY_ACCESS_H
#define PROXY_ACCESS_H

#include "net/span.h"

#include <stdint.h>

struct client;
struct exchange;

/* Keeps text that a peer chose for the line of x, in room bytes (255 at most) at to. What does not fit is cut, and what secrets it held are masked before: later nobody
 * could tell. Returns how many bytes are kept. */
uint8_t access_keep(const struct exchange *x, char *to, size_t room, struct span text);

/* Writes the line of c's exchange, which is about to end. */
void access_log(const struct client *c);

#endif
