/* Lists grow by doubling; words hash by FNV-1a into open addressing. */
#include "cfg/memory.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define FIRST 8u /* elements of a list's first piece of memory */

void *conf_grow(void *list, unsigned n, size_t size)
{
    unsigned room = n < FIRST ? FIRST : n * 2;

    if (n > 0 && (n < FIRST || (n & (n - 1)) != 0))
        return list;
    if (room < n || room > SIZE_MAX / size)
        return NULL;
    return realloc(list, room * size);
}

char *conf_dup(struct span s)
{
    char *copy = malloc(s.n + 1);

    if (!copy)
        return NULL;
    if (s.n > 0)
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

void conf_free_texts(char **list, unsigned n)
{
    for (unsigned i = 0; list && i < n; i++)
        conf_free_text(list[i]);
    free(list);
}

/* FNV-1a. The words are the administrator's own: nobody gains by making them collide. */
static size_t hash(struct span s)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* The slot that holds word, or the free one where it belongs. The room is a power of two and never
 * full. */
static struct seen_slot *seen_find(const struct seen *s, struct span word)
{
    size_t i = hash(word) & (s->room - 1);

    while (s->slots[i].number && !span_eq(s->slots[i].word, word))
        i = (i + 1) & (s->room - 1);
    return &s->slots[i];
}

static int seen_enlarge(struct seen *s)
{
    struct seen bigger = { .room = s->room ? s->room * 2 : 64, .n = s->n };

    bigger.slots = calloc(bigger.room, sizeof *bigger.slots);
    if (!bigger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < s->room; i++)
        if (s->slots[i].number)
            *seen_find(&bigger, s->slots[i].word) = s->slots[i];
    free(s->slots);
    *s = bigger;
    return 0;
}

int seen_put(struct seen *s, struct span word, int number, int *before)
{
    struct seen_slot *slot;

    if (s->n * 2 >= s->room && seen_enlarge(s) < 0)
        return -ENOMEM;
    slot = seen_find(s, word);
    *before = slot->number;
    if (slot->number)
        return 0;
    *slot = (struct seen_slot){ word, number };
    s->n++;
    return 0;
}

void seen_free(struct seen *s)
{
    free(s->slots);
    *s = (struct seen){ 0 };
}
