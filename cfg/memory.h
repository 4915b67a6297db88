/* Memory for a configuration: growing lists, copies of spans, wiping of secrets, and a set of words seen before.
 * Knows nothing of keys, lines or errors; whoever calls it reports what failed.
 * Used all over cfg/; cfg/load.c is where a configuration is put together. */
#ifndef CFG_MEMORY_H
#define CFG_MEMORY_H

#include "net/span.h"

/* Makes room for one more element behind the n that list has. *room is how many fit now, and is updated.
 * Returns the list, which may have moved, or NULL if memory ran out (the old list is still valid then). */
void *conf_grow(void *list, unsigned *room, unsigned n, size_t size);

/* A NUL-terminated copy of s, or NULL if memory ran out. */
char *conf_dup(struct span s);

/* Wipes and frees a string; NULL is fine. */
void conf_free_text(char *s);

/* s without the blanks and tabs around it. */
struct span conf_trim(struct span s);

/* Words seen so far, each with the line it stood on: a hash table, because key tables have tens of thousands of entries. */
struct seen_slot {
    struct span word;                   /* the caller's bytes: they must outlive the set */
    int line;
};

struct seen {
    struct seen_slot *slots;
    size_t room, n;
};

/* Adds word unless it is there already. *before gets the earlier line, 0 for a new word. line may not be 0.
 * Returns 0 or -ENOMEM. */
int seen_put(struct seen *s, struct span word, int line, int *before);

/* Forgets all words and frees the table. */
void seen_free(struct seen *s);

#endif
