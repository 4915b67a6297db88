/* Any bytes as a file of certificates: what the library's own decoder takes is decoded to the same
 * bytes, and what is decoded comes back as the same text. */
#include "base/out.h"
#include "base/pem.h"

#include <mbedtls/base64.h>

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The text without blanks, in memory of its own size. */
static struct span squeezed(struct span text)
{
    char *to = malloc(text.n + 1);
    size_t n = 0;

    if (!to)
        abort();
    for (size_t i = 0; i < text.n; i++)
        if (!memchr(" \t\r\n", text.p[i], 4))
            to[n++] = text.p[i];
    return (struct span){ to, n };
}

/* The last digit of a text with padding has bits that mean nothing. */
static void compare_with_text(struct span digits, struct span bytes)
{
    char *text = malloc(OUT_BASE64_SIZE(bytes.n) + 1);
    size_t sure = digits.n < 4 ? 0 : digits.n - 4;
    struct out o;

    if (!text)
        abort();
    out_init(&o, text, OUT_BASE64_SIZE(bytes.n) + 1);
    out_base64(&o, bytes);
    if (o.n != digits.n || memcmp(text, digits.p, sure) != 0)
        abort();
    free(text);
}

/* The library passes over what is left of an incomplete group. */
static void compare_with_library(struct span inside, struct span digits, const unsigned char *bytes,
                                 ssize_t n)
{
    unsigned char *theirs = malloc(inside.n + 3);
    size_t got;
    int err = mbedtls_base64_decode(theirs, inside.n + 3, &got, (const unsigned char *)inside.p,
                                    inside.n);

    if (!theirs)
        abort();
    if (!err && digits.n % 4 == 0 && (n < 0 || (size_t)n != got || memcmp(theirs, bytes, got) != 0))
        abort();
    free(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span rest = { (const char *)data, n }, inside;

    while (pem_next(&rest, &inside)) {
        unsigned char *to;
        struct span digits;
        ssize_t got;

        if (!inside.p)
            continue;
        to = malloc(PEM_SIZE(inside.n) + 1);
        if (!to)
            abort();
        digits = squeezed(inside);
        got = pem_decode(inside, to);
        if (got > (ssize_t)PEM_SIZE(inside.n))
            abort();
        if (got >= 0)
            compare_with_text(digits, (struct span){ (char *)to, (size_t)got });
        compare_with_library(inside, digits, to, got);
        free((char *)digits.p);
        free(to);
    }
    return 0;
}
