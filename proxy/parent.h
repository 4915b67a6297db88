/* Several workers: a parent process that starts them, starts one again that dies, and hands on signals.
 * Knows nothing of requests and serves none. What a worker does is proxy/service.h. */
#ifndef PROXY_PARENT_H
#define PROXY_PARENT_H

#include "proxy/service.h"

/* How many workers the configuration asks for: auto is one for each processor that this process may use. */
unsigned parent_workers(const struct conf *c);

/* The parent of the workers.
 *   shared   sockets that all workers accept from: local ones and inherited ones
 *   own      a list for each worker, of sockets that it alone accepts from; as many as parent_workers says
 * settings is the parent's from the call on; log and the lists stay the caller's. */
struct parent_options {
    struct settings *settings;
    struct log *log;
    const struct reload_source *from;
    struct sockets *shared, *own;
};

/* Runs until all workers have ended after a signal. Returns in the parent, and in every worker too, which is forked here: *is_worker tells. 0, or a negative errno;
 * the caller then frees what is its own and ends. */
int parent_run(const struct parent_options *o, bool *is_worker);

#endif
