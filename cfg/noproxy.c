/* Which proxy the environment asks for: https_proxy, http_proxy, all_proxy and no_proxy, read as
 * curl reads them. */
#include "base/addrset.h"
#include "cfg/url.h"

#include <stdlib.h>

static const char *variable_set(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? name : NULL;
}

/* An entry against an address: the same one, or a block ADDRESS/BITS that holds it. As in curl, /0
 * is the address alone. */
static bool address_matches(struct span entry, const struct addr *host)
{
    size_t slash = span_find(entry, '/');

    if (span_eq(span_skip(entry, slash), SPAN("/0")))
        entry.n = slash;
    return addr_block_has(entry, host);
}

/* An entry against a name: the same name, or a domain it lies in, with or without a dot in front.
 */
static bool name_matches(struct span entry, struct span host)
{
    struct span tail;

    if (entry.n > 0 && entry.p[entry.n - 1] == '.')
        entry.n--;
    if (span_starts(entry, SPAN(".")))
        entry = span_skip(entry, 1);
    if (entry.n == 0 || entry.n > host.n)
        return false;
    tail = span_skip(host, host.n - entry.n);
    return span_eq_nocase(entry, tail) && (tail.p == host.p || tail.p[-1] == '.');
}

bool conf_no_proxy(const char *no_proxy, const char *host)
{
    struct span name = span_of(host);
    struct addr a;
    bool is_address;

    if (!no_proxy || name.n == 0)
        return false;
    if (strcmp(no_proxy, "*") == 0)
        return true;
    is_address = addr_parse(&a, name);
    if (!is_address && name.p[name.n - 1] == '.')
        name.n--;
    while (*no_proxy) {
        struct span entry = { no_proxy, strcspn(no_proxy, ", \t") };

        if (entry.n > 0 && (is_address ? address_matches(entry, &a) : name_matches(entry, name)))
            return true;
        no_proxy += entry.n;
        no_proxy += strspn(no_proxy, ", \t");
    }
    return false;
}

const char *conf_proxy_variable(const struct conf_url *base)
{
    /* HTTP_PROXY in capitals is not read, as in curl: in a CGI environment it is the client's
     * header "Proxy:" (httpoxy). */
    static const char *const https[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                         NULL };
    static const char *const http[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
    const char *covered = variable_set("no_proxy") ? getenv("no_proxy") : getenv("NO_PROXY");
    const char *const *names = conf_url_is(base, "https") ? https : http;

    if (conf_no_proxy(covered, base->host))
        return NULL;
    while (*names && !variable_set(*names))
        names++;
    return *names;
}
