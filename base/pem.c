/* Finding certificates in a text, and base64 back to bytes. Nothing in them is secret, so that a
 * table may be looked up: a decoder for keys, whose time tells nothing, takes forty times as
 * long. */
#include "base/pem.h"

#include <errno.h>
#include <stdint.h>

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"
#define BLANK 64
#define PAD 65

/* What a character of ASCII is worth (RFC 4648, 4); 66: it is not of base64. */
static const uint8_t worth[128] = {
    66, 66, 66, 66, 66, 66, 66, 66, 66, 64, 64, 66, 66, 64, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 64, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 62,
    66, 66, 66, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 66, 66, 66, 65, 66, 66, 66, 0,
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
    23, 24, 25, 66, 66, 66, 66, 66, 66, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
    39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 66, 66, 66, 66, 66,
};

/* No digit of base64 is a dash. */
bool pem_next(struct span *rest, struct span *inside)
{
    const char *begin = memmem(rest->p, rest->n, BEGIN, strlen(BEGIN));

    if (!begin)
        return false;
    *rest = span_skip(*rest, (size_t)(begin - rest->p) + strlen(BEGIN));
    *inside = (struct span){ rest->p, span_find(*rest, '-') };
    *rest = span_skip(*rest, inside->n);
    if (span_starts(*rest, SPAN(END)))
        *rest = span_skip(*rest, strlen(END));
    else
        *inside = (struct span){ NULL, 0 };
    return true;
}

ssize_t pem_decode(struct span inside, unsigned char *to)
{
    unsigned char *at = to;
    uint32_t bits = 1; /* of a group of four, below a 1 */
    unsigned pads = 0;

    for (size_t i = 0; i < inside.n; i++) {
        unsigned char c = (unsigned char)inside.p[i];
        unsigned n = c < 128 ? worth[c] : 66;

        if (n == BLANK)
            continue;
        if (n > PAD || (n < BLANK && pads > 0) || (n == PAD && (bits < 1 << 12 || pads > 1)))
            return -EINVAL;
        pads += n == PAD;
        bits = bits << 6 | (n & 63);
        if (bits < 1 << 24)
            continue;
        *at++ = (unsigned char)(bits >> 16);
        *at++ = (unsigned char)(bits >> 8);
        *at++ = (unsigned char)bits;
        bits = 1;
    }
    return bits == 1 ? at - to - (ssize_t)pads : -EINVAL;
}
