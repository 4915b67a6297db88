/* Names to addresses without blocking the loop: a cache over net/lookup.h, which also remembers
 * whose turn it is among the addresses of a name, and which of them have failed. net/connect.h
 * races them. */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "net/lookup.h"

struct resolver;
struct resolve_name;

/* A question for a name, embedded in its owner. The loop calls fn once. The answer has the
 * addresses in the order in which they are to be tried. */
struct resolve_query {
    struct resolve_query *next, *prev;
    void (*fn)(struct resolve_query *q, const struct lookup_answer *a);
    struct resolve_name *name; /* NULL: nothing is being looked up */
};

/* Makes a resolver. Returns 0 with *out, to be freed with resolver_free, or a negative errno. */
int resolver_make(struct resolver **out, struct reactor *r);

/* Frees r; no query is under way. A look-up that the C library has not finished is abandoned with
 * its memory, so that the caller does not wait for it. NULL is fine. */
void resolver_free(struct resolver *r);

/* Resolves host, a name or a numeric address. The addresses of the answer get port. q->fn is set.
 * Returns 0 with *now filled if the answer is known, -EAGAIN if q->fn will get it, or another
 * negative errno.
 *
 * Addresses that the C library puts first and that RFC 6724 does not tell apart take turns. One
 * that has failed comes after all others for a while. Families alternate (RFC 8305, 4). */
int resolver_ask(struct resolver *r, struct resolve_query *q, const char *host, uint16_t port,
                 struct lookup_answer *now);

/* Ends q: fn is not called. A query that is not under way is fine. */
void resolver_cancel(struct resolve_query *q);

/* Notes that a, an address of an answer for host, has failed. */
void resolver_failed(struct resolver *r, const char *host, const struct addr *a);

#endif
