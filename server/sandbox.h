/* The confinement of a process once it serves: what it may still ask of the kernel. It knows no
 * requests. There is one implementation for each kind of system, server/sandbox_*.c, and the
 * Makefile picks it (SANDBOX=). */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

#include "cfg/conf.h"

struct sandbox {
    bool alone;     /* there is no parent: this process reads, opens and binds in a reload itself */
    bool as_nobody; /* set by sandbox_enter: for files this process is nobody, though it is root */
};

/* What this system, or this build, has nothing of, as a sentence for the log; NULL: it has all. */
const char *sandbox_lacks(void);

/* Keeps what of the privileges of this process its children could have by running a program: the
 * capabilities of their bounding set. Fails silently where they are not this process's to drop.
 * Called before server/privileges.h drops the right to. */
void sandbox_bound(bool alone);

/* Gives up, for good, what a process that serves c does not need. The process has no other thread
 * yet, and whatever it does not have open it can reach later only as far as this says:
 *   with a parent  the files that name look-ups need, and connections. No program, no other
 *                  process, no listening, no file to write.
 *   alone          what a reload may name: every file that it may read, and folders to write to,
 *                  but for those of the system; addresses to listen on.
 * A step that the system does not have is left out. Returns 0, or the first negative errno of a
 * step that failed; the others were done. */
int sandbox_enter(struct sandbox *s, const struct conf *c);

/* True if a process that has entered s can serve fresh, which a reload has read. */
bool sandbox_allows(const struct sandbox *s, const struct conf *fresh);

#endif
