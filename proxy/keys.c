/* A hash table of keys, hashed with a secret so that nobody can choose what collides.
 * Knows no sockets and no policy.
 * The interface is proxy/keys.h. */
#include "proxy/keys.h"
#include "proxy/random.h"

#include <errno.h>
#include <stdlib.h>

struct slot {
    uint64_t hash;
    const struct conf_key *key;         /* NULL: free */
    size_t n;
};

/* mask + 1 slots, at most half of them taken, so that every search meets a free one. */
struct key_map {
    uint64_t secret[2];
    size_t mask;
    struct slot slots[];
};

static uint64_t rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

struct sip {
    uint64_t a, b, c, d;
};

static void sip_round(struct sip *s)
{
    s->a += s->b;
    s->b = rotl(s->b, 13) ^ s->a;
    s->a = rotl(s->a, 32);
    s->c += s->d;
    s->d = rotl(s->d, 16) ^ s->c;
    s->a += s->d;
    s->d = rotl(s->d, 21) ^ s->a;
    s->c += s->b;
    s->b = rotl(s->b, 17) ^ s->c;
    s->c = rotl(s->c, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    sip_round(s);
    s->a ^= word;
}

/* SipHash-2-4 (Aumasson and Bernstein, 2012). */
static uint64_t hash(const struct key_map *m, struct span key)
{
    struct sip s = {
        m->secret[0] ^ 0x736f6d6570736575u,
        m->secret[1] ^ 0x646f72616e646f6du,
        m->secret[0] ^ 0x6c7967656e657261u,
        m->secret[1] ^ 0x7465646279746573u,
    };
    uint64_t word = 0;
    size_t i;

    for (i = 0; i + 8 <= key.n; i += 8) {
        word = 0;
        for (int k = 0; k < 8; k++)
            word |= (uint64_t)(unsigned char)key.p[i + (size_t)k] << (8 * k);
        sip_word(&s, word);
    }
    word = (uint64_t)key.n << 56;
    for (int k = 0; i < key.n; i++, k++)
        word |= (uint64_t)(unsigned char)key.p[i] << (8 * k);
    sip_word(&s, word);
    s.c ^= 0xff;
    for (int k = 0; k < 4; k++)
        sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

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

    while (size < 2 * (size_t)n)
        size *= 2;
    m = calloc(1, sizeof *m + size * sizeof m->slots[0]);
    *out = m;
    if (!m)
        return -ENOMEM;
    m->mask = size - 1;
    random_bytes(m->secret, sizeof m->secret);
    for (unsigned i = 0; i < n; i++) {
        struct span key = span_of(keys[i].client);
        uint64_t h = hash(m, key);
        size_t at = h & m->mask;

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
    uint64_t h = hash(m, key);

    for (size_t at = h & m->mask; m->slots[at].key; at = (at + 1) & m->mask) {
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
