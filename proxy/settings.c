/* Making and counting generations of settings. */
#include "proxy/settings.h"
#include "base/random.h"
#include "cfg/errors.h"
#include "net/tls_server.h"

#include <errno.h>
#include <stdlib.h>

#define WHY_MAX 512

void settings_check(const struct conf *c, struct conf_errors *e)
{
    targets_check(c, e);
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
    if (!err)
        err = make_list(&s->trusted, c->access.trusted, c->access.n_trusted);
    s->counts_tokens = c->access.n_admins > 0;
    for (unsigned i = 0; i < c->server.n_listen; i++)
        s->counts_tokens |= c->server.listen[i].admin;
    s->limits = c->access.requests_per_minute > 0;
    for (unsigned i = 0; i < c->n_keys; i++)
        s->limits |= conf_is_limited(&c->keys[i]);
    return err ? err : make_list(&s->admins, c->access.admins, c->access.n_admins);
}

/* A name that no other instance has, whatever names and proxies lie between the two ends of a loop.
 * Returns 0, or a negative errno after a line in errors. */
static int name_instance(struct settings *s, FILE *errors)
{
    uint64_t random;
    int err;

    err = random_bytes(&random, sizeof random);
    if (err) {
        fprintf(errors,
                "openai-chat-proxy: neither getrandom(2) nor /dev/urandom gives random numbers\n");
        return err;
    }
    snprintf(s->instance, sizeof s->instance, "openai-chat-proxy-%016llx",
             (unsigned long long)random);
    return 0;
}

/* A ring for each entry of the table that has several keys. */
static int make_rings(struct settings *s)
{
    const struct conf *c = s->conf;
    int err = 0;

    for (unsigned i = 0; !err && i < c->n_keys; i++) {
        const struct conf_key *key = &c->keys[i];

        if (key->n_upstream_keys < 2)
            continue;
        if (!s->client_rings)
            s->client_rings = calloc(c->n_keys, sizeof(struct keyring *));
        err = s->client_rings
            ? keyring_make(&s->client_rings[i], key->upstream_keys, key->n_upstream_keys)
            : -ENOMEM;
    }
    return err;
}

/* Makes a context of the certificates that c names; NULL if it names none. */
static int make_tls(struct tls_context **out, const struct conf *c, struct files *files,
                    FILE *errors)
{
    struct tls_server_options o = { files, c->server.certificates, c->server.certificate_keys,
                                    c->server.n_certificates };
    const char *name;
    char why[WHY_MAX];
    bool of_key;
    int err = o.n > 0 ? tls_server_make(out, &o, why, sizeof why, &of_key) : 0;

    if (!err || err == -ENOMEM)
        return err;
    name = of_key ? "certificate_key" : "certificate";
    conf_error(errors, c, conf_line_of(c, "server", name), "server", "%s: %s", name, why);
    return err;
}

int settings_renew(struct settings *s, struct files *files, FILE *errors)
{
    struct tls_context *fresh = NULL;
    int err = make_tls(&fresh, s->conf, files, errors);

    if (err || !fresh)
        return err;
    if (tls_server_same(fresh, s->tls)) {
        tls_context_free(fresh);
        return 0;
    }
    tls_context_free(s->tls);
    s->tls = fresh;
    return 1;
}

bool settings_warn(const struct settings *s, unsigned i, char *out, size_t n)
{
    const struct conf *c = s->conf;
    int at;

    if (i >= c->server.n_certificates)
        return false;
    at = snprintf(out, n, "the certificate in %s ", c->server.certificates[i]);
    return at > 0 && (size_t)at < n && tls_server_warning(s->tls, i, out + at, n - (size_t)at);
}

/* What the requests of a key are counted by depends on its label alone, so that all processes and
 * generations mean the same by it. Of two that came to the same, the later is one of the others. */
static void tell_keys_apart(struct conf *c)
{
    for (unsigned i = 0; i < c->n_keys; i++) {
        uint32_t id = (uint32_t)tally_id(span_of(c->keys[i].label));
        unsigned k = 0;

        while (k < i && i < SETTINGS_COUNTED && tally_key(c->keys[k].tally) != id)
            k++;
        if (k < i || id < TALLY_FIRST_KEY)
            id = TALLY_OTHER_KEY;
        c->keys[i].tally = tally_tag(id, (struct tally_kind){ 0 });
    }
}

bool settings_count_key(const void *s, uint32_t key)
{
    const struct conf *c = ((const struct settings *)s)->conf;

    for (unsigned i = 0; i < c->n_keys && i < SETTINGS_COUNTED; i++)
        if (tally_key(c->keys[i].tally) == key)
            return true;
    return false;
}

int settings_make(struct settings **out, struct conf *c, struct files *files, FILE *errors)
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
    tell_keys_apart(c);
    s->pass = (struct pass_paths){ c->upstreams[0].pass_paths, c->upstreams[0].n_pass_paths };
    err = name_instance(s, errors);
    if (!err)
        err = targets_make(&s->targets, c, files, errors);
    if (!err)
        err = make_tls(&s->tls, c, files, errors);
    if (!err)
        err = models_make(&s->models, c);
    if (!err && c->n_keys > 0)
        err = key_map_make(&s->keys, c->keys, c->n_keys);
    if (!err)
        err = make_rings(s);
    if (!err)
        err = make_lists(s);
    if (!err)
        err = secrets_make(&s->secrets, c);
    if (err) {
        settings_release(s, NULL);
        return err;
    }
    s->timeouts.header.ms = c->server.header_timeout;
    s->timeouts.body.ms = c->server.body_timeout;
    s->timeouts.idle.ms = c->server.idle_timeout;
    s->timeouts.ping.ms = c->server.ping_interval;
    s->timeouts.check.ms = c->server.body_timeout / 4;
    *out = s;
    return 0;
}

static void inherit_rings(struct settings *fresh, const struct settings *old)
{
    for (unsigned i = 0; fresh->client_rings && old->client_rings && i < fresh->conf->n_keys; i++) {
        const struct conf_key *key = fresh->client_rings[i]
            ? key_map_find(old->keys, span_of(fresh->conf->keys[i].client))
            : NULL;

        if (key)
            keyring_inherit(fresh->client_rings[i], old->client_rings[key - old->conf->keys]);
    }
}

void settings_inherit(struct settings *fresh, const struct settings *old)
{
    memcpy(fresh->instance, old->instance, sizeof fresh->instance);
    targets_inherit(&fresh->targets, &old->targets);
    inherit_rings(fresh, old);
    if (fresh->tls && old->tls && tls_server_same(fresh->tls, old->tls)) {
        tls_context_free(fresh->tls);
        fresh->tls = tls_context_hold(old->tls);
    }
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
    for (unsigned i = 0; s->client_rings && i < s->conf->n_keys; i++)
        keyring_free(s->client_rings[i]);
    free(s->client_rings);
    models_free(s->models);
    key_map_free(s->keys);
    secrets_free(s->secrets);
    addrset_free(s->whitelist);
    addrset_free(s->blacklist);
    addrset_free(s->trusted);
    addrset_free(s->admins);
    targets_free(&s->targets);
    tls_context_free(s->tls);
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
