/* A cache of names, and the order in which their addresses are tried. */
#include "net/resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_NAMES 16
#define FRESH_MS 30000 /* getaddrinfo tells no TTL */
#define REST_MS 30000  /* how long an address that has failed comes last */

/* A name of the cache.
 * 1. While busy is set, lookup is under way, and the name is not freed.
 * 2. waiting is empty unless busy is set.
 * 3. rests[i] is until when the address i of answer comes last. */
struct resolve_name {
    struct resolve_name *next; /* most recently asked first */
    struct resolver *resolver;
    struct resolve_query *waiting;
    uint64_t fresh_until;
    bool busy;
    unsigned turn; /* counts the answers given */
    struct lookup_answer answer;
    uint64_t rests[LOOKUP_ADDRS_MAX];
    struct lookup lookup;
    char host[];
};

struct resolver {
    struct reactor *reactor;
    struct lookups *lookups;
    struct resolve_name *names;
};

static bool starts_with(const struct addr *a, const uint8_t *prefix, size_t n)
{
    return memcmp(a->ip, prefix, n) == 0;
}

/* Addresses with the same number are alike in scope, precedence and label (RFC 6724, 3.1 and
 * 2.1). */
static int class_of(const struct addr *a)
{
    enum { GLOBAL, LOOPBACK, LINK_LOCAL, UNIQUE_LOCAL, SIX_TO_FOUR, TEREDO };
    int v6 = a->family == 6 ? 8 : 0;

    if (addr_is_loopback(a))
        return v6 + LOOPBACK;
    if (a->family == 4)
        return starts_with(a, (uint8_t[]){ 169, 254 }, 2) ? LINK_LOCAL : GLOBAL;
    if (a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80)
        return v6 + LINK_LOCAL;
    if ((a->ip[0] & 0xfe) == 0xfc)
        return v6 + UNIQUE_LOCAL;
    if (starts_with(a, (uint8_t[]){ 0x20, 0x02 }, 2))
        return v6 + SIX_TO_FOUR;
    if (starts_with(a, (uint8_t[]){ 0x20, 0x01, 0, 0 }, 4))
        return v6 + TEREDO;
    return v6 + GLOBAL;
}

/* Appends n addresses to out so that the families alternate, beginning with that of the first. */
static void append_alternating(struct lookup_answer *out, const struct addr *addrs, unsigned n)
{
    unsigned next[2] = { 0, 0 }, end = out->n + n;
    uint8_t families[2] = { addrs[0].family, addrs[0].family == 4 ? 6 : 4 };

    while (out->n < end) {
        for (int k = 0; k < 2; k++) {
            while (next[k] < n && addrs[next[k]].family != families[k])
                next[k]++;
            if (next[k] < n)
                out->addrs[out->n++] = addrs[next[k]++];
        }
    }
}

/* Writes the addresses of name in the order in which they are to be tried now. */
static void name_answer(struct resolve_name *name, struct lookup_answer *out)
{
    const struct lookup_answer *a = &name->answer;
    uint64_t now = reactor_now(name->resolver->reactor);
    unsigned equal = 0, turn = name->turn++;

    *out = (struct lookup_answer){ .error = a->error };
    while (equal < a->n && class_of(&a->addrs[equal]) == class_of(&a->addrs[0]))
        equal++;
    for (int resting = 0; resting < 2; resting++) {
        struct addr some[LOOKUP_ADDRS_MAX];
        unsigned n = 0;

        for (unsigned i = 0; i < a->n; i++) {
            unsigned at = i < equal ? (turn + i) % equal : i;

            if ((name->rests[at] > now) == resting)
                some[n++] = a->addrs[at];
        }
        if (n > 0)
            append_alternating(out, some, n);
    }
}

static unsigned find_address(const struct lookup_answer *in, const struct addr *a)
{
    unsigned i = 0;

    while (i < in->n &&
           (in->addrs[i].family != a->family || memcmp(in->addrs[i].ip, a->ip, sizeof a->ip) != 0))
        i++;
    return i;
}

/* Takes the answer of a look-up. After a failed one the addresses known before remain. */
static void name_update(struct resolve_name *name)
{
    const struct lookup_answer *found = &name->lookup.answer;
    uint64_t rests[LOOKUP_ADDRS_MAX] = { 0 };

    if (found->error && name->answer.n > 0)
        return;
    for (unsigned i = 0; i < found->n; i++) {
        unsigned before = find_address(&name->answer, &found->addrs[i]);

        if (before < name->answer.n)
            rests[i] = name->rests[before];
    }
    name->answer = *found;
    memcpy(name->rests, rests, sizeof rests);
}

