/* Growing lists, copies, wiping, and the set of words seen before.
 * Knows nothing of configurations: it could serve any room.
 * Read cfg/load.c next to see the lists grow. */
#include "cfg/memory.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

void *conf_grow(void *list, unsigned *room, unsigned n, size_t size)
{
    if (n < *room)
        return list;
    unsigned more = *room ? *room * 2 : 8;
    if (more <= *room || more > SIZE_MAX / size)
        return NULL;
    void *grown = realloc(list, more * size);
    if (grown)
        *room = more;
    return grown;
}

char *conf_dup(struct span s)
{
    char *copy = malloc(s.n + 1);
    if (!copy)
        return NULL;
    if (s.n)
        memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    return copy;
}

void conf_free_text(char *s)
{
    if (s)
        wipe(s, strlen(s));
    free(s);
}

struct span conf_trim(struct span s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = span_skip(s, 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* FNV-1a. The words are the administrator's own, so nobody gains by making them collide. */
static size_t hash(struct span s)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* The slot that holds word, or the free one where it belongs. room is a power of two and never full. */
static struct seen_slot *find(const struct seen *s, struct span word)
{
    size_t i = hash(word) & (s->room - 1);
    while (s->slots[i].line && !span_eq(s->slots[i].word, word))
        i = (i + 1) & (s->room - 1);
    return &s->slots[i];
}

static int enlarge(struct seen *s)
{
    struct seen bigger = { .room = s->room ? s->room * 2 : 64, .n = s->n };
    bigger.slots = calloc(bigger.room, sizeof(*bigger.slots));
    if (!bigger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < s->room; i++)
        if (s->slots[i].line)
            *find(&bigger, s->slots[i].word) = s->slots[i];
    free(s->slots);
    *s = bigger;
    return 0;
}

int seen_put(struct seen *s, struct span word, int line, int *before)
{
    if (s->n * 2 >= s->room && enlarge(s) < 0)
        return -ENOMEM;
    struct seen_slot *slot = find(s, word);
    *before = slot->line;
    if (slot->line)
        return 0;
    *slot = (struct seen_slot){ word, line };
    s->n++;
    return 0;
}

void seen_free(struct seen *s)
{
    free(s->slots);
    *s = (struct seen){ 0 };
}
