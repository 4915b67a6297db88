/* Lines to the syslog daemon of this machine (RFC 3164, as local daemons read it). They stay whole:
 * the syslog() of musl cuts at 1,024 bytes. It waits for the daemon, so it runs in the thread of
 * log/ring.c. */
#ifndef LOG_SYSLOG_H
#define LOG_SYSLOG_H

#include "base/span.h"

struct syslog;

/* RFC 3164, 4.1.1. The names are not those of <syslog.h>, which a file may want as well. */
enum syslog_severity { SYSLOG_ERROR = 3, SYSLOG_WARNING = 4, SYSLOG_INFO = 6, SYSLOG_DEBUG = 7 };

/* Connects to the daemon.
 *   path  its socket, copied; NULL: the first that exists of /dev/log, /var/run/syslog and
 *         /var/run/log
 * Returns 0 with *out, to be closed with syslog_close; with *out NULL a negative errno: -ENOENT (no
 * socket), -ECONNREFUSED (a socket without a daemon), -ENAMETOOLONG, -ENOMEM or another of socket
 * and connect. */
int syslog_open(struct syslog **out, const char *path);

/* Sends one line, without the newline at its end, after the time, the program's name and the
 * process's id, for the facility "daemon". Waits for a daemon that is slow, and connects again to
 * one that was restarted. A line that is too long for a datagram is cut, and says so at its end.
 * SIGPIPE must be ignored where MSG_NOSIGNAL is unknown. Returns false if the line was lost; the
 * next one tries again. */
bool syslog_write(struct syslog *s, int severity, struct span line);

/* Closes and frees s; NULL is fine. */
void syslog_close(struct syslog *s);

#endif
