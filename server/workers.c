/* Counting processors. */
#include "server/workers.h"

#include <sched.h>
#include <unistd.h>

unsigned workers_wanted(const struct conf *c)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
#endif
    if (c->server.workers > 0)
        return c->server.workers;
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}
