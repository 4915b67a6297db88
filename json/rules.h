/* The compiled table of renames and defaults, as the tokenizer looks into it. For json/ alone; the world sees json/rename.h.
 * One sorted list holds every key that matters: those to be renamed, and those whose presence makes a default unnecessary.
 * It is built in json/rules_make.c, asked byte by byte by json/token.c and for whole keys by json/bulk.c. */
#ifndef JSON_RULES_H
#define JSON_RULES_H

#include "json/kernel.h"
#include "json/rename.h"

struct json_name {
    struct span key;                    /* unescaped */
    struct span goes_as;                /* the key it goes out as, unescaped */
    struct span text;                   /* the new key, escaped and in quotes; NULL if it keeps its name */
    int default_index;                  /* the default this key makes unnecessary at the top level; -1 */
};

/* Invariants:
 *   1. names is sorted by the bytes of key, a prefix before what it begins, and no key is there twice.
 *   2. All texts lie in storage that json_rules_free frees. */
struct json_rules {
    const struct json_kernel *kernel;
    struct json_name_starts starts;     /* lets all names pass, and few other keys */
    struct json_name *names;
    uint32_t n_names;
    bool deep;                          /* names are renamed at every depth */
    struct span defaults[JSON_DEFAULTS_MAX]; /* each as ,"key":value, in storage of its own */
    unsigned n_defaults;
    size_t longest_text;                /* of all new names, with quotes */
    char *text;
};

/* Orders keys: negative if a comes first, positive if b does, 0 if they are the same. */
int json_name_compare(struct span a, struct span b);

/* The name that is exactly this unescaped key; NULL if there is none. */
const struct json_name *json_name_find(const struct json_rules *rules, struct span key);

/* The name that is the key written at *p, behind its opening quote; NULL if there is none. The key is known to be right and to end in memory. If there is
 * one, *p moves to the closing quote. */
const struct json_name *json_name_read(const struct json_rules *rules, const char **p);

/* Narrows the range [*low, *high) of names that agree in their first at bytes to those whose next byte is c. False if none is left. */
bool json_name_narrow(const struct json_rules *rules, uint32_t *low, uint32_t *high, unsigned at, uint8_t c);

/* The name in [low, high) that is at bytes long, all of which are known to agree; NULL if there is none. */
const struct json_name *json_name_at_end(const struct json_rules *rules, uint32_t low, uint32_t high, unsigned at);

#endif
