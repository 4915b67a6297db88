/* The PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt): bytes in, the client's
 * address out. The caller has checked that the peer is a trusted proxy (base/addrset.h). */
#ifndef NET_PROXY_PROTOCOL_H
#define NET_PROXY_PROTOCOL_H

#include "base/addr.h"

#include <sys/types.h>

/* The longest accepted header: 16 bytes, and 4096 for addresses and TLVs. */
#define PROXY_PROTOCOL_MAX (16 + 4096)

/* Parses a header of either version at the start of in. Keeps no state: when more bytes come, the
 * caller passes all of them again.
 *   source   gets the address and port of the client. It does not change for LOCAL, UNKNOWN,
 *            AF_UNSPEC, AF_UNIX and an unspecified transport: the address of the connection is
 *            valid then.
 * Returns the length of the header; -EAGAIN if it is incomplete, for at most PROXY_PROTOCOL_MAX
 * bytes; -EBADMSG with the first byte that no header of a stream can have there (for a line of
 * version 1 that is too long, with its 107th byte). TLVs of version 2 are skipped unread, a CRC32C
 * too. */
ssize_t proxy_protocol_parse(struct span in, struct addr *source);

#endif
