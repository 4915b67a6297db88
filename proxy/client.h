/* Clients' connections, from their first byte to their last. The worker needs no more than this;
 * what a connection consists of is proxy/state.h. */
#ifndef PROXY_CLIENT_H
#define PROXY_CLIENT_H

#include "base/addr.h"

struct client;
struct worker;

/* What a connection begins with, in this order. */
enum {
    ENTRY_PROXY_HEADER = 1,
    ENTRY_TLS = 2,   /* the worker's settings have certificates */
    ENTRY_ADMIN = 4, /* no beginning: who comes in here looks after the program */
};

/* Takes over an accepted socket. entry: any of ENTRY_*. Beyond the worker's limits the client gets
 * 503. */
void client_accept(struct worker *w, int fd, const struct addr *peer, unsigned entry);

/* The worker has new settings: a client between requests waits by them from now on. */
void client_settings_changed(struct client *c);

/* A drain has begun: a client that waits between requests is closed, others end with their
 * exchange. */
void client_drain(struct client *c);

/* The client after c in the worker's list, or NULL. */
struct client *client_following(const struct client *c);

/* The exchange on c has moved bytes, or failed, outside of a callback of c's own; see struct
 * worker. moved: MOVED_* of proxy/exchange.h. */
void client_exchange_moved(struct client *c, unsigned moved);

/* Ends the connection. A client that is still owed a response is told so; where the upstream has
 * the request already, without a word of trying again. */
void client_kill(struct client *c);

#endif
