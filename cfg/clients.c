/* The keys of clients: each complete, each once, and leading to what is there. */
#include "cfg/choice.h"
#include "cfg/load.h"
#include "cfg/owners.h"

#include <stdlib.h>

/* How messages name the section that key stands in. */
static const char *key_section(char out[CONF_SECTION_MAX], const struct conf_key *key)
{
    if (key->in_table)
        snprintf(out, CONF_SECTION_MAX, "api_keys");
    else
        snprintf(out, CONF_SECTION_MAX, "key %s", key->label);
    return out;
}

/* Adds a fault of a setting of key; where it is not given, at the section. */
static void key_fault(struct conf_loader *l, const struct conf_key *key, const char *name,
                      const char *why)
{
    char shown[CONF_SECTION_MAX];
    int line = conf_key_line(key, name);

    conf_fault(l->errors, line ? line : key->line, key_section(shown, key), "%s", why);
}

/* One key may stand for one client only: the second would never be looked at. */
static void check_clients(struct conf_loader *l)
{
    struct seen clients = { 0 };
    char shown[CONF_SECTION_MAX];

    for (unsigned i = 0; i < l->c->n_keys; i++) {
        const struct conf_key *key = &l->c->keys[i];
        int line = conf_key_line(key, "key"), before = 0;

        if (!key->client)
            continue;
        if (seen_put(&clients, span_of(key->client), line, &before) < 0)
            l->errors->oom = true;
        if (before)
            conf_fault(l->errors, line, key_section(shown, key),
                       "the same client's key is given twice, first on line %d", before);
    }
    seen_free(&clients);
}

/* The entries of [api_keys] are called key1, key2 and so on: a section of that name would make the
 * logs ambiguous. */
static void check_labels(struct conf_loader *l)
{
    struct seen labels = { 0 };

    for (unsigned i = 0; i < l->c->n_keys; i++) {
        const struct conf_key *key = &l->c->keys[i];
        int before = 0;

        if (seen_put(&labels, span_of(key->label), key->line, &before) < 0)
            l->errors->oom = true;
        if (before)
            conf_fault(l->errors, key->line, "",
                       "two keys with the label %s, the other on line %d: the lines of [api_keys] "
                       "are called key1, key2 and so on in the logs",
                       key->label, before);
    }
    seen_free(&labels);
}

/* Finds the upstream that key names. */
static void find_pin(struct conf_loader *l, struct conf_key *key)
{
    char shown[CONF_SECTION_MAX];

    if (!key->upstream)
        return;
    key->pin = conf_find_named(l, conf_key_line(key, "upstream"), key_section(shown, key),
                               "upstream", key->upstream);
    if (key->pin > 0 && conf_key_line(key, "upstream_key"))
        key_fault(l, key, "upstream_key",
                  "upstream_key: goes to [upstream] alone, and upstream = names another");
}

/* Adds to may the upstreams that may[i] can fall back to. */
static void add_fallbacks(const struct conf *c, bool *may)
{
    bool more = true;

    while (more) {
        more = false;
        for (unsigned i = 0; i < c->n_upstreams; i++)
            for (unsigned j = 0; may[i] && j < c->upstreams[i].n_fallbacks; j++) {
                unsigned next = c->upstreams[i].fallbacks[j].upstream;

                more |= !may[next];
                may[next] = true;
            }
    }
}

/* Finds in may, which is all false, the upstreams that requests of key can get to. Models that
 * nobody serves are faults. */
static void find_reach(struct conf_loader *l, const struct conf_key *key, bool *may)
{
    const struct conf_model *models = key->models;
    char shown[CONF_SECTION_MAX];
    struct conf_quoted q;

    if (key->pin >= 0)
        may[key->pin] = true;
    else if (key->n_models == 0 && !key->upstream)
        may[0] = true;
    for (unsigned i = 0; !key->upstream && i < key->n_models; i++)
        if (conf_choices(l->c, &models[i], may) == 0)
            conf_fault(l->errors, conf_key_line(key, "models"), key_section(shown, key),
                       "models: nobody serves %s%s", conf_quote(&q, span_of(models[i].name)),
                       models[i].prefix ? " with anything behind it" : "");
    add_fallbacks(l->c, may);
}

/* A client's key needs something that stands for it at default, if it can get there. */
static void check_complete(struct conf_loader *l, const struct conf_key *key)
{
    bool *may = calloc(l->c->n_upstreams, sizeof *may);

    l->errors->oom |= !may;
    if (!may)
        return;
    find_reach(l, key, may);
    if (!conf_key_line(key, "key"))
        key_fault(l, key, "key", "key is missing: what the client sends");
    if (may[0] && !conf_key_line(key, "upstream_key") && l->c->upstreams[0].n_api_keys == 0)
        key_fault(l, key, "upstream_key",
                  "upstream_key is missing: what goes to [upstream] instead, which has no api_key");
    free(may);
}

bool conf_is_limited(const struct conf_key *key)
{
    const struct quota_limits *l = &key->limits;

    return l->requests > 0 || l->open > 0 || l->tokens > 0 || l->tokens_of_day > 0;
}

/* An upstream that requests of key can get to, and whose streams are not asked for their tokens;
 * NULL if there is none. */
static const struct conf_upstream *not_asked(const struct conf *c, const struct conf_key *key)
{
    for (unsigned i = 0; i < c->n_upstreams; i++)
        if (!c->upstreams[i].include_usage && (key->pin < 0 || (unsigned)key->pin == i))
            return &c->upstreams[i];
    return NULL;
}

void conf_warn_tokens(const struct conf *c, FILE *errors)
{
    char section[CONF_SECTION_MAX], shown[CONF_SECTION_MAX];

    for (unsigned i = 0; i < c->n_keys; i++) {
        const struct conf_key *key = &c->keys[i];
        const char *name = key->limits.tokens > 0 ? "tokens_per_minute" : "tokens_per_day";
        const struct conf_upstream *u = not_asked(c, key);

        if (!u || !(key->limits.tokens > 0 || key->limits.tokens_of_day > 0))
            continue;
        conf_error(errors, c, conf_key_line(key, name), key_section(section, key),
                   "warning: %s: the tokens of a stream count only if the upstream reports them; "
                   "include_usage = yes in [%s] asks for that",
                   name, conf_upstream_section(shown, u));
        return;
    }
}

/* What is counted of each key has a place, and there are so many of those. */
static void check_limits(struct conf_loader *l)
{
    const struct conf *c = l->c;
    char shown[CONF_SECTION_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < c->n_keys; i++) {
        n += conf_is_limited(&c->keys[i]);
        if (n == QUOTA_LABELS_MAX + 1) {
            conf_fault(l->errors, c->keys[i].line, key_section(shown, &c->keys[i]),
                       "more than %u keys have limits", QUOTA_LABELS_MAX);
            break;
        }
    }
    if (c->n_keys > 0 && c->access.requests_per_minute > 0)
        conf_fault(l->errors, conf_line_of(c, "access", "requests_per_minute"), "access",
                   "requests_per_minute: limits addresses where there are no keys; with keys, each "
                   "has limits of its own in its [key LABEL]");
}

void conf_check_clients(struct conf_loader *l)
{
    for (unsigned i = 0; i < l->c->n_keys; i++) {
        find_pin(l, &l->c->keys[i]);
        check_complete(l, &l->c->keys[i]);
    }
    check_clients(l);
    check_labels(l);
    check_limits(l);
}
