/* Buffers that end flush against a page that cannot be read: one byte too many is a crash. */
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

/* Mappings of copies that were freed, for those to come: making one costs more than most of the
 * tests do with it. */
#define GUARD_KEPT 8
static struct guard_mapping {
    char *base;
    size_t n;
} guard_kept[GUARD_KEPT];

/* A readable and writable mapping of n bytes, whose last page is neither. */
static inline char *guard_map(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *base;

    for (struct guard_mapping *k = guard_kept; k < guard_kept + GUARD_KEPT; k++)
        if (k->base && k->n == n) {
            base = k->base;
            k->base = NULL;
            return base;
        }
    base = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + n - page, page, PROT_NONE))
        abort();
    return base;
}

/* A copy of n bytes whose end is the end of readable memory; to be freed with guard_free. */
static inline char *guard_end(const void *bytes, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), all = guard_pages(n);
    char *p = guard_map(all) + all - page - n;

    if (n > 0)
        memcpy(p, bytes, n);
    return p;
}

/* Frees a copy that guard_end made with this n. */
static inline void guard_free(char *p, size_t n)
{
    size_t all = guard_pages(n);
    char *base = p + n + (size_t)sysconf(_SC_PAGESIZE) - all;

    for (struct guard_mapping *k = guard_kept; k < guard_kept + GUARD_KEPT; k++)
        if (!k->base) {
            memset(base, 0xa5, all - (size_t)sysconf(_SC_PAGESIZE));
            *k = (struct guard_mapping){ base, all };
            return;
        }
    munmap(base, all);
}

#endif
