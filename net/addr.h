/* Network addresses: text to bytes and back.
 * Knows no names (that is net/resolve.h) and no sockets.
 * Sets of addresses and CIDR blocks are net/addrset.h. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include "net/span.h"

#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT_MAX 64

/* An address with a port. An IPv4-mapped IPv6 address is always kept as IPv4, so that one client has one name. */
struct addr {
    uint8_t family;                     /* 4, 6, or 0: a local (unix) socket */
    uint16_t port;
    uint8_t ip[16];                     /* network byte order; IPv4 in the first four */
};

/* Reads an IPv4 or IPv6 address (no brackets, no port, no zone) into *a, port 0. Returns false if it is neither. */
bool addr_parse(struct addr *a, struct span text);

/* Makes an address of its family (4 or 6), the family's 4 or 16 bytes at ip and a port. */
void addr_set(struct addr *a, int family, const void *ip, uint16_t port);

/* Takes what the kernel calls an address. Families other than IPv4 and IPv6 give a local one. */
void addr_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss);

/* Makes what the kernel calls an address of an IPv4 or IPv6 one. Returns its length. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);

/* Writes the address without its port ("192.0.2.1", "2001:db8::1", "unix") and a NUL into out. Returns out. */
const char *addr_text(const struct addr *a, char out[ADDR_TEXT_MAX]);

#endif
