/* The process that the workers are forked from: it keeps the privileges of the start, reads the
 * configuration, and opens files and sockets for all. It serves no request. The workers are
 * server/crew.h. */
#ifndef SERVER_PARENT_H
#define SERVER_PARENT_H

#include "server/reload.h"
#include "server/sockets.h"

struct parent_options {
    struct settings *settings; /* the parent's from parent_run on */
    struct log *log;
    const struct reload_source *from;
    struct sockets *sockets; /* open already, for every worker */
    bool drops;              /* the workers become [server] user */
};

/* True if c asks for a parent: for several workers, or for workers that drop privileges which this
 * process has. */
bool parent_needed(const struct conf *c);

/* Runs until all workers have ended after a signal; they do not return from here, but exit. Returns
 * 0, or a negative errno after the log has said why. log and sockets stay the caller's. */
int parent_run(const struct parent_options *o);

#endif
