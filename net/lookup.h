/* Look-ups of names by the C library, so that hosts files and nsswitch work, in a few helper
 * threads: one that hangs does not delay the next. Nothing is cached here; net/resolve.h does
 * that. */
#ifndef NET_LOOKUP_H
#define NET_LOOKUP_H

#include "base/addr.h"
#include "net/reactor.h"

#define LOOKUP_ADDRS_MAX 16

/* The addresses of one name. */
struct lookup_answer {
    struct addr addrs[LOOKUP_ADDRS_MAX];
    unsigned n;
    int error; /* an EAI_* of getaddrinfo; 0 if n > 0 */
};

/* One look-up, embedded in its owner. From lookup_start until done it belongs to a thread. */
struct lookup {
    struct lookup *next;
    const char *host; /* a name or a numeric address */
    uint16_t port;    /* for the addresses of the answer */
    struct lookup_answer answer;
};

struct lookups;

/* Makes the look-ups of a loop. The first one starts a thread.
 *   done   called by the loop for each look-up that has its answer, in the order of the C library
 *          (RFC 6724)
 * Returns 0 with *out, to be freed with lookups_free, or a negative errno. */
int lookups_make(struct lookups **out, struct reactor *r, void (*done)(struct lookup *l));

/* Ends the threads and frees ls, without calling done. False if the C library has not finished a
 * look-up, which may take many seconds: then ls, and all look-ups under way, must be left alone for
 * ever. */
bool lookups_free(struct lookups *ls);

/* Starts l, whose host and port are set. Returns 0 or -ENOMEM. */
int lookup_start(struct lookups *ls, struct lookup *l);

#endif
