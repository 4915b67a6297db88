/* The compiled table of renames and defaults as the tokenizer looks into it, for json/ alone. One
 * sorted list holds every key that matters: those to be renamed, and those whose presence makes a
 * default unnecessary. json/rules_make.c builds it. */
#ifndef JSON_RULES_H
#define JSON_RULES_H

#include "json/kernel.h"
#include "json/rename.h"

/* What a name goes out as, with rules for usage; it may be several. */
enum json_role { JSON_ROLE_STREAM = 1, JSON_ROLE_OPTIONS = 2, JSON_ROLE_INCLUDE = 4 };

struct json_name {
    struct span key;     /* unescaped */
    struct span goes_as; /* the outgoing key, unescaped */
    struct span text;    /* the new key, escaped and in quotes; NULL if it keeps its name */
    int default_index;   /* the default that this key makes unnecessary at the top level; -1 */
    uint32_t twin; /* the next name that goes out alike, in a ring; its own number if none does */
    uint32_t bit;  /* of the row of twins; meaningless without a twin */
    uint8_t roles; /* JSON_ROLE_* */
};

/* Invariants:
 * 1. names is sorted by the bytes of key, a prefix before longer keys, and no key is there twice.
 * 2. Names of which one is renamed to what the other goes out as are twins: an object may not have
 *    both.
 * 3. All texts lie in storage that json_rules_free frees.
 * 4. With usage there is a default for "stream_options", be it of our own: that is the last one,
 *    and no name has its number. */
struct json_rules {
    const struct json_kernel *kernel;
    struct json_name_starts starts; /* lets all names pass, and few other keys */
    struct json_name *names;
    uint32_t n_names;
    bool deep; /* names are renamed at every depth */
    struct span defaults[JSON_DEFAULTS_MAX + 1];
    unsigned n_defaults;
    const struct json_name *model; /* the key "model"; NULL in rules of no names */
    unsigned model_default;        /* the default for it; n_defaults if there is none */
    size_t model_value;            /* where in its text the value begins */
    bool model_if_given;  /* that default is added only with a value of json_rename_model */
    bool usage;           /* the others of this group count only then */
    bool streams;         /* the default for "stream" is true */
    bool asks;            /* the default for "stream_options" asks for usage by itself */
    unsigned options;     /* that default */
    size_t options_value; /* where in its text the value begins */
    struct span include, no_options; /* members with a comma: include_usage, a null of options */
    size_t row;                      /* bytes of a row with a bit for each name that has a twin */
    char *text;
};

/* Orders keys: negative if a comes first, positive if b does, 0 if they are equal. */
int json_name_compare(struct span a, struct span b);

/* The name that is exactly this unescaped key; NULL if there is none. */
const struct json_name *json_name_find(const struct json_rules *rules, struct span key);

/* The name whose key is written at *p, after its opening quote; NULL if there is none. The key is
 * known to be right and to end in memory. If there is one, *p moves to the closing quote. */
const struct json_name *json_name_read(const struct json_rules *rules, const char **p);

/* Narrows the range [*low, *high) of names that agree in their first `at` bytes to those whose next
 * byte is c. False if none is left. */
bool json_name_narrow(const struct json_rules *rules, uint32_t *low, uint32_t *high, unsigned at,
                      uint8_t c);

/* The name in [low, high) that is `at` bytes long, all of which are known to agree; NULL if there
 * is none. */
const struct json_name *json_name_at_end(const struct json_rules *rules, uint32_t low,
                                         uint32_t high, unsigned at);

/* Fills the filter with the names, whose list is complete. */
void json_names_filter(struct json_rules *rules);

/* Finds the twins among the names, whose list is complete. Returns 0 or -ENOMEM. */
int json_twins_link(struct json_rules *rules);

/* The twin of name that has come in the same object, at depth; NULL if there is none, and then
 * it is noted that name has come. */
const struct json_name *json_twin(struct json_renamer *r, const struct json_name *name,
                                  unsigned depth);

/* Notes that a container is opened at depth: the twins that came in an earlier one are
 * forgotten. */
static inline void json_twins_forget(struct json_renamer *r, unsigned depth)
{
    r->rows[(depth - 1) / 64] &= ~((uint64_t)1 << (depth - 1) % 64);
}

#endif
