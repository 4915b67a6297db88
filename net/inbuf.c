/* One growing piece of memory with a start and an end. */
#include "net/inbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST 512

size_t inbuf_memory(size_t n)
{
    size_t cap = SMALLEST;

    while (cap < n)
        cap *= 2;
    return cap;
}

int inbuf_put(struct inbuf *b, struct span s)
{
    size_t held = b->end - b->start;
    size_t cap = b->cap ? b->cap : SMALLEST;
    char *p;

    if (s.n == 0)
        return 0;
    if (b->start > 0 && b->end + s.n > b->cap) {
        memmove(b->p, b->p + b->start, held);
        b->start = 0;
        b->end = (uint32_t)held;
    }
    while (cap < b->end + s.n)
        cap *= 2;
    if (cap > UINT32_MAX)
        return -ENOMEM;
    if (cap != b->cap) {
        p = malloc(cap);
        if (!p)
            return -ENOMEM;
        if (b->end > 0)
            memcpy(p, b->p, b->end);
        wipe(b->p, b->cap);
        free(b->p);
        b->p = p;
        b->cap = (uint32_t)cap;
    }
    memcpy(b->p + b->end, s.p, s.n);
    b->end += (uint32_t)s.n;
    return 0;
}

void inbuf_clear(struct inbuf *b)
{
    wipe(b->p, b->cap); /* a head, with its keys */
    free(b->p);
    *b = (struct inbuf){ 0 };
}

void inbuf_drop(struct inbuf *b, size_t n)
{
    b->start += (uint32_t)n;
    if (b->start == b->end)
        inbuf_clear(b);
}
