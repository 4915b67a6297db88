/* The workers of a parent: started, started again when they die, and given orders. What a worker
 * does is server/service.h; when it is told what is server/parent.h. */
#ifndef SERVER_CREW_H
#define SERVER_CREW_H

#include "server/channel.h"
#include "server/orders.h"
#include "server/service.h"
#include "server/workers.h"

/* A worker's process. */
struct process {
    struct process *next;
    struct crew *crew;
    struct channel channel;
    pid_t pid;
    unsigned slot, row;
    uint64_t started;
    bool leaving; /* it was told to end, or will end by itself */
    bool asked;   /* its answer to ORDER_SETTINGS has not come */
    bool untold;  /* of an update, within crew_update */
};

/* A worker, whichever process is it at the time. */
struct slot {
    struct crew *crew;
    struct process *process; /* NULL: there is none */
    unsigned number;
    bool died; /* a process of it has */
    struct timer again;
    struct timer_kind pause; /* before the last start; doubles while processes keep dying young */
};

/* 1. A process that is leaving is in no slot; all others are in the slot of their number, which is
 *    below n_workers.
 * 2. Each process counts in a row of its own, in memory that all processes share; the first row is
 *    the parent's.
 * 3. settings, log, sockets and from are what the next process starts with. */
struct crew {
    struct reactor *reactor;
    struct settings *settings;
    struct log *log;
    struct sockets *sockets;
    const struct reload_source *from;
    bool drops; /* workers become [server] user */
    bool ending;
    unsigned n_workers;
    struct slot *slots;
    struct process *processes;
    struct shared shared;
    struct timer late;                /* for the answers that are missing */
    void (*in_child)(struct crew *c); /* lets go of what is the parent's, in a child */
    void (*answered)(struct crew *c); /* no answer is missing any more */
    void (*gone)(struct crew *c);     /* the last process has ended, after crew_end */
};

/* Makes the tables of a crew whose other fields are set. Returns 0 or a negative errno; crew_free
 * is due either way. */
int crew_make(struct crew *c);

/* Frees the tables, and closes the channels. */
void crew_free(struct crew *c);

/* Starts the processes that are missing. One that cannot be started is tried again later. */
void crew_start(struct crew *c);

/* Handles the end of child processes. */
void crew_reap(struct crew *c);

/* What a reload brings the processes that there are. */
struct update {
    unsigned n_sockets; /* so many at the end of the crew's sockets are new */
    int log_file;       /* the file of the log where that is a new one, else -1 */
    struct span files;  /* packed (base/files.h) */
};

/* Sends u to every process, and calls answered, perhaps at once, when all have followed. One that
 * cannot follow is replaced by one that starts with what c has now; one that does not answer in
 * time is killed. */
void crew_update(struct crew *c, const struct update *u);

/* Sends every process the files of the certificates, packed. One that cannot take them goes on with
 * those that it has. */
void crew_renew(struct crew *c, struct span files);

/* Has all processes write to another file of the log. */
void crew_reopen(struct crew *c, int log_file);

/* Has the processes of slots from the first on drain. */
void crew_retire(struct crew *c, unsigned first);

/* Has all processes drain, and starts no others; the second call has them end at once. */
void crew_end(struct crew *c);

/* How many rows there are. */
#define CREW_ROWS (1 + 2 * WORKERS_MAX)

#endif
