/* Takes what the file says: finds the section of an entry, makes what the section is about, and
 * stores the value. What a value may be is in cfg/values.h. */
#include "base/kept.h"
#include "base/text.h"
#include "cfg/load.h"
#include "cfg/owners.h"
#include "cfg/unknown.h"

#include <inttypes.h>
#include <stdlib.h>

/* A value of the entry e of the section that l is in. */
static struct conf_value value_of(const struct conf_loader *l, const struct conf_row *row,
                                  const struct conf_entry *e)
{
    return (struct conf_value){
        .errors = l->errors,
        .files = l->files,
        .row = row,
        .line = e->line,
        .section = l->shown,
        .name = row->name,
        .raw = e->value,
    };
}

static void take_setting(struct conf_loader *l, const struct conf_row *row,
                         const struct conf_entry *e)
{
    struct conf_owned o = conf_owned(l->c, l->section, l->index);
    int *line = &o.lines[row - l->section->rows];
    struct conf_value v = value_of(l, row, e);

    if (*line) {
        conf_value_fault(&v, "given twice, first on line %d", *line);
        return;
    }
    if (row->named == CONF_REFUSED && l->index > 0)
        conf_value_fault(&v, "stands in [%s] alone", l->section->name);
    *line = e->line;
    conf_value_store(&v, o.base);
}

/* Adds an empty key with the given label. Returns it, or NULL if memory ran out. */
KEPT_BEGIN /* in the list of keys */
static struct conf_key *add_key(struct conf_loader *l, struct span label, int line)
{
    const struct conf_section *section = conf_section_named("key");
    struct conf *c = l->c;
    struct conf_key *keys = conf_grow(c->keys, c->n_keys, sizeof *keys);
    struct conf_key key = { .label = conf_dup(label), .line = line, .pin = -1 };

    if (keys)
        c->keys = keys;
    key.lines = calloc(section->n_rows, sizeof *key.lines);
    if (!keys || !key.label || !key.lines) {
        l->errors->oom = true;
        free(key.label);
        free(key.lines);
        return NULL;
    }
    keys[c->n_keys] = key;
    return &keys[c->n_keys++];
}
KEPT_END

/* Where the line of a setting of key is kept. */
static int *key_line_at(const struct conf_key *key, const char *name)
{
    const struct conf_section *s = conf_section_named("key");

    return &key->lines[conf_row_find(s, span_of(name)) - s->rows];
}

/* Takes one line of [api_keys]. No message names the key that stands there: it is a secret. */
static void take_client(struct conf_loader *l, const struct conf_row *row,
                        const struct conf_entry *e)
{
    struct conf_value v = value_of(l, row, e);
    struct conf_key *key;
    char label[24];

    l->n_api_keys++;
    v.name = "the client's key";
    /* "a== = b" is for inih the key "a" with the value "= = b". */
    if (span_starts(e->value, SPAN("="))) {
        conf_value_fault(&v,
                         "seems to hold a '='; write it in a section of its own: [key LABEL] with "
                         "key = and upstream_key =");
        return;
    }
    if (e->name.n > row->max) {
        conf_value_fault(&v, "is longer than %" PRIu64 " characters", row->max);
        return;
    }
    snprintf(label, sizeof label, "key%u", l->n_api_keys);
    key = conf_key_check(&v, e->name) ? add_key(l, span_of(label), e->line) : NULL;
    if (!key)
        return;
    key->in_table = true;
    *key_line_at(key, "key") = *key_line_at(key, "upstream_key") = e->line;
    key->client = conf_dup(e->name);
    l->errors->oom |= !key->client;
    v.name = "the real key";
    conf_value_store(&v, key);
}

/* Why name cannot stand in this section, or NULL. */
static const char *name_fault(const struct conf_loader *l, const struct conf_entry *e)
{
    bool alias = strcmp(l->section->name, "field_aliases") == 0;

    if (l->section->names == CONF_FIELD_NAMES)
        return conf_field_fault(e->name);
    /* A quoted key would be looked for with its quotes, and never be found. */
    if (conf_is_quoted(e->name) || (alias && conf_is_quoted(e->value)))
        return "a name of a field stands without quotes here";
    return NULL;
}

/* Adds an empty pair at the end of the list of the section that l is in. Returns it, not counted
 * yet, or NULL if memory ran out. */
