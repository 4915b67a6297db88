/* A client that asks the running instance for /healthz, for containers without curl. */
#ifndef SERVER_HEALTHCHECK_H
#define SERVER_HEALTHCHECK_H

#include "cfg/conf.h"

/* Asks the first listen address that takes no PROXY header, or else the first, for /healthz; an
 * address that means every interface is asked on loopback. Waits up to five seconds for each step.
 * Returns 0 if the status is 200, else a negative errno. */
int healthcheck(const struct conf *c);

/* True if this program listens at l: a response to /healthz, also one that says it is full, looks
 * like its own. Waits up to two seconds for each step. */
bool healthcheck_recognises(const struct conf_listen *l);

#endif
