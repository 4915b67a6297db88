/* What a worker's memory comes to at most with a configuration, when all peers do their worst at
 * once. It sums up the limits that the code obeys, and measures nothing. -T prints it. */
#ifndef PROXY_CEILING_H
#define PROXY_CEILING_H

#include "cfg/conf.h"

/* Bytes, unless a name says otherwise. */
struct ceiling {
    uint64_t n_clients, client;    /* how many there may be, and what each may take */
    uint64_t n_upstream, upstream; /* the same of connections to upstreams */
    uint64_t n_warm, warm;         /* of those that wait for the next request */
    uint64_t held, log;            /* bodies that are held back; lines of the log */
    uint64_t settings;             /* of one generation */
    uint64_t program;              /* what does not depend on the configuration */
    uint64_t total;
};

/* Computes the ceiling for c. files reads the trusted certificates, whose memory counts. */
void ceiling_of(struct ceiling *out, const struct conf *c, struct files *files);

/* Writes it as comments, so that they may stand in a proxy.ini. */
void ceiling_print(const struct ceiling *m, FILE *to);

#endif
