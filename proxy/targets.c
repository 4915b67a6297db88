/* Making targets of the upstreams of a configuration. */
#include "proxy/targets.h"
#include "cfg/errors.h"
#include "cfg/owners.h"

#include <errno.h>
#include <stdlib.h>

/* What rules for bodies are made of: the aliases and defaults of u, or one of them alone, and room
 * for the model of [defaults], which another upstream is asked for as well. */
struct rules_source {
    const struct conf_upstream *u;
    const unsigned *only;
    bool adds_model;
};

static bool has_default_model(const struct conf_upstream *u)
{
    for (unsigned i = 0; i < u->n_defaults; i++)
        if (strcmp(u->defaults[i].name, "model") == 0)
            return true;
    return false;
}

/* Puts what from has into spec, whose lists have room for it. */
static void list_rules(struct json_alias *aliases, struct json_default *defaults,
                       const struct rules_source *from, struct json_rules_spec *spec)
{
    const struct conf_upstream *u = from->u;
    unsigned first = from->only ? *from->only : 0;
    unsigned end = from->only ? first + 1 : u->n_aliases + u->n_defaults;

    for (unsigned i = first; i < end; i++) {
        const struct conf_pair *pair =
            i < u->n_aliases ? &u->aliases[i] : &u->defaults[i - u->n_aliases];
        struct span name = span_of(pair->name), value = span_of(pair->value);

        if (i < u->n_aliases)
            aliases[spec->n_aliases++] = (struct json_alias){ name, value };
        else
            defaults[spec->n_defaults++] = (struct json_default){ name, value };
    }
    spec->usage = u->include_usage && !from->only;
    if (from->adds_model && !has_default_model(u)) {
        defaults[spec->n_defaults++] = (struct json_default){ SPAN("model"), SPAN("\"\"") };
        spec->model_if_given = true;
    }
}

/* Makes the renamer's rules. Returns as json_rules_make does. */
static int make_rules(struct json_rules **out, const struct rules_source *from, unsigned *bad,
                      const char **why)
{
    unsigned n = from->u->n_aliases + from->u->n_defaults + 1;
    struct json_alias *aliases = calloc(n, sizeof *aliases);
    struct json_default *defaults = calloc(n, sizeof *defaults);
    struct json_rules_spec spec = {
        .aliases = aliases, .defaults = defaults, .top_only = from->u->alias_top_only, .bad = bad
    };
    int err = -ENOMEM;

    if (aliases && defaults) {
        list_rules(aliases, defaults, from, &spec);
        err = json_rules_make(out, &spec, why);
    }
    free(aliases);
    free(defaults);
    return err;
}

/* Names the entry that the renamer's rules cannot be made of. */
static void blame(const struct conf_upstream *u, bool named, struct conf_errors *e, unsigned bad,
                  const char *why)
{
    bool alias = bad < u->n_aliases;
    const struct conf_pair *pair = alias ? &u->aliases[bad] : &u->defaults[bad - u->n_aliases];
    char section[CONF_SECTION_MAX];

    snprintf(section, sizeof section, "%s%s%s", alias ? "field_aliases" : "defaults",
             named ? " " : "", named ? u->name : "");
    conf_fault(e, pair->line, section, "the key '%s' %s", pair->name, why);
}

/* Each entry by itself; where those are right, all of them together. */
static void check_rules(const struct conf_upstream *u, bool named, struct conf_errors *e)
{
    unsigned n = u->n_aliases + u->n_defaults, bad = 0, faults = 0;
    struct json_rules *rules = NULL;
    const char *why = NULL;

    for (unsigned i = 0; i <= n; i++) {
        struct rules_source from = { .u = u, .only = i < n ? &i : NULL };

        if ((from.only || faults == 0) && make_rules(&rules, &from, &bad, &why) == -EINVAL) {
            blame(u, named, e, from.only ? i : bad, why);
            faults++;
        }
        json_rules_free(rules);
        rules = NULL;
    }
}

void targets_check(const struct conf *c, struct conf_errors *e)
{
    for (unsigned i = 0; i < c->n_upstreams; i++)
        check_rules(&c->upstreams[i], i > 0, e);
}

/* The place of target in the order so far, or -1. */
static int find_step(const struct target *t, unsigned target)
{
    for (unsigned i = 0; i < t->n_order; i++)
        if (t->order[i].target == target)
            return (int)i;
    return -1;
}

/* The order in which t is asked: itself, its fallbacks, then theirs. A step is looked at for its
 * own fallbacks in turn, so each target is in the list once. */
