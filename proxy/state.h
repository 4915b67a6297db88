/* What one client's connection and the exchange on it consist of: data, and the few verdicts that
 * more than one file passes. A request goes up, a response comes down, and each direction has a
 * state of its own. Read client.c, exchange.c, request.c and response.c, in this order. */
#ifndef PROXY_STATE_H
#define PROXY_STATE_H

#include "http/body.h"
#include "net/inbuf.h"
#include "proxy/failure.h"
#include "proxy/random.h"
#include "proxy/route.h"
#include "proxy/worker_state.h"
#include "sse/judge.h"
#include "upstream/attempt.h"

/* Written in request.c alone. */
enum request_state {
    REQUEST_BODY,    /* the body is being received and sent on */
    REQUEST_DISCARD, /* there is a response already, the rest of the body is thrown away */
    REQUEST_DONE,    /* all of it was received */
};

/* Written in response.c alone. */
enum response_state {
    RESPONSE_WAIT, /* no final head yet */
    RESPONSE_BODY, /* the head is out, the body on its way */
    RESPONSE_DONE, /* the last byte was handed to the client's side */
};

enum ending {
    END_COMPLETE,
    END_CLIENT_GONE,
    END_UPSTREAM_LOST,
    END_TIMEOUT,
};

/* How a connection goes on after an exchange. */
enum close_how {
    CLOSE_NOT,          /* the next request may come */
    CLOSE_AT_ONCE,      /* nothing can be lost by it */
    CLOSE_ACKNOWLEDGED, /* once the client has acknowledged all that was sent */
    CLOSE_LINGERING,    /* the client may be sending: its direction is read to the end first */
    CLOSE_BY_RESET,     /* a body that ends with the connection was cut: nothing else tells so */
};

/* What the access line keeps of text that peers chose. */
#define LOGGED_ID_MAX REQUEST_ID_LEN
#define LOGGED_METHOD_MAX 8
#define LOGGED_PATH_MAX 48
#define LOGGED_MODEL_MAX 64

struct bodylog;
struct replay;
struct rewrite;
struct tokens;

/* 1. settings is held from the beginning to the end.
 * 2. close: the connection ends with this exchange; the client is told so where the head was not
 *    out yet. It is set by exchange_must_close.
 * 3. cut: the response broke off, or its end could not be sent; the connection ends without the
 *    body's terminator.
 * 4. The ending in kind is set by exchange_ends_as, fault by exchange_fault. */
struct exchange {
    enum request_state request : 8;
    enum response_state response : 8;
    enum http_framing send_framing : 8;     /* of the body towards the upstream */
    enum http_framing response_framing : 8; /* of the body towards the client */
    enum failure fault : 8;                 /* FAIL_NONE: there is none */
    bool close : 1, cut : 1;
    bool head_only : 1;       /* HEAD: responses have no body */
    bool watched : 1;         /* the response is an event stream that can be read */
    bool evented : 1;         /* an event of it has come */
    bool minor0 : 1;          /* the client speaks HTTP/1.0 */
    bool last : 1;            /* it sends nothing after this request */
    bool awaits_continue : 1; /* it wants to see 100 before it sends its body */
    bool unknown_key : 1;     /* the client's key is not in the table, and was let in */
    bool by_model : 1;        /* the model in the body chooses the upstream */
    bool choosing : 1;        /* it is still looked for */
    bool hides_usage : 1;     /* the client did not ask for the usage that we have asked for */
    bool counted : 1;         /* by the limits of its client */
    bool checked : 1;         /* the body was read: it is valid, and names one model at the most */
    uint8_t interims;         /* 1xx responses so far */
    uint8_t tries;            /* of the plan, this one included */
    uint8_t key_index;        /* of the key taken, where there are several */
    uint16_t chosen;          /* the target that was chosen */
    uint16_t position;        /* of the try under way, in the order of chosen */
    uint8_t failure;          /* why the proxy itself has failed it: an enum failure */
    uint8_t sent_n;   /* while id_n is 0, id has the first bytes of the key that the client sent */
    struct addr from; /* the sender of the request, as far as trusted proxies tell */
    struct tally_kind kind; /* place: 0; status: of the response, 0: none yet */
    struct settings *settings;
    const struct conf_key *key;     /* the client's entry in the table; NULL: it has none */
    const char *cors;               /* see cors_origin */
    struct http_body body;          /* the request's, as it comes in */
    struct http_body response_body; /* as it comes in */
    struct replay *replay;          /* what is kept of the request; NULL: nothing */
    struct rewrite *rewrite;        /* rewrites the request's body; NULL: it is not looked at */
    struct bodylog *bodylog;        /* NULL: no body is logged */
    struct tokens *tokens;          /* NULL: nobody counts those of the response */
    struct attempt attempt;
    struct sse_judge judge;

