/* The parts of the sandbox of Linux (server/sandbox.h). The kernel's constants are repeated there,
 * for its headers are no part of every C library. */
#ifndef SERVER_SANDBOX_LINUX_H
#define SERVER_SANDBOX_LINUX_H

#include "cfg/conf.h"

/* True if the kernel filters system calls, and this program knows those of this CPU. */
bool filter_is_there(void);

/* Installs the filter of system calls, for this thread and those that it will start. This process
 * has no new privileges (PR_SET_NO_NEW_PRIVS). Returns 0, or a negative errno: -ENOSYS where
 * filter_is_there says no. */
int filter_install(bool alone);

/* The version of Landlock that the kernel has; 0: none. */
int files_confined(void);

/* Restricts what this thread, and those that it will start, may do with files, ports and signals.
 * Conditions and result are those of filter_install. */
int files_confine(const struct conf *c, bool alone);

#endif