static struct conf_pair *add_pair(struct conf_loader *l, const struct conf_owned *o,
                                  const struct conf_entry *e)
{
    unsigned n;
    struct conf_pair *list = conf_owned_pairs(o, l->section, &n);
    struct conf_pair *grown = conf_grow(list, n, sizeof *grown);
    char *name = conf_dup(e->name);

    if (grown)
        *(struct conf_pair **)(void *)(o->base + l->section->at) = grown;
    if (!grown || !name) {
        l->errors->oom = true;
        free(name);
        return NULL;
    }
    grown[n] = (struct conf_pair){ .name = name, .line = e->line };
    return &grown[n];
}

/* Only a pair with a value counts: the others are faults that are told already. */
static void take_pair(struct conf_loader *l, const struct conf_row *row, const struct conf_entry *e)
{
    struct conf_owned o = conf_owned(l->c, l->section, l->index);
    struct conf_pair *pair = add_pair(l, &o, e);
    struct conf_value v = value_of(l, row, e);
    const char *why = name_fault(l, e);
    struct conf_quoted q;

    if (!pair)
        return;
    v.name = conf_quote(&q, e->name);
    if (why)
        conf_value_fault(&v, "%s", why);
    else
        conf_value_store(&v, pair);
    if (pair->value)
        ++*(unsigned *)(void *)(o.base + l->section->count_at);
    else
        free(pair->name);
}

static void take_entry(struct conf_loader *l, const struct conf_entry *e)
{
    const struct conf_row *row = conf_row_find(l->section, e->name);

    if (!row)
        conf_unknown_name(l->errors, e->line, l->section, l->shown, e->name);
    else if (l->section->form == CONF_PAIRS)
        take_pair(l, row, e);
    else if (l->section->form == CONF_CLIENTS)
        take_client(l, row, e);
    else
        take_setting(l, row, e);
}

static bool label_fits(struct span label)
{
    for (size_t i = 0; i < label.n; i++)
        if (!text_is_letter(label.p[i]) && !text_is_digit(label.p[i]) &&
            (unsigned char)label.p[i] < 0x80 && !strchr("._-@+", label.p[i]))
            return false;
    return true;
}

/* Goes to [key LABEL]; a second section of the same label goes on with the first. False if memory
 * ran out. */
static bool enter_key(struct conf_loader *l, struct span label, int line)
{
    struct conf_key *key = add_key(l, label, line);
    int before = 0;

    if (!key)
        return false;
    l->index = l->c->n_keys - 1;
    if (seen_put(&l->labels, span_of(key->label), (int)l->index + 1, &before) < 0)
        l->errors->oom = true;
    if (before) {
        free(key->label);
        free(key->lines);
        l->c->n_keys--;
        l->index = (unsigned)before - 1;
    }
    return true;
}

/* Goes to the upstream of that name, and makes it if it is new, whichever of its sections comes
 * first. False after a message, or if memory ran out. */
static bool enter_upstream(struct conf_loader *l, struct span name, int line)
{
    int found = conf_upstream_find(l->c, name.n > 0 ? name : SPAN("default"));
    struct conf_upstream *u;

    if (span_eq(name, SPAN("default"))) {
        conf_fault(l->errors, line, l->shown, "default is the name of [%s] itself",
                   l->section->name);
        return false;
    }
    l->index = found < 0 ? l->c->n_upstreams : (unsigned)found;
    if (found < 0 && conf_add_upstream(l->c, name) < 0) {
        l->errors->oom = true;
        return false;
    }
    u = &l->c->upstreams[l->index];
    u->declared |= l->section->form == CONF_SETTINGS;
    u->line = u->line ? u->line : line;
    return true;
}

static void enter_section(struct conf_loader *l, const struct conf_entry *e)
{
    struct span label;
    const struct conf_section *section = conf_section_find(e->section, &label);

    l->section = NULL;
    if (!section) {
        conf_unknown_section(l->errors, e->line, e->section);
        return;
    }
    if (!label_fits(label)) {
        conf_fault(l->errors, e->line, e->section.p,
                   "a label is made of letters, digits and . _ - @ +");
        return;
    }
    snprintf(l->shown, sizeof l->shown, "%s%s%.*s", section->name, label.n ? " " : "", (int)label.n,
             label.p);
    l->section = section;
    l->index = 0;
    if (section->owner == CONF_UPSTREAM && !enter_upstream(l, label, e->line))
        l->section = NULL;
    if (section->owner == CONF_KEY && label.n > 0 && !enter_key(l, label, e->line))
        l->section = NULL;
}

void conf_take(struct conf_taker *t, const struct conf_entry *e)
{
    struct conf_loader *l =
        (struct conf_loader *)(void *)((char *)t - offsetof(struct conf_loader, taker));

    if (!e->name.p)
        enter_section(l, e);
    else if (l->section)
        take_entry(l, e);
}
