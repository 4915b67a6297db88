/* Making upstreams, comparing them across a reload, and counting who needs them. */
#include "upstream/upstream.h"
#include "base/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define STORE_MAX 512
#define REST_MIN_MS 1000
#define REST_MAX_MS 60000

/* Formats into memory of its own; NULL: no memory. */
__attribute__((format(printf, 1, 2))) static char *text(const char *format, ...)
{
    char *s = NULL;
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&s, format, args);
    va_end(args);
    return n < 0 ? NULL : s;
}

static void free_secret(char *s)
{
    if (s)
        wipe(s, strlen(s));
    free(s);
}

/* An IPv6 address stands in brackets wherever a port may follow (RFC 3986, 3.2.2). */
static char *host_and_port(const struct upstream_peer *to, bool always_port)
{
    bool standard = to->port == (upstream_peer_is(to, "https") ? 443 : 80);
    bool v6 = strchr(to->host, ':') != NULL;
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";

    if (standard && !always_port)
        return text("%s%s%s", open, to->host, close);
    return text("%s%s%s:%u", open, to->host, close, (unsigned)to->port);
}

/* Basic credentials (RFC 7617, 2). */
static char *basic(const struct upstream_peer *proxy)
{
    char *pair = text("%s:%s", proxy->user, proxy->password), *value = NULL;
    size_t n = pair ? strlen(pair) : 0, room = sizeof "Basic " + (n + 2) / 3 * 4;
    struct out o;

    if (pair && (value = calloc(1, room))) {
        out_init(&o, value, room);
        out_put(&o, SPAN("Basic "));
        out_base64(&o, span_of(pair));
    }
    free_secret(pair);
    return value;
}

static char *copy(const char *s, bool *failed)
{
    char *c = s ? strdup(s) : NULL;

    *failed |= s && !c;
    return c;
}

static int peer_copy(struct upstream_peer *to, const struct conf_url *u)
{
    bool failed = false;

    to->scheme = copy(u->scheme, &failed);
    to->host = copy(u->host, &failed);
    to->user = copy(u->user, &failed);
    to->password = copy(u->password, &failed);
    to->port = u->port;
    to->is_address = u->is_address;
    return failed ? -ENOMEM : 0;
}

static void peer_free(struct upstream_peer *p)
{
    free(p->scheme);
    free(p->host);
    free_secret(p->user);
    free_secret(p->password);
}

static bool speaks_tls(const struct conf_upstream *c)
{
    return conf_url_is(&c->base_url, "https") || conf_url_is(&c->proxy, "https");
}

static char *peer_text(const struct conf_url *u)
{
    if (!u->host)
        return text("direct");
    return text("%s://%s:%s@%s:%u%s", u->scheme, u->user ? u->user : "",
                u->password ? u->password : "", u->host, (unsigned)u->port, u->path ? u->path : "");
}

/* Everything that a connection depends on. NULL: no memory. */
static char *make_identity(const struct conf_upstream *c, struct files *files)
{
    char *origin = peer_text(&c->base_url), *proxy = peer_text(&c->proxy), *all = NULL;
    char store[STORE_MAX] = "";
    struct tls_options o = { .files = files, .ca_file = c->ca_file };
    int tls = speaks_tls(c) ? 1 + c->tls_verify : 0;
    int err = tls && c->tls_verify ? tls_store_identity(&o, store, sizeof store) : 0;

    if (!err && origin && proxy)
        all = text("%s %s %s\n%s\n%llu %llu %llu %llu %llu %u %d\n%s", origin, c->target,
                   conf_has_socket(c) ? c->socket : "", proxy, (unsigned long long)c->timeout,
                   (unsigned long long)c->response_timeout, (unsigned long long)c->idle_timeout,
                   (unsigned long long)c->keepalive_timeout,
                   (unsigned long long)c->connection_max_age, c->connection_limit, tls, store);
    free_secret(origin);
    free_secret(proxy);
    return all;
}

/* The texts that requests and tunnels are made of. */
static int make_texts(struct upstream *u, const struct conf_upstream *c)
{
    const char *scheme, *host, *base = c->base_url.path;
    bool has_user = u->proxy.host && u->proxy.user;

    u->absolute_form = upstream_peer_is(&u->origin, "http") &&
        (upstream_peer_is(&u->proxy, "http") || upstream_peer_is(&u->proxy, "https"));
    u->host = host_and_port(&u->origin, false);
    u->authority = host_and_port(&u->origin, true);
    if (!u->host || !u->authority)
        return -ENOMEM;
    scheme = u->absolute_form ? "http://" : "";
    host = u->absolute_form ? u->host : "";
    u->path = text("%s", c->target);
    u->target = text("%s%s%s", scheme, host, c->target);
    u->base = text("%s%s%s", scheme, host, base);
    u->v1 = text("%s%s%s%s", scheme, host, base, c->versioned ? "" : "/v1");
    u->proxy_credentials = has_user ? basic(&u->proxy) : NULL;
    return u->path && u->target && u->base && u->v1 && (!has_user || u->proxy_credentials)
        ? 0
        : -ENOMEM;
}

