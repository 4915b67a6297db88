/* Several real keys for one upstream, used in turn. A key that the upstream has refused rests. The
 * rings are a worker's own. */
#ifndef PROXY_KEYRING_H
#define PROXY_KEYRING_H

#include "base/span.h"

#include <stdint.h>

struct keyring;

/* Makes a ring of n keys (two or more), which stay the caller's and must outlive it. Returns 0 with
 * *out, to be freed with keyring_free, or -ENOMEM. */
int keyring_make(struct keyring **out, char *const *keys, unsigned n);

/* Frees r; NULL is fine. */
void keyring_free(struct keyring *r);

/* Takes over which keys rest from the ring before a reload, where a key is in both. from may be
 * NULL. */
void keyring_inherit(struct keyring *r, const struct keyring *from);

/* Takes the next key in turn that neither rests at now (reactor time) nor is in tried, one bit a
 * key for the first 64. Returns its index, or -1. */
int keyring_next(struct keyring *r, uint64_t now, uint64_t tried);

/* True if keyring_next would find a key. */
bool keyring_has(const struct keyring *r, uint64_t now, uint64_t tried);

/* Lets the key rest until then (reactor time). */
void keyring_rest(struct keyring *r, unsigned key, uint64_t until);

/* Until when the key rests, or rested last; 0: it never did. */
uint64_t keyring_rests_until(const struct keyring *r, unsigned key);

/* When the first of the keys has rested; 0 if one need not rest. */
uint64_t keyring_rested_at(const struct keyring *r, uint64_t now);

/* The key with that index. */
struct span keyring_key(const struct keyring *r, unsigned key);

/* How many keys rest at now. */
unsigned keyring_resting(const struct keyring *r, uint64_t now);

#endif
