/* SOCKS5, as a client of it (RFC 1928, with the user names and passwords of RFC 1929): the words that ask for a connection.
 * Knows no sockets and looks up no names.
 * The dialogue travels by net/tunnel.h. */
#ifndef NET_SOCKS_H
#define NET_SOCKS_H

#include "net/addr.h"
#include "net/tunnel.h"

struct socks_request {
    const struct addr *addr;            /* where to, with its port; NULL: host and port tell, and the proxy looks up the name */
    const char *host;
    uint16_t port;
    const char *user, *password;        /* of 255 bytes at most; NULL: none */
};

/* Makes the dialogue that asks for a connection; everything is copied. Returns 0 with *out, to be freed by its free, or -ENOMEM. */
int socks_dialogue_make(struct dialogue **out, const struct socks_request *r);

#endif
