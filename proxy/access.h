/* The access line: one for every exchange, when it ends.
 * Knows what is written down and what is not: labels, never keys; paths without their query. */
#ifndef PROXY_ACCESS_H
#define PROXY_ACCESS_H

struct client;

/* Writes the line of c's exchange, which is about to end. */
void access_log(const struct client *c);

#endif
