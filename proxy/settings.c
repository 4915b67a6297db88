/* Making and counting generations of settings.
 * Knows no connections.
 * The interface is proxy/settings.h. */
#include "proxy/settings.h"
#include "cfg/errors.h"
#include "http/emit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

/* Formats into memory of its own; NULL: no memory. */
__attribute__((format(printf, 1, 2)))
static char *text(const char *format, ...)
{
    char *s = NULL;
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&s, format, args);
    va_end(args);
    return n < 0 ? NULL : s;
}

/* An IPv6 address stands in brackets wherever a port may follow (RFC 3986, 3.2.2). */
static char *host_and_port(const struct conf_url *u, bool always_port)
{
    bool standard = u->port == (conf_url_is(u, "https") ? 443 : 80), v6 = strchr(u->host, ':') != NULL;
    const char *before = v6 ? "[" : "", *behind = v6 ? "]" : "";

    if (standard && !always_port)
        return text("%s%s%s", before, u->host, behind);
    return text("%s%s%s:%u", before, u->host, behind, (unsigned)u->port);
}

/* Basic credentials (RFC 7617, 2). */
static char *basic(const struct conf_url *u)
{
    char *pair = text("%s:%s", u->user, u->password), *value = NULL;
    size_t n = pair ? strlen(pair) : 0;
    struct http_out o;

    if (pair && (value = calloc(1, sizeof "Basic " + (n + 2) / 3 * 4))) {
        http_out_init(&o, value, sizeof "Basic " + (n + 2) / 3 * 4);
        http_put(&o, SPAN("Basic "));
        http_put_base64(&o, span_of(pair));
    }
    wipe(pair, n);
    free(pair);
    return value;
}

static void free_secret(char *s)
{
    if (s)
        wipe(s, strlen(s));
    free(s);
}

/* The texts that requests and tunnels are made of. Returns 0 or -ENOMEM. */
static int make_texts(struct settings *s)
{
    const struct conf *c = s->conf;
    const struct conf_url *to = &c->upstream.base_url, *proxy = &c->upstream.proxy;
    bool own_key = c->n_keys == 0 && c->upstream.api_key[0], has_user = proxy->host && proxy->user;

    s->absolute_form = conf_url_is(to, "http") && (conf_url_is(proxy, "http") || conf_url_is(proxy, "https"));
    s->host = host_and_port(to, false);
    s->authority = host_and_port(to, true);
    s->target = s->host && s->absolute_form ? text("http://%s%s", s->host, c->upstream.target) : text("%s", c->upstream.target);
    s->api_key = own_key ? text("Bearer %s", c->upstream.api_key) : NULL;
    s->proxy_credentials = has_user ? basic(proxy) : NULL;
    if (!s->host || !s->authority || !s->target || (own_key && !s->api_key) || (has_user && !s->proxy_credentials))
        return -ENOMEM;
    return 0;
}

/* Reads the certificates to trust now: a missing store is found at the start, and not by the first client. */
static int make_tls(struct settings *s, FILE *errors)
{
    const struct conf *c = s->conf;
    struct tls_options o = { .ca_file = c->upstream.ca_file, .verify = c->upstream.tls_verify };
    char why[512];
    int err;

    if (!conf_url_is(&c->upstream.base_url, "https") && !conf_url_is(&c->upstream.proxy, "https"))
        return 0;
    err = tls_context_make(&s->tls, &o, why, sizeof why);
    if (err == -EINVAL)
        conf_error(errors, c, conf_line_of(c, "upstream", "ca_file"), "upstream", "%s", why);
    return err;
}

