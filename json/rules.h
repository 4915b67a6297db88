/* The compiled table of renames and defaults, as the tokenizer looks into it. For json/ alone; the world sees json/rename.h.
 * One sorted list holds every key that matters: those to be renamed, and those whose presence makes a default unnecessary.
 * It is built in json/rules_make.c, asked bytewise by json/token.c and for whole keys by json/bulk.c. */
#ifndef JSON_RULES_H
#define JSON_RULES_H

#include "json/rename.h"
#include "json/scan.h"

struct json_name {
    struct span key;                    /* unescaped */
    struct span goes_as;                /* the key it goes out as, unescaped */
    struct span text;                   /* the new key, escaped and in quotes; NULL if it keeps its name */
    int default_index;                  /* the default this key makes unnecessary at the top level; -1 */
};

/* Invariants:
 *   1. names is sorted by the bytes of key, a prefix before what it begins, and no key is there twice.
 *   2. filter has a bit set at json_name_slot() for every name, so a clear bit means: not a name.
 *   3. All texts lie in storage that json_rules_free frees. */
struct json_rules {
    const struct json_scan *scan;
    struct json_name *names;
    uint32_t n_names;
    bool deep;                          /* names are renamed at every depth */
    uint8_t first[4];                   /* with which bytes names begin, if those are four at most; a quote stands for the empty name */
    bool any_first;                     /* there are more */
    uint64_t *filter;
    unsigned filter_shift;
    struct span defaults[JSON_DEFAULTS_MAX]; /* each as ,"key":value, in storage of its own */
    unsigned n_defaults;
    size_t longest_text;                /* of all new names, with quotes */
    char *text;
};

/* Where the filter speaks of the key of n bytes at p: its length and both its ends tell most keys apart. */
static inline uint32_t json_name_slot(const char *p, size_t n, unsigned shift)
{
    uint32_t ends = n ? (uint32_t)(uint8_t)p[0] << 8 | (uint8_t)p[n - 1] : 0;

    return ((uint32_t)n << 16 ^ ends) * 0x9E3779B1u >> shift;
}

/* False if the n bytes at p are surely no name. */
static inline bool json_name_likely(const struct json_rules *rules, const char *p, size_t n)
{
    uint32_t slot = json_name_slot(p, n, rules->filter_shift);

    return rules->filter[slot / 64] >> slot % 64 & 1;
}

/* Orders keys: negative if a comes first, positive if b does, 0 if they are the same. */
int json_name_compare(struct span a, struct span b);

/* The name that is exactly this unescaped key; NULL if there is none. */
const struct json_name *json_name_find(const struct json_rules *rules, struct span key);

/* As json_name_find, for a key that lies whole in memory as it was written; its escapes are known to be right. */
const struct json_name *json_name_find_raw(const struct json_rules *rules, struct span raw);

/* Narrows the range [*low, *high) of names that agree in their first at bytes to those whose next byte is c. False if none is left. */
bool json_name_narrow(const struct json_rules *rules, uint32_t *low, uint32_t *high, unsigned at, uint8_t c);

/* The name in [low, high) that is at bytes long, all of which are known to agree; NULL if there is none. */
const struct json_name *json_name_at_end(const struct json_rules *rules, uint32_t low, uint32_t high, unsigned at);

#endif
