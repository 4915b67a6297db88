/* Upstreams: what a named one has of [upstream], which ones follow on a failure, and what is wrong
 * between them. */
#include "cfg/load.h"
#include "cfg/owners.h"
#include "cfg/url.h"

#include <errno.h>
#include <stdlib.h>

int conf_add_upstream(struct conf *c, struct span name)
{
    const struct conf_section *s = conf_section_named("upstream");
    struct conf_upstream *list = conf_grow(c->upstreams, c->n_upstreams, sizeof *list);
    struct conf_upstream u = { .name = conf_dup(name.n > 0 ? name : SPAN("default")) };

    if (list)
        c->upstreams = list;
    u.lines = calloc(s->n_rows, sizeof *u.lines);
    if (list && u.name && u.lines) {
        list[c->n_upstreams++] = u;
        return 0;
    }
    free(u.name);
    free(u.lines);
    return -ENOMEM;
}

static int copy_text(char *to, const char *from)
{
    const char *text;
    char *copy;

    memcpy(&text, from, sizeof text);
    copy = text ? conf_dup(span_of(text)) : NULL;
    memcpy(to, &copy, sizeof copy);
    return copy || !text ? 0 : -ENOMEM;
}

/* Copies the value at from, of a type that is inherited, to to. Returns 0 or -ENOMEM. */
static int copy_value(enum conf_type type, char *to, const char *from)
{
    if (type == CONF_PROXY)
        return conf_url_copy((void *)to, (const void *)from);
    if (type == CONF_CA_FILE)
        return copy_text(to, from);
    memcpy(to, from,
           type == CONF_COUNT                             ? sizeof(unsigned)
               : type == CONF_BOOL || type == CONF_CHOICE ? sizeof(bool)
                                                          : sizeof(uint64_t));
    return 0;
}

/* A socket is connected to directly: the proxy of [upstream] is not on the way. */
void conf_inherit(struct conf_loader *l, const struct conf_row *row, unsigned index)
{
    const struct conf_section *s = conf_section_named("upstream");
    struct conf_upstream *to = &l->c->upstreams[index], *from = &l->c->upstreams[0];

    if (row->type == CONF_PROXY && conf_has_socket(to))
        return;
    if (from->lines[row - s->rows] != 0)
        to->lines[row - s->rows] = CONF_INHERITED;
    if (copy_value(row->type, (char *)to + row->at, (const char *)from + row->at))
        l->errors->oom = true;
}

/* Adds a fault of a setting of u. */
static void upstream_fault(struct conf_loader *l, const struct conf_upstream *u, const char *name,
                           const char *why)
{
    char shown[CONF_SECTION_MAX];
    int line = conf_upstream_line(u, name);

    conf_fault(l->errors, line > 0 ? line : u->line, conf_upstream_section(shown, u), "%s: %s",
               name, why);
}

/* A retry buffer comes out of what there is for all; where none is given, it is no larger. */
static void check_buffer(struct conf_loader *l, struct conf_upstream *u)
{
    uint64_t all = l->c->server.buffer_memory;

    if (all == 0 || u->retry_buffer <= all)
        return;
    if (conf_upstream_line(u, "retry_buffer") > 0)
        upstream_fault(l, u, "retry_buffer", "is more than [server] buffer_memory");
    u->retry_buffer = all;
}

/* What is wrong with u by itself. */
static void check_upstream(struct conf_loader *l, struct conf_upstream *u)
{
    bool named = u != l->c->upstreams, socketless = u->socket && !u->socket[0];

    if (named && !conf_upstream_line(u, "base_url") && socketless)
        upstream_fault(l, u, "base_url", "is missing: the server that answers");
    if (!named && u->client_key)
        upstream_fault(l, u, "api_key",
                       "client is for an [upstream NAME]; without a key here, clients' keys go to "
                       "[upstream] as they are");
    if (conf_has_socket(u) && u->proxy.host)
        upstream_fault(l, u, "proxy", "is of no use beside socket, which is connected to directly");
    check_buffer(l, u);
}

/* Other sections may be about an upstream only if it is there. */
static void check_declared(struct conf_loader *l, const struct conf_upstream *u)
{
    struct conf_nearest nearest = { .word = span_of(u->name) };
    struct conf_quoted hint;

    for (unsigned i = 1; i < l->c->n_upstreams; i++)
        if (l->c->upstreams[i].declared)
            conf_nearest_try(&nearest, l->c->upstreams[i].name);
    conf_fault(l->errors, u->line, "", "there is no [upstream %s] that this section is about%s",
               u->name, conf_nearest_hint(&nearest, &hint));
}

int conf_find_named(struct conf_loader *l, int line, const char *section, const char *setting,
                    const char *name)
{
    struct conf_nearest nearest = { .word = span_of(name) };
    int found = conf_upstream_find(l->c, nearest.word);
    struct conf_quoted q, hint;

    if (found >= 0)
        return found;
    for (unsigned i = 0; i < l->c->n_upstreams; i++)
        conf_nearest_try(&nearest, l->c->upstreams[i].name);
    conf_fault(l->errors, line, section, "%s: there is no [upstream] called %s%s", setting,
               conf_quote(&q, nearest.word), conf_nearest_hint(&nearest, &hint));
    return -1;
}

