/* Keeping the events of a stream that report usage from a client that did not ask for them, though
 * the proxy did. An event that may be one is held until it is known, at most TOKENS_EVENT_MAX bytes
 * of it; which event is one, proxy/tokens.h tells. */
#ifndef PROXY_HIDE_H
#define PROXY_HIDE_H

#include "http/body.h"
#include "net/outq.h"
#include "proxy/tokens.h"

struct client;

/* What reads a response with TOKENS_SIFT. */
struct hide {
    struct tokens tokens;
    struct outq held; /* of the event under way */
};

/* Begins to read a response: as tokens_init with these flags. NULL: there is no memory for it. */
struct tokens *hide_make(unsigned flags);

/* Adds to out what the client is to see of a piece of its stream, which x.tokens reads, and shows
 * it to the log. What stands in out may be sent meanwhile. */
void hide_add(struct client *c, const struct http_piece *piece, struct http_writer *out);

/* The stream has ended by itself: adds to out what is held, unless it is an event of usage. */
void hide_end(struct client *c, struct http_writer *out);

/* Frees t, and what is held for it, into pool. NULL is fine. */
void hide_free(struct tokens *t, struct blocks *pool);

#endif
