/* Reading X-Forwarded-For from the right, and looking addresses up.
 * Knows nothing of keys.
 * The interface is proxy/admission.h. */
#include "proxy/admission.h"
#include "base/least.h"

#define FILES_BESIDE 64 /* for listeners, the log, pipes, the resolver and libraries */
#define REFUSED_MAX 128

#define HOPS_MAX 32 /* trusted proxies in a row */

static uint64_t upstream_connections(const struct conf *c)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < c->n_upstreams; i++)
        sum += c->upstreams[i].connection_limit;
    return sum;
}

uint64_t admission_files(const struct conf *c)
{
    return FILES_BESIDE + REFUSED_MAX + (uint64_t)c->server.max_connections +
        smaller(upstream_connections(c), c->server.max_connections);
}

struct client_limits admission_limits(const struct conf *c, uint64_t files)
{
    uint64_t refused = smaller(REFUSED_MAX, files / 16), upstream = upstream_connections(c);
    uint64_t left = files - refused - smaller(FILES_BESIDE, files / 2);
    uint64_t served = left / 2 > upstream ? left - upstream : left / 2;

    served = smaller(served, c->server.max_connections);
    return (struct client_limits){ served > 0 ? (unsigned)served : 1, (unsigned)refused };
}

bool admission_allows(const struct settings *s, const struct addr *a)
{
    return !addrset_has(s->blacklist, a) && (!s->whitelist || addrset_has(s->whitelist, a));
}

bool admission_trusts(const struct settings *s, const struct addr *a)
{
    return addrset_has(s->trusted, a);
}

/* An element as proxies write it: an address, perhaps with a port, an IPv6 one in brackets then. */
static bool parse_element(struct addr *a, struct span e)
{
    const char *colon = memchr(e.p, ':', e.n), *bracket = memchr(e.p, ']', e.n);

    if (e.n > 2 && e.p[0] == '[' && bracket)
        e = (struct span){ e.p + 1, (size_t)(bracket - e.p) - 1 };
    else if (colon && !memchr(colon + 1, ':', (size_t)(e.p + e.n - colon) - 1))
        e.n = (size_t)(colon - e.p);
    return addr_parse(a, e);
}

/* The elements of all fields of the name are one list (RFC 9110, 5.3), of which the last HOPS_MAX
 * are kept. Returns how many there were. */
static unsigned take_hops(const struct http_head *h, struct span hops[HOPS_MAX])
{
    unsigned n = 0;

    for (unsigned i = 0; i < h->n_fields; i++) {
        struct span rest = h->fields[i].value, item;

        if (h->fields[i].id != HTTP_X_FORWARDED_FOR)
            continue;
        while (http_list_next(&rest, &item))
            hops[n++ % HOPS_MAX] = item;
    }
    return n;
}

struct addr admission_client(const struct settings *s, const struct addr *peer,
                             const struct http_head *h)
{
    struct span hops[HOPS_MAX];
    struct addr client = *peer, next;
    unsigned n = h && admission_trusts(s, peer) ? take_hops(h, hops) : 0;

    for (unsigned left = n < HOPS_MAX ? n : HOPS_MAX; left > 0 && admission_trusts(s, &client);
         left--) {
        if (!parse_element(&next, hops[--n % HOPS_MAX]))
            break;
        client = next;
    }
    return client;
}
