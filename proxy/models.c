/* Exact names in a sorted table, prefixes by their length. */
#include "proxy/models.h"

#include <errno.h>
#include <stdlib.h>

struct entry {
    const struct conf_model *model;
    size_t n;
    unsigned upstream;
};

/* The first n_exact entries are exact names in order; the others are prefixes, the longest
 * first. */
struct models {
    unsigned n_exact, n;
    struct entry entries[];
};

static int compare_names(const char *a, size_t a_n, const char *b, size_t b_n)
{
    int order = memcmp(a, b, a_n < b_n ? a_n : b_n);

    return order ? order : (a_n > b_n) - (a_n < b_n);
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->model->prefix != y->model->prefix)
        return x->model->prefix ? 1 : -1;
    if (x->model->prefix && x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return compare_names(x->model->name, x->n, y->model->name, y->n);
}

int models_make(struct models **out, const struct conf *c)
{
    size_t n = 0;
    struct models *m;

    for (unsigned i = 0; i < c->n_upstreams; i++)
        n += c->upstreams[i].n_models;
    m = calloc(1, sizeof *m + n * sizeof m->entries[0]);
    *out = m;
    if (!m)
        return -ENOMEM;
    for (unsigned i = 0; i < c->n_upstreams; i++) {
        const struct conf_upstream *u = &c->upstreams[i];

        for (unsigned k = 0; k < u->n_models; k++) {
            m->entries[m->n++] = (struct entry){ &u->models[k], strlen(u->models[k].name), i };
            m->n_exact += !u->models[k].prefix;
        }
    }
    qsort(m->entries, m->n, sizeof m->entries[0], compare);
    return 0;
}

void models_free(struct models *m)
{
    free(m);
}

static int find_exact(const struct models *m, struct span model)
{
    unsigned low = 0, high = m->n_exact;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const struct entry *e = &m->entries[middle];
        int order = compare_names(model.p, model.n, e->model->name, e->n);

        if (order == 0)
            return (int)e->upstream;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static bool begins_with(struct span model, const char *prefix, size_t n)
{
    return model.n >= n && memcmp(model.p, prefix, n) == 0;
}

int models_upstream(const struct models *m, struct span model)
{
    int upstream = find_exact(m, model);

    for (unsigned i = m->n_exact; upstream < 0 && i < m->n; i++)
        if (begins_with(model, m->entries[i].model->name, m->entries[i].n))
            upstream = (int)m->entries[i].upstream;
    return upstream;
}

/* The entry of a list that says most of a model: its name, or the longest prefix of it. */
static const struct conf_model *find_in(const struct conf_model *list, unsigned n,
                                        struct span model)
{
    const struct conf_model *best = NULL;

    for (unsigned i = 0; i < n; i++) {
        const struct conf_model *m = &list[i];
        size_t length = strlen(m->name);

        if (!m->prefix && span_eq(model, (struct span){ m->name, length }))
            return m;
        if (m->prefix && begins_with(model, m->name, length) &&
            (!best || length > strlen(best->name)))
            best = m;
    }
    return best;
}

struct span models_name_at(const struct conf_upstream *u, struct span model)
{
    const struct conf_model *m = find_in(u->models, u->n_models, model);

    return m && m->to ? span_of(m->to) : model;
}

bool models_allowed(const struct conf_key *key, struct span model)
{
    if (!key || key->n_models == 0)
        return true;
    return model.n > 0 && find_in(key->models, key->n_models, model);
}

/* What is written so far, and what it is about. */
struct list {
    struct out *o;
    struct span only;
    unsigned n;
};

static void put_model(struct list *l, const char *name, const char *owner)
{
    if (l->only.n > 0 && !span_eq(l->only, span_of(name)))
        return;
    if (l->only.n > 0 && l->n > 0)
        return;
    out_put(l->o, l->n++ > 0 ? SPAN(",{\"id\":\"") : SPAN("{\"id\":\""));
    out_json(l->o, span_of(name));
    out_put(l->o, SPAN("\",\"object\":\"model\",\"created\":0,\"owned_by\":\""));
    out_json(l->o, span_of(owner));
    out_put(l->o, SPAN("\"}"));
}

static void put_lists(struct list *l, const struct conf *c, const struct conf_key *key)
{
    for (unsigned i = 0; i < c->n_upstreams; i++) {
        const struct conf_upstream *u = &c->upstreams[i];

        if (key && key->pin >= 0 && (unsigned)key->pin != i)
            continue;
        for (unsigned k = 0; k < u->n_models; k++)
            if (!u->models[k].prefix && models_allowed(key, span_of(u->models[k].name)))
                put_model(l, u->models[k].name, u->name);
    }
}

static bool is_listed(const struct conf *c, struct span name)
{
    for (unsigned i = 0; i < c->n_upstreams; i++)
        for (unsigned k = 0; k < c->upstreams[i].n_models; k++)
            if (!c->upstreams[i].models[k].prefix &&
                span_eq(name, span_of(c->upstreams[i].models[k].name)))
                return true;
    return false;
}

/* Names of the key's own list that only a prefix of somebody's serves, or nobody's but the
 * default. */
static void put_own(struct list *l, const struct conf *c, const struct models *m,
                    const struct conf_key *key)
{
    for (unsigned i = 0; key && i < key->n_models; i++) {
        struct span name = span_of(key->models[i].name);
        int upstream = key->pin >= 0 ? key->pin : models_upstream(m, name);

        if (!key->models[i].prefix && !is_listed(c, name))
            put_model(l, key->models[i].name, c->upstreams[upstream < 0 ? 0 : upstream].name);
    }
}

bool models_put(struct out *o, const struct conf *c, const struct models *m,
                const struct conf_key *key, struct span only)
{
    struct list l = { o, only, 0 };

    if (only.n == 0)
        out_put(o, SPAN("{\"object\":\"list\",\"data\":["));
    put_lists(&l, c, key);
    put_own(&l, c, m, key);
    if (only.n == 0)
        out_put(o, SPAN("]}"));
    return only.n == 0 || l.n > 0;
}
