/* One process that serves: a worker with its doors, the signals that steer it, and, where there are several such processes, the line to their parent.
 * Knows nothing of requests. Who starts it is main.c, or proxy/parent.h for each of several. */
#ifndef PROXY_SERVICE_H
#define PROXY_SERVICE_H

#include "proxy/reload.h"
#include "proxy/sockets.h"
#include "proxy/worker.h"

#include <signal.h>

#define SERVICE_END_AT_ONCE SIGUSR2     /* from a parent to its workers */

struct service {
    struct settings *settings;          /* the service's from service_run on */
    struct log *log;                    /* the caller's */
    const struct reload_source *from;
    struct sockets *sockets;            /* open already; the service takes them all */
    struct counters *counters;
    bool of_many;                       /* a parent does what concerns all: the service manager, the word on reloads, the files of local sockets */
    bool first;                         /* of many: the one that opens local sockets */
    int lifeline;                       /* of many: at its end the parent is gone; else -1 */
};

/* Serves until it is told to stop. Returns 0, or the negative errno that made it impossible, having said so in the log. */
int service_run(const struct service *s);

/* Says in the log what the configuration means, at the start and after a reload. */
void service_announce(const struct conf *c, struct log *log);

/* Says in the log what was done. */
void service_sum_up(const struct counters *c, struct log *log);

#endif
