/* Who the process runs as, and how many files it may have open.
 * Knows nothing of what it does. */
#ifndef PROXY_PRIVILEGES_H
#define PROXY_PRIVILEGES_H

#include "proxy/log.h"

/* Checks that this process could become [server] user: a conf_checker. */
void privileges_check(const struct conf *c, struct conf_errors *e);

/* Becomes that user, with its groups, for good; nothing where none is set. Returns 0 or a negative errno. */
int privileges_drop(const struct conf *c, struct log *log);

/* Raises the limit of open files to what max_connections may need, as far as the system allows; warns in the log where it does not. */
void privileges_raise_files(const struct conf *c, struct log *log);

#endif
