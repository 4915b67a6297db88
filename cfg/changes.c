/* What differs between two configurations, told so that an administrator recognises his change and
 * nobody learns a secret. Goes by the tables of cfg/schema.c: a new key is compared without a word
 * here. */
#include "cfg/conf.h"
#include "cfg/memory.h"
#include "cfg/owners.h"
#include "cfg/values.h"

#include <stdlib.h>

#define SHOWN_MAX 100 /* a longer value is not repeated */
#define NEW (-1)      /* the number of a name that only b has: none comes twice */

/* One section of a before, of b after, and where to tell what differs. */
struct comparison {
    const struct conf *a, *b;
    const struct conf_section *section;
    FILE *to;
};

/* The value as text, the caller's; NULL if memory ran out. */
static char *text_of(const void *base, const struct conf_row *row)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    if (!f)
        return NULL;
    conf_value_print(f, base, row);
    return fclose(f) == 0 ? text : NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_texts(char *const *a, char *const *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}

/* True if what a value hides is the same in both; what it shows is. */
static bool same_hidden(const char *a, const char *b, const struct conf_row *row)
{
    const void *x = a + row->at, *y = b + row->at;
    const struct conf_url *u = x, *v = y;

    if (row->type == CONF_KEYS)
        return same_texts(*(char *const *const *)x, *(char *const *const *)y,
                          *conf_count(row, (void *)a));
    if (row->type == CONF_PROXY)
        return same_text(u->user, v->user) && same_text(u->password, v->password);
    return true;
}

static unsigned compare_row(const struct comparison *c, const struct conf_owned *a,
                            const struct conf_owned *b, const struct conf_row *row)
{
    char *old = text_of(a->base, row), *fresh = text_of(b->base, row);
    bool known = old && fresh, same = known && strcmp(old, fresh) == 0;
    bool shown = known && !same && strlen(old) <= SHOWN_MAX && strlen(fresh) <= SHOWN_MAX;
    bool differs = !same || !same_hidden(a->base, b->base, row);

    if (differs)
        fprintf(c->to, "[%s%s%s] %s", c->section->name, b->label ? " " : "",
                b->label ? b->label : "", row->name);
    if (differs && shown)
        fprintf(c->to, " = %s (was %s)\n", fresh, old[0] ? old : "empty");
    else if (differs)
        fputs(" has changed\n", c->to);
    free(old);
    free(fresh);
    return differs;
}

static unsigned compare_settings(const struct comparison *c, const struct conf_owned *a,
                                 const struct conf_owned *b)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->section->n_rows; i++)
        n += compare_row(c, a, b, &c->section->rows[i]);
    return n;
}

/* How many entries of a table are new, gone, or have another value. */
struct tally {
    unsigned fresh, gone, changed;
};

static unsigned tell_tally(const struct comparison *c, const char *label, const struct tally *t)
{
    if (t->fresh + t->gone + t->changed == 0)
        return 0;
    fprintf(c->to, "[%s%s%s]: %u new, %u gone, %u changed\n", c->section->name, label ? " " : "",
            label ? label : "", t->fresh, t->gone, t->changed);
    return 1;
}

static unsigned compare_pairs(const struct comparison *c, const struct conf_owned *a,
                              const struct conf_owned *b)
{
    unsigned n_old, n_fresh;
    const struct conf_pair *was = conf_owned_pairs(a, c->section, &n_old);
    const struct conf_pair *is = conf_owned_pairs(b, c->section, &n_fresh);
    struct tally t = { .gone = n_old };
    struct seen names = { 0 };
    int at = 0;

    for (unsigned i = 0; i < n_old; i++)
        seen_put(&names, span_of(was[i].name), (int)i + 1, &at);
    for (unsigned i = 0; i < n_fresh; i++) {
        if (seen_put(&names, span_of(is[i].name), NEW, &at) < 0 || at == 0) {
            t.fresh++;
            continue;
        }
        t.gone--;
        t.changed += strcmp(was[at - 1].value, is[i].value) != 0;
    }
    seen_free(&names);
    return tell_tally(c, b->label, &t);
}

