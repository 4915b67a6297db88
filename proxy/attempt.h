/* One try to have a request answered by an upstream: taking or making a connection, sending through it, letting go of it.
 * Knows no heads and no client; another try, another key or another host would be another attempt.
 * Its owner is proxy/exchange.h; connections live in proxy/pool.h and are made by proxy/dial.h. */
#ifndef PROXY_ATTEMPT_H
#define PROXY_ATTEMPT_H

#include "proxy/dial.h"

/* 1. conn is NULL before the first byte is sent and after the attempt has ended.
 * 2. dial is not NULL exactly while conn is being opened; what is sent meanwhile waits in conn->out.
 * 3. deaf: the upstream takes no more of the request; what it has to say may still be read.
 * 4. reset: a write was told that the connection was reset, and who reads is not told again (Linux): its end is no end of an answer. */
struct attempt {
    struct conn *conn;
    struct dial *dial;
    uint64_t started, connected;        /* reactor time */
    int failure;                        /* why attempt_send or the dial failed: enum failure */
    bool deaf, reset;
    bool sent;                          /* a byte of the request may have reached the upstream */
    char *why;                          /* a sentence about it, or NULL; freed by attempt_end */
    void (*changed)(struct attempt *a); /* the dial has ended: conn is open, or failure is set (>= 0) */
};

/* Makes a ready. changed is called from the loop when a dial has ended. */
void attempt_init(struct attempt *a, void (*changed)(struct attempt *a));

/* Sends bytes of the request, taking an idle connection of the pool or dialling a new one if there is none yet. What the
 * upstream does not take at once is queued (attempt_backlog). An idle connection that turns out to be dead before it took a byte is replaced. iov
 * may be changed. Returns 0, or -1 with a->failure and a->why set. */
int attempt_send(struct attempt *a, struct pool *pool, struct resolver *resolver, struct settings *s, struct iovec *iov, int n);

/* Sends what is queued, now that the upstream takes more. */
void attempt_flush(struct attempt *a);

/* How many bytes of the request wait to be sent; while there are any, no more should be read. */
size_t attempt_backlog(const struct attempt *a);

/* Lets go of the connection: back into the pool if it may be used again, else closed. Fine at any time. */
void attempt_end(struct attempt *a, bool reusable);

#endif
