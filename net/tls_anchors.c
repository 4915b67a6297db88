/* Trusted certificates as they were read, one after the other, and hashes of their names. A chain
 * needs one or two of a hundred and fifty. */
#include "net/tls_inside.h"

#include <mbedtls/platform.h>
#include <mbedtls/x509_crt.h>

#include <stdint.h>
#include <stdlib.h>

struct anchor {
    uint32_t name; /* the hash of its subject */
    uint32_t n;
};

/* 1. der holds n_der bytes: those of the certificates in the order of list.
 * 2. What does not change any more is asked by streams of one thread at a time. */
struct tls_anchors {
    unsigned n, room;
    struct anchor *list;
    unsigned char *der;
    size_t n_der, room_der;
};

struct tls_anchors *tls_anchors_make(size_t bytes)
{
    struct tls_anchors *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->room_der = bytes;
    a->der = malloc(bytes ? bytes : 1);
    if (a->der)
        return a;
    free(a);
    return NULL;
}

void tls_anchors_free(struct tls_anchors *a)
{
    if (!a)
        return;
    free(a->list);
    free(a->der);
    free(a);
}

unsigned tls_anchors_count(const struct tls_anchors *a)
{
    return a->n;
}

/* Names that the library holds for the same have the same hash: it does not tell apart the case of
 * letters, nor kinds of text (FNV-1a, 32 bits). */
static uint32_t hash_name(const mbedtls_x509_name *name)
{
    uint32_t h = 0x811c9dc5u;

    for (; name; name = name->next) {
        for (size_t i = 0; i < name->oid.len; i++)
            h = (h ^ name->oid.p[i]) * 0x01000193u;
        for (size_t i = 0; i < name->val.len; i++)
            h = (h ^ (unsigned char)ascii_lower((char)name->val.p[i])) * 0x01000193u;
    }
    return h;
}

/* Adds to the list. Returns 0 or an error of the library's. */
static int list_add(struct tls_anchors *a, uint32_t name, size_t n)
{
    if (a->n == a->room) {
        unsigned room = a->room ? 2 * a->room : 16;
        struct anchor *list = realloc(a->list, room * sizeof *list);

        if (!list)
            return MBEDTLS_ERR_X509_ALLOC_FAILED;
        a->list = list;
        a->room = room;
    }
    a->list[a->n++] = (struct anchor){ .name = name, .n = (uint32_t)n };
    return 0;
}

int tls_anchors_add(struct tls_anchors *a, struct span der)
{
    mbedtls_x509_crt crt;
    int err;

    if (der.n > a->room_der - a->n_der)
        return MBEDTLS_ERR_X509_ALLOC_FAILED;
    mbedtls_x509_crt_init(&crt);
    err = mbedtls_x509_crt_parse_der_nocopy(&crt, (const unsigned char *)der.p, der.n);
    if (!err)
        err = list_add(a, hash_name(&crt.subject), crt.raw.len);
    if (!err) {
        memcpy(a->der + a->n_der, crt.raw.p, crt.raw.len);
        a->n_der += crt.raw.len;
    }
    mbedtls_x509_crt_free(&crt);
    return err;
}

void tls_anchors_trim(struct tls_anchors *a)
{
    unsigned char *der = a->n_der ? realloc(a->der, a->n_der) : NULL;
    struct anchor *list = a->n ? realloc(a->list, a->n * sizeof *list) : NULL;

    if (der) {
        a->der = der;
        a->room_der = a->n_der;
    }
    if (list) {
        a->list = list;
        a->room = a->n;
    }
}

int tls_anchors_ask(void *arg, const mbedtls_x509_crt *child, mbedtls_x509_crt **found)
{
    const struct tls_anchors *a = arg;
    uint32_t name = hash_name(&child->issuer);
    const unsigned char *der = a->der;
    int err = 0;

    *found = NULL;
    for (unsigned i = 0; i < a->n && !err; der += a->list[i++].n) {
        if (a->list[i].name != name)
            continue;
        if (!*found) {
            *found = mbedtls_calloc(1, sizeof **found);
            if (!*found)
                return MBEDTLS_ERR_X509_ALLOC_FAILED;
            mbedtls_x509_crt_init(*found);
        }
        err = mbedtls_x509_crt_parse_der_nocopy(*found, der, a->list[i].n);
    }
    if (err) {
        mbedtls_x509_crt_free(*found);
        mbedtls_free(*found);
        *found = NULL;
    }
    return err;
}

bool tls_anchors_have(const struct tls_anchors *a, const mbedtls_x509_crt *crt)
{
    uint32_t name = hash_name(&crt->subject);
    const unsigned char *der = a ? a->der : NULL;

    if (!a || hash_name(&crt->issuer) != name)
        return false;
    for (unsigned i = 0; i < a->n; der += a->list[i++].n)
        if (a->list[i].n == crt->raw.len && memcmp(der, crt->raw.p, crt->raw.len) == 0)
            return true;
    return false;
}
