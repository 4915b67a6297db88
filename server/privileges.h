/* The user that a process runs as, and how many files it may have open. */
#ifndef SERVER_PRIVILEGES_H
#define SERVER_PRIVILEGES_H

#include "log/log.h"

/* Checks that this process could become [server] user: a conf_checker. */
void privileges_check(const struct conf *c, struct conf_errors *e);

/* True if c asks for another user, and this process may become it. */
bool privileges_wanted(const struct conf *c);

/* Becomes that user, with its groups, for good. Returns 0 or a negative errno. */
int privileges_drop(const struct conf *c);

/* Gives the log's file to that user. */
void privileges_give_log(const struct conf *c, struct log *log);

/* Keeps the memory of this process, which holds keys, out of core dumps, and from other processes
 * of its user where the system knows how. What changes the user undoes it. */
void privileges_hide_memory(void);

/* The same, and keeps the environment from everybody: a copy takes its place, and what the system
 * shows of it is wiped. Returns 0 or -ENOMEM. */
int privileges_hide(void);

/* Raises the limit of open files to what max_connections may need, as far as the system allows;
 * warns in the log where it does not. */
void privileges_raise_files(const struct conf *c, struct log *log);

#endif
