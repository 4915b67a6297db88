/* Reading the configuration again while the program runs, and saying what came of it. */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include "base/files.h"
#include "proxy/settings.h"
#include "server/report.h"
#include "server/sockets.h"

/* Where settings come from, for as long as the process runs, and what they are checked against. */
struct reload_source {
    const char *path;              /* as for conf_load */
    char exposed[SOCKET_NAME_MAX]; /* see sockets_exposed */
    bool alone;                    /* one process, which can start no others */
};

/* One reading. The result is fresh, or err with what is wrong in report. */
struct reading {
    struct settings *old; /* those in force; not touched, and held by the caller */
    const struct reload_source *from;
    struct files *files; /* what to read, or NULL: the file system, and what was read afterwards;
                            to be freed by the caller */
    struct settings *fresh;
    int err;
    struct report report;
};

/* Reads the configuration, from any thread. */
void reload_read(struct reading *r);

/* What a reload that fails comes to: the process goes on as before; or it is a worker that ends,
 * because the others do not. */
#define RELOAD_UNCHANGED "nothing was changed"
#define RELOAD_LEFT_BEHIND "this worker cannot follow"

/* Says in the log what is wrong, and what it comes to. Returns r->err. */
int reload_judge(struct reading *r, struct log *log, const char *outcome);

/* Says in the log that a reload failed after all was read, and what it comes to. */
void reload_failed(struct report *report, struct log *log, int err, const char *outcome);

/* Says in the log that a reload is done, and what has changed, if there is memory for that. */
void reload_tell(const struct settings *old, const struct settings *fresh, struct log *log);

/* Gives local sockets that stay the mode that fresh says. If one cannot be changed, those before it
 * are changed back: returns a negative errno after a line in errors; else 0. */
int reload_modes(const struct conf *old, const struct conf *fresh, FILE *errors);

#endif
