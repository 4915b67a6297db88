/* Whether a certificate is good for a host, and a sentence about what is wrong with it. The library
 * checks signatures, dates and names; addresses are checked here, because not every version can. */
#include "net/tls_inside.h"

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NAMES_MAX 200
#define SAN_DNS (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2) /* GeneralName, RFC 5280, 4.2.1.6 */
#define SAN_ADDRESS (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7)
#define CLOCK_IS_SANE 2024 /* in an earlier year the clock is wrong, not the certificate */

__attribute__((format(printf, 2, 3))) static void say(struct tls_verdict *v, const char *fmt, ...)
{
    size_t at;
    va_list args;

    if (!v->why)
        v->why = calloc(1, TLS_WHY_MAX);
    if (!v->why)
        return;
    at = strlen(v->why);
    if (at > 0 && at + 3 < TLS_WHY_MAX) {
        memcpy(v->why + at, "; ", 3);
        at += 2;
    }
    va_start(args, fmt);
    vsnprintf(v->why + at, TLS_WHY_MAX - at, fmt, args);
    va_end(args);
    tls_printable(v->why);
}

/* Appends text to a list of names, which ends with "..." where it would get too long. */
static void list_add(char *to, const char *text, size_t n)
{
    size_t at = strlen(to);

    if (at + n + 8 > NAMES_MAX) {
        if (at < 3 || strcmp(to + at - 3, "...") != 0)
            snprintf(to + at, NAMES_MAX - at, ", ...");
        return;
    }
    snprintf(to + at, NAMES_MAX - at, "%s%.*s", at ? ", " : "", (int)n, text);
}

/* The names and addresses of the certificate, or its subject where it has neither. */
static const char *names_of(const mbedtls_x509_crt *crt, char to[NAMES_MAX])
{
    to[0] = 0;
    for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s && s->buf.p; s = s->next) {
        char text[INET6_ADDRSTRLEN];

        if (s->buf.tag == SAN_DNS)
            list_add(to, (const char *)s->buf.p, s->buf.len);
        else if (s->buf.tag == SAN_ADDRESS && (s->buf.len == 4 || s->buf.len == 16) &&
                 inet_ntop(s->buf.len == 4 ? AF_INET : AF_INET6, s->buf.p, text, sizeof text))
            list_add(to, text, strlen(text));
    }
    if (!to[0] && mbedtls_x509_dn_gets(to, NAMES_MAX, &crt->subject) <= 0)
        snprintf(to, NAMES_MAX, "nobody");
    return to;
}

static bool holds_address(const mbedtls_x509_crt *crt, const struct tls_peer *p)
{
    for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s && s->buf.p; s = s->next)
        if (s->buf.tag == SAN_ADDRESS && s->buf.len == p->ip_n &&
            memcmp(s->buf.p, p->ip, p->ip_n) == 0)
            return true;
    return false;
}

static void say_date(struct tls_verdict *v, const char *which, const mbedtls_x509_crt *crt,
                     uint32_t flags)
{
    const mbedtls_x509_time *t =
        flags & MBEDTLS_X509_BADCERT_EXPIRED ? &crt->valid_to : &crt->valid_from;
    time_t now = time(NULL);
    struct tm tm;
    char here[32];

    gmtime_r(&now, &tm);
    strftime(here, sizeof here, "%Y-%m-%d %H:%M UTC", &tm);
    if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
        say(v, "%s expired on %04d-%02d-%02d (it is %s now)", which, t->year, t->mon, t->day, here);
    else if (tm.tm_year + 1900 < CLOCK_IS_SANE)
        say(v,
            "the clock of this machine is wrong, so no certificate can be checked: it says %s, and "
            "%s is valid from %04d-%02d-%02d on",
            here, which, t->year, t->mon, t->day);
    else
        say(v, "%s is not yet valid: only from %04d-%02d-%02d %02d:%02d UTC on (it is %s now)",
            which, t->year, t->mon, t->day, t->hour, t->min, here);
}

