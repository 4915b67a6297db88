/* The order of tries: the keys of one upstream in turn, then the next upstream. */
#include "proxy/plan.h"
#include "proxy/models.h"
#include "proxy/replay.h"
#include "proxy/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REST_DEFAULT_MS 30000
#define REST_UNAUTHORIZED_MS 600000
#define REST_MAX_MS 86400000

static const struct target *first_target(const struct exchange *x)
{
    return &x->settings->targets.list[x->chosen];
}

static const struct target *target_at(const struct exchange *x, unsigned position)
{
    return &x->settings->targets.list[first_target(x)->order[position].target];
}

/* True where the key that a client has sent, or what its entry of the table puts in its place, goes
 * to t: no key ever goes to an address that it was not configured for. */
static bool takes_clients_key(const struct exchange *x, const struct target *t)
{
    bool is_default = t == &x->settings->targets.list[TARGET_DEFAULT];

    return (is_default || t->conf->client_key) && (!x->key || x->key->n_upstream_keys > 0);
}

/* The keys that the request takes to t in turn; NULL: there are not several. */
static struct keyring *ring_of(const struct exchange *x, const struct target *t)
{
    const struct settings *s = x->settings;

    if (x->unknown_key || !s->targets.retries)
        return NULL;
    if (takes_clients_key(x, t) && x->key)
        return s->client_rings ? s->client_rings[x->key - s->conf->keys] : NULL;
    return t->conf->client_key ? s->targets.list[TARGET_DEFAULT].keys : t->keys;
}

/* Without anything kept there is one try. */
static uint64_t tried_keys(const struct exchange *x)
{
    return x->replay ? x->replay->tried_keys : 0;
}

/* The target at position can be asked: it has a key that neither rests nor was tried. */
static bool has_key(const struct client *c, unsigned position)
{
    const struct exchange *x = &c->x;
    const struct keyring *r = ring_of(x, target_at(x, position));
    uint64_t tried = position == x->position ? tried_keys(x) : 0;

    return !r || keyring_has(r, reactor_now(c->worker->reactor), tried);
}

/* The next position after from whose upstream does not rest, or failing that, that has a key; -1:
 * there is none. A key that the table does not know does not get another upstream's. */
static int next_position(const struct client *c, int from)
{
    const struct exchange *x = &c->x;
    uint64_t now = reactor_now(c->worker->reactor);
    unsigned n = x->unknown_key ? 1 : first_target(x)->n_order;
    int resting = -1;

    for (unsigned i = (unsigned)(from + 1); i < n; i++) {
        if (!has_key(c, i))
            continue;
        if (!upstream_rests(target_at(x, i)->upstream, now))
            return (int)i;
        if (resting < 0)
            resting = (int)i;
    }
    return resting;
}

/* Takes the key in turn for the target at position. */
static void go_to(struct client *c, unsigned position)
{
    struct exchange *x = &c->x;
    struct keyring *r;
    int key;

    if (position != x->position && x->replay)
        x->replay->tried_keys = 0;
    x->position = (uint16_t)position;
    r = ring_of(x, target_at(x, position));
    key = r ? keyring_next(r, reactor_now(c->worker->reactor), tried_keys(x)) : 0;
    x->key_index = (uint8_t)(key < 0 ? 0 : key > 255 ? 255 : key);
    if (r && x->replay && x->key_index < 64)
        x->replay->tried_keys |= UINT64_C(1) << x->key_index;
    x->tries++;
}

/* Whole seconds until the first key of the targets in the order can be used again. */
static unsigned seconds_to_rest(const struct client *c)
{
    const struct exchange *x = &c->x;
    uint64_t now = reactor_now(c->worker->reactor), first = UINT64_MAX;

    for (unsigned i = 0; i < first_target(x)->n_order; i++) {
        const struct keyring *r = ring_of(x, target_at(x, i));
        uint64_t at = r ? keyring_rested_at(r, now) : now;

        if (at < first)
            first = at;
    }
    return first <= now ? 1 : (unsigned)((first - now + 999) / 1000);
}

int plan_begin(struct client *c, unsigned first)
{
    struct exchange *x = &c->x;
    int position;

    x->chosen = (uint16_t)first;
    x->position = 0;
    if (!x->settings->targets.retries) {
        x->tries = 1;
        return 0;
    }
    position = next_position(c, -1);
    if (position < 0) {
        c->worker->retry_after = seconds_to_rest(c);
        return exchange_fault(c, FAIL_KEYS_REST, "all keys for the upstream have reached a limit");
    }
    go_to(c, (unsigned)position);
    return 0;
}

/* Another key comes first, but not where the upstream could not be reached. */
static bool has_other_key(const struct client *c)
{
    const struct exchange *x = &c->x;

    return x->attempt.sent && ring_of(x, target_at(x, x->position)) && has_key(c, x->position);
}

/* The position of the next try; -1: none can follow, be it that there is nobody left, that
 * something of a response was passed on, or that not all of the request is here. */
