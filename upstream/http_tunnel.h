/* CONNECT (RFC 9110, 9.3.6): the words that ask an HTTP proxy for a tunnel.
 * Knows no sockets, and shows the proxy nothing of the request that will go through the tunnel.
 * The dialogue travels by net/tunnel.h. */
#ifndef UPSTREAM_HTTP_TUNNEL_H
#define UPSTREAM_HTTP_TUNNEL_H

#include "net/tunnel.h"

/* Makes the dialogue that asks for a tunnel to authority ("host:port"). credentials is the value of
 * a Proxy-Authorization field, or NULL. Everything is copied. Returns 0 with *out, to be freed by
 * its free, or -ENOMEM. */
int http_tunnel_make(struct dialogue **out, const char *authority, const char *credentials);

#endif
