/* Certificates of ours with their keys, and the choice among them by the name that a client asks
 * for (RFC 6066, 3). */
#include "net/tls_server.h"
#include "base/files.h"
#include "net/tls_inside.h"

#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SAN_DNS (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2) /* GeneralName, RFC 5280, 4.2.1.6 */

struct tls_pair {
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
};

/* What is being loaded, and where to say what is wrong with it. */
struct loading {
    const struct tls_server_options *options;
    char *why;
    size_t why_n;
};

void tls_pairs_free(struct tls_context *c)
{
    for (unsigned i = 0; i < c->n_pairs; i++) {
        mbedtls_x509_crt_free(&c->pairs[i].chain);
        mbedtls_pk_free(&c->pairs[i].key);
    }
    free(c->pairs);
}

bool tls_name_matches(struct span pattern, struct span host)
{
    size_t dot = span_find(host, '.');

    if (span_starts(pattern, SPAN("*."))) {
        if (dot == 0 || dot == host.n)
            return false;
        pattern = span_skip(pattern, 1);
        host = span_skip(host, dot);
    }
    return pattern.n > 0 && span_eq_nocase(pattern, host);
}

static struct span span_of_asn1(const mbedtls_asn1_buf *b)
{
    return (struct span){ (const char *)b->p, b->len };
}

/* True if the pattern decides, and means the host. */
static bool fits(struct span pattern, struct span host, bool wildcard)
{
    return span_starts(pattern, SPAN("*.")) == wildcard && tls_name_matches(pattern, host);
}

/* A certificate with names in subjectAltName has no other (RFC 6125, 6.4.4). */
static bool pair_is_for(const struct tls_pair *p, struct span host, bool wildcard)
{
    bool named = false;

    for (const mbedtls_x509_sequence *s = &p->chain.subject_alt_names; s && s->buf.p; s = s->next) {
        named |= s->buf.tag == SAN_DNS;
        if (s->buf.tag == SAN_DNS && fits(span_of_asn1(&s->buf), host, wildcard))
            return true;
    }
    for (const mbedtls_x509_name *n = &p->chain.subject; n && !named; n = n->next)
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0 &&
            fits(span_of_asn1(&n->val), host, wildcard))
            return true;
    return false;
}

/* The library calls it when a client names a host. It chooses among all certificates that have the
 * name by the algorithms that the client knows; without any it takes the first pair. */
static int on_name(void *arg, mbedtls_ssl_context *ssl, const unsigned char *name, size_t n)
{
    struct tls_context *c = arg;
    struct span host = { (const char *)name, n };
    bool found = false;
    int err = 0;

    if (host.n > 1 && host.p[host.n - 1] == '.')
        host.n--;
    for (int wildcard = 0; wildcard < 2 && !found; wildcard++)
        for (unsigned i = 0; i < c->n_pairs && !err; i++)
            if (pair_is_for(&c->pairs[i], host, wildcard)) {
                found = true;
                err = mbedtls_ssl_set_hs_own_cert(ssl, &c->pairs[i].chain, &c->pairs[i].key);
            }
    return err;
}

/* Reads one file. Returns 0, or -EINVAL or -ENOMEM. */
static int read_one(const struct loading *l, const char *path, struct span *contents)
{
    int err = files_read(l->options->files, path, contents);

    if (err && err != -ENOMEM) {
        snprintf(l->why, l->why_n, "%s cannot be read: %s", path, files_why(err));
        return -EINVAL;
    }
    return err;
}

static int load_chain(const struct loading *l, const char *path, struct span contents,
                      mbedtls_x509_crt *chain)
{
    unsigned number;
    int err = tls_store_add(chain, contents, &number);

    if (err && tls_is_shortage(err))
        return -ENOMEM;
    if (err && chain->raw.p)
        snprintf(l->why, l->why_n, "the certificate number %u in %s is damaged (-0x%04x)", number,
                 path, (unsigned)-err);
    else if (!chain->raw.p)
        snprintf(l->why, l->why_n, "%s holds no certificate that can be read (-0x%04x)", path,
                 (unsigned)-err);
    return err || !chain->raw.p ? -EINVAL : 0;
}

static int load_key(const struct loading *l, const char *path, struct span contents,
                    mbedtls_pk_context *key)
{
    bool pem = memmem(contents.p, contents.n, "-----BEGIN ", 11) != NULL;
    const unsigned char *p = (const unsigned char *)contents.p;
    /* The library wants the NUL that ends a text, which files_read has put there. */
    size_t n = contents.n + pem;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000 && MBEDTLS_VERSION_NUMBER < 0x04000000
    int err = contents.n ? mbedtls_pk_parse_key(key, p, n, NULL, 0, tls_random, NULL)
                         : MBEDTLS_ERR_PK_KEY_INVALID_FORMAT;
#else
    int err =
        contents.n ? mbedtls_pk_parse_key(key, p, n, NULL, 0) : MBEDTLS_ERR_PK_KEY_INVALID_FORMAT;
#endif

    if (!err || tls_is_shortage(err))
        return err ? -ENOMEM : 0;
    if (memmem(contents.p, contents.n, "ENCRYPTED", 9))
        snprintf(l->why, l->why_n, "the key in %s has a password; one without is needed", path);
    else
        snprintf(l->why, l->why_n, "%s holds no key that can be read (-0x%04x)", path,
                 (unsigned)-err);
    return -EINVAL;
}

