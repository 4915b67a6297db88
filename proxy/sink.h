/* Where log lines go in the end: standard error, a file, or the system's log.
 * Knows lines as bytes between line feeds. All of it may block, but for sink_reopen and sink_give: it runs in a thread of its own.
 * Who calls it is proxy/ring.h. */
#ifndef PROXY_SINK_H
#define PROXY_SINK_H

#include "net/span.h"

#include <sys/types.h>

struct sink;

/* Opens what [log] file says: "stderr", "syslog" or a path. Returns 0 with *out, or a negative errno (the file cannot be opened). */
int sink_open(struct sink **out, const char *file);

/* Whether sink_open may open that file, or make it in its folder, found out without leaving one behind. Returns 0 or a negative errno. */
int sink_try(const char *file);

/* True if the lines for it begin with their severity, "<6>" (RFC 5424, 6.2.1). */
bool sink_wants_severity(const struct sink *s);

/* Writes bytes, which may begin and end within a line. Returns how many lines were lost. */
unsigned sink_write(struct sink *s, struct span bytes);

/* Opens a file anew, after it was moved away; for other sinks it does nothing. Returns 0, or a negative errno (the old one stays in use). */
int sink_reopen(struct sink *s);

/* Gives a file to a user, who will have to open it anew. */
void sink_give(struct sink *s, uid_t uid, gid_t gid);

/* Closes and frees s; NULL is fine. */
void sink_close(struct sink *s);

#endif
