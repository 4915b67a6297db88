/* One growing piece of memory with a start and an end.
 * Knows nothing of what the bytes are.
 * The interface is net/inbuf.h. */
#include "net/inbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST 512

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
        p = realloc(b->p, cap);
        if (!p)
            return -ENOMEM;
        b->p = p;
        b->cap = (uint32_t)cap;
    }
    memcpy(b->p + b->end, s.p, s.n);
    b->end += (uint32_t)s.n;
    return 0;
}

void inbuf_clear(struct inbuf *b)
{
    free(b->p);
    *b = (struct inbuf){ 0 };
}

void inbuf_drop(struct inbuf *b, size_t n)
{
    b->start += (uint32_t)n;
    if (b->start == b->end)
        inbuf_clear(b);
}
