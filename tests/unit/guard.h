/* Buffers that end flush against a page that cannot be read, so that one byte too many is a crash and not luck. */
#ifndef TESTS_UNIT_GUARD_H
#define TESTS_UNIT_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static inline size_t guard_pages(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (n + page - 1) / page * page + page;
}

/* A copy of n bytes whose end is the end of readable memory; to be freed with guard_free. */
static inline char *guard_end(const void *bytes, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), all = guard_pages(n);
    char *base = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *p;

    if (base == MAP_FAILED || mprotect(base + all - page, page, PROT_NONE))
        abort();
    p = base + all - page - n;
    if (n > 0)
        memcpy(p, bytes, n);
    return p;
}

/* Frees what guard_end gave; n as then. */
static inline void guard_free(char *p, size_t n)
{
    size_t all = guard_pages(n);

    munmap(p + n + (size_t)sysconf(_SC_PAGESIZE) - all, all);
}

#endif
