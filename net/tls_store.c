/* The certificates that are trusted: which file they are in, and reading all of it. */
#include "net/tls_inside.h"
#include "base/files.h"
#include "base/pem.h"

#include <mbedtls/pem.h>
#include <mbedtls/ssl.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const stores[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/usr/local/etc/ssl/cert.pem",
};

/* Reads the file of trusted certificates. Returns as files_read does, with *file its name, NULL if
 * there is none to read, and *named_by where that comes from. */
static int read_store(const struct tls_options *o, const char **file, const char **named_by,
                      struct span *contents)
{
    int err;

    *named_by = "ca_file ";
    *file = o->ca_file;
    if (!*file || !**file) {
        *named_by = "SSL_CERT_FILE ";
        *file = getenv("SSL_CERT_FILE");
    }
    if (*file && **file)
        return files_read(o->files, *file, contents);
    *named_by = "";
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
        *file = stores[i];
        err = files_read(o->files, *file, contents);
        if (err == 0 || err == -ENOMEM)
            return err;
    }
    *file = NULL;
    return -ENOENT;
}

int tls_store_identity(const struct tls_options *o, char *out, size_t n)
{
    const char *named_by, *file;
    struct span contents;
    int err = read_store(o, &file, &named_by, &contents);

    out[0] = 0;
    if (!err)
        snprintf(out, n, "%zu %llx", contents.n, files_digest(contents));
    return err == -ENOMEM ? err : 0;
}

size_t tls_store_bytes(const struct tls_options *o)
{
    const char *named_by, *file;
    struct span contents;

    return read_store(o, &file, &named_by, &contents) == 0 ? contents.n : 0;
}

static void say_none_found(char *why, size_t n)
{
    size_t at = (size_t)snprintf(
        why, n,
        "no CA certificates to verify the upstream with: neither ca_file nor SSL_CERT_FILE is set, "
        "and there is none of");

    for (size_t i = 0; i < sizeof stores / sizeof *stores && at < n; i++)
        at += (size_t)snprintf(why + at, n - at, "%s %s", i ? "," : "", stores[i]);
}

/* An error of the library is the sum of two codes, of which the lower one has seven bits. */
bool tls_is_shortage(int err)
{
    int high = -(-err & 0xff80), low = -(-err & 0x7f);

    return high == MBEDTLS_ERR_X509_ALLOC_FAILED || high == MBEDTLS_ERR_PK_ALLOC_FAILED ||
        high == MBEDTLS_ERR_PEM_ALLOC_FAILED || low == MBEDTLS_ERR_ASN1_ALLOC_FAILED ||
        low == MBEDTLS_ERR_MPI_ALLOC_FAILED;
}

/* True if the certificate is whole, but of a kind that the library as it was built does not know,
 * as some in every system's bundle are. */
static bool is_unknown_kind(int err)
{
    switch (-(-err & 0xff80)) {
    case MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE:
    case MBEDTLS_ERR_X509_UNKNOWN_OID:
    case MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG:
    case MBEDTLS_ERR_X509_UNKNOWN_VERSION:
    case MBEDTLS_ERR_PK_UNKNOWN_PK_ALG:
    case MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE:
        return true;
    case MBEDTLS_ERR_X509_INVALID_EXTENSIONS: /* a critical one that is not known */
        return -(-err & 0x7f) == MBEDTLS_ERR_ASN1_UNEXPECTED_TAG;
    default:
        return false;
    }
}

/* Where certificates go that are read: to the end of a chain, or among anchors. */
struct readers {
    mbedtls_x509_crt *chain;
    struct tls_anchors *anchors;
};

/* Returns 0 or the library's error. */
static int take(const struct readers *to, struct span der)
{
    int err = to->anchors
        ? tls_anchors_add(to->anchors, der)
        : mbedtls_x509_crt_parse_der(to->chain, (const unsigned char *)der.p, der.n);

    return is_unknown_kind(err) ? 0 : err;
}

