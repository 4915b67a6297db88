/* The client's side of the hall: connections from their first byte to their last.
 * What is exported here is all that the worker needs; the rooms behind it share proxy/exchange.h. */
#ifndef PROXY_CLIENT_H
#define PROXY_CLIENT_H

#include "net/listen.h"

struct client;
struct worker;

/* Takes over an accepted socket; preface: it begins with a PROXY header. Beyond max_connections the client gets 503. */
void client_accept(struct worker *w, int fd, const struct addr *peer, bool preface);

/* The worker has new settings: a client between requests waits by them from now on. */
void client_settings_changed(struct client *c);

/* A drain has begun: a client that waits between requests is closed, others end with their exchange. */
void client_drain(struct client *c);

/* The client after c in the worker's list, or NULL. */
struct client *client_following(const struct client *c);

/* Ends the connection and whatever is under way on it. */
void client_kill(struct client *c);

/* What the pool calls for connections in use: the upstream is ready, or was silent for too long. */
struct conn;
void client_upstream_ready(struct conn *conn);
void client_upstream_expired(struct conn *conn);

#endif
