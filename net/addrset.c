/* Two lists of ranges, one for each kind of address, and a binary search.
 * Knows nothing of what the sets are for.
 * The interface is net/addrset.h. */
#include "net/addrset.h"

#include <errno.h>
#include <stdlib.h>

#define MAPPED_BITS 96                  /* the prefix that IPv4-mapped addresses share (RFC 4291, 2.5.5.2) */
#define MAPPED_LOW (0xffffull << 32)    /* and what it puts before the IPv4 address in the lower half */

/* An address as one number; an IPv4 address is its lowest 32 bits. */
struct number {
    uint64_t high, low;
};

struct range {
    struct number first, last;
};

/* 1. Sorted. 2. No two ranges overlap or touch: between them there is an address that is in neither. */
struct ranges {
    struct range *at;
    size_t n;
};

/* Both lists lie in one array: IPv4 from its front, IPv6 from its back, so that their sizes need not be known beforehand. */
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

    return (struct range){ { first.high & ~free_bits.high, first.low & ~free_bits.low }, { first.high | free_bits.high, first.low | free_bits.low } };
}

/* Decimal digits up to max. Returns -1 if s is anything else. */
static int prefix_length(const char *s, int max)
{
    int n = *s ? 0 : -1;

    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return -1;
        n = n * 10 + (*s - '0');
        if (n > max)
            return -1;
    }
    return n;
}

/* Reads a block, or an address as a block of one. Returns its family, or 0. */
static int parse(struct range *r, const char *text)
{
    const char *slash = strchr(text, '/');
    struct span host = { text, slash ? (size_t)(slash - text) : strlen(text) };
    bool is_v6 = memchr(host.p, ':', host.n) != NULL;
    int width = is_v6 ? 128 : 32, length = slash ? prefix_length(slash + 1, width) : width;
    struct number first;
    struct addr a;

    if (length < 0 || !addr_parse(&a, host))
        return 0;
    first = number_of(&a);
    if (is_v6 && a.family == 4 && length < MAPPED_BITS) {
        a.family = 6;
        first.low |= MAPPED_LOW;
    }
    *r = block(first, width - length);
    return a.family;
}

static bool add(struct addrset *s, const char *text)
{
    struct range r;
    int family;

    if (strcmp(text, "unix:") == 0) {
        s->local = true;
        return true;
    }
    family = parse(&r, text);
    if (family == 4) {
        s->v4.at[s->v4.n++] = r;
    } else if (family == 6) {
        *--s->v6.at = r;
        s->v6.n++;
    }
    return family != 0;
}

static int by_first(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return less(y->first, x->first) - less(x->first, y->first);
}

/* True if b, which begins no earlier than a, begins within it or right behind it. */
static bool touches(const struct range *a, const struct range *b)
{
    struct number next = { a->last.high + (a->last.low == UINT64_MAX), a->last.low + 1 };

    return !less(a->last, b->first) || (next.high == b->first.high && next.low == b->first.low);
}

static void sort_and_merge(struct ranges *r)
{
    size_t kept = 0;

    if (r->n == 0)
        return;
    qsort(r->at, r->n, sizeof *r->at, by_first);
    for (size_t i = 1; i < r->n; i++) {
        struct range *last = &r->at[kept];

        if (!touches(last, &r->at[i]))
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

/* The range that could hold x is the last one that begins no later: those before `low` do, those from `high` on do not. */
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