/* Finds the upstreams that u falls back to. False if one of them is wrong. */
static bool find_fallbacks(struct conf_loader *l, struct conf_upstream *u)
{
    char shown[CONF_SECTION_MAX];
    int line = conf_upstream_line(u, "fallback");
    bool fine = true;

    conf_upstream_section(shown, u);
    for (unsigned i = 0; i < u->n_fallbacks; i++) {
        int found = conf_find_named(l, line, shown, "fallback", u->fallbacks[i].name);

        fine &= found >= 0;
        u->fallbacks[i].upstream = (unsigned)(found >= 0 ? found : u - l->c->upstreams);
        for (unsigned j = 0; j < i; j++)
            if (strcmp(u->fallbacks[i].name, u->fallbacks[j].name) == 0) {
                conf_fault(l->errors, line, shown, "fallback: %s is named twice",
                           u->fallbacks[i].name);
                fine = false;
            }
    }
    return fine;
}

/* Takes away, again and again, those that fall back only to what is taken away: what remains is in
 * a circle or leads to one. ends[i] tells of the upstream i. */
static void peel(const struct conf *c, bool *ends)
{
    bool more = true;

    while (more) {
        more = false;
        for (unsigned i = 0; i < c->n_upstreams; i++) {
            const struct conf_upstream *u = &c->upstreams[i];
            unsigned j = 0;

            while (j < u->n_fallbacks && ends[u->fallbacks[j].upstream])
                j++;
            if (!ends[i] && j == u->n_fallbacks)
                ends[i] = more = true;
        }
    }
}

/* The first fallback of the upstream at index that remains. */
static unsigned next_in_circle(const struct conf *c, const bool *ends, unsigned index)
{
    const struct conf_upstream *u = &c->upstreams[index];
    unsigned j = 0;

    while (ends[u->fallbacks[j].upstream])
        j++;
    return u->fallbacks[j].upstream;
}

/* Tells one circle of those that remain. */
static void tell_circle(struct conf_loader *l, const bool *ends)
{
    const struct conf *c = l->c;
    unsigned at = 0, first;
    char way[200] = "", shown[CONF_SECTION_MAX];
    size_t n = 0;

    while (at < c->n_upstreams && ends[at])
        at++;
    if (at == c->n_upstreams)
        return;
    for (unsigned i = 0; i < c->n_upstreams; i++)
        at = next_in_circle(c, ends, at);
    first = at;
    do {
        at = next_in_circle(c, ends, at);
        if (n < sizeof way)
            n += (size_t)snprintf(way + n, sizeof way - n, " -> %s", c->upstreams[at].name);
    } while (at != first);
    conf_fault(l->errors, conf_upstream_line(&c->upstreams[at], "fallback"),
               conf_upstream_section(shown, &c->upstreams[at]), "fallback: goes in a circle: %s%s",
               c->upstreams[at].name, way);
}

static void check_circles(struct conf_loader *l)
{
    bool *ends = calloc(l->c->n_upstreams + 1, sizeof *ends);

    l->errors->oom |= !ends;
    if (!ends)
        return;
    peel(l->c, ends);
    tell_circle(l, ends);
    free(ends);
}

/* A model may be listed once: the second list would never be looked at. Exact names and prefixes
 * are apart. */
static void check_models(struct conf_loader *l, bool prefixes)
{
    struct seen names = { 0 };
    char shown[CONF_SECTION_MAX], other[CONF_SECTION_MAX];

    for (unsigned i = 0; i < l->c->n_upstreams; i++)
        for (unsigned j = 0; j < l->c->upstreams[i].n_models; j++) {
            const struct conf_upstream *u = &l->c->upstreams[i];
            const struct conf_model *m = &u->models[j];
            int before = 0;

            if (m->prefix != prefixes)
                continue;
            if (seen_put(&names, span_of(m->name), (int)i + 1, &before) < 0)
                l->errors->oom = true;
            if (before)
                conf_fault(
                    l->errors, conf_upstream_line(u, "models"), conf_upstream_section(shown, u),
                    "models: '%s%s' is listed twice, first in [%s]", m->name, prefixes ? "*" : "",
                    conf_upstream_section(other, &l->c->upstreams[before - 1]));
        }
    seen_free(&names);
}

void conf_check_upstreams(struct conf_loader *l)
{
    bool fine = true;

    for (unsigned i = 0; i < l->c->n_upstreams; i++) {
        struct conf_upstream *u = &l->c->upstreams[i];

        if (i > 0 && !u->declared)
            check_declared(l, u);
        else
            check_upstream(l, u);
        fine &= find_fallbacks(l, u);
    }
    if (fine)
        check_circles(l);
    check_models(l, false);
    check_models(l, true);
}
