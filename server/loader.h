/* A reading of the configuration in a thread, while the loop goes on: tables of keys and trusted
 * certificates take longer to build than a stream should wait. */
#ifndef SERVER_LOADER_H
#define SERVER_LOADER_H

#include "net/reactor.h"
#include "server/reload.h"

#include <pthread.h>

/* 1. busy: a reading is under way, and reading is the thread's.
 * 2. The thread writes a byte to the pipe when it has done. */
struct loader {
    struct watch watch;
    struct reactor *reactor;
    int pipe[2];
    bool busy, threaded;
    pthread_t thread;
    struct reading reading;
    void (*done)(struct loader *l, struct reading *r);
    void *arg; /* for done */
};

/* Makes a loader.
 *   done  called in the loop of r with the result of a reading, which is the callee's; it may start
 *         the next one
 * Returns 0 with *out, to be freed with loader_free, or a negative errno. */
int loader_make(struct loader **out, struct reactor *r,
                void (*done)(struct loader *l, struct reading *r), void *arg);

/* Starts a reading; there is none under way. old is held until done has been called.
 *   files  as in struct reading; the loader's from now on
 */
void loader_start(struct loader *l, struct settings *old, const struct reload_source *from,
                  struct files *files);

/* Frees l. Waits a second for a reading that is under way and drops its result. A thread that waits
 * longer for a file is left behind with all it uses: the process is about to end. NULL is fine. */
void loader_free(struct loader *l);

#endif
