/* Making and counting generations of settings.
 * Knows no connections.
 * The interface is proxy/settings.h. */
#include "proxy/settings.h"

#include <errno.h>
#include <stdlib.h>

static char *host_value(const struct conf_url *u)
{
    bool standard = u->port == (strcmp(u->scheme, "https") == 0 ? 443 : 80);
    bool v6 = strchr(u->host, ':') != NULL;
    size_t n = strlen(u->host) + 16;
    char *s = malloc(n);

    if (s && standard)
        snprintf(s, n, v6 ? "[%s]" : "%s", u->host);
    else if (s)
        snprintf(s, n, v6 ? "[%s]:%u" : "%s:%u", u->host, (unsigned)u->port);
    return s;
}

static char *bearer(const char *key)
{
    size_t n = strlen(key) + sizeof "Bearer ";
    char *s = malloc(n);

    if (s)
        snprintf(s, n, "Bearer %s", key);
    return s;
}

static bool is_https(const struct conf_url *u)
{
    return u->host && strcmp(u->scheme, "https") == 0;
}

/* Reads the certificates to trust now: a missing store is found at the start, and not by the first client. */
static int make_tls(struct settings *s, FILE *errors)
{
    const struct conf *c = s->conf;
    struct tls_options o = { .ca_file = c->upstream.ca_file, .verify = c->upstream.tls_verify };
    char why[512];
    int err;

    if (!is_https(&c->upstream.base_url) && !is_https(&c->upstream.proxy))
        return 0;
    err = tls_context_make(&s->tls, &o, why, sizeof why);
    if (err == -EINVAL)
        conf_error(errors, c, conf_line_of(c, "upstream", "ca_file"), "upstream", "%s", why);
    return err;
}

/* Names the entry that the renamer's rules cannot be made of. */
static int blame(const struct conf *c, unsigned bad, const char *why, FILE *errors)
{
    bool alias = bad < c->n_aliases;
    const struct conf_pair *pair = alias ? &c->aliases[bad] : &c->defaults[bad - c->n_aliases];

    return conf_error(errors, c, pair->line, alias ? "field_aliases" : "defaults", "the key '%s' %s", pair->name, why);
}

static int make_rules(struct settings *s, FILE *errors)
{
    const struct conf *c = s->conf;
    struct json_alias *aliases = calloc(c->n_aliases + 1, sizeof *aliases);
    struct json_default *defaults = calloc(c->n_defaults + 1, sizeof *defaults);
    struct json_rules_spec spec = { .aliases = aliases, .n_aliases = c->n_aliases, .defaults = defaults, .n_defaults = c->n_defaults };
    const char *why = NULL;
    unsigned bad = 0;
    int err = aliases && defaults ? 0 : -ENOMEM;

    for (unsigned i = 0; !err && i < c->n_aliases; i++)
        aliases[i] = (struct json_alias){ span_of(c->aliases[i].name), span_of(c->aliases[i].value) };
    for (unsigned i = 0; !err && i < c->n_defaults; i++)
        defaults[i] = (struct json_default){ span_of(c->defaults[i].name), span_of(c->defaults[i].value) };
    spec.top_only = c->upstream.alias_top_only;
    spec.bad = &bad;
    if (!err && c->n_aliases + c->n_defaults > 0)
        err = json_rules_make(&s->rules, &spec, &why);
    if (err == -EINVAL)
        blame(c, bad, why, errors);
    free(aliases);
    free(defaults);
    return err;
}

/* A setting that would be read and not heeded is worse than none: an address list that refuses nobody, for one. */
static int refuse_unbuilt(const struct conf *c, FILE *errors)
{
    const struct {
        bool used;
        const char *section, *name;
    } settings[] = {
        { c->server.workers != 1, "server", "workers" },
        { c->server.user[0] != 0, "server", "user" },
        { c->upstream.proxy.host != NULL, "upstream", "proxy" },
        { c->access.n_whitelist > 0, "access", "ip_whitelist" },
        { c->access.n_blacklist > 0, "access", "ip_blacklist" },
        { c->access.n_trusted > 0, "access", "trusted_proxies" },
        { strcmp(c->log.file, "syslog") == 0, "log", "file = syslog" },
        { c->log.requests, "log", "log_requests" },
        { c->log.responses, "log", "log_responses" },
    };
    int err = 0;

    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (settings[i].used)
            err = conf_error(errors, c, conf_line_of(c, settings[i].section, settings[i].name), settings[i].section,
                             "%s is not supported by this version", settings[i].name);
    return err;
}

int settings_make(struct settings **out, struct conf *c, FILE *errors)
{
    struct settings *s = calloc(1, sizeof *s);
    int err;

    *out = NULL;
    if (!s) {
        conf_free(c);
        return -ENOMEM;
    }
    s->refs = 1;
    s->conf = c;
    s->host = host_value(&c->upstream.base_url);
    if (c->n_keys == 0 && c->upstream.api_key[0])
        s->api_key = bearer(c->upstream.api_key);
    if (!s->host || (c->n_keys == 0 && c->upstream.api_key[0] && !s->api_key) ||
        (c->n_keys > 0 && key_map_make(&s->keys, c->keys, c->n_keys))) {
        settings_release(s, NULL);
        return -ENOMEM;
    }
    err = refuse_unbuilt(c, errors);
    if (!err)
        err = make_rules(s, errors);
    if (!err)
        err = make_tls(s, errors);
    if (err) {
        settings_release(s, NULL);
        return err;
    }
    s->timeouts.header.ms = c->server.header_timeout;
    s->timeouts.body.ms = c->server.body_timeout;
    s->timeouts.idle.ms = c->server.idle_timeout;
    s->timeouts.dial.ms = c->upstream.timeout;
    s->timeouts.answer.ms = c->upstream.response_timeout;
    s->timeouts.silence.ms = c->upstream.idle_timeout;
    s->timeouts.keepalive.ms = c->upstream.keepalive_timeout;
    *out = s;
    return 0;
}

struct settings *settings_hold(struct settings *s)
{
    s->refs++;
    return s;
}

void settings_release(struct settings *s, struct reactor *r)
{
    struct timer_kind *kinds = s ? (struct timer_kind *)&s->timeouts : NULL;

    if (!s || --s->refs > 0)
        return;
    for (size_t i = 0; r && i < sizeof s->timeouts / sizeof *kinds; i++)
        timer_kind_forget(r, &kinds[i]);
    json_rules_free(s->rules);
    key_map_free(s->keys);
    tls_context_free(s->tls);
    free(s->host);
    free(s->api_key);
    conf_free(s->conf);
    free(s);
}
