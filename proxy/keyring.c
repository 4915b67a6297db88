/* A ring of keys, each with the time until which it rests. */
#include "proxy/keyring.h"

#include <errno.h>
#include <stdlib.h>

struct ring_key {
    const char *text;
    uint64_t rests_until;
};

struct keyring {
    unsigned n, next;
    struct ring_key keys[];
};

int keyring_make(struct keyring **out, char *const *keys, unsigned n)
{
    struct keyring *r = calloc(1, sizeof *r + n * sizeof r->keys[0]);

    *out = r;
    if (!r)
        return -ENOMEM;
    r->n = n;
    for (unsigned i = 0; i < n; i++)
        r->keys[i].text = keys[i];
    return 0;
}

void keyring_free(struct keyring *r)
{
    free(r);
}

void keyring_inherit(struct keyring *r, const struct keyring *from)
{
    for (unsigned i = 0; from && i < r->n; i++)
        for (unsigned k = 0; k < from->n; k++)
            if (strcmp(r->keys[i].text, from->keys[k].text) == 0)
                r->keys[i].rests_until = from->keys[k].rests_until;
}

static bool is_usable(const struct keyring *r, unsigned key, uint64_t now, uint64_t tried)
{
    return now >= r->keys[key].rests_until && (key >= 64 || !(tried >> key & 1));
}

int keyring_next(struct keyring *r, uint64_t now, uint64_t tried)
{
    for (unsigned i = 0; i < r->n; i++) {
        unsigned key = (r->next + i) % r->n;

        if (is_usable(r, key, now, tried)) {
            r->next = (key + 1) % r->n;
            return (int)key;
        }
    }
    return -1;
}

bool keyring_has(const struct keyring *r, uint64_t now, uint64_t tried)
{
    for (unsigned i = 0; i < r->n; i++)
        if (is_usable(r, i, now, tried))
            return true;
    return false;
}

void keyring_rest(struct keyring *r, unsigned key, uint64_t until)
{
    r->keys[key].rests_until = until;
}

uint64_t keyring_rests_until(const struct keyring *r, unsigned key)
{
    return r->keys[key].rests_until;
}

uint64_t keyring_rested_at(const struct keyring *r, uint64_t now)
{
    uint64_t first = UINT64_MAX;

    for (unsigned i = 0; i < r->n; i++)
        if (r->keys[i].rests_until < first)
            first = r->keys[i].rests_until;
    return first <= now ? 0 : first;
}

struct span keyring_key(const struct keyring *r, unsigned key)
{
    return span_of(r->keys[key].text);
}

unsigned keyring_resting(const struct keyring *r, uint64_t now)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n; i++)
        n += now < r->keys[i].rests_until;
    return n;
}
