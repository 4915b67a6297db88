/* Goes through the lists of models of all upstreams. */
#include "cfg/choice.h"

static bool matches(const struct conf_model *m, struct span model)
{
    struct span name = span_of(m->name);

    return m->prefix ? span_starts(model, name) : span_eq(model, name);
}

/* True if a is to be preferred to b; both match the same model. */
static bool is_better(const struct conf_model *a, const struct conf_model *b)
{
    if (!b || a->prefix != b->prefix)
        return !b || !a->prefix;
    return strlen(a->name) > strlen(b->name);
}

/* As conf_choose; with exact false the names without a '*' are left out. */
static int choose(const struct conf *c, struct span model, bool exact,
                  const struct conf_model **match)
{
    int found = c->upstreams[0].n_models > 0 ? -1 : 0;

    *match = NULL;
    for (unsigned i = 0; i < c->n_upstreams; i++)
        for (unsigned j = 0; j < c->upstreams[i].n_models; j++) {
            const struct conf_model *m = &c->upstreams[i].models[j];

            if ((exact || m->prefix) && matches(m, model) && is_better(m, *match)) {
                *match = m;
                found = (int)i;
            }
        }
    return found;
}

int conf_choose(const struct conf *c, struct span model, const struct conf_model **match)
{
    return choose(c, model, true, match);
}

static bool lists_some(const struct conf_upstream *u, struct span start)
{
    for (unsigned i = 0; i < u->n_models; i++)
        if (span_starts(span_of(u->models[i].name), start))
            return true;
    return false;
}

/* Names that begin with a prefix can lead to every upstream that lists some of them; the rest of
 * them leads to where the longest prefix leads that they all have. */
unsigned conf_choices(const struct conf *c, const struct conf_model *pattern, bool *may)
{
    struct span name = span_of(pattern->name);
    const struct conf_model *match;
    int one = choose(c, name, !pattern->prefix, &match);
    unsigned n = 0;

    for (unsigned i = 0; i < c->n_upstreams; i++)
        if ((int)i == one || (pattern->prefix && lists_some(&c->upstreams[i], name))) {
            may[i] = true;
            n++;
        }
    return n;
}
