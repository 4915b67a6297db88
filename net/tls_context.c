/* Shared by connections: the library's settings, sessions to resume, and buffers. */
#include "net/tls_inside.h"

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* In seconds: after it a full handshake verifies the certificate again, even if tickets were
 * renewed. */
#define SESSION_MAX_AGE 3600

#if defined(MBEDTLS_SSL_PROTO_TLS1_3) && MBEDTLS_VERSION_NUMBER >= 0x03000000
const char *const tls_versions = "TLS 1.2 and 1.3";
#else
const char *const tls_versions = "TLS 1.2";
#endif

/* P-256 is first: the library computes it fastest, and every server has it. The library's own order
 * begins with the slowest. */
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
static const uint16_t groups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};
#else
static const mbedtls_ecp_group_id groups[] = {
    MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP384R1,
    MBEDTLS_ECP_DP_SECP521R1, MBEDTLS_ECP_DP_NONE,
};
#endif

/* Signatures (RFC 8446, 4.2.3). RSA-PSS is last and may be left out: see learn_no_pss. */
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#define OLDER_SIGNATURES                                                                           \
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,          \
        MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,            \
        MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384, MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512
static const uint16_t signatures_no_pss[] = { OLDER_SIGNATURES, MBEDTLS_TLS1_3_SIG_NONE };
static const uint16_t signatures[] = {
    OLDER_SIGNATURES,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,
    MBEDTLS_TLS1_3_SIG_NONE,
};
#endif

static const char *protocols[] = { "http/1.1", NULL };

const char *tls_library(void)
{
    static char text[40];

#if MBEDTLS_VERSION_NUMBER >= 0x04000000
    snprintf(text, sizeof text, "%s (untested)", MBEDTLS_VERSION_STRING_FULL);
#else
    mbedtls_version_get_string_full(text);
#endif
    return text;
}

