/* What one process's loop owns, in one place and handed down by pointer: data alone. proxy/worker.h
 * makes and ends it. */
#ifndef PROXY_WORKER_STATE_H
#define PROXY_WORKER_STATE_H

#include "base/shared.h"
#include "http/head.h"
#include "log/log.h"
#include "net/outq.h"
#include "net/resolve.h"
#include "proxy/admission.h"
#include "proxy/settings.h"

/* What one read brings goes on, with framing around it, as one segment of a loopback interface:
 * they hold 65,483 bytes. */
#define WORKER_READ_SIZE (60 * 1024)
/* The longest head that may come in, and what is added to it. */
#define WORKER_TEXT_SIZE (80 * 1024)

struct client;
struct rewrite;
struct scrape;
struct watcher;

/* 1. in, out, text, head, kept_head and why are scratch: their bytes are valid within one callback
 *    only, and only the callback's own function reads into in. stale: keys of settings that have
 *    been replaced may stand there, until the turn ends.
 * 2. clients lists every client there is, so that they can be ended. */
struct worker {
    struct reactor *reactor;
    const uint64_t *now; /* as reactor_now */
    struct resolver *resolver;
    struct settings *settings; /* what new requests get */
    struct log *log;
    struct upstream_loop loop; /* what upstreams are lent */
    struct blocks blocks;
    struct client *clients;
    unsigned n_clients, n_denied, n_admins; /* a drain does not wait for those */
    uint64_t files;                         /* how many descriptors may be open */
    struct client_limits limits;
    struct tallies *tallies; /* of all processes */
    struct tally *tally;     /* what this one counts */
    struct quotas *quotas;   /* of all processes */
    unsigned row;            /* of this one, in both */
    uint64_t kept_bytes;     /* of all requests that are kept, see proxy/replay.h */
    struct rewrite *spare_rewrites;
    unsigned n_spare_rewrites;
    struct scrape *scrapes;   /* pages of metrics under way */
    struct watcher *watchers; /* streams of the status under way */
    struct timer watch_timer; /* runs while there are any */
    struct timer_kind watch_kind;
    bool draining, stale;
    struct timer drain_timer;
    struct timer_kind drain_kind;
    struct timer tickets_timer; /* the keys of tickets grow old */
    struct timer_kind tickets_kind;
    struct timer_kind linger_kind, acknowledge_kind;
    void (*exchange_moved)(struct client *c, unsigned moved); /* see client_exchange_moved */
    uint64_t date_second;                                     /* what date holds */
    char date[32];
    char in[WORKER_READ_SIZE];
    char out[WORKER_READ_SIZE];  /* what the renamer writes */
    char text[WORKER_TEXT_SIZE]; /* heads that are written */
    struct http_head head;       /* of a request that begins; kept_head may be needed meanwhile */
    struct http_head kept_head;  /* of a request that is started from what is kept of it */
    unsigned retry_after;        /* seconds, that go with a fault whose status is 429 */
    char why[512];               /* the fault that exchange_fault noted */
};

#endif
