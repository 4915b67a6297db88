/* The check of a client's key, and the key that its request takes to the upstream. The table of
 * keys is proxy/keys.h. */
#ifndef PROXY_AUTHORIZATION_H
#define PROXY_AUTHORIZATION_H

#include "http/head.h"
#include "proxy/settings.h"

/* The outcome for one request. */
struct authorization {
    const struct conf_key *key; /* the client's entry in the table; NULL: it has none */
    struct span token; /* the client's own key, or the one for the upstream; may be empty */
    bool as_sent;      /* the token is that of an Authorization field, which may go on */
    bool expired;      /* the request is refused because the entry's last day is over */
};

/* The key that h carries, or an empty span if there is none, or more than one. */
struct span authorization_sent(const struct http_head *h);

/* Looks at the key that h carries, in Authorization, api-key or x-api-key. Returns NULL, or one
 * sentence that says why the request is refused. a->token lives as long as s and h. */
const char *authorize(struct authorization *a, const struct settings *s, const struct http_head *h);

#endif
