/* Taking from limits, and telling of them. */
#include "proxy/limits.h"
#include "base/least.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define SECONDS_OF_DAY 86400

static void turn(struct settings *s, struct quotas *q)
{
    quotas_turn(q);
    for (unsigned i = 0; i < s->conf->n_keys; i++)
        if (conf_is_limited(&s->conf->keys[i]))
            quota_keep(q, tally_id(span_of(s->conf->keys[i].label)));
}

void limits_claim(struct settings *s, struct quotas *q)
{
    struct conf *c = s->conf;

    turn(s, q);
    for (unsigned i = 0; i < c->n_keys; i++)
        if (conf_is_limited(&c->keys[i]))
            c->keys[i].quota =
                quota_claim(q, tally_id(span_of(c->keys[i].label)), &c->keys[i].limits);
    crowd_set(quotas_crowd(q), c->access.requests_per_minute);
}

int limits_find(struct settings *s, struct quotas *q)
{
    for (unsigned i = 0; i < s->conf->n_keys; i++) {
        struct conf_key *key = &s->conf->keys[i];

        if (!conf_is_limited(key))
            continue;
        key->quota = quota_find(q, tally_id(span_of(key->label)));
        if (!key->quota)
            return -ENOENT;
    }
    return 0;
}

static uint32_t day_of(time_t now)
{
    return (uint32_t)(now / SECONDS_OF_DAY);
}

static uint64_t ms_to_next_day(time_t now)
{
    return (uint64_t)(SECONDS_OF_DAY - now % SECONDS_OF_DAY) * 1000;
}

/* The request has to wait for ms because of n permits of something. Returns -1, always. */
static int refuse(struct client *c, enum failure f, uint64_t ms, uint32_t n, const char *of_what)
{
    char text[128], wait[32];
    struct out o;

    out_init(&o, wait, sizeof wait - 1);
    limits_put_time(&o, ms);
    wait[o.n] = '\0';
    c->worker->retry_after = ms > 1000 ? (unsigned)((ms + 999) / 1000) : 1;
    snprintf(text, sizeof text, "Rate limit reached: %u %s. Please try again in %s.", n, of_what,
             wait);
    return exchange_fault(c, f, text);
}

/* What is missing in a bucket at present. */
static uint64_t missing_in(const struct bucket *b)
{
    struct bucket_look look = bucket_look(b);

    return bucket_missing(&look, bucket_now());
}

/* Milliseconds until no more than room units are missing in b. */
static uint64_t ms_until(const struct bucket *b, uint64_t room)
{
    uint64_t missing = missing_in(b);

    return missing > room ? bucket_ms(missing - room) : 0;
}

/* Takes one of n requests a minute. */
static bool take_request(struct bucket *b, uint32_t n)
{
    return bucket_take(b, bucket_cost(n), n * bucket_cost(n));
}

static int refuse_request(struct client *c, const struct bucket *b, uint32_t n, const char *of_what)
{
    return refuse(c, FAIL_LIMIT_REQUESTS, ms_until(b, (n - 1) * bucket_cost(n)), n, of_what);
}

/* Tokens are charged when they are known: now there must be one at the least. */
static int check_tokens(struct client *c, const struct quota_limits *l, struct quota *q)
{
    time_t now;

    if (l->tokens > 0) {
        uint64_t one = BUCKET_MINUTE / l->tokens, ms = ms_until(&q->tokens, BUCKET_MINUTE - one);

        if (ms > 0)
            return refuse(c, FAIL_LIMIT_TOKENS, ms, l->tokens, "tokens per minute");
    }
    if (l->tokens_of_day > 0) {
        now = time(NULL);
        if (quota_used(q, day_of(now)) >= l->tokens_of_day)
            return refuse(c, FAIL_LIMIT_DAY, ms_to_next_day(now), l->tokens_of_day,
                          "tokens per day");
    }
    return 0;
}

static int take_of_key(struct client *c)
{
    const struct worker *w = c->worker;
    const struct quota_limits *l = &c->x.key->limits;
    struct quota *q = c->x.key->quota;

    if (check_tokens(c, l, q))
        return -1;
    if (!quota_enter(w->quotas, w->row, q, l->open))
        return refuse(c, FAIL_LIMIT_REQUESTS, 1000, l->open, "requests at once");
    if (l->requests > 0 && !take_request(&q->requests, l->requests)) {
        quota_leave(w->quotas, w->row, q);
        return refuse_request(c, &q->requests, l->requests, "requests per minute");
    }
    c->x.counted = true;
    return 0;
}

/* The bucket of the client's address. A network of IPv6 is one client: who has one has 2^64
 * addresses (RFC 4291, 2.5.1). */
static struct bucket *bucket_of_address(const struct client *c)
{
    const struct addr *a = &c->x.from;
    char name[1 + sizeof a->ip] = { (char)a->family };
    size_t n = a->family == 6 ? 8 : a->family == 4 ? 4 : 0;

    memcpy(name + 1, a->ip, n);
    return crowd_find(quotas_crowd(c->worker->quotas), (struct span){ name, 1 + n }, bucket_now());
}