int tls_configure(mbedtls_ssl_config *conf, bool server, bool pss)
{
    int err =
        mbedtls_ssl_config_defaults(conf, server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
                                    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

    if (err)
        return err;
    mbedtls_ssl_conf_ciphersuites(conf, tls_suites());
#if defined(MBEDTLS_SSL_RENEGOTIATION)
    mbedtls_ssl_conf_renegotiation(conf, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
#if MBEDTLS_VERSION_NUMBER < 0x04000000
    mbedtls_ssl_conf_rng(conf, tls_random, NULL);
#endif
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_groups(conf, groups);
    mbedtls_ssl_conf_sig_algs(conf, pss ? signatures : signatures_no_pss);
#else
    (void)pss;
    mbedtls_ssl_conf_min_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_curves(conf, groups);
#endif
    return mbedtls_ssl_conf_alpn_protocols(conf, protocols);
}

/* Sets everything that all connections of a client have in common. Returns 0 or the library's
 * error. */
static int configure(struct tls_context *c, mbedtls_ssl_config *conf)
{
    int err = tls_configure(conf, false, conf == c->config);

    if (err)
        return err;
    mbedtls_ssl_conf_authmode(conf,
                              c->verify ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_NONE);
    if (c->verify)
        tls_store_use(c, conf);
    mbedtls_ssl_conf_session_tickets(conf, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
#if defined(MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED)
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
    return 0;
}

void tls_hold_blocks(struct tls_context *c)
{
    for (unsigned i = 0; i < TLS_BLOCKS; i++)
        c->blocks[i] = malloc(16 * i + 12);
}

int tls_context_make(struct tls_context **out, const struct tls_options *o, char *why, size_t why_n)
{
    struct tls_context *c = calloc(1, sizeof *c);
    int err = -ENOMEM;

    *out = NULL;
    snprintf(why, why_n, "out of memory");
    if (!c)
        return -ENOMEM;
    c->refs = 1;
    c->verify = o->verify;
    c->config = calloc(1, sizeof *c->config);
    c->config_no_pss = calloc(1, sizeof *c->config_no_pss);
    if (!c->config || !c->config_no_pss)
        goto fail;
    mbedtls_ssl_config_init(c->config);
    mbedtls_ssl_config_init(c->config_no_pss);
    if (tls_after_fork()) {
        snprintf(why, why_n, "the TLS library finds no random numbers");
        err = -EIO;
        goto fail;
    }
    err = c->verify ? tls_store_load(c, o, why, why_n) : 0;
    if (err)
        goto fail;
    err = configure(c, c->config);
    if (!err)
        err = configure(c, c->config_no_pss);
    if (err) {
        snprintf(why, why_n, "the TLS library cannot be set up (%d)", err);
        err = -EINVAL;
        goto fail;
    }
    tls_hold_blocks(c);
    *out = c;
    return 0;
fail:
    tls_context_free(c);
    return err;
}

static void peer_free(struct tls_peer *p)
{
    mbedtls_ssl_session_free(p->session);
    free(p->session);
    free(p);
}

static void free_config(mbedtls_ssl_config *conf)
{
    if (conf)
        mbedtls_ssl_config_free(conf);
    free(conf);
}

struct tls_context *tls_context_hold(struct tls_context *c)
{
    c->refs++;
    return c;
}

void tls_context_free(struct tls_context *c)
{
    if (!c || --c->refs > 0)
        return;
    while (c->peers) {
        struct tls_peer *p = c->peers;

        c->peers = p->next;
        peer_free(p);
    }
    while (c->scratch) {
        struct tls_scratch *s = c->scratch;

        c->scratch = s->next;
        wipe(s, sizeof *s);
        free(s);
    }
    while (c->n_spare > 0)
        tls_room_free(&c->spare[--c->n_spare]);
    free_config(c->config);
    free_config(c->config_no_pss);
    tls_pairs_free(c);
    if (c->trusted)
        mbedtls_x509_crt_free(c->trusted);
    free(c->trusted);
    tls_anchors_free(c->anchors);
    for (unsigned i = 0; i < TLS_BLOCKS; i++)
        free(c->blocks[i]);
    free(c->store);
    free(c);
}

static struct tls_peer *peer_make(const char *host, size_t n)
{
    struct tls_peer *p = calloc(1, sizeof *p + n + 1);

    if (!p)
        return NULL;
    p->session = calloc(1, sizeof *p->session);
    if (!p->session) {
        free(p);
        return NULL;
    }
    mbedtls_ssl_session_init(p->session);
    memcpy(p->host, host, n);
    if (inet_pton(AF_INET, p->host, p->ip) == 1)
        p->ip_n = 4;
    else if (inet_pton(AF_INET6, p->host, p->ip) == 1)
        p->ip_n = 16;
    return p;
}

/* A dot at the end of a name is for the resolver; certificates and server_name have none
 * (RFC 6066, 3). */
struct tls_peer *tls_peer_get(struct tls_context *c, const char *host)
{
    size_t n = strlen(host);
    struct tls_peer *p;

    if (n > 1 && host[n - 1] == '.')
        n--;
    for (p = c->peers; p; p = p->next)
        if (span_eq_nocase((struct span){ host, n }, span_of(p->host)))
            return p;
    p = peer_make(host, n);
    if (p) {
        p->next = c->peers;
        c->peers = p;
    }
    return p;
}

static uint64_t seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec + 1;
}

bool tls_session_offer(struct tls_peer *p, struct mbedtls_ssl_context *ssl)
{
    if (p->verified && seconds() - p->verified > SESSION_MAX_AGE)
        tls_session_forget(p);
    return p->session_there && mbedtls_ssl_set_session(ssl, p->session) == 0;
}

void tls_session_keep(struct tls_peer *p, const struct mbedtls_ssl_context *ssl)
{
    mbedtls_ssl_session fresh;

    if (!p->verified)
        return;
    mbedtls_ssl_session_init(&fresh);
    if (mbedtls_ssl_get_session(ssl, &fresh)) {
        mbedtls_ssl_session_free(&fresh);
        return;
    }
    mbedtls_ssl_session_free(p->session);
    *p->session = fresh;
    p->session_there = true;
}

/* A session of TLS 1.3 cannot be resumed before a ticket has come. */
void tls_session_opened(struct tls_peer *p, const struct mbedtls_ssl_context *ssl, bool verified)
{
    if (!verified)
        return;
    p->verified = seconds();
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    if (mbedtls_ssl_get_version_number(ssl) != MBEDTLS_SSL_VERSION_TLS1_2)
        return;
#endif
    tls_session_keep(p, ssl);
}

void tls_session_forget(struct tls_peer *p)
{
    mbedtls_ssl_session_free(p->session);
    p->session_there = false;
    p->verified = 0;
}

struct tls_scratch *tls_scratch_get(struct tls_context *c)
{
    struct tls_scratch *s = c->scratch;

    if (!s)
        return malloc(sizeof *s);
    c->scratch = s->next;
    return s;
}

void tls_scratch_put(struct tls_context *c, struct tls_scratch *s)
{
    s->next = c->scratch;
    c->scratch = s;
}
