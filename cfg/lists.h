/* Values that are lists: how the items of each type become structs, and are freed. */
#ifndef CFG_LISTS_H
#define CFG_LISTS_H

#include "cfg/values.h"

struct conf_list {
    size_t size; /* of an item's struct */

    /* Reads text into *item, which is zero. Returns 0, -EINVAL after a message, or -ENOMEM; what
     * *item holds then is cleared by the caller. */
    int (*take)(const struct conf_value *v, void *item, struct span text);

    /* Frees what *item holds. */
    void (*clear)(void *item);
};

/* The lists of a type; NULL if its values are none. */
const struct conf_list *conf_list_of(enum conf_type type);

/* Frees a list of n items; NULL is fine. */
void conf_list_free(const struct conf_list *kind, void *list, unsigned n);

/* Says that item, one of v's list, is empty, or shows it and says what is wrong with it. The items
 * come from the expanded text: none is shown if a variable was put in. Returns -EINVAL, always. */
int conf_item_fault(const struct conf_value *v, struct span item, const char *what);

/* The items that have files of their own, as struct conf_list has them: cfg/listen.c and
 * cfg/models.c. */
int conf_take_listen(const struct conf_value *v, void *item, struct span text);
void conf_clear_listen(void *item);
void conf_print_listen(FILE *to, const struct conf_listen *l);
int conf_take_model(const struct conf_value *v, void *item, struct span text);
void conf_clear_model(void *item);
int conf_take_fallback(const struct conf_value *v, void *item, struct span text);
void conf_clear_fallback(void *item);

#endif