static int make_tls(struct upstream *u, const struct conf_upstream *c, struct files *files,
                    char *why, size_t why_n)
{
    struct tls_options o = { .files = files, .ca_file = c->ca_file, .verify = c->tls_verify };

    return speaks_tls(c) ? tls_context_make(&u->tls, &o, why, why_n) : 0;
}

static void upstream_free(struct upstream *u)
{
    struct timer_kind *kinds[] = { &u->timeout, &u->check, &u->response_timeout, &u->idle_timeout,
                                   &u->pool.keepalive };

    for (size_t i = 0; u->pool.reactor && i < sizeof kinds / sizeof kinds[0]; i++)
        timer_kind_forget(u->pool.reactor, kinds[i]);
    if (u->tally)
        tally_drop_upstream(u->tally, u->counts);
    tls_context_free(u->tls);
    peer_free(&u->origin);
    peer_free(&u->proxy);
    free(u->socket);
    free(u->host);
    free(u->authority);
    free(u->path);
    free(u->base);
    free(u->v1);
    free(u->target);
    free_secret(u->proxy_credentials);
    free_secret(u->identity);
    free(u);
}

static void retired_free(struct retired *r)
{
    upstream_free(container_of(r, struct upstream, retired));
}

static void free_if_unused(struct upstream *u)
{
    if (u->refs > 0 || u->pool.n > 0)
        return;
    if (u->pool.reactor)
        reactor_retire(u->pool.reactor, &u->retired, retired_free);
    else
        upstream_free(u);
}

static void pool_emptied(struct pool *p)
{
    free_if_unused(container_of(p, struct upstream, pool));
}

int upstream_make(struct upstream **out, const struct conf_upstream *c, struct files *files,
                  char *why, size_t why_n)
{
    struct upstream *u = calloc(1, sizeof *u);
    int err;

    *out = NULL;
    if (!u)
        return -ENOMEM;
    u->refs = 1;
    u->identity = make_identity(c, files);
    u->tally_id = tally_id(span_of(c->name));
    u->timeout.ms = c->timeout;
    u->check.ms = c->timeout / 4;
    u->response_timeout.ms = c->response_timeout;
    u->idle_timeout.ms = c->idle_timeout;
    u->pool.keepalive.ms = c->keepalive_timeout;
    u->pool.max_age = c->connection_max_age;
    u->connection_limit = c->connection_limit;
    u->pool.emptied = pool_emptied;
    err = u->identity ? peer_copy(&u->origin, &c->base_url) : -ENOMEM;
    if (!err)
        err = peer_copy(&u->proxy, &c->proxy);
    if (!err && conf_has_socket(c)) {
        u->socket = text("%s", c->socket);
        err = u->socket ? 0 : -ENOMEM;
    }
    if (!err)
        err = make_texts(u, c);
    if (!err)
        err = make_tls(u, c, files, why, why_n);
    if (err) {
        upstream_free(u);
        return err;
    }
    *out = u;
    return 0;
}

struct upstream *upstream_prefer(struct upstream *old, struct upstream *fresh)
{
    if (strcmp(old->identity, fresh->identity) != 0)
        return fresh;
    upstream_release(fresh);
    old->refs++;
    return old;
}

void upstream_open(struct upstream *u, const struct upstream_loop *loop)
{
    unsigned place;

    u->resolver = loop->resolver;
    u->pool.reactor = loop->reactor;
    u->pool.blocks = loop->blocks;
    u->pool.dials = &loop->tally->dials;
    u->pool.open = &loop->tally->open;
    u->pool.keeps = true;
    if (u->tally)
        return;
    place = tally_take_upstream(loop->tally, u->tally_id);
    u->tally = loop->tally;
    u->counts = &u->tally->upstreams[place];
    u->tally_kind = tally_low((struct tally_kind){ .place = (uint8_t)place });
}

void upstream_note_try(struct upstream *u)
{
    uint64_t now = reactor_now(u->pool.reactor);

    if (u->rest_ms == 0 || now < u->rests_until)
        return;
    u->rests_until = now + u->timeout.ms;
    counter_set(&u->counts->rests_until, u->rests_until);
    u->probed = true;
}

void upstream_note_dial(struct upstream *u, bool made)
{
    uint64_t now = reactor_now(u->pool.reactor);

    counter_set(made ? &u->counts->reached_at : &u->counts->failed_at, now);
    counter_set(&u->counts->failures, made ? 0 : counter_read(&u->counts->failures) + 1);
    if (made) {
        u->rest_ms = u->rests_until = 0;
    } else if (now >= u->rests_until || u->probed) {
        u->rest_ms = u->rest_ms == 0       ? REST_MIN_MS
            : u->rest_ms > REST_MAX_MS / 2 ? REST_MAX_MS
                                           : 2 * u->rest_ms;
        u->rests_until = now + u->rest_ms;
    }
    u->probed = false;
    counter_set(&u->counts->rests_until, u->rests_until);
}

void upstream_close(struct upstream *u)
{
    pool_close(&u->pool);
}

void upstream_release(struct upstream *u)
{
    if (!u || --u->refs > 0)
        return;
    if (u->pool.n > 0)
        pool_close(&u->pool); /* the last connection frees u */
    else
        free_if_unused(u);
}
