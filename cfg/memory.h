/* Memory for a configuration: lists that grow, copies of spans, wiping of secrets, and a set of
 * words seen before. It knows no keys, lines or errors; each caller reports what failed. */
#ifndef CFG_MEMORY_H
#define CFG_MEMORY_H

#include "base/span.h"

/* Makes room for one more element of the given size in a list that has n, and was made by this
 * function alone (NULL: none yet). Returns the list, which may have moved, or NULL if memory ran
 * out; the old list is valid then. */
void *conf_grow(void *list, unsigned n, size_t size);

/* Returns a NUL-terminated copy of s, the caller's, or NULL if memory ran out. */
char *conf_dup(struct span s);

/* Wipes and frees a string; NULL is fine. */
void conf_free_text(char *s);

/* Wipes and frees a list of n strings; NULL is fine. */
void conf_free_texts(char **list, unsigned n);

/* Words seen so far, each with a number that is not 0, such as the line it stands on: a hash table,
 * because tables of keys have tens of thousands of entries. */
struct seen_slot {
    struct span word; /* the caller's bytes: they must outlive the set */
    int number;
};

struct seen {
    struct seen_slot *slots;
    size_t room, n;
};

/* Adds word with its number unless it is there already. *before gets the number that it has, 0 for
 * a new word. Returns 0 or -ENOMEM. */
int seen_put(struct seen *s, struct span word, int number, int *before);

/* Forgets all words and frees the table. */
void seen_free(struct seen *s);

#endif