static bool same_models(const struct conf_key *a, const struct conf_key *b)
{
    for (unsigned i = 0; i < a->n_models && i < b->n_models; i++)
        if (a->models[i].prefix != b->models[i].prefix ||
            strcmp(a->models[i].name, b->models[i].name) != 0)
            return false;
    return a->n_models == b->n_models;
}

static bool same_limits(const struct conf_key *a, const struct conf_key *b)
{
    return a->expires == b->expires && memcmp(&a->limits, &b->limits, sizeof a->limits) == 0;
}

static bool same_key(const struct conf_key *a, const struct conf_key *b)
{
    return a->n_upstream_keys == b->n_upstream_keys &&
        same_texts(a->upstream_keys, b->upstream_keys, a->n_upstream_keys) &&
        strcmp(a->label, b->label) == 0 && same_text(a->upstream, b->upstream) &&
        same_models(a, b) && same_limits(a, b);
}

static unsigned compare_keys(const struct comparison *c)
{
    struct tally t = { .gone = c->a->n_keys };
    struct seen clients = { 0 };
    int at = 0;

    for (unsigned i = 0; i < c->a->n_keys; i++)
        seen_put(&clients, span_of(c->a->keys[i].client), (int)i + 1, &at);
    for (unsigned i = 0; i < c->b->n_keys; i++) {
        const struct conf_key *fresh = &c->b->keys[i];

        if (seen_put(&clients, span_of(fresh->client), NEW, &at) < 0 || at == 0) {
            t.fresh++;
            continue;
        }
        t.gone--;
        t.changed += !same_key(&c->a->keys[at - 1], fresh);
    }
    seen_free(&clients);
    return tell_tally(c, NULL, &t);
}

/* The index in c of the upstream that is called as u; -1: there is none. */
static int same_upstream(const struct conf *c, const struct conf_upstream *u)
{
    return conf_upstream_find(c, span_of(u->name));
}

/* Compares the section of each upstream that both have. */
static unsigned compare_upstreams(const struct comparison *c)
{
    bool pairs = c->section->form == CONF_PAIRS;
    unsigned n = 0;

    for (unsigned i = 0; i < c->b->n_upstreams; i++) {
        int before = same_upstream(c->a, &c->b->upstreams[i]);
        struct conf_owned fresh = conf_owned(c->b, c->section, i), old;

        if (before < 0)
            continue;
        old = conf_owned(c->a, c->section, (unsigned)before);
        n += pairs ? compare_pairs(c, &old, &fresh) : compare_settings(c, &old, &fresh);
    }
    return n;
}

/* Tells the upstreams that b has and a has not. */
static unsigned tell_missing(const struct conf *a, const struct conf *b, const char *what, FILE *to)
{
    unsigned n = 0;

    for (unsigned i = 0; i < b->n_upstreams; i++)
        if (same_upstream(a, &b->upstreams[i]) < 0) {
            fprintf(to, "[upstream %s] is %s\n", b->upstreams[i].name, what);
            n++;
        }
    return n;
}

static unsigned compare_section(const struct comparison *c)
{
    struct conf_owned old, fresh;

    if (c->section->owner == CONF_UPSTREAM)
        return compare_upstreams(c);
    if (c->section->owner == CONF_KEY)
        return c->section->form == CONF_CLIENTS ? compare_keys(c) : 0;
    old = conf_owned(c->a, c->section, 0);
    fresh = conf_owned(c->b, c->section, 0);
    return compare_settings(c, &old, &fresh);
}

unsigned conf_changes(const struct conf *a, const struct conf *b, FILE *to)
{
    unsigned n = 0;

    for (unsigned i = 0; i < conf_n_sections; i++)
        n += compare_section(&(struct comparison){ a, b, &conf_sections[i], to });
    return n + tell_missing(a, b, "new", to) + tell_missing(b, a, "gone", to);
}
