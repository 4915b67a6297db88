/* A hash table of keys, hashed with a secret so that nobody can choose what collides.
 * Knows no sockets and no policy.
 * The interface is proxy/keys.h. */
#include "proxy/keys.h"
#include "base/random.h"
#include "base/siphash.h"

#include <errno.h>
#include <stdlib.h>

struct slot {
    uint64_t hash;
    const struct conf_key *key; /* NULL: free */
    size_t n;
};

/* mask + 1 slots, at most half of them taken, so that every search meets a free one. */
struct key_map {
    uint64_t secret[2];
    size_t mask;
    struct slot slots[];
};

/* True if both hold the same n bytes, in a time that depends on n alone. */
static bool same_bytes(const char *a, const char *b, size_t n)
{
    volatile unsigned char diff = 0;

    for (size_t i = 0; i < n; i++)
        diff |= (unsigned char)(a[i] ^ b[i]);
    return diff == 0;
}

int key_map_make(struct key_map **out, const struct conf_key *keys, unsigned n)
{
    size_t size = 16;
    struct key_map *m;
    int err;

    while (size < 2 * (size_t)n)
        size *= 2;
    m = calloc(1, sizeof *m + size * sizeof m->slots[0]);
    *out = m;
    if (!m)
        return -ENOMEM;
    m->mask = size - 1;
    err = random_bytes(m->secret, sizeof m->secret);
    if (err) {
        *out = NULL;
        free(m);
        return err;
    }
    for (unsigned i = 0; i < n; i++) {
        struct span key = span_of(keys[i].client);
        uint64_t h = siphash(m->secret, key);
        size_t at = (size_t)h & m->mask;

        while (m->slots[at].key)
            at = (at + 1) & m->mask;
        m->slots[at] = (struct slot){ h, &keys[i], key.n };
    }
    return 0;
}

void key_map_free(struct key_map *m)
{
    free(m);
}

const struct conf_key *key_map_find(const struct key_map *m, struct span key)
{
    uint64_t h = siphash(m->secret, key);

    for (size_t at = (size_t)h & m->mask; m->slots[at].key; at = (at + 1) & m->mask) {
        const struct slot *s = &m->slots[at];

        if (s->hash == h && s->n == key.n && same_bytes(s->key->client, key.p, key.n))
            return s->key;
    }
    return NULL;
}

struct span bearer_token(struct span authorization)
{
    struct span scheme = { authorization.p, 6 };

    if (authorization.n < 8 || authorization.p[6] != ' ' || !span_eq_nocase(scheme, SPAN("bearer")))
        return (struct span){ NULL, 0 };
    authorization = span_skip(authorization, 7);
    while (authorization.n > 0 && authorization.p[0] == ' ')
        authorization = span_skip(authorization, 1);
    return authorization;
}
