/* What differs between two configurations, told so that an administrator recognises his change and nobody learns a secret.
 * Goes by the table in cfg/schema.c, so that a new key is compared without a word here.
 * How values are written is cfg/print.c. */
#include "cfg/conf.h"
#include "cfg/memory.h"
#include "cfg/values.h"

#include <stdlib.h>

#define SHOWN_MAX 100                   /* a longer value is not repeated */

/* The value as text, to be freed; NULL if memory ran out. */
static char *text_of(const struct conf *c, const struct conf_row *row)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f)
        return NULL;
    conf_value_print(f, c, row);
    return fclose(f) == 0 ? text : NULL;
}

static bool same_secret(const struct conf *a, const struct conf *b, const struct conf_row *row)
{
    const char *left = *(char *const *)(const void *)((const char *)a + row->at);
    const char *right = *(char *const *)(const void *)((const char *)b + row->at);
    return strcmp(left, right) == 0;
}

static bool same_url(const struct conf_url *a, const struct conf_url *b)
{
    bool same = !a->user == !b->user && (!a->user || strcmp(a->user, b->user) == 0);
    return same && !a->password == !b->password && (!a->password || strcmp(a->password, b->password) == 0);
}

/* True if what a value hides is the same in both. */
static bool same_hidden(const struct conf *a, const struct conf *b, const struct conf_row *row)
{
    if (row->type == CONF_SECRET)
        return same_secret(a, b, row);
    return row->type != CONF_PROXY || same_url(&a->upstream.proxy, &b->upstream.proxy);
}

static unsigned compare_row(const struct conf *a, const struct conf *b, const struct conf_row *row, FILE *to)
{
    char *old = text_of(a, row), *fresh = text_of(b, row);
    bool known = old && fresh, same = known && strcmp(old, fresh) == 0;
    bool shown = known && !same && strlen(old) <= SHOWN_MAX && strlen(fresh) <= SHOWN_MAX;
    bool differs = !same || !same_hidden(a, b, row);
    if (differs && shown)
        fprintf(to, "[%s] %s = %s (was %s)\n", row->section, row->name, fresh, old[0] ? old : "empty");
    else if (differs)
        fprintf(to, "[%s] %s has changed\n", row->section, row->name);
    free(old);
    free(fresh);
    return differs;
}

/* How many entries of a table are new, gone, or have another value. */
struct tally {
    unsigned fresh, gone, changed;
};

static unsigned tell_tally(FILE *to, const char *section, const struct tally *t)
{
    if (t->fresh + t->gone + t->changed == 0)
        return 0;
    fprintf(to, "[%s]: %u new, %u gone, %u changed\n", section, t->fresh, t->gone, t->changed);
    return 1;
}

static void compare_pairs(const struct conf_pair *a, unsigned a_n, const struct conf_pair *b, unsigned b_n, struct tally *t)
{
    struct seen names = { 0 };
    int at = 0;
    for (unsigned i = 0; i < a_n; i++)
        seen_put(&names, span_of(a[i].name), (int)i + 1, &at);
    t->gone = a_n;
    for (unsigned i = 0; i < b_n; i++) {
        if (seen_put(&names, span_of(b[i].name), (int)(a_n + i) + 1, &at) < 0 || at == 0) {
            t->fresh++;
            continue;
        }
        t->gone--;
        t->changed += strcmp(a[at - 1].value, b[i].value) != 0;
    }
    seen_free(&names);
}

static void compare_keys(const struct conf *a, const struct conf *b, struct tally *t)
{
    struct seen clients = { 0 };
    int at = 0;
    for (unsigned i = 0; i < a->n_keys; i++)
        seen_put(&clients, span_of(a->keys[i].client), (int)i + 1, &at);
    t->gone = a->n_keys;
    for (unsigned i = 0; i < b->n_keys; i++) {
        if (seen_put(&clients, span_of(b->keys[i].client), (int)(a->n_keys + i) + 1, &at) < 0 || at == 0) {
            t->fresh++;
            continue;
        }
        t->gone--;
        t->changed += strcmp(a->keys[at - 1].upstream, b->keys[i].upstream) != 0 || strcmp(a->keys[at - 1].label, b->keys[i].label) != 0;
    }
    seen_free(&clients);
}

unsigned conf_changes(const struct conf *a, const struct conf *b, FILE *to)
{
    struct tally aliases = { 0 }, defaults = { 0 }, keys = { 0 };
    unsigned n = 0;
    for (unsigned i = 0; i < conf_n_fixed; i++)
        n += compare_row(a, b, &conf_rows[i], to);
    compare_pairs(a->aliases, a->n_aliases, b->aliases, b->n_aliases, &aliases);
    compare_pairs(a->defaults, a->n_defaults, b->defaults, b->n_defaults, &defaults);
    compare_keys(a, b, &keys);
    n += tell_tally(to, "field_aliases", &aliases);
    n += tell_tally(to, "defaults", &defaults);
    n += tell_tally(to, "api_keys", &keys);
    return n;
}