static void say_unknown(struct tls_verdict *v, const char *which, const mbedtls_x509_crt *crt)
{
    bool self_signed =
        span_eq((struct span){ (const char *)crt->issuer_raw.p, crt->issuer_raw.len },
                (struct span){ (const char *)crt->subject_raw.p, crt->subject_raw.len });
    char issuer[NAMES_MAX];

    if (mbedtls_x509_dn_gets(issuer, sizeof issuer, &crt->issuer) <= 0)
        snprintf(issuer, sizeof issuer, "?");
    if (self_signed)
        say(v, "%s is self-signed and not among those in %s (to trust it, name it as ca_file)",
            which, v->context->store);
    else
        say(v,
            "%s was issued by '%s', which is not among the authorities in %s, unless the server "
            "leaves out a certificate in between",
            which, issuer, v->context->store);
}

/* Faults of the certificate itself. */
static void say_quality(struct tls_verdict *v, const char *which, uint32_t flags)
{
    if (flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK))
        say(v, "%s is signed in a way that is not safe any more", which);
    else if (flags & MBEDTLS_X509_BADCERT_BAD_KEY)
        say(v, "%s has too short a key, or one of an unknown kind", which);
    else if (flags &
             (MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
              MBEDTLS_X509_BADCERT_NS_CERT_TYPE))
        say(v, "%s is not meant for servers", which);
    else
        say(v, "%s cannot be accepted (flags 0x%x)", which, (unsigned)flags);
}

void tls_verdict_add(struct tls_verdict *v, uint32_t flags)
{
    if (flags && !v->why)
        say_quality(v, "its certificate", flags);
}

static const char *which_certificate(const mbedtls_x509_crt *crt, int depth,
                                     char to[NAMES_MAX + 64])
{
    char subject[NAMES_MAX];

    if (depth == 0 || mbedtls_x509_dn_gets(subject, sizeof subject, &crt->subject) <= 0)
        snprintf(to, NAMES_MAX + 64, "its certificate");
    else
        snprintf(to, NAMES_MAX + 64, "the certificate '%s' above its own", subject);
    return to;
}

static void verdict_explain(struct tls_verdict *v, const mbedtls_x509_crt *crt, int depth,
                            uint32_t flags)
{
    const uint32_t told = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE |
        MBEDTLS_X509_BADCERT_CN_MISMATCH | MBEDTLS_X509_BADCERT_NOT_TRUSTED;
    char names[NAMES_MAX], which[NAMES_MAX + 64];

    which_certificate(crt, depth, which);
    if (flags & (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE))
        say_date(v, which, crt, flags);
    if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH)
        say(v, "its certificate is for %s and not for %s%s", names_of(crt, names),
            v->peer->ip_n ? "the address " : "", v->peer->host);
    if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
        say_unknown(v, which, crt);
    if (flags & ~told)
        say_quality(v, which, flags & ~told);
}

#if !defined(MBEDTLS_HAVE_TIME_DATE)
static long long moment(int year, int mon, int day, const int hms[3])
{
    return ((((year * 12LL + mon) * 31 + day) * 24 + hms[0]) * 60 + hms[1]) * 60 + hms[2];
}

/* The library was built without a calendar, so the dates are compared here. */
static uint32_t check_dates(const mbedtls_x509_crt *crt)
{
    const mbedtls_x509_time *from = &crt->valid_from, *to = &crt->valid_to;
    time_t t = time(NULL);
    struct tm tm;
    long long now;

    gmtime_r(&t, &tm);
    now = moment(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                 (int[]){ tm.tm_hour, tm.tm_min, tm.tm_sec });
    if (now < moment(from->year, from->mon, from->day, (int[]){ from->hour, from->min, from->sec }))
        return MBEDTLS_X509_BADCERT_FUTURE;
    return now > moment(to->year, to->mon, to->day, (int[]){ to->hour, to->min, to->sec })
        ? MBEDTLS_X509_BADCERT_EXPIRED
        : 0;
}
#else
static uint32_t check_dates(const mbedtls_x509_crt *crt)
{
    (void)crt;
    return 0;
}
#endif

/* An address must be among the addresses of the certificate (RFC 9110, 4.3.5). The library was
 * given no name to check then. A server's own certificate may be trusted without being an
 * authority's, which the library sees only where it has all that are trusted. */
int tls_verify(void *arg, struct mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct tls_verdict *v = arg;

    *flags |= check_dates(crt);
    if (depth == 0) {
        v->seen = true;
        if (*flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED && tls_anchors_have(v->context->anchors, crt))
            *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_NOT_TRUSTED;
        if (v->peer->ip_n && !holds_address(crt, v->peer))
            *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    }
    if (*flags)
        verdict_explain(v, crt, depth, *flags);
    return 0;
}
