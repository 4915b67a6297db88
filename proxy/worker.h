/* Everything that one process's loop owns, in one place and handed down by pointer: nothing is global.
 * Knows nothing of how a request is handled; it starts and ends the parts.
 * A connection's way begins in proxy/client.h; main.c builds workers. */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "http/body.h"
#include "http/emit.h"
#include "net/listen.h"
#include "net/outq.h"
#include "net/resolve.h"
#include "proxy/log.h"
#include "proxy/pool.h"
#include "proxy/settings.h"

/* What one read brings goes on, with framing around it, as one segment of a loopback interface: they hold 65,483 bytes. */
#define WORKER_READ_SIZE (60 * 1024)
#define WORKER_TEXT_SIZE (80 * 1024)    /* the longest head that may come in, and what is added to it */

struct client;
struct door;
struct rewrite;

/* What a worker has done since it started. The page that holds them may be shared with a parent, which only reads. */
struct counters {
    uint64_t connections, requests, dials;
};

/* 1. in, out, text, head and frame are scratch: what they hold is valid within one callback only, and only the callback's own function
 *    reads into in.
 * 2. clients lists every client there is, so that they can be ended. */
struct worker {
    struct reactor *reactor;
    struct resolver *resolver;
    struct settings *settings;          /* what new requests get */
    struct log *log;
    struct pool pool;
    struct blocks blocks;
    struct client *clients;
    unsigned n_clients, n_unwelcome;
    struct door *doors;                 /* one a listening socket */
    bool of_many;                       /* other workers listen on the same addresses */
    bool opens_local;                   /* local sockets are this worker's to open */
    bool inherits;                      /* a door has a socket that was inherited */
    struct counters *counters;
    struct rewrite *spare_rewrites;
    unsigned n_spare_rewrites;
    bool draining;
    struct timer drain_timer;
    struct timer_kind drain_kind;
    uint64_t date_second;               /* what date holds */
    char date[32];
    struct http_head head;
    struct http_frame frame;
    char in[WORKER_READ_SIZE];
    char out[WORKER_READ_SIZE];         /* what the renamer writes */
    char text[WORKER_TEXT_SIZE];
};

/* Makes a worker without doors (proxy/door.h opens them). s is the worker's from now on (also when this fails), log and counters stay the caller's.
 * Returns 0 with *out or a negative errno. */
int worker_make(struct worker **out, struct settings *s, struct log *log, struct counters *counters);

/* Gives new requests the settings s, which are the worker's from now on. Exchanges under way keep theirs. */
void worker_use(struct worker *w, struct settings *s);

/* Stops accepting, lets open exchanges finish for up to drain_timeout, then stops the loop. The second call stops it at once. */
void worker_drain(struct worker *w);

/* Told by proxy/client.h when a client is gone: the last one ends a drain. */
void worker_client_gone(struct worker *w);

/* Ends every client and frees the worker, its settings with it. NULL is fine. */
void worker_free(struct worker *w);

/* The value of a Date field (RFC 9110, 5.6.7), made once a second. */
struct span worker_date(struct worker *w);

#endif
