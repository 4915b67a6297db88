/* Fills the filter that tells most keys from names. */
#include "json/rules.h"

/* Lets byte c pass at its place for the groups given. */
static void allow(struct json_name_byte *b, uint8_t c, uint8_t groups)
{
    b->at[c & 63] |= groups;
    b->low[c & 15] |= groups;
    b->high[c >> 4] |= groups;
}

static void allow_any(struct json_name_byte *b, uint8_t groups)
{
    for (unsigned c = 0; c < 256; c++)
        allow(b, (uint8_t)c, groups);
}

/* Names take the groups in turn; each may also begin with an escape. */
void json_names_filter(struct json_rules *rules)
{
    const uint8_t escaped = 1u << 7;

    if (rules->n_names == 0)
        return;
    allow(&rules->starts.first, '\\', escaped);
    allow_any(&rules->starts.second, escaped);
    allow(&rules->starts.second, '\\', 0xFF);
    for (uint32_t i = 0; i < rules->n_names; i++) {
        struct span key = rules->names[i].key;
        uint8_t group = (uint8_t)(1u << i % 7);

        allow(&rules->starts.first, key.n > 0 ? (uint8_t)key.p[0] : '"', group);
        if (key.n == 0)
            allow_any(&rules->starts.second, group);
        else
            allow(&rules->starts.second, key.n > 1 ? (uint8_t)key.p[1] : '"', group);
    }
}
