/* One client's connection, and the exchange that is under way on it: a request going up, an answer coming down.
 * The two directions have a state each and never look into the other's; proxy/exchange.c begins and ends them, and one function there decides
 * what each socket waits for. Read proxy/client.c, request.c, answer.c, exchange.c, in this order. */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "net/inbuf.h"
#include "net/tcp.h"
#include "proxy/attempt.h"
#include "proxy/random.h"
#include "proxy/route.h"
#include "proxy/worker.h"
#include "sse/watch.h"

enum request_state {
    REQUEST_BODY,               /* the body is being received and sent on */
    REQUEST_DISCARD,            /* it is answered already, what is left of its body is read and thrown away */
    REQUEST_DONE,               /* all of it was received */
};

enum answer_state {
    ANSWER_WAIT,                /* no final head yet */
    ANSWER_BODY,                /* the head is out, the body on its way */
    ANSWER_DONE,                /* the last byte was handed to the client's side */
};

enum ending {
    END_COMPLETE,
    END_CLIENT_GONE,
    END_UPSTREAM_LOST,
    END_TIMEOUT,
};

/* What the access line keeps of text that peers chose. */
#define LOGGED_ID_MAX 40
#define LOGGED_METHOD_MAX 8
#define LOGGED_PATH_MAX 48

/* 1. settings is held from the beginning to the end.
 * 2. close: the connection ends with this exchange; the client is told so where the head was not out yet.
 * 3. cut: the answer broke off; the connection ends without the body's terminator. */
struct bodylog;
struct rewrite;

struct exchange {
    enum request_state request;
    enum answer_state answer;
    enum http_framing send_framing;     /* of the body towards the upstream */
    enum http_framing answer_framing;   /* of the body towards the client */
    enum ending ending;
    bool close, cut;
    bool head_only;                     /* HEAD: answers have no body */
    bool watched;                       /* the answer is an event stream that can be read */
    bool minor0;                        /* the client speaks HTTP/1.0 */
    bool last;                          /* it sends nothing after this request */
    bool awaits_continue;               /* it wants to see 100 before it sends its body */
    struct addr from;                   /* who sent the request, as far as trusted proxies tell */
    struct settings *settings;
    const struct conf_key *key;         /* whose key it was; NULL: nobody's */
    const char *cors;                   /* see cors_origin */
    struct http_body body;              /* the request's, as it comes in */
    struct http_body answer_body;       /* the answer's, as it comes in */
    struct rewrite *rewrite;            /* the request's body is being rewritten; NULL: it is not looked at */
    struct bodylog *bodylog;            /* NULL: no body is logged */
    struct attempt attempt;
    struct sse_watch watch;

    /* for the access line */
    int status;
    uint64_t started, first;            /* reactor time */
    uint64_t bytes_in, bytes_out, body_bytes;
    uint8_t id_n, client_id_n, method_n, path_n;
    char id[LOGGED_ID_MAX], client_id[LOGGED_ID_MAX], method[LOGGED_METHOD_MAX], path[LOGGED_PATH_MAX];
};

enum client_phase {
    CLIENT_PREFACE,             /* a PROXY header is coming in */
    CLIENT_HEAD,                /* between requests, or a head is coming in */
    CLIENT_EXCHANGE,
    CLIENT_CLOSING,             /* the last bytes are on their way out */
    CLIENT_LINGER,              /* our side is shut; theirs is read until it ends, so that our last words are not lost to a reset */
    CLIENT_GONE,
};

/* A client's connection.
 * 1. x is under way exactly while phase is CLIENT_EXCHANGE.
 * 2. While out holds bytes, neither the client's next request nor the upstream's answer is read.
 * 3. broken: a write failed; the connection ends at the end of the callback. */
struct client {
    struct tcp tcp;
    struct timer timer;
    struct worker *worker;
    struct client *next, *prev;
    struct inbuf in;
    struct outq out;
    uint64_t linger_until;
    uint32_t head_seen;                 /* how much of in the head parser has seen */
    struct addr peer;
    enum client_phase phase;
    bool broken;
    bool served;                        /* a request has been answered before */
    bool unwelcome;                     /* its address may not come in; it is served as cheaply as can be */
    struct exchange x;
    struct retired retired;
};

/* exchange.c */

/* Begins an exchange with the head in c->worker->head, which was head_n bytes long; rest is what came in after it. Returns how much of rest was used. */
size_t exchange_begin(struct client *c, size_t head_n, struct span rest);

/* Begins an exchange that has no head to be understood, and answers it with a failure; the connection ends with it. h is what there is of a head, or NULL. */
void exchange_refuse(struct client *c, const struct http_head *h, enum failure f, const char *why);

/* The exchange cannot go on: the client gets an error of the contract's shape, or sees that its answer was cut. why goes to the client and the log. */
void exchange_fail(struct client *c, enum failure f, const char *why);

/* Ends the exchange as x.ending says: writes the access line and lets go of everything. The caller sets the next phase. */
void exchange_end(struct client *c);

/* Decides what the sockets and timers of c wait for. Called at the end of every callback. progress: bytes moved on that side. */
void exchange_steer(struct client *c, bool client_progress, bool upstream_progress);

/* request.c */

/* Checks the key and sends the request on its way. Returns how much of rest was used. */
size_t request_begin(struct client *c, struct span rest);

/* Takes bytes of the body. Returns how many bytes were used; fewer than given when the upstream has to be waited for, or when the body ends. */
size_t request_feed(struct client *c, struct span in);

/* How much of the body may go on unseen, from socket to socket; 0: it has to be read. */
size_t request_unseen(const struct client *c);

/* Passes on up to max bytes, as request_unseen allows them, without reading them. Returns the count, 0 at the client's end, -EAGAIN, -ENOSYS (they have to be read after
 * all) or another negative errno. */
ssize_t request_pass_unseen(struct client *c, size_t max);

/* Decodes the next piece of the body and counts it. Returns how much of in it took, or -1 after the exchange was failed. */
ssize_t request_next_piece(struct client *c, struct span in, struct http_piece *piece);

/* Makes the rest of the body something to throw away, if it is short; else the connection is to end. */
void request_abandon(struct client *c);

/* answer.c */

/* Reads what the upstream has to say and passes it on. Returns true if bytes came. */
bool answer_read(struct client *c);

/* The answer breaks off after its head is out: an event stream says so in its own words, anything else ends without its end. */
void answer_cut(struct client *c, enum failure f, const char *why);

/* client.c */

/* Queues bytes for the client; a failure sets c->broken. */
void client_send(struct client *c, struct iovec *iov, int n);

/* True if between requests something has come that is more than empty lines (RFC 9112, 2.2). */
bool client_head_begun(const struct client *c);

/* Called when the dial of the exchange's attempt has ended. */
void client_attempt_changed(struct attempt *a);

/* The end of every callback: goes on with what can go on, ends what is to be ended, and calls exchange_steer. */
void client_settle(struct client *c, bool client_progress, bool upstream_progress);

#endif
