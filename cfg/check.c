/* Checks that look at several values at once, and what follows from several. Each value is right by
 * itself when these run, or missing because it was not. */
#include "cfg/load.h"
#include "cfg/owners.h"

#include <stdlib.h>

static int line_of(const struct conf_loader *l, const char *section, const char *name)
{
    return conf_line_of(l->c, section, name);
}

/* The names of header fields are the same in either case. */
static void check_fields(struct conf_loader *l, const char *section, const struct conf_pair *list,
                         unsigned n)
{
    struct conf_quoted q;

    for (unsigned i = 0; i < n; i++) {
        unsigned j = 0;

        while (j < i && !span_eq_nocase(span_of(list[i].name), span_of(list[j].name)))
            j++;
        if (j < i)
            conf_fault(l->errors, list[i].line, section, "%s: given twice, first on line %d",
                       conf_quote(&q, span_of(list[i].name)), list[j].line);
    }
}

/* One name may stand in a section of names once. */
static void check_pairs(struct conf_loader *l, const struct conf_section *section, unsigned index)
{
    struct conf_owned o = conf_owned(l->c, section, index);
    struct seen names = { 0 };
    char shown[CONF_SECTION_MAX];
    struct conf_quoted q;
    unsigned n;
    struct conf_pair *list = conf_owned_pairs(&o, section, &n);

    snprintf(shown, sizeof shown, "%s%s%s", section->name, o.label ? " " : "",
             o.label ? o.label : "");
    if (section->names == CONF_FIELD_NAMES) {
        check_fields(l, shown, list, n);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        int before = 0;

        if (seen_put(&names, span_of(list[i].name), list[i].line, &before) < 0)
            l->errors->oom = true;
        if (before)
            conf_fault(l->errors, list[i].line, shown, "%s: given twice, first on line %d",
                       conf_quote(&q, span_of(list[i].name)), before);
    }
    seen_free(&names);
}

static void check_all_pairs(struct conf_loader *l)
{
    for (unsigned i = 0; i < conf_n_sections; i++) {
        const struct conf_section *s = &conf_sections[i];

        for (unsigned j = 0; s->form == CONF_PAIRS && j < conf_n_owned(l->c, s); j++)
            check_pairs(l, s, j);
    }
}

static void check_listen(struct conf_loader *l)
{
    const struct conf_listen *list = l->c->server.listen;

    for (unsigned i = 0; i < l->c->server.n_listen; i++)
        for (unsigned j = 0; j < i; j++)
            if (strcmp(list[i].text, list[j].text) == 0) {
                conf_fault(l->errors, line_of(l, "server", "listen"), "server",
                           "listen: '%s' is given twice", list[i].text);
                return;
            }
}

/* A word that nothing serves would leave clients with something else than it says. */
static void check_words(struct conf_loader *l)
{
    const struct conf *c = l->c;

    for (unsigned i = 0; i < c->server.n_listen; i++) {
        const struct conf_listen *on = &c->server.listen[i];

        if (on->tls && line_of(l, "server", "certificate") == 0)
            conf_fault(l->errors, line_of(l, "server", "listen"), "server",
                       "listen: %s has the word tls, but there is no certificate to show; name "
                       "its file as certificate, and that of its key as certificate_key",
                       on->text);
    }
}

/* Lists that were wrong already are empty. */
static void check_certificates(struct conf_loader *l)
{
    const struct conf *c = l->c;
    unsigned n = c->server.n_certificates, keys = c->server.n_certificate_keys;
    bool both = n > 0 && keys > 0;

    if (both ? n != keys
             : (n > 0 && line_of(l, "server", "certificate_key") == 0) ||
                (keys > 0 && line_of(l, "server", "certificate") == 0))
        conf_fault(l->errors, line_of(l, "server", n > 0 ? "certificate" : "certificate_key"),
                   "server",
                   "there are %u files as certificate and %u as certificate_key; each certificate "
                   "needs its key, at the same place of the list",
                   n, keys);
}

/* Only trusted addresses may name a client, in whatever way. */
static void check_proxy_protocol(struct conf_loader *l)
{
    const struct conf *c = l->c;

    for (unsigned i = 0; i < c->server.n_listen && c->access.n_trusted == 0; i++)
        if (c->server.listen[i].proxy_protocol) {
            conf_fault(l->errors, line_of(l, "server", "listen"), "server",
                       "listen: %s has proxy_protocol, but [access] trusted_proxies names nobody "
                       "who may use it",
                       c->server.listen[i].text);
            return;
        }
}

const struct conf_upstream *conf_gives_key(const struct conf *c)
{
    if (c->n_keys > 0 || c->access.n_whitelist > 0)
        return NULL;
    for (unsigned i = 0; i < c->n_upstreams; i++)
        if (c->upstreams[i].n_api_keys > 0)
            return &c->upstreams[i];
    return NULL;
}

/* A proxy that adds its own key to every request, reachable by everyone, gives the key away. */
static void check_open_door(struct conf_loader *l)
{
    const struct conf *c = l->c;
    const struct conf_upstream *u = conf_gives_key(c);
    char shown[CONF_SECTION_MAX];
    unsigned i = 0;

    while (i < c->server.n_listen && (c->server.listen[i].loopback || c->server.listen[i].admin))
        i++;
    if (i == c->server.n_listen || l->n_api_keys > 0 || !u)
        return;
    conf_upstream_section(shown, u);
    conf_fault(l->errors, line_of(l, shown, "api_key"), shown,
               "api_key: whoever can reach %s could use this key; make the proxy listen on "
               "127.0.0.1 alone, or give the clients keys of their own in [api_keys], or name "
               "their addresses in [access] ip_whitelist",
               c->server.listen[i].text);
}

void conf_check(struct conf_loader *l)
{
    conf_check_upstreams(l);
    conf_check_clients(l);
    check_all_pairs(l);
    check_listen(l);
    check_words(l);
    check_certificates(l);
    check_proxy_protocol(l);
    check_open_door(l);
    for (unsigned i = 0; i < l->c->n_upstreams; i++) {
        conf_take_proxy(l, &l->c->upstreams[i]);
        conf_make_target(l, &l->c->upstreams[i]);
    }
}
