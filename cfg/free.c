/* Frees a configuration, by the tables of cfg/schema.c: a new key is freed without a word here. */
#include "cfg/lists.h"
#include "cfg/memory.h"
#include "cfg/owners.h"
#include "cfg/url.h"
#include "cfg/values.h"

#include <stdlib.h>

void conf_value_free(void *base, const struct conf_row *row)
{
    const struct conf_list *kind = conf_list_of(row->type);
    char *p = (char *)base + row->at;
    void *owned;

    switch (row->type) {
    case CONF_BASE_URL:
    case CONF_PROXY:
        conf_url_free((void *)p);
        break;
    case CONF_LISTEN:
    case CONF_ADDRESSES:
    case CONF_ORIGINS:
    case CONF_KEYS:
    case CONF_MODELS:
    case CONF_ALLOWED:
    case CONF_FALLBACKS:
    case CONF_PATHS:
    case CONF_FILES:
        memcpy(&owned, p, sizeof owned);
        conf_list_free(kind, owned, *conf_count(row, base));
        break;
    case CONF_CLIENT:
    case CONF_USER:
    case CONF_TARGET:
    case CONF_CA_FILE:
    case CONF_LOG_FILE:
    case CONF_SOCKET:
    case CONF_JSON:
    case CONF_FIELD:
    case CONF_TEXT:
        memcpy(&owned, p, sizeof owned);
        conf_free_text(owned);
        break;
    case CONF_COUNT:
    case CONF_WORKERS:
    case CONF_AMOUNT:
    case CONF_DATE:
    case CONF_SIZE:
    case CONF_TIME:
    case CONF_BOOL:
    case CONF_CHOICE:
    case CONF_LEVEL:
        break;
    }
}

static void free_pairs(const struct conf_section *section, struct conf_pair *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        free(list[i].name);
        conf_value_free(&list[i], section->rows);
    }
    free(list);
}

static void free_section(struct conf *c, const struct conf_section *section, unsigned index)
{
    struct conf_owned o = conf_owned(c, section, index);
    struct conf_pair *list;
    unsigned n;

    if (section->form == CONF_PAIRS) {
        list = conf_owned_pairs(&o, section, &n);
        free_pairs(section, list, n);
        return;
    }
    for (unsigned i = 0; section->form == CONF_SETTINGS && i < section->n_rows; i++)
        conf_value_free(o.base, &section->rows[i]);
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < conf_n_sections; i++)
        for (unsigned j = 0; j < conf_n_owned(c, &conf_sections[i]); j++)
            free_section(c, &conf_sections[i], j);
    for (unsigned i = 0; i < c->n_keys; i++) {
        free(c->keys[i].label);
        free(c->keys[i].lines);
    }
    for (unsigned i = 0; i < c->n_upstreams; i++) {
        free(c->upstreams[i].name);
        free(c->upstreams[i].target);
        free(c->upstreams[i].url);
        free(c->upstreams[i].lines);
    }
    free(c->keys);
    free(c->upstreams);
    free(c->lines);
    free(c->file);
    free(c);
}
