/* Who a request comes from, and whether he may come in.
 * Knows addresses and who is trusted to name them; keys are proxy/keys.h. The lists come from
 * [access] by way of proxy/settings.h. */
#ifndef PROXY_ADMISSION_H
#define PROXY_ADMISSION_H

#include "http/head.h"
#include "proxy/settings.h"

/* How many clients a worker takes. */
struct client_limits {
    unsigned served;  /* at once */
    unsigned refused; /* beyond those, that are told so */
};

/* The limits of c where so many descriptors may be open: max_connections, or as many as leave each
 * client served a descriptor for its upstream, so that clients cannot take away those of others. */
struct client_limits admission_limits(const struct conf *c, uint64_t files);

/* The number of descriptors that max_connections needs. */
uint64_t admission_files(const struct conf *c);

/* The address of the client behind a request that peer has sent: peer's own, or, as long as the
 * address found so far is one of trusted_proxies, the one that X-Forwarded-For has to the left of
 * those used. What no address can be read from ends the search. h may be NULL: peer's own. */
struct addr admission_client(const struct settings *s, const struct addr *peer,
                             const struct http_head *h);

/* True if a may come in: it is not in ip_blacklist, and in ip_whitelist if there is one. */
bool admission_allows(const struct settings *s, const struct addr *a);

/* True if a may name others. */
bool admission_trusts(const struct settings *s, const struct addr *a);

#endif
