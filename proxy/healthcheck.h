/* Asking a running instance whether it is well, for containers without curl.
 * Knows the configuration's listen addresses and the path /healthz; it is a client, and may block. */
#ifndef PROXY_HEALTHCHECK_H
#define PROXY_HEALTHCHECK_H

#include "cfg/conf.h"

/* Asks the first listen address that takes no PROXY header, or else the first, for /healthz; an address that means every interface is asked on loopback. Waits up to five seconds for each step.
 * Returns 0 if the answer's status is 200, else a negative errno. */
int healthcheck(const struct conf *c);

#endif
