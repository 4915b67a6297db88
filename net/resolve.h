/* Names to addresses, without ever blocking the loop: one helper thread asks the C library (so hosts files and nsswitch work), answers are cached.
 * Knows nothing of ports in use or of who connects.
 * The addresses are raced by net/connect.h. */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "net/addr.h"
#include "net/reactor.h"

#define RESOLVE_ADDRS_MAX 16

struct resolver;

/* The addresses of one name, IPv6 and IPv4 in turn as RFC 8305, 4 wants them. */
struct resolve_answer {
    struct addr addrs[RESOLVE_ADDRS_MAX];
    unsigned n;
    int error;                          /* an EAI_* of getaddrinfo; 0 if n > 0 */
};

/* A question under way, embedded in its owner. fn is called once, from the loop. */
struct resolve_query {
    struct resolve_query *next, *prev;
    void (*fn)(struct resolve_query *q, const struct resolve_answer *a);
    struct resolve_name *name;          /* NULL: not under way */
};

/* Makes a resolver; its thread starts with the first name that is not an address. Returns 0 with *out or a negative errno. */
int resolver_make(struct resolver **out, struct reactor *r);

/* Ends the resolver. A look-up that the C library is still busy with is left behind, with its memory. NULL is fine. */
void resolver_free(struct resolver *r);

/* Asks for a name or a numeric address; port goes into the answer. Returns 0 with *now filled if the answer is known, -EAGAIN if
 * q->fn will be called with it, or another negative errno. */
int resolver_ask(struct resolver *r, struct resolve_query *q, const char *host, uint16_t port, struct resolve_answer *now);

/* Takes back a question; one that is not under way is fine. */
void resolver_cancel(struct resolve_query *q);

#endif
