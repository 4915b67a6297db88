/* The clients' keys and the real keys behind them.
 * Knows no HTTP but the shape of an Authorization value. A look-up costs the same with ten keys and
 * ten thousand, and its time tells nothing of how much of a guessed key was right. Where the keys
 * come from: cfg/conf.h. */
#ifndef PROXY_KEYS_H
#define PROXY_KEYS_H

#include "cfg/conf.h"

struct key_map;

/* Makes a map of n keys; they stay the caller's and must outlive it. Returns 0 with *out, to be
 * freed with key_map_free, or a negative errno: -ENOMEM, or without random numbers another. */
int key_map_make(struct key_map **out, const struct conf_key *keys, unsigned n);

/* Frees m; NULL is fine. */
void key_map_free(struct key_map *m);

/* The entry of a client's key, or NULL. */
const struct conf_key *key_map_find(const struct key_map *m, struct span key);

/* The token of "Bearer TOKEN" (RFC 6750, 2.1; the scheme in any case), or an empty span. */
struct span bearer_token(struct span authorization);

#endif
