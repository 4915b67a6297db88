/* Memory that runs out when a test says so: the allocation functions of the whole test program,
 * over those of the C library or the sanitizer. To be included by one file. */
#ifndef TESTS_UNIT_SHORT_MEMORY_H
#define TESTS_UNIT_SHORT_MEMORY_H

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* granted counts the allocations that still succeed, then `denied` fail. live is what was allocated
 * and not freed. */
static struct {
    unsigned long granted, denied;
    long live;
    bool ran_out;
} memory = { .granted = ULONG_MAX };

/* From now on `granted` allocations succeed, then `denied` fail, then all succeed. */
static inline void memory_short(unsigned long granted, unsigned long denied)
{
    memory.granted = granted;
    memory.denied = denied;
    memory.ran_out = false;
}

/* Memory does not run out any more. Returns true if it has. */
static inline bool memory_plenty(void)
{
    memory.granted = ULONG_MAX;
    return memory.ran_out;
}

/* The first allocations come before a sanitizer is ready to look at anything. */
#define MEMORY_UNWATCHED __attribute__((no_sanitize_address))

MEMORY_UNWATCHED static bool memory_denies(void)
{
    if (memory.granted == ULONG_MAX)
        return false;
    if (memory.granted > 0) {
        memory.granted--;
        return false;
    }
    if (memory.denied == 0)
        return false;
    memory.denied--;
    memory.ran_out = true;
    return true;
}

MEMORY_UNWATCHED static void *memory_counted(void *p)
{
    memory.live += p != NULL;
    return p;
}

/* The functions below these. While they are looked for, nothing can be allocated, and what the
 * looking itself frees is left alone. */
static struct {
    bool looking;
    void *(*malloc)(size_t n);
    void *(*calloc)(size_t n, size_t size);
    void *(*realloc)(void *p, size_t n);
    void (*free)(void *p);
} below;

/* Returns false while they are looked for. A function's address comes as a pointer to an object. */
MEMORY_UNWATCHED static bool memory_below(void)
{
    if (below.free || below.looking)
        return !below.looking;
    below.looking = true;
    *(void **)&below.malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&below.calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&below.realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&below.free = dlsym(RTLD_NEXT, "free");
    below.looking = false;
    return true;
}

MEMORY_UNWATCHED void *malloc(size_t n)
{
    return memory_below() && !memory_denies() ? memory_counted(below.malloc(n)) : NULL;
}

MEMORY_UNWATCHED void *calloc(size_t n, size_t size)
{
    return memory_below() && !memory_denies() ? memory_counted(below.calloc(n, size)) : NULL;
}

MEMORY_UNWATCHED void *realloc(void *p, size_t n)
{
    if (!memory_below() || memory_denies())
        return NULL;
    return p ? below.realloc(p, n) : memory_counted(below.realloc(p, n));
}

MEMORY_UNWATCHED void free(void *p)
{
    if (!memory_below())
        return;
    memory.live -= p != NULL;
    below.free(p);
}

#endif
