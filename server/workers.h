/* How many workers there are to be. */
#ifndef SERVER_WORKERS_H
#define SERVER_WORKERS_H

#include "cfg/conf.h"

#define WORKERS_MAX 1024 /* as many as [server] workers may say */

/* How many workers c asks for: auto is one for each processor that this process may use. */
unsigned workers_wanted(const struct conf *c);

#endif
