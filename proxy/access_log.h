/* The access line: one for every exchange, when it ends.
 * Knows what is written down and what is not: labels, never keys; paths without their query. */
#ifndef PROXY_ACCESS_LOG_H
#define PROXY_ACCESS_LOG_H

#include "base/span.h"

#include <stdint.h>

struct client;
struct exchange;

/* The name of an ending, of enum ending. */
const char *access_ending(unsigned ending);

/* Notes the key that x's client sent, which access_keep is to mask: it need not be a configured
 * one. Until x has its id. */
void access_note_key(struct exchange *x, struct span sent);

/* Keeps text that a peer chose for the line of x, in room bytes (255 at most) at to. The client's
 * key is masked in it, and other secrets where it does not fit and is cut: later nobody could tell.
 * Returns how many bytes are kept. */
uint8_t access_keep(const struct exchange *x, char *to, size_t room, struct span text);

/* Writes the line of c's exchange, which is about to end: at level info, or debug for a /healthz
 * and its like that were answered 200, because probes would fill the log. */
void access_log(const struct client *c);

#endif
