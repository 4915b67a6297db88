/* One try to have a request answered by an upstream: it takes or makes a connection, sends through
 * it, tells when there is something to read, and lets go. It knows no heads and no client. Another
 * try, another key or another host is another attempt. */
#ifndef UPSTREAM_ATTEMPT_H
#define UPSTREAM_ATTEMPT_H

#include "upstream/dial.h"
#include "upstream/upstream.h"

struct attempt;

/* What an attempt tells its owner, from the loop only. Each call may end the attempt. */
struct attempt_ops {
    /* The upstream may have something to say, or its connection has ended. sent: the connection
     * was opened, or bytes of the queue went out. */
    void (*ready)(struct attempt *a, bool sent);
    /* The connection could not be made: fault and attempt_why tell. */
    void (*failed)(struct attempt *a);
    /* The time-out of attempt_want is over, or a write has failed (write_error), and the upstream
     * has had time for its last words. */
    void (*expired)(struct attempt *a);
};

/* 1. conn is NULL before the first byte is sent and after the attempt has ended.
 * 2. dial is not NULL exactly while conn is being opened; what is sent meanwhile waits in
 *    conn->out.
 * 3. write_closed: no more of the request is sent; the response may still be read.
 * 4. write_error: why a write failed, as a negative errno, or 0. -ECONNRESET was told to the write,
 *    and a read is not told again (Linux): the end that a read finds is no end of a response.
 * 5. sent: a byte of the request may have reached the upstream. */
struct attempt {
    struct upstream *upstream; /* the owner's settings hold it */
    struct conn *conn;
    struct dial *dial;
    uint64_t started, connected; /* reactor time */
    enum dial_fault fault;       /* why attempt_send or the dial failed */
    bool write_closed, sent;
    int write_error;
    uint32_t unacked_since; /* for attempt_is_lost */
    char *why;              /* see attempt_why; freed by attempt_end */
    const struct attempt_ops *ops;
};

/* Makes a ready to ask u, which outlives it; NULL: it is set before something is sent. ops is
 * static. */
void attempt_init(struct attempt *a, struct upstream *u, const struct attempt_ops *ops);

/* Sends bytes of the request over an idle connection of the pool, or dials a new one if there is
 * none yet. What the upstream does not take at once is queued (attempt_backlog). An idle connection
 * that turns out to be dead before it took a byte is replaced. iov may be changed. Returns 0, or
 * -1 with a->fault set. */
int attempt_send(struct attempt *a, struct iovec *iov, int n);

/* A sentence about a->fault, which stays valid until the attempt is dropped. */
const char *attempt_why(const struct attempt *a);

/* Sends what is queued. */
void attempt_flush(struct attempt *a);

/* How many bytes of the request wait to be sent; while there are any, no more are read. */
static inline size_t attempt_backlog(const struct attempt *a)
{
    return a->conn ? a->conn->out.bytes : 0;
}

/* The open connection's socket, if nothing stands on it, for bytes that nobody needs to see; else
 * NULL. */
struct tcp *attempt_socket(const struct attempt *a);

/* True if the upstream has vanished: bytes of the request have been unacknowledged for its
 * time-out. To be called as upstream->check says; see tcp_is_lost. */
bool attempt_is_lost(struct attempt *a);

/* Sets what the owner waits for: READY_READ or 0, and the time-out, NULL for none. It begins again
 * where progress is true or the kind is another one. After a failed write it is half a second
 * instead. Nothing happens while the connection is made, which has a time-out of its own. */
void attempt_want(struct attempt *a, unsigned mask, struct timer_kind *kind, bool progress);

/* Moves from, a connection with a response that is not wanted yet, to the empty attempt to, where
 * it neither sends nor waits for anything. Its connection is not used again. */
void attempt_set_aside(struct attempt *to, struct attempt *from);

/* Moves an attempt that was set aside to the ended attempt to, where its response can be read. */
void attempt_take_back(struct attempt *to, struct attempt *from);

/* Lets go of the connection: back into the pool if it can be used again, which it cannot while
 * bytes are queued. The response was complete. Fine at any time. */
void attempt_release(struct attempt *a);

/* Closes the connection. Fine at any time. */
void attempt_drop(struct attempt *a);

#endif
