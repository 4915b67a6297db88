/* Network addresses: text to bytes and back.
 * It knows no names (net/resolve.h does) and no sockets.
 * Sets of addresses and CIDR blocks are in base/addrset.h. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include "base/span.h"

#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT_MAX 64

/* An address with a port. An IPv4-mapped IPv6 address is always kept as IPv4, so that one client
 * has one name. */
struct addr {
    uint8_t family; /* 4, 6, or 0: a local (unix) socket */
    uint16_t port;
    uint8_t ip[16]; /* network byte order; IPv4 in the first four */
};

/* Reads an IPv4 or IPv6 address (no brackets, no port) into *a, port 0. The zone of an IPv6 address
 * (fe80::1%eth0; RFC 4007, 11) is left out: it says which way an address lies, not which one it is.
 * Returns false if text is neither. */
bool addr_parse(struct addr *a, struct span text);

/* Makes an address of its family (4 or 6), the family's 4 or 16 bytes at ip and a port. */
void addr_set(struct addr *a, int family, const void *ip, uint16_t port);

/* True if only this machine can reach a: 127.0.0.0/8, ::1, or a local socket. */
bool addr_is_loopback(const struct addr *a);

/* True if a is 0.0.0.0 or ::, which stand for every address of this machine where something listens
 * (RFC 4291, 2.5.2). */
bool addr_is_any(const struct addr *a);

/* Takes what the kernel calls an address. Families other than IPv4 and IPv6 give a local one. */
void addr_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss);

/* Makes what the kernel calls an address of an IPv4 or IPv6 one. Returns its length. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);

/* Writes the address without its port ("192.0.2.1", "2001:db8::1", "unix") and a NUL into out.
 * Returns out. */
const char *addr_text(const struct addr *a, char out[ADDR_TEXT_MAX]);

#endif