static void make_order(struct target *t, const struct conf *c, unsigned self)
{
    t->order[t->n_order++] = (struct target_step){ self, NULL };
    for (unsigned i = 0; i < t->n_order; i++) {
        const struct conf_upstream *u = &c->upstreams[t->order[i].target];

        for (unsigned k = 0; k < u->n_fallbacks; k++)
            if (find_step(t, u->fallbacks[k].upstream) < 0)
                t->order[t->n_order++] =
                    (struct target_step){ u->fallbacks[k].upstream, u->fallbacks[k].model };
        t->names_models |= t->order[i].model || u->n_models > 0;
    }
}

/* Makes the rules of u, which were checked. Only the model of [defaults] may not fit in: beside an
 * entry that goes out as "model", or as one entry too many. Then it is not added. */
static int make_own_rules(struct json_rules **out, const struct conf_upstream *u, bool adds_model)
{
    struct rules_source from = { .u = u, .adds_model = adds_model };
    const char *why;
    int err = make_rules(out, &from, NULL, &why);

    from.adds_model = false;
    return err == -EINVAL ? make_rules(out, &from, NULL, &why) : err;
}

static int make_target(struct target *t, const struct conf *c, unsigned self, struct files *files,
                       FILE *errors)
{
    const struct conf_upstream *u = &c->upstreams[self];
    char why[512], section[CONF_SECTION_MAX];
    int err;

    t->conf = u;
    snprintf(section, sizeof section, self > 0 ? "upstream %s" : "upstream", u->name);
    err = upstream_make(&t->upstream, u, files, why, sizeof why);
    if (err == -EINVAL)
        conf_error(errors, c, conf_upstream_line(u, "ca_file"), section, "%s", why);
    else if (err == -EIO)
        fprintf(errors, "openai-chat-proxy: %s\n", why);
    if (!err && (u->n_aliases + u->n_defaults > 0 || u->include_usage))
        err = make_own_rules(&t->rules, u, has_default_model(c->upstreams));
    if (!err && u->n_api_keys > 1)
        err = keyring_make(&t->keys, u->api_keys, u->n_api_keys);
    make_order(t, c, self);
    return err;
}

int targets_make(struct targets *t, const struct conf *c, struct files *files, FILE *errors)
{
    static const struct conf_upstream nothing;
    int err = 0;

    t->list = calloc(c->n_upstreams, sizeof *t->list);
    t->steps = calloc((size_t)c->n_upstreams * c->n_upstreams, sizeof *t->steps);
    if (!t->list || !t->steps)
        return -ENOMEM;
    t->n = c->n_upstreams;
    for (unsigned i = 0; !err && i < t->n; i++) {
        t->list[i].order = &t->steps[(size_t)i * t->n];
        err = make_target(&t->list[i], c, i, files, errors);
        t->reads |= t->list[i].rules != NULL;
        t->by_model |= t->list[i].names_models;
        t->retries |= t->list[i].n_order > 1 || t->list[i].keys;
    }
    if (!err)
        err = make_own_rules(&t->no_rules, &nothing, has_default_model(c->upstreams));
    for (unsigned i = 0; i < c->n_keys; i++)
        t->retries |= c->keys[i].n_upstream_keys > 1;
    return err;
}

static const struct target *find_old(const struct targets *old, const char *name)
{
    for (unsigned i = 0; old && i < old->n; i++)
        if (strcmp(old->list[i].conf->name, name) == 0)
            return &old->list[i];
    return NULL;
}

void targets_inherit(struct targets *t, const struct targets *old)
{
    for (unsigned i = 0; i < t->n; i++) {
        struct target *fresh = &t->list[i];
        const struct target *before = find_old(old, fresh->conf->name);

        if (!before)
            continue;
        fresh->upstream = upstream_prefer(before->upstream, fresh->upstream);
        if (fresh->keys && before->keys)
            keyring_inherit(fresh->keys, before->keys);
    }
}

void targets_open(struct targets *t, const struct upstream_loop *loop)
{
    for (unsigned i = 0; i < t->n; i++)
        upstream_open(t->list[i].upstream, loop);
}

static bool has_upstream(const struct targets *t, const struct upstream *u)
{
    for (unsigned i = 0; t && i < t->n; i++)
        if (t->list[i].upstream == u)
            return true;
    return false;
}

void targets_close(struct targets *t, const struct targets *kept)
{
    for (unsigned i = 0; i < t->n; i++)
        if (!has_upstream(kept, t->list[i].upstream))
            upstream_close(t->list[i].upstream);
}

void targets_free(struct targets *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        json_rules_free(t->list[i].rules);
        keyring_free(t->list[i].keys);
        upstream_release(t->list[i].upstream);
    }
    json_rules_free(t->no_rules);
    free(t->steps);
    free(t->list);
}