/* Makes the renamer's rules of the aliases and defaults of c, or of one of them alone. Returns as json_rules_make does. */
static int make_rules(struct json_rules **out, const struct conf *c, const unsigned *only, unsigned *bad, const char **why)
{
    unsigned first = only ? *only : 0, n = only ? 1 : c->n_aliases + c->n_defaults;
    struct json_alias *aliases = calloc(n + 1, sizeof *aliases);
    struct json_default *defaults = calloc(n + 1, sizeof *defaults);
    struct json_rules_spec spec = { .aliases = aliases, .defaults = defaults, .top_only = c->upstream.alias_top_only, .bad = bad };
    int err = aliases && defaults ? 0 : -ENOMEM;

    for (unsigned i = first; !err && i < first + n; i++) {
        const struct conf_pair *pair = i < c->n_aliases ? &c->aliases[i] : &c->defaults[i - c->n_aliases];

        if (i < c->n_aliases)
            aliases[spec.n_aliases++] = (struct json_alias){ span_of(pair->name), span_of(pair->value) };
        else
            defaults[spec.n_defaults++] = (struct json_default){ span_of(pair->name), span_of(pair->value) };
    }
    if (!err && n > 0)
        err = json_rules_make(out, &spec, why);
    free(aliases);
    free(defaults);
    return err;
}

/* Names the entry that the renamer's rules cannot be made of. */
static void blame(const struct conf *c, struct conf_errors *e, unsigned bad, const char *why)
{
    bool alias = bad < c->n_aliases;
    const struct conf_pair *pair = alias ? &c->aliases[bad] : &c->defaults[bad - c->n_aliases];

    conf_fault(e, pair->line, alias ? "field_aliases" : "defaults", "the key '%s' %s", pair->name, why);
}

/* Each entry by itself; where those are right, all of them together. */
void settings_check(const struct conf *c, struct conf_errors *e)
{
    unsigned n = c->n_aliases + c->n_defaults, bad = 0, faults = 0;
    struct json_rules *rules = NULL;
    const char *why = NULL;

    for (unsigned i = 0; i <= n; i++) {
        const unsigned *only = i < n ? &i : NULL;

        if ((only || faults == 0) && make_rules(&rules, c, only, &bad, &why) == -EINVAL) {
            blame(c, e, only ? i : bad, why);
            faults++;
        }
        json_rules_free(rules);
        rules = NULL;
    }
}

static int make_list(struct addrset **out, char *const *texts, unsigned n)
{
    return n ? addrset_make(out, texts, n) : 0;
}

static int make_lists(struct settings *s)
{
    const struct conf *c = s->conf;
    int err = make_list(&s->whitelist, c->access.whitelist, c->access.n_whitelist);

    if (!err)
        err = make_list(&s->blacklist, c->access.blacklist, c->access.n_blacklist);
    return err ? err : make_list(&s->trusted, c->access.trusted, c->access.n_trusted);
}

int settings_make(struct settings **out, struct conf *c, FILE *errors)
{
    struct settings *s = calloc(1, sizeof *s);
    const char *why;
    int err;

    *out = NULL;
    if (!s) {
        conf_free(c);
        return -ENOMEM;
    }
    s->refs = 1;
    s->conf = c;
    err = make_texts(s);
    if (!err && c->n_keys > 0)
        err = key_map_make(&s->keys, c->keys, c->n_keys);
    if (!err)
        err = make_lists(s);
    if (!err)
        err = secrets_make(&s->secrets, c);
    if (!err)
        err = make_rules(&s->rules, c, NULL, NULL, &why);
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

static void settings_free(struct settings *s)
{
    struct timer_kind *kinds = (struct timer_kind *)&s->timeouts;

    for (size_t i = 0; s->reactor && i < sizeof s->timeouts / sizeof *kinds; i++)
        timer_kind_forget(s->reactor, &kinds[i]);
    json_rules_free(s->rules);
    key_map_free(s->keys);
    secrets_free(s->secrets);
    addrset_free(s->whitelist);
    addrset_free(s->blacklist);
    addrset_free(s->trusted);
    tls_context_free(s->tls);
    free(s->host);
    free(s->authority);
    free(s->target);
    free_secret(s->api_key);
    free_secret(s->proxy_credentials);
    conf_free(s->conf);
    free(s);
}

static void retired_free(struct retired *r)
{
    settings_free(container_of(r, struct settings, retired));
}

void settings_release(struct settings *s, struct reactor *r)
{
    if (!s || --s->refs > 0)
        return;
    s->reactor = r;
    if (r)
        reactor_retire(r, &s->retired, retired_free);
    else
        settings_free(s);
}