static int take_of_address(struct client *c, uint32_t n)
{
    struct bucket *b = bucket_of_address(c);

    if (!take_request(b, n))
        return refuse_request(c, b, n, "requests per minute of your address");
    c->x.counted = true;
    return 0;
}

int limits_take(struct client *c)
{
    const struct exchange *x = &c->x;
    uint32_t n = x->settings->conf->access.requests_per_minute;

    if (x->key && x->key->quota)
        return take_of_key(c);
    return n > 0 ? take_of_address(c, n) : 0;
}

void limits_give_back(struct client *c)
{
    const struct exchange *x = &c->x;
    uint32_t n = x->key ? x->key->limits.requests : x->settings->conf->access.requests_per_minute;

    if (x->counted && n > 0)
        bucket_put_back(x->key ? &x->key->quota->requests : bucket_of_address(c), bucket_cost(n));
}

void limits_leave(struct client *c)
{
    const struct exchange *x = &c->x;

    if (x->key)
        quota_leave(c->worker->quotas, c->worker->row, x->key->quota);
}

/* Numbers that no upstream means must not come round to small ones. */
void limits_charge(const struct exchange *x, uint64_t input, uint64_t output)
{
    uint64_t tokens = smaller(input, UINT32_MAX) + smaller(output, UINT32_MAX);

    if (x->key && x->key->quota)
        quota_charge(x->key->quota, &x->key->limits, tokens, day_of(time(NULL)));
}

void limits_put_time(struct out *o, uint64_t ms)
{
    uint64_t s = ms / 1000;
    unsigned fraction = (unsigned)(ms % 1000);
    char text[8];

    if (ms > 0 && s == 0) {
        out_uint(o, ms);
        out_put(o, SPAN("ms"));
        return;
    }
    if (s >= 3600) {
        out_uint(o, s / 3600);
        out_put(o, SPAN("h"));
    }
    if (s >= 60) {
        out_uint(o, s / 60 % 60);
        out_put(o, SPAN("m"));
    }
    out_uint(o, s % 60);
    if (fraction > 0) {
        size_t n = (size_t)snprintf(text, sizeof text, ".%03u", fraction);

        while (text[n - 1] == '0')
            n--;
        out_put(o, (struct span){ text, n });
    }
    out_put(o, SPAN("s"));
}

/* One limit: n of a kind, of which so many are left, and all again after ms. */
struct told {
    struct span kind;
    uint32_t n;
    uint64_t left, ms;
};

static void put_name(struct out *o, struct span what, const struct told *t)
{
    out_put(o, SPAN("x-ratelimit-"));
    out_put(o, what);
    out_put(o, t->kind);
    out_put(o, SPAN(": "));
}

static void put(struct out *o, const struct told *t)
{
    put_name(o, SPAN("limit-"), t);
    out_uint(o, t->n);
    out_put(o, SPAN("\r\n"));
    put_name(o, SPAN("remaining-"), t);
    out_uint(o, t->left);
    out_put(o, SPAN("\r\n"));
    put_name(o, SPAN("reset-"), t);
    limits_put_time(o, t->ms);
    out_put(o, SPAN("\r\n"));
}

static struct told requests_of(const struct quota_limits *l, const struct quota *q)
{
    uint64_t missing = missing_in(&q->requests), cost = bucket_cost(l->requests);
    uint64_t taken = (missing + cost - 1) / cost;

    return (struct told){ SPAN("requests"), l->requests,
                          taken < l->requests ? l->requests - taken : 0, bucket_ms(missing) };
}

static struct told tokens_of_minute(const struct quota_limits *l, const struct quota *q)
{
    uint64_t missing = missing_in(&q->tokens);
    uint64_t left = missing < BUCKET_MINUTE ? BUCKET_MINUTE - missing : 0;

    return (struct told){ SPAN("tokens"), l->tokens, left * l->tokens / BUCKET_MINUTE,
                          bucket_ms(missing) };
}

static struct told tokens_of_day(const struct quota_limits *l, struct quota *q)
{
    time_t now = time(NULL);
    uint32_t used = quota_used(q, day_of(now)), n = l->tokens_of_day;

    return (struct told){ SPAN("tokens"), n, used < n ? n - used : 0, ms_to_next_day(now) };
}

/* Of two limits of tokens that one is told that lets through less. */
void limits_put(struct out *o, const struct exchange *x)
{
    const struct quota_limits *l = &x->key->limits;
    struct quota *q = x->key->quota;
    struct told minute, day;

    if (l->requests > 0) {
        minute = requests_of(l, q);
        put(o, &minute);
    }
    if (l->tokens > 0)
        minute = tokens_of_minute(l, q);
    if (l->tokens_of_day > 0)
        day = tokens_of_day(l, q);
    if (l->tokens > 0 && (l->tokens_of_day == 0 || minute.left <= day.left))
        put(o, &minute);
    else if (l->tokens_of_day > 0)
        put(o, &day);
}