/* Reads the certificates of a file. Returns as tls_store_add does. */
static int read_all(const struct readers *to, struct span contents, unsigned *number)
{
    struct span rest = contents, inside;
    unsigned char *der;
    int err = 0;

    *number = 1;
    if (!memmem(contents.p, contents.n, "-----BEGIN ", 11))
        return take(to, contents);
    der = malloc(PEM_SIZE(contents.n) + 1);
    if (!der)
        return MBEDTLS_ERR_X509_ALLOC_FAILED;
    for (; pem_next(&rest, &inside); ++*number) {
        ssize_t n = inside.p ? pem_decode(inside, der) : 0;

        err = !inside.p ? MBEDTLS_ERR_PEM_NO_HEADER_FOOTER_PRESENT
            : n < 0     ? MBEDTLS_ERR_PEM_INVALID_DATA
                        : take(to, (struct span){ (char *)der, (size_t)n });
        if (err)
            break;
    }
    free(der);
    return err;
}

int tls_store_add(mbedtls_x509_crt *to, struct span contents, unsigned *number)
{
    return read_all(&(struct readers){ .chain = to }, contents, number);
}

/* By the callback of the library, certificates are parsed when a chain asks for them; where it was
 * built without, they are all parsed now. Returns as tls_store_add does; *n is how many there
 * are, or 1 for any. */
#if defined(MBEDTLS_X509_TRUSTED_CERTIFICATE_CALLBACK)
static int load_all(struct tls_context *c, struct span contents, unsigned *number, unsigned *n)
{
    int err;

    c->anchors = tls_anchors_make(contents.n);
    if (!c->anchors)
        return MBEDTLS_ERR_X509_ALLOC_FAILED;
    err = read_all(&(struct readers){ .anchors = c->anchors }, contents, number);
    tls_anchors_trim(c->anchors);
    *n = tls_anchors_count(c->anchors);
    return err;
}

void tls_store_use(const struct tls_context *c, mbedtls_ssl_config *conf)
{
    mbedtls_ssl_conf_ca_cb(conf, tls_anchors_ask, c->anchors);
}
#else
static int load_all(struct tls_context *c, struct span contents, unsigned *number, unsigned *n)
{
    int err;

    c->trusted = calloc(1, sizeof *c->trusted);
    if (!c->trusted)
        return MBEDTLS_ERR_X509_ALLOC_FAILED;
    mbedtls_x509_crt_init(c->trusted);
    err = read_all(&(struct readers){ .chain = c->trusted }, contents, number);
    *n = c->trusted->raw.p != NULL;
    return err;
}

void tls_store_use(const struct tls_context *c, mbedtls_ssl_config *conf)
{
    mbedtls_ssl_conf_ca_chain(conf, c->trusted, NULL);
}
#endif

int tls_store_load(struct tls_context *c, const struct tls_options *o, char *why, size_t why_n)
{
    const char *named_by, *file;
    struct span contents;
    unsigned number, n = 0;
    int err = read_store(o, &file, &named_by, &contents);

    if (!file) {
        say_none_found(why, why_n);
        return -EINVAL;
    }
    if (err) {
        snprintf(why, why_n, "cannot read the CA certificates in %s%s: %s", named_by, file,
                 files_why(err));
        return err == -ENOMEM ? err : -EINVAL;
    }
    err = load_all(c, contents, &number, &n);
    if (err && tls_is_shortage(err))
        return -ENOMEM;
    if (err && n)
        snprintf(why, why_n, "the CA certificate number %u in %s%s is damaged (-0x%04x)", number,
                 named_by, file, (unsigned)-err);
    else if (!n)
        snprintf(why, why_n, "there is no CA certificate in %s%s that can be read (%d)", named_by,
                 file, err);
    if (err || !n)
        return -EINVAL;
    c->store = strdup(file);
    return c->store ? 0 : -ENOMEM;
}
