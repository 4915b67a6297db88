/* Where log lines go in the end: a standard descriptor, a file, or the system's log. Writing may
 * block, so it happens in the thread of log/ring.c. */
#ifndef LOG_SINK_H
#define LOG_SINK_H

#include "base/span.h"

#include <sys/types.h>

struct sink;

/* Opens a sink.
 *   file   the value of [log] file: "stderr", "stdout", "syslog" or a path; /dev/stderr and
 *          /dev/stdout are the descriptors themselves, which may be sockets
 *   fd     the file at that path, open already, which is the sink's from now on; -1: none
 * Returns 0 with *out, or a negative errno. */
int sink_open(struct sink **out, const char *file, int fd);

/* Whether sink_open could open that file, or create it in its folder; creates nothing. Returns 0 or
 * a negative errno. */
int sink_try(const char *file);

/* True if lines for s begin with a severity, such as "<6>" (sd-daemon(3)). */
bool sink_wants_severity(const struct sink *s);

/* Writes bytes, which may begin and end within a line. Returns how many lines were lost. */
unsigned sink_write(struct sink *s, struct span bytes);

/* Opens a file again, after it was moved away; does nothing for other sinks. fd as in sink_open.
 * Returns 0, or a negative errno (the old one stays in use). */
int sink_reopen(struct sink *s, int fd);

/* The descriptor of a sink that is the file at a path, which stays the sink's; else -1. */
int sink_file(const struct sink *s);

/* Gives a file to a user, who will have to open it again. */
void sink_give(struct sink *s, uid_t uid, gid_t gid);

/* Closes and frees s; NULL is fine. */
void sink_close(struct sink *s);

#endif
