/* Finds keys that would stand in one object under the same name once one of them is renamed: the
 * old and the new name of an alias, or two old ones. A row of bits for each open object tells
 * which came. */
#include "json/rules.h"

#include <errno.h>
#include <stdlib.h>

static int compare_outgoing(const void *a, const void *b)
{
    const struct json_name *const *left = a, *const *right = b;

    return json_name_compare((*left)->goes_as, (*right)->goes_as);
}

/* Makes a ring of the n names at list, which go out alike, and gives each a bit. */
static uint32_t link_ring(struct json_rules *rules, struct json_name **list, size_t n, uint32_t bit)
{
    for (size_t i = 0; i < n; i++) {
        list[i]->twin = (uint32_t)(list[(i + 1) % n] - rules->names);
        list[i]->bit = bit;
        bit += n > 1;
    }
    return bit;
}

int json_twins_link(struct json_rules *rules)
{
    struct json_name **list = malloc((rules->n_names + 1) * sizeof(struct json_name *));
    uint32_t n = rules->n_names, bits = 0;

    if (!list)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        list[i] = &rules->names[i];
    qsort(list, n, sizeof(struct json_name *), compare_outgoing);
    for (uint32_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && span_eq(list[i]->goes_as, list[end]->goes_as); end++)
            ;
        bits = link_ring(rules, list + i, end - i, bits);
    }
    rules->row = (bits + 7) / 8;
    free(list);
    return 0;
}

size_t json_rename_memory(const struct json_rules *rules)
{
    return rules->row * (rules->deep ? JSON_DEPTH_MAX : 1);
}

/* The row of the object at depth, empty if nothing of it was noted yet. */
static uint8_t *row_at(struct json_renamer *r, unsigned depth)
{
    uint64_t bit = (uint64_t)1 << (depth - 1) % 64, *rows = &r->rows[(depth - 1) / 64];
    uint8_t *row = r->memory + (depth - 1) * r->rules->row;

    if (!(*rows & bit))
        memset(row, 0, r->rules->row);
    *rows |= bit;
    return row;
}

static bool has(const uint8_t *row, uint32_t bit)
{
    return row[bit / 8] >> bit % 8 & 1;
}

const struct json_name *json_twin(struct json_renamer *r, const struct json_name *name,
                                  unsigned depth)
{
    const struct json_name *names = r->rules->names, *twin = &names[name->twin];
    uint8_t *row;

    if (twin == name)
        return NULL;
    for (row = row_at(r, depth); twin != name; twin = &names[twin->twin])
        if (has(row, twin->bit))
            return twin;
    row[name->bit / 8] |= (uint8_t)(1u << name->bit % 8);
    return NULL;
}
