/* Sets of addresses and CIDR blocks: who may come in, who may not, whose word is believed.
 * It knows no policy and no sockets. A look-up costs the same few steps with ten blocks and a
 * hundred thousand. A single address is base/addr.h. */
#ifndef BASE_ADDRSET_H
#define BASE_ADDRSET_H

#include "base/addr.h"

struct addrset;

/* Whether text is an address ("192.0.2.1", "2001:db8::1") or a CIDR block ("10.0.0.0/8",
 * "2001:db8::/32"; RFC 4632, 3.1, and RFC 4291, 2.3; bits beyond the prefix do not matter), without
 * a zone. Returns 0; -EINVAL if it does not begin with an address, -ERANGE if what follows the '/'
 * is no prefix length: a number without zeros in front, up to 32 or 128. */
int addr_block_check(struct span text);

/* True if text is a block, or an address, that has a in it; the rules are those of addrset_make. */
bool addr_block_has(struct span text, const struct addr *a);

/* Makes a set of n texts, each an address or a block that addr_block_check accepts, or "unix:",
 * which stands for local sockets. They are not needed afterwards. IPv4-mapped addresses are IPv4,
 * and so are blocks of nothing else: "::ffff:10.0.0.0/104" is "10.0.0.0/8". No other IPv6 block
 * holds an IPv4 address, "::/0" neither. Returns 0 with *out, to be freed with addrset_free; with
 * *out NULL -EINVAL (a text is none of these) or -ENOMEM. */
int addrset_make(struct addrset **out, char *const *texts, unsigned n);

/* Frees s; NULL is fine. */
void addrset_free(struct addrset *s);

/* True if a, whose port does not matter, is in the set. Nothing is in NULL. */
bool addrset_has(const struct addrset *s, const struct addr *a);

#endif