static bool belong_together(const struct tls_pair *p)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000 && MBEDTLS_VERSION_NUMBER < 0x04000000
    return mbedtls_pk_check_pair(&p->chain.pk, &p->key, tls_random, NULL) == 0;
#else
    return mbedtls_pk_check_pair(&p->chain.pk, &p->key) == 0;
#endif
}

/* Loads the pair number i, which is c's to free in any case. Returns as tls_server_make does. */
static int load_pair(struct tls_context *c, const struct loading *l, unsigned i, bool *of_key)
{
    const char *file = l->options->certificates[i], *key_file = l->options->keys[i];
    struct tls_pair *p = &c->pairs[i];
    struct span chain, key;
    int err;

    mbedtls_x509_crt_init(&p->chain);
    mbedtls_pk_init(&p->key);
    c->n_pairs++;
    *of_key = false;
    err = read_one(l, file, &chain);
    if (!err)
        err = load_chain(l, file, chain, &p->chain);
    if (err)
        return err;
    *of_key = true;
    err = read_one(l, key_file, &key);
    if (!err)
        err = load_key(l, key_file, key, &p->key);
    if (err)
        return err;
    if (!belong_together(p)) {
        snprintf(l->why, l->why_n, "the key in %s does not belong to the certificate in %s",
                 key_file, file);
        return -EINVAL;
    }
    c->digest = 31 * (31 * c->digest + files_digest(chain)) + files_digest(key);
    return 0;
}

static int set_up(struct tls_context *c)
{
    int err = tls_configure(c->config, true, true);

    if (err)
        return err;
    mbedtls_ssl_conf_authmode(c->config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_sni(c->config, on_name, c);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
    mbedtls_ssl_conf_tls13_key_exchange_modes(
        c->config,
        MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
            MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
#endif
    tls_tickets_use(c->config);
    return mbedtls_ssl_conf_own_cert(c->config, &c->pairs[0].chain, &c->pairs[0].key);
}

/* Room for n pairs; NULL: no memory. */
static struct tls_context *server_new(unsigned n)
{
    struct tls_context *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->refs = 1;
    c->pairs = calloc(n, sizeof *c->pairs);
    c->config = calloc(1, sizeof *c->config);
    if (c->config)
        mbedtls_ssl_config_init(c->config);
    if (c->pairs && c->config)
        return c;
    tls_context_free(c);
    return NULL;
}

int tls_server_make(struct tls_context **out, const struct tls_server_options *o, char *why,
                    size_t why_n, bool *of_key)
{
    struct loading l = { o, why, why_n };
    struct tls_context *c = server_new(o->n);
    int err = c ? 0 : -ENOMEM;

    *out = NULL;
    *of_key = false;
    snprintf(why, why_n, "out of memory");
    if (!err && tls_after_fork()) {
        snprintf(why, why_n, "the TLS library finds no random numbers");
        err = -EIO;
    }
    for (unsigned i = 0; i < o->n && !err; i++)
        err = load_pair(c, &l, i, of_key);
    if (!err && set_up(c)) {
        snprintf(why, why_n, "the TLS library cannot be set up");
        err = -EINVAL;
    }
    if (err) {
        tls_context_free(c);
        return err;
    }
    tls_hold_blocks(c);
    *out = c;
    return 0;
}

bool tls_server_same(const struct tls_context *a, const struct tls_context *b)
{
    return a->n_pairs == b->n_pairs && a->digest == b->digest;
}

/* A time of a certificate as a number that grows with it. */
static unsigned long long moment(int year, int mon, int day, int second)
{
    return (((unsigned long long)year * 12 + (unsigned)mon) * 31 + (unsigned)day) * 86400 +
        (unsigned)second;
}

static unsigned long long moment_of(const mbedtls_x509_time *t)
{
    return moment(t->year, t->mon, t->day, (t->hour * 60 + t->min) * 60 + t->sec);
}

bool tls_server_warning(const struct tls_context *c, unsigned i, char *out, size_t n)
{
    const mbedtls_x509_crt *crt = &c->pairs[i].chain;
    const mbedtls_x509_time *from = &crt->valid_from, *to = &crt->valid_to;
    unsigned long long now;
    time_t t = time(NULL);
    struct tm tm;

    gmtime_r(&t, &tm);
    now = moment(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                 (tm.tm_hour * 60 + tm.tm_min) * 60 + tm.tm_sec);
    if (now > moment_of(to))
        snprintf(out, n, "has expired on %04d-%02d-%02d", to->year, to->mon, to->day);
    else if (now < moment_of(from))
        snprintf(out, n, "is not valid before %04d-%02d-%02d", from->year, from->mon, from->day);
    else
        return false;
    return true;
}
