/* SipHash-2-4 (Aumasson and Bernstein, 2012): who does not know the secret cannot choose texts that
 * collide. It keeps nothing. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "base/span.h"

#include <stdint.h>

/* The hash of text under the secret, whose first half is k0 of the paper and whose second is k1. */
uint64_t siphash(const uint64_t secret[2], struct span text);

#endif