    /* for the access line */
    uint64_t started; /* reactor time */
    uint64_t bytes_in, bytes_out, body_bytes;
    uint32_t first; /* milliseconds to the response's first byte, and 1; 0: none has come */
    uint8_t id_n, client_id_n, method_n, path_n;
    char id[LOGGED_ID_MAX], client_id[LOGGED_ID_MAX];
    char method[LOGGED_METHOD_MAX], path[LOGGED_PATH_MAX];
    char *model; /* NULL: none is known */
};

/* Written in client.c alone. */
enum client_phase {
    CLIENT_PROXY_HEADER, /* a PROXY header is coming in */
    CLIENT_HANDSHAKE,    /* of TLS */
    CLIENT_HEAD,         /* between requests, or a head is coming in */
    CLIENT_EXCHANGE,
    CLIENT_LINGER, /* our side is shut; theirs is read, or what we sent waits to be acknowledged */
    CLIENT_GONE,
};

/* A client's connection.
 * 1. x is under way exactly while phase is CLIENT_EXCHANGE.
 * 2. While out holds bytes, neither the client's next request nor the upstream's response is read.
 * 3. broken: the connection cannot be used any more, be it by its end, an error, a time-out or for
 *    want of memory. It ends at the end of the callback.
 * 4. It stands in the worker's list until phase is CLIENT_GONE, and is retired then.
 * 5. top is the stream to use; tcp is the bottom of the stack, whose readiness drives what stands
 *    above it. */
struct client {
    struct tcp tcp;
    struct stream *top;
    struct timer timer;
    struct worker *worker;
    union {
        struct {
            struct client *next, *prev;
        };
        struct retired retired;
    };
    struct inbuf in;
    struct outq out;
    union {
        uint64_t linger_until; /* in CLIENT_LINGER */
        struct {
            uint32_t head_seen;     /* how much of in the head parser has seen */
            uint32_t unacked_since; /* for tcp_is_lost */
        };
    };
    struct addr peer;
    enum client_phase phase : 8;
    enum close_how how : 8; /* set when an exchange has ended */
    bool broken;
    bool tls : 1;    /* it is to speak TLS */
    bool full : 1;   /* it is one too many, and will be told so */
    bool shut : 1;   /* our side has ended */
    bool served : 1; /* a request has had its response before */
    bool admin : 1;  /* it came in by an address of [server] listen that is admin */
    bool denied : 1; /* its address may not come in; it is served as cheaply as can be */
    struct exchange x;
};

/* How the exchange ended, as far as it is known. */
static inline enum ending exchange_ending(const struct exchange *x)
{
    return (enum ending)TALLY_ENDING(x->kind.what);
}

/* How an exchange ends that fails by f. */
enum ending exchange_ending_of(enum failure f);

/* Notes how the exchange ended. The first verdict other than END_COMPLETE stands. */
void exchange_ends_as(struct exchange *x, enum ending ending);

/* The connection is not used after this exchange. */
static inline void exchange_must_close(struct exchange *x)
{
    x->close = true;
}

/* Notes why the exchange cannot go on, for exchange.c, which is about to fail it: f, and a sentence
 * for the client and the log (copied). The first fault stands. Returns -1, always. */
int exchange_fault(struct client *c, enum failure f, const char *why);

/* Notes that the request's body is no JSON: why, at that offset. Returns -1, always. */
int exchange_json_fault(struct client *c, const char *why, uint64_t offset);

/* True if nothing stands between the client and its socket. */
static inline bool client_is_plain(const struct client *c)
{
    return c->top == &c->tcp.stream;
}

/* Queues bytes for the client; a failure sets c->broken. iov may be changed. */
void client_send(struct client *c, struct iovec *iov, int n);

/* True while the client is owed bytes of the response. */
static inline bool client_is_owed(const struct client *c)
{
    return c->x.response != RESPONSE_DONE || c->out.bytes > 0;
}

#endif
