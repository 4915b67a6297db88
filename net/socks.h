/* The client's side of SOCKS5 (RFC 1928, with user names and passwords by RFC 1929), of SOCKS4, and
 * of SOCKS4A, which takes names. It looks up no names. net/tunnel.h carries the dialogue. */
#ifndef NET_SOCKS_H
#define NET_SOCKS_H

#include "base/addr.h"
#include "net/tunnel.h"

struct socks_request {
    int version;             /* 5; or 4, which is 4A where the proxy looks up the name */
    const struct addr *addr; /* the destination with its port; NULL: host and port, and the proxy
                                looks up the name */
    const char *host;
    uint16_t port;
    const char *user, *password; /* at most 255 bytes each; NULL: none. 4 has no password */
};

/* Makes the dialogue that asks for the connection of r, which is copied. Returns 0 with *out, to be
 * freed by its free; -EAFNOSUPPORT for an IPv6 address and version 4, which has none; or
 * -ENOMEM. */
int socks_dialogue_make(struct dialogue **out, const struct socks_request *r);

#endif
