/* Checks that look at several values at once, and what follows from several: the target path and the environment's proxy.
 * Each value is known to be right by itself when these run, or missing because it was not.
 * What one value may be is in cfg/values.c; who calls this is cfg/load.c. */
#include "cfg/load.h"
#include "cfg/url.h"

#include <errno.h>
#include <stdlib.h>

static int line_of(const struct conf_loader *l, const char *section, const char *name)
{
    return conf_line_of(l->c, section, name);
}

/* The [key LABEL] sections that lack one of their two keys. */
static void check_complete(struct conf_loader *l)
{
    for (unsigned i = 0; i < l->c->n_keys; i++) {
        const struct key_lines *lines = &l->key_lines[i];
        char section[64];
        snprintf(section, sizeof(section), "key %s", l->c->keys[i].label);
        if (!lines->client)
            conf_fault(l->errors, lines->section, section, "key is missing: what the client sends");
        if (!lines->upstream)
            conf_fault(l->errors, lines->section, section, "upstream_key is missing: what goes to the upstream instead");
    }
}

/* One key may stand for one client only: the second would never be looked at. */
static void check_clients(struct conf_loader *l)
{
    struct seen clients = { 0 };
    for (unsigned i = 0; i < l->c->n_keys; i++) {
        const struct conf_key *key = &l->c->keys[i];
        int before = 0;
        if (!key->client)
            continue;
        if (seen_put(&clients, span_of(key->client), key->line, &before) < 0)
            l->errors->oom = true;
        char section[64] = "api_keys";
        if (l->key_lines[i].section != key->line)
            snprintf(section, sizeof(section), "key %s", key->label);
        if (before)
            conf_fault(l->errors, key->line, section, "the same client's key is given twice, first on line %d", before);
    }
    seen_free(&clients);
}

/* [api_keys] are called key1, key2, …: a section of that name would make the logs ambiguous. */
static void check_labels(struct conf_loader *l)
{
    struct seen labels = { 0 };
    for (unsigned i = 0; i < l->c->n_keys; i++) {
        const struct conf_key *key = &l->c->keys[i];
        int before = 0;
        if (seen_put(&labels, span_of(key->label), key->line, &before) < 0)
            l->errors->oom = true;
        if (before)
            conf_fault(l->errors, key->line, "", "two keys with the label %s, the other on line %d: the lines of [api_keys] "
                       "are called key1, key2 and so on in the logs", key->label, before);
    }
    seen_free(&labels);
}

static void check_listen(struct conf_loader *l)
{
    const struct conf_listen *list = l->c->server.listen;
    int line = line_of(l, "server", "listen");
    for (unsigned i = 0; i < l->c->server.n_listen; i++)
        for (unsigned j = 0; j < i; j++)
            if (list[i].text && list[j].text && strcmp(list[i].text, list[j].text) == 0) {
                conf_fault(l->errors, line, "server", "listen: '%s' is given twice", list[i].text);
                return;
            }
}

/* Only who is trusted may name a client, in whatever way. */
static void check_proxy_protocol(struct conf_loader *l)
{
    const struct conf *c = l->c;
    for (unsigned i = 0; i < c->server.n_listen && c->access.n_trusted == 0; i++)
        if (c->server.listen[i].proxy_protocol) {
            conf_fault(l->errors, line_of(l, "server", "listen"), "server",
                       "listen: %s has proxy_protocol, but [access] trusted_proxies names nobody who may use it", c->server.listen[i].text);
            return;
        }
}

/* A proxy that adds its own key to every request, reachable by everyone, gives the key away. */
static void check_open_door(struct conf_loader *l)
{
    const struct conf *c = l->c;
    const struct conf_listen *open = NULL;
    for (unsigned i = 0; i < c->server.n_listen && !open; i++)
        if (!c->server.listen[i].loopback && c->server.listen[i].text)
            open = &c->server.listen[i];
    bool key = c->upstream.api_key && c->upstream.api_key[0];
    if (!open || !key || c->n_keys || l->n_api_keys || c->access.n_whitelist)
        return;
    conf_fault(l->errors, line_of(l, "upstream", "api_key"), "upstream",
               "api_key: whoever can reach %s could use this key; make the proxy listen on 127.0.0.1 alone, "
               "or give the clients keys of their own in [api_keys], or name their addresses in [access] ip_whitelist",
                   open->text);
}

/* The proxy that the environment names, where the file names none. */
static void take_proxy(struct conf_loader *l)
{
    struct conf *c = l->c;
    const struct conf_row *row = conf_row_find(SPAN("upstream"), SPAN("proxy"));
    const char *why = NULL, *variable = NULL;
    if (!c->upstream.proxy.text && c->upstream.base_url.host && row)
        variable = conf_proxy_variable(&c->upstream.base_url);
    if (!variable)
        return;
    int rc = conf_url_parse(&c->upstream.proxy, span_of(getenv(variable)), URL_PROXY_ENV, &why);
    c->origin[row - conf_rows] = -1;
    if (rc == -EINVAL)
        conf_fault(l->errors, 0, "upstream", "proxy: the URL in the environment's %s %s; with proxy = none no proxy is used",
                   variable, why);
    else if (rc < 0)
        l->errors->oom = true;
}

static void join_target(struct conf_loader *l)
{
    struct conf *c = l->c;
    if (!c->upstream.base_url.path || !c->upstream.proxy_url_path)
        return;
    c->upstream.target = conf_url_join(&c->upstream.base_url, c->upstream.proxy_url_path);
    l->errors->oom |= !c->upstream.target;
}

void conf_check(struct conf_loader *l)
{
    check_complete(l);
    check_clients(l);
    check_labels(l);
    check_listen(l);
    check_proxy_protocol(l);
    check_open_door(l);
    take_proxy(l);
    join_target(l);
}
