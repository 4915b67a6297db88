/* Looks keys up in the compiled rules: whole ones by binary search, and byte by byte by narrowing
 * the range that still agrees. Frees the rules. */
#include "json/rules.h"
#include "json/escape.h"

#include <stdlib.h>

int json_name_compare(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

const struct json_name *json_name_find(const struct json_rules *rules, struct span key)
{
    uint32_t low = 0, high = rules->n_names;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = json_name_compare(rules->names[middle].key, key);

        if (order == 0)
            return &rules->names[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The first name in [low, high) whose byte number `at` is c or more; a name that ends before it
 * counts as less. */
static uint32_t first_from(const struct json_rules *rules, uint32_t low, uint32_t high, unsigned at,
                           unsigned c)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct span key = rules->names[middle].key;

        if (key.n <= at || (uint8_t)key.p[at] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool json_name_narrow(const struct json_rules *rules, uint32_t *low, uint32_t *high, unsigned at,
                      uint8_t c)
{
    *low = first_from(rules, *low, *high, at, c);
    *high = first_from(rules, *low, *high, at, c + 1u);
    return *low < *high;
}

const struct json_name *json_name_at_end(const struct json_rules *rules, uint32_t low,
                                         uint32_t high, unsigned at)
{
    return low < high && rules->names[low].key.n == at ? &rules->names[low] : NULL;
}

/* The same for a key with escapes. */
static const struct json_name *read_escaped(const struct json_rules *rules, const char **p)
{
    uint32_t low = 0, high = rules->n_names;
    unsigned at = 0;

    while (**p != '"') {
        uint8_t bytes[4] = { (uint8_t) * *p };
        unsigned n = 1, used = 1;
        uint32_t c;

        if (**p == '\\') {
            used = json_escape((struct span){ *p, JSON_ESCAPE_MAX }, &c);
            n = json_utf8(c, bytes);
        }
        for (unsigned i = 0; i < n; i++)
            if (!json_name_narrow(rules, &low, &high, at++, bytes[i]))
                return NULL;
        *p += used;
    }
    return json_name_at_end(rules, low, high, at);
}

const struct json_name *json_name_read(const struct json_rules *rules, const char **p)
{
    size_t n = 0;

    while ((*p)[n] != '"' && (*p)[n] != '\\') /* past the longest name there is none */
        if (n++ == JSON_KEY_MAX)
            return NULL;
    if ((*p)[n] == '\\')
        return read_escaped(rules, p);
    *p += n;
    return json_name_find(rules, (struct span){ *p - n, n });
}

void json_rules_free(struct json_rules *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i <= JSON_DEFAULTS_MAX; i++)
        free((char *)r->defaults[i].p);
    free(r->names);
    free(r->text);
    free(r);
}
