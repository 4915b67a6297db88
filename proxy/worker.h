/* The loop of one process: it starts and ends the parts, and knows nothing of how a request is
 * handled. A connection's way begins in proxy/client.h. */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "proxy/worker_state.h"

/* Makes a worker that counts in the given row of shared. s is the worker's from now on (also when
 * this fails), log and what is shared stay the caller's. Returns 0 with *out or a negative errno.
 */
int worker_make(struct worker **out, struct settings *s, struct log *log,
                const struct shared *shared, unsigned row);

/* Gives new requests the settings s, which are the worker's from now on. Exchanges under way keep
 * theirs. */
void worker_use(struct worker *w, struct settings *s);

/* Lets open exchanges finish for up to drain_timeout, then stops the loop; the caller has closed
 * the listeners. The second call stops the loop at once. */
void worker_drain(struct worker *w);

/* Ends every client and frees the worker, its settings with it. NULL is fine. */
void worker_free(struct worker *w);

#endif
