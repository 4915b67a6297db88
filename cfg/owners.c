/* The way from a section of the file to the struct that holds its values. */
#include "cfg/owners.h"

unsigned conf_n_owned(const struct conf *c, const struct conf_section *section)
{
    switch (section->owner) {
    case CONF_UPSTREAM:
        return c->n_upstreams;
    case CONF_KEY:
        return c->n_keys;
    case CONF_ITSELF:
        break;
    }
    return 1;
}

struct conf_owned conf_owned(const struct conf *c, const struct conf_section *section,
                             unsigned index)
{
    const struct conf_upstream *u = section->owner == CONF_UPSTREAM ? &c->upstreams[index] : NULL;
    const struct conf_key *key = section->owner == CONF_KEY ? &c->keys[index] : NULL;

    if (u)
        return (struct conf_owned){ (char *)u, u->lines, index > 0 ? u->name : NULL };
    if (key)
        return (struct conf_owned){ (char *)key, key->lines, key->label };
    return (struct conf_owned){ (char *)c, c->lines + section->first, NULL };
}

int conf_owned_line(const struct conf_owned *o, const struct conf_section *section,
                    const struct conf_row *row)
{
    return o->lines ? o->lines[row - section->rows] : 0;
}

int conf_upstream_line(const struct conf_upstream *u, const char *name)
{
    const struct conf_section *s = conf_section_named("upstream");

    return u->lines ? u->lines[conf_row_find(s, span_of(name)) - s->rows] : 0;
}

int conf_key_line(const struct conf_key *key, const char *name)
{
    const struct conf_section *s = conf_section_named("key");

    return key->lines ? key->lines[conf_row_find(s, span_of(name)) - s->rows] : 0;
}

struct conf_pair *conf_owned_pairs(const struct conf_owned *o, const struct conf_section *section,
                                   unsigned *n)
{
    *n = *(unsigned *)(void *)(o->base + section->count_at);
    return *(struct conf_pair **)(void *)(o->base + section->at);
}

int conf_upstream_find(const struct conf *c, struct span name)
{
    for (unsigned i = 0; i < c->n_upstreams; i++)
        if (span_eq(name, span_of(c->upstreams[i].name)))
            return (int)i;
    return -1;
}

const char *conf_upstream_section(char out[CONF_SECTION_MAX], const struct conf_upstream *u)
{
    bool named = strcmp(u->name, "default") != 0;

    snprintf(out, CONF_SECTION_MAX, "upstream%s%s", named ? " " : "", named ? u->name : "");
    return out;
}

int conf_line_of(const struct conf *c, const char *section, const char *name)
{
    struct span label;
    const struct conf_section *s = conf_section_find(span_of(section), &label);
    const struct conf_row *row =
        s && s->form == CONF_SETTINGS ? conf_row_find(s, span_of(name)) : NULL;

    for (unsigned i = 0; row && i < conf_n_owned(c, s); i++) {
        struct conf_owned o = conf_owned(c, s, i);
        int line = conf_owned_line(&o, s, row);

        if (span_eq(label, span_of(o.label)))
            return line > 0 ? line : 0;
    }
    return 0;
}
