/* The PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt): bytes in, the client's address out.
 * Knows no sockets and not whose word is to be believed: before this is asked, the peer must be known for a trusted proxy.
 * Sets of trusted addresses are net/addrset.h. */
#ifndef NET_PROXY_PROTOCOL_H
#define NET_PROXY_PROTOCOL_H

#include "net/addr.h"

#include <sys/types.h>

/* The longest header that is taken: 16 bytes and 4096 of addresses and additions. */
#define PROXY_PROTOCOL_MAX (16 + 4096)

/* Parses the header that has to be at the start of in, of either version. Keeps nothing between calls: when more bytes have come, all
 * of them are given again.
 *   source  gets the address and port of the client where the header names one. It is left as it is where the header says LOCAL, UNKNOWN,
 *           AF_UNSPEC, AF_UNIX or an unspecified transport: the connection itself tells then who the client is.
 * Returns the length of the header; -EAGAIN if more bytes are needed, PROXY_PROTOCOL_MAX in all at most; -EBADMSG if this can never become
 * a header, or not one of a stream: told with the first byte that cannot be right (that a line of version 1 gets too long, at its 107th byte).
 * The additions of version 2 (TLVs) are skipped: what they hold is not checked, a CRC32C neither. */
ssize_t proxy_protocol_parse(struct span in, struct addr *source);

#endif
