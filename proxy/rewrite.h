/* A request body on its way through the renamer: what is held until its framing is known, and what waits for the upstream.
 * Knows no sockets of the client's: bytes come from proxy/request.c and go to the exchange's attempt.
 * The tokenizer is json/rename.h. */
#ifndef PROXY_REWRITE_H
#define PROXY_REWRITE_H

#include "http/body.h"
#include "json/rename.h"
#include "net/outq.h"

struct client;

/* 1. Until framed is set nothing was sent: head holds the head without its framing, body what the renamer has written. A body that ends before it outgrows one
 *    buffer goes out with its length, a longer one chunked.
 * 2. ahead bytes of the input were taken by the body's decoder already but not by the renamer, because the upstream had to be waited for; the first
 *    ahead_data of them are payload. */
struct rewrite {
    struct rewrite *next;               /* of the worker's spare ones */
    bool framed;
    size_t ahead, ahead_data;
    struct outq head, body;
    struct json_renamer renamer;
};

/* Makes the rewriting of c's exchange, whose head for the upstream is head, all but framing and the empty line (copied). Returns 0 or -ENOMEM. */
int rewrite_begin(struct client *c, struct span head);

/* Takes bytes of the body, as request_feed does. */
size_t rewrite_feed(struct client *c, struct span in);

/* Lets go of the exchange's rewriting; fine if there is none. */
void rewrite_end(struct client *c);

/* Frees a list of spare ones. */
void rewrite_free_spares(struct rewrite *r);

#endif