/* Answers the queries of a name. It is busy until all callbacks have returned, so that none of them
 * can evict it. */
static void resolver_on_lookup(struct lookup *l)
{
    struct resolve_name *name = container_of(l, struct resolve_name, lookup);
    struct resolve_query *q;

    name_update(name);
    name->fresh_until = name->answer.error ? 0 : reactor_now(name->resolver->reactor) + FRESH_MS;
    while ((q = name->waiting)) {
        struct lookup_answer answer;

        name_answer(name, &answer);
        resolver_cancel(q);
        q->fn(q, &answer);
    }
    name->busy = false;
}

int resolver_make(struct resolver **out, struct reactor *reactor)
{
    struct resolver *r = calloc(1, sizeof *r);
    int err;

    *out = NULL;
    if (!r)
        return -ENOMEM;
    r->reactor = reactor;
    err = lookups_make(&r->lookups, reactor, resolver_on_lookup);
    if (err) {
        free(r);
        return err;
    }
    *out = r;
    return 0;
}

void resolver_free(struct resolver *r)
{
    if (!r || !lookups_free(r->lookups))
        return;
    while (r->names) {
        struct resolve_name *name = r->names;

        r->names = name->next;
        free(name);
    }
    free(r);
}

/* If there are too many names, frees the one that is not busy and was asked for longest ago. */
static void evict(struct resolver *r)
{
    struct resolve_name **victim = NULL;
    unsigned n = 0;

    for (struct resolve_name **at = &r->names; *at; at = &(*at)->next, n++)
        if (!(*at)->busy)
            victim = at;
    if (n >= CACHE_NAMES && victim) {
        struct resolve_name *gone = *victim;

        *victim = gone->next;
        free(gone);
    }
}

/* Where the list names host and port: a pointer to NULL if it does not. */
static struct resolve_name **find_name(struct resolver *r, const char *host, uint16_t port)
{
    struct resolve_name **at = &r->names;

    while (*at && ((*at)->lookup.port != port || strcmp((*at)->host, host) != 0))
        at = &(*at)->next;
    return at;
}

/* The name of that host and port, made if it is new, at the front of the list. NULL: no memory. */
static struct resolve_name *name_of(struct resolver *r, const char *host, uint16_t port)
{
    struct resolve_name **at = find_name(r, host, port), *name = *at;
    size_t n = strlen(host) + 1;

    if (name) {
        *at = name->next;
    } else {
        evict(r);
        name = calloc(1, sizeof *name + n);
        if (!name)
            return NULL;
        memcpy(name->host, host, n);
        name->resolver = r;
        name->lookup.host = name->host;
        name->lookup.port = port;
    }
    name->next = r->names;
    r->names = name;
    return name;
}

int resolver_ask(struct resolver *r, struct resolve_query *q, const char *host, uint16_t port,
                 struct lookup_answer *now)
{
    struct resolve_name *name;
    int err = 0;

    q->name = NULL;
    memset(now, 0, sizeof *now);
    if (addr_parse(&now->addrs[0], span_of(host))) {
        now->addrs[0].port = port;
        now->n = 1;
        return 0;
    }
    name = name_of(r, host, port);
    if (!name)
        return -ENOMEM;
    if (name->answer.n > 0 && reactor_now(r->reactor) < name->fresh_until) {
        name_answer(name, now);
        return 0;
    }
    if (!name->busy)
        err = lookup_start(r->lookups, &name->lookup);
    if (err)
        return err;
    name->busy = true;
    q->name = name;
    q->prev = NULL;
    q->next = name->waiting;
    if (q->next)
        q->next->prev = q;
    name->waiting = q;
    return -EAGAIN;
}

void resolver_cancel(struct resolve_query *q)
{
    if (!q->name)
        return;
    *(q->prev ? &q->prev->next : &q->name->waiting) = q->next;
    if (q->next)
        q->next->prev = q->prev;
    q->name = NULL;
}

void resolver_failed(struct resolver *r, const char *host, const struct addr *a)
{
    struct resolve_name *name = *find_name(r, host, a->port);
    unsigned i = name ? find_address(&name->answer, a) : 0;

    if (name && i < name->answer.n)
        name->rests[i] = reactor_now(r->reactor) + REST_MS;
}
