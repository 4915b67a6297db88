/* Which proxy the environment asks for: https_proxy, http_proxy, all_proxy and no_proxy, read as curl reads them.
 * Knows names and addresses as text; nothing is looked up. The URL itself is taken apart in cfg/url.c. */
#include "cfg/url.h"

#include <arpa/inet.h>
#include <stdlib.h>

static const char *variable_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? name : NULL;
}

/* True if the first bits bits of a and b are the same. */
static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8, left = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return left == 0 || ((a[whole] ^ b[whole]) >> (8 - left)) == 0;
}

/* An entry against an address: the same one, or a block ADDRESS/BITS that holds it. As in curl, /0 is no block. */
static bool address_matches(struct span entry, const char *host)
{
    char text[64];
    unsigned char net[16], address[16];
    int family = strchr(host, ':') ? AF_INET6 : AF_INET;
    unsigned all = family == AF_INET6 ? 128 : 32, bits = 0;
    if (entry.n >= sizeof(text))
        return false;
    memcpy(text, entry.p, entry.n);
    text[entry.n] = '\0';
    char *slash = strchr(text, '/');
    if (slash) {
        *slash = '\0';
        for (char *d = slash + 1; *d; d++) {
            if (*d < '0' || *d > '9' || bits > all)
                return false;
            bits = bits * 10 + (unsigned)(*d - '0');
        }
    }
    if (bits > all || inet_pton(family, text, net) != 1 || inet_pton(family, host, address) != 1)
        return false;
    return same_bits(net, address, bits ? bits : all);
}

/* An entry against a name: the same name, or a domain it lies in, with or without a dot in front. */
static bool name_matches(struct span entry, struct span host)
{
    if (entry.n && entry.p[entry.n - 1] == '.')
        entry.n--;
    if (entry.n && entry.p[0] == '.')
        entry = span_skip(entry, 1);
    if (entry.n == 0 || entry.n > host.n)
        return false;
    struct span tail = span_skip(host, host.n - entry.n);
    return span_eq_nocase(entry, tail) && (tail.p == host.p || tail.p[-1] == '.');
}

bool conf_no_proxy(const char *no_proxy, const char *host)
{
    unsigned char address[16];
    struct span name = span_of(host);
    if (!no_proxy || name.n == 0)
        return false;
    if (strcmp(no_proxy, "*") == 0)
        return true;
    bool is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    if (!is_address && name.p[name.n - 1] == '.')
        name.n--;
    while (*no_proxy) {
        struct span entry = { no_proxy, strcspn(no_proxy, ", \t") };
        if (entry.n && (is_address ? address_matches(entry, host) : name_matches(entry, name)))
            return true;
        no_proxy += entry.n;
        no_proxy += strspn(no_proxy, ", \t");
    }
    return false;
}

const char *conf_proxy_variable(const struct conf_url *base)
{
    const char *covered = variable_set("no_proxy") ? getenv("no_proxy") : getenv("NO_PROXY");
    if (conf_no_proxy(covered, base->host))
        return NULL;
    /* HTTP_PROXY in capitals is not read, as in curl: in a CGI environment it is the client's header "Proxy:" (httpoxy). */
    static const char *const https[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL };
    static const char *const http[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
    const char *found = NULL;
    for (const char *const *name = conf_url_is(base, "https") ? https : http; *name && !found; name++)
        found = variable_set(*name);
    return found;
}
