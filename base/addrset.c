/* Two lists of ranges, one for each kind of address, and a binary search. */
#include "base/addrset.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>

#define MAPPED_BITS 96 /* the prefix that IPv4-mapped addresses share (RFC 4291, 2.5.5.2) */
#define MAPPED_LOW                                                                                 \
    (0xffffull << 32) /* and what it puts before the IPv4 address in the lower half */

/* An address as one number; an IPv4 address is its lowest 32 bits. */
struct number {
    uint64_t high, low;
};

struct range {
    struct number first, last;
};

/* 1. Sorted. 2. No two ranges overlap. */
struct ranges {
    struct range *at;
    size_t n;
};

/* Both lists lie in one array: IPv4 from its front, IPv6 from its back, so that their sizes need
 * not be known beforehand. */
struct addrset {
    bool local;
    struct ranges v4, v6;
    struct range ranges[];
};

static bool less(struct number a, struct number b)
{
    return a.high != b.high ? a.high < b.high : a.low < b.low;
}

static uint64_t big_endian(const uint8_t *p, int n)
{
    uint64_t v = 0;

    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static struct number number_of(const struct addr *a)
{
    if (a->family == 4)
        return (struct number){ 0, big_endian(a->ip, 4) };
    return (struct number){ big_endian(a->ip, 8), big_endian(a->ip + 8, 8) };
}

/* The lowest n bits of 64, as many as there are. */
static uint64_t ones(int n)
{
    return n <= 0 ? 0 : n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

/* The block that `first` is in, when its last host_bits are free. */
static struct range block(struct number first, int host_bits)
{
    struct number free_bits = { ones(host_bits - 64), ones(host_bits) };

    return (struct range){ { first.high & ~free_bits.high, first.low & ~free_bits.low },
                           { first.high | free_bits.high, first.low | free_bits.low } };
}

/* A number up to max without zeros in front. -1 if s is anything else. */
static int prefix_length(struct span s, int max)
{
    uint64_t n;

    if ((s.n > 1 && s.p[0] == '0') || !text_uint(s, (uint64_t)max, &n))
        return -1;
    return (int)n;
}

/* Reads a block, or an address as a block of one, into *r and *family. Returns what
 * addr_block_check does. */
static int parse(struct range *r, int *family, struct span text)
{
    size_t slash = span_find(text, '/');
    struct span host = { text.p, slash };
    bool is_v6 = span_find(host, ':') < slash;
    int width = is_v6 ? 128 : 32, length = width;
    struct number first;
    struct addr a;

    if (span_find(host, '%') < slash || !addr_parse(&a, host))
        return -EINVAL;
    if (slash < text.n && (length = prefix_length(span_skip(text, slash + 1), width)) < 0)
        return -ERANGE;
    first = number_of(&a);
    if (is_v6 && a.family == 4 && length < MAPPED_BITS) {
        a.family = 6;
        first.low |= MAPPED_LOW;
    }
    *r = block(first, width - length);
    *family = a.family;
    return 0;
}

int addr_block_check(struct span text)
{
    struct range r;
    int family;

    return parse(&r, &family, text);
}

bool addr_block_has(struct span text, const struct addr *a)
{
    struct number x = number_of(a);
    struct range r;
    int family;

    return !parse(&r, &family, text) && family == a->family && !less(x, r.first) &&
        !less(r.last, x);
}

static bool add(struct addrset *s, const char *text)
{
    struct range r;
    int family;

    if (strcmp(text, "unix:") == 0) {
        s->local = true;
        return true;
    }
    if (parse(&r, &family, span_of(text)))
        return false;
    if (family == 4) {
        s->v4.at[s->v4.n++] = r;
    } else {
        *--s->v6.at = r;
        s->v6.n++;
    }
    return true;
}

static int by_first(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return less(y->first, x->first) - less(x->first, y->first);
}

static void sort_and_merge(struct ranges *r)
{
    size_t kept = 0;

    if (r->n == 0)
        return;
    qsort(r->at, r->n, sizeof *r->at, by_first);
    for (size_t i = 1; i < r->n; i++) {
        struct range *last = &r->at[kept];

        if (less(last->last, r->at[i].first))
            r->at[++kept] = r->at[i];
        else if (less(last->last, r->at[i].last))
            last->last = r->at[i].last;
    }
    r->n = kept + 1;
}

int addrset_make(struct addrset **out, char *const *texts, unsigned n)
{
    struct addrset *s = malloc(sizeof *s + n * sizeof s->ranges[0]);

    *out = NULL;
    if (!s)
        return -ENOMEM;
    s->local = false;
    s->v4 = (struct ranges){ s->ranges, 0 };
    s->v6 = (struct ranges){ s->ranges + n, 0 };
    for (unsigned i = 0; i < n; i++)
        if (!add(s, texts[i])) {
            free(s);
            return -EINVAL;
        }
    sort_and_merge(&s->v4);
    sort_and_merge(&s->v6);
    *out = s;
    return 0;
}

void addrset_free(struct addrset *s)
{
    free(s);
}

/* The range that could hold x is the last one that begins no later: those before `low` do, those
 * from `high` on do not. */
static bool holds(const struct ranges *r, struct number x)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (less(x, r->at[middle].first))
            high = middle;
        else
            low = middle + 1;
    }
    return low > 0 && !less(r->at[low - 1].last, x);
}

bool addrset_has(const struct addrset *s, const struct addr *a)
{
    if (!s)
        return false;
    if (a->family == 0)
        return s->local;
    return holds(a->family == 4 ? &s->v4 : &s->v6, number_of(a));
}
