/* One process that serves: a worker with its listeners, steered by signals, or by its parent where
 * there is one. */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "proxy/worker.h"
#include "server/reload.h"
#include "server/sockets.h"

struct service {
    struct settings *settings; /* the service's from service_run on */
    struct log *log;           /* the caller's */
    const struct reload_source *from;
    struct sockets *sockets; /* open already; the service takes them all */
    const struct shared *shared;
    unsigned row; /* of shared: where the service counts */
    int parent;   /* the end of a channel to the parent process, the service's; -1: none */
};

/* Writes c as conf_print does, and the most memory that a worker can come to with it. files reads
 * the files that c names. */
void service_print(const struct conf *c, struct files *files, FILE *to);

/* Serves until it is told to stop. Returns 0, or the negative errno that made it impossible, after
 * saying so in the log. */
int service_run(const struct service *s);

/* Says in the log what the configuration means, at the start and after a reload. */
void service_announce(const struct settings *s, struct log *log);

/* Says in the log, once for all processes, what their sandbox is not. */
void service_announce_sandbox(const struct conf *c, struct log *log);

/* Says in the log what was done. */
void service_sum_up(const struct tallies *t, struct log *log);

#endif
