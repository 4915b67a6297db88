/* Which field names this program tells apart, found by length and eight bytes at a time. The names
 * are listed in http/head.h. */
#ifndef HTTP_NAMES_H
#define HTTP_NAMES_H

#include "http/head.h"

/* The eight bytes at p with case folded by setting bit 5. That maps letters to lower case, and no
 * other byte but controls to a letter, digit or hyphen. */
static inline uint64_t http_fold8(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v | UINT64_C(0x2020202020202020);
}

static inline uint32_t http_fold4(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return v | UINT32_C(0x20202020);
}

/* True if the n bytes at p, none of them a control, equal lower but for case. lower has only
 * lower-case letters, digits and hyphens. n is a constant at every call, so the loop is
 * unrolled. */
static inline bool http_same(const char *p, const char *lower, size_t n)
{
    size_t i = 0;

    if (n < 4) {
        for (; i < n; i++)
            if ((p[i] | 0x20) != lower[i])
                return false;
        return true;
    }
    if (n < 8)
        return http_fold4(p) == http_fold4(lower) &&
            http_fold4(p + n - 4) == http_fold4(lower + n - 4);
    for (; i + 8 < n; i += 8)
        if (http_fold8(p + i) != http_fold8(lower + i))
            return false;
    return http_fold8(p + n - 8) == http_fold8(lower + n - 8);
}

/* The id of a field name, whatever its case. name must be a token (RFC 9110, 5.6.2): the comparison
 * relies on it, since folding turns CR into a hyphen. */
enum http_name http_name_of(struct span name);

/* True for a name that concerns one connection only, whatever Connection says (RFC 9110, 7.6.1). */
bool http_name_is_hop(enum http_name id);

#endif