static int next_try(const struct client *c)
{
    const struct exchange *x = &c->x;

    if (x->response != RESPONSE_WAIT || !x->replay || x->replay->lost || x->interims > 0 ||
        c->broken || c->worker->draining)
        return -1;
    return has_other_key(c) ? x->position : next_position(c, x->position);
}

/* The connection counts as one until it is dropped: it must not take the place of the next try's,
 * where that goes to the same upstream. */
static void set_aside(struct exchange *x, unsigned next)
{
    struct replay *r = x->replay;
    const struct upstream *u = x->attempt.upstream;

    if (x->fault != FAIL_DECLINED)
        return;
    attempt_drop(&r->declined);
    if (x->attempt.conn->in.end == 0 || (target_at(x, next)->upstream == u && upstream_is_full(u)))
        return;
    attempt_set_aside(&r->declined, &x->attempt);
    r->declined_position = x->position;
    r->declined_key = x->key_index;
}

bool plan_next(struct client *c)
{
    int next = next_try(c);

    if (next < 0)
        return false;
    set_aside(&c->x, (unsigned)next);
    go_to(c, (unsigned)next);
    return true;
}

bool plan_back(struct client *c)
{
    struct exchange *x = &c->x;
    struct replay *r = x->replay;

    if (!r || !r->declined.conn)
        return false;
    attempt_drop(&x->attempt);
    attempt_take_back(&x->attempt, &r->declined);
    x->position = r->declined_position;
    x->key_index = r->declined_key;
    replay_lose(r, c->worker);
    return true;
}

/* Milliseconds that the fields of a response ask to wait: retry-after-ms, then Retry-After in
 * seconds or as a date (RFC 9110, 10.2.3); 0: they ask nothing. */
static uint64_t asked_to_wait(const struct http_head *h)
{
    uint64_t ms = 0;

    for (unsigned i = 0; i < h->n_fields; i++) {
        const struct http_field *f = &h->fields[i];
        char text[40] = "";
        struct tm tm = { 0 };

        if (f->value.n == 0 || f->value.n >= sizeof text)
            continue;
        memcpy(text, f->value.p, f->value.n);
        if (span_eq_nocase(f->name, SPAN("retry-after-ms")))
            return strtoull(text, NULL, 10);
        if (!span_eq_nocase(f->name, SPAN("retry-after")))
            continue;
        if (text[0] >= '0' && text[0] <= '9')
            ms = strtoull(text, NULL, 10) * 1000;
        else if (strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) && timegm(&tm) > time(NULL))
            ms = (uint64_t)(timegm(&tm) - time(NULL)) * 1000;
    }
    return ms < REST_MAX_MS ? ms : REST_MAX_MS;
}

static void note_key(struct client *c, const struct http_head *h)
{
    struct exchange *x = &c->x;
    const struct target *t = target_at(x, x->position);
    struct keyring *r = ring_of(x, t);
    uint64_t now = reactor_now(c->worker->reactor), ms = 0;
    unsigned mark;

    if (!r)
        return;
    if (h->status == 401)
        ms = REST_UNAUTHORIZED_MS;
    else
        ms = asked_to_wait(h);
    ms = ms ? ms : REST_DEFAULT_MS;
    mark = x->key_index | (r == t->keys || t->conf->client_key ? 0 : TALLY_CLIENTS_KEY);
    tally_key_rests(t->upstream->counts, TALLY_STAMP(keyring_rests_until(r, x->key_index), mark),
                    TALLY_STAMP(now + ms, mark), now);
    keyring_rest(r, x->key_index, now + ms);
}

bool plan_declines(struct client *c, const struct http_head *h)
{
    switch (h->status) {
    case 401:
    case 429:
        note_key(c, h);
        return next_try(c) >= 0;
    case 500:
    case 502:
    case 503:
    case 504:
    case 529:
        return next_try(c) >= 0;
    default:
        return false;
    }
}

struct authorization plan_authorization(const struct exchange *x, const struct authorization *auth)
{
    const struct target *t = target_at(x, x->position), *own = t;
    struct authorization a = { .key = auth->key };
    const struct keyring *r = ring_of(x, t);

    if (t->conf->client_key)
        own = &x->settings->targets.list[TARGET_DEFAULT];
    if (r)
        a.token = keyring_key(r, x->key_index);
    else if (takes_clients_key(x, t) && x->key)
        a.token = span_of(x->key->upstream_keys[0]);
    else if (own->conf->n_api_keys > 0 && !x->unknown_key)
        a.token = span_of(own->conf->api_keys[0]);
    else if (takes_clients_key(x, t))
        return *auth;
    return a;
}

struct span plan_model(const struct exchange *x, struct span model)
{
    const struct target_step *step = &first_target(x)->order[x->position];

    return step->model ? span_of(step->model)
                       : models_name_at(target_at(x, x->position)->conf, model);
}

const struct target *plan_target(const struct exchange *x)
{
    return target_at(x, x->position);
}
