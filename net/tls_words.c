/* Sentences for the 502 and the log: why a handshake failed, and why a connection ended. */
#include "net/tls_inside.h"

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <stdio.h>
#include <stdlib.h>

#define ALERT 21
#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION
#endif

char *tls_printable(char *s)
{
    for (char *p = s; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            *p = '?';
    return s;
}

/* Room for a sentence; NULL: no memory. */
static char *why_text(struct tls_verdict *v)
{
    if (!v->why)
        v->why = calloc(1, TLS_WHY_MAX);
    return v->why;
}

void tls_clear_note(struct tls_clear *c, const unsigned char *p, size_t n)
{
    if (c->first_n < TLS_HEADER_SIZE) {
        size_t left = (size_t)TLS_HEADER_SIZE - c->first_n, taken = n < left ? n : left;

        memcpy(c->header + c->first_n, p, taken);
        c->first_n += (uint8_t)taken;
    } else if (n == TLS_HEADER_SIZE) {
        memcpy(c->header, p, TLS_HEADER_SIZE);
    } else if (n == 2 && c->header[0] == ALERT && p[0] == MBEDTLS_SSL_ALERT_LEVEL_FATAL) {
        c->alert = p[1];
    }
}

/* True if the header can be that of a TLS record (RFC 8446, 5.1), or none has come. */
static bool is_record(const uint8_t *header)
{
    return header[0] == 0 || (header[0] >= 20 && header[0] <= 23 && header[1] == 3);
}

static void write_alert(char *to, int alert, const char *host)
{
    const char *what = "broke off the handshake", *versions = "", *name = "";

    switch (alert) {
    case MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE:
        what = "found no cipher suite in common, or speaks none of the versions that this program "
               "speaks: ";
        versions = tls_versions;
        break;
    case MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION:
        what = "speaks none of the versions that this program speaks: ";
        versions = tls_versions;
        break;
    case MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME:
        what = "knows no host ";
        name = host;
        break;
    case MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL:
        what = "does not speak HTTP/1.1";
        break;
    case 116: /* certificate_required (RFC 8446, 6.2) */
    case MBEDTLS_SSL_ALERT_MSG_BAD_CERT:
    case MBEDTLS_SSL_ALERT_MSG_NO_CERT:
        what = "wants a certificate of its client, and this program has none";
    }
    snprintf(to, TLS_WHY_MAX, "the server %s%s%s (alert %d)", what, versions, name, alert);
}

void tls_explain_handshake(struct tls_verdict *v, const struct tls_carrier *k,
                           const struct tls_clear *clear, int err)
{
    char *why = v->why ? NULL : why_text(v);

    if (!why)
        return;
    if (k->read_error || (k->write_error && !clear->alert))
        snprintf(why, TLS_WHY_MAX, "the connection was lost during the handshake: %s",
                 strerror(-(k->read_error ? k->read_error : k->write_error)));
    else if (memcmp(clear->header, "HTTP/", TLS_HEADER_SIZE) == 0)
        snprintf(why, TLS_WHY_MAX, "the server speaks plain HTTP on this port, not HTTPS");
    else if (clear->alert)
        write_alert(why, clear->alert, v->peer->host);
    else if (!is_record(clear->header))
        snprintf(why, TLS_WHY_MAX, "the server does not speak TLS on this port");
    else if (k->eof)
        snprintf(why, TLS_WHY_MAX, "the server closed the connection during the handshake");
    else if (err == MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION)
        snprintf(why, TLS_WHY_MAX,
                 "the server speaks none of the versions that this program speaks: %s",
                 tls_versions);
    else
        snprintf(why, TLS_WHY_MAX, "the handshake went wrong (-0x%04x)", (unsigned)-err);
    tls_printable(why);
}

bool tls_is_plain_http(const struct tls_clear *c)
{
    static const char *const methods[] = { "GET ",  "POST ", "HEAD ", "PUT ",  "OPTIO",
                                           "DELET", "PATCH", "CONNE", "TRACE", "PRI " };

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (memcmp(c->header, methods[i], strlen(methods[i])) == 0)
            return true;
    return false;
}

/* Alerts by which a client refuses a certificate (RFC 8446, 6.2). */
static bool is_about_certificate(int alert)
{
    return alert >= MBEDTLS_SSL_ALERT_MSG_BAD_CERT && alert <= MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA &&
        alert != MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER;
}

void tls_explain_client(struct tls_verdict *v, const struct tls_carrier *k,
                        const struct tls_clear *clear, int err)
{
    bool silent = k->eof && clear->header[0] == 0;
    char *why = silent || v->why ? NULL : why_text(v);

    if (!why)
        return;
    if (k->read_error || (k->write_error && !clear->alert))
        snprintf(why, TLS_WHY_MAX, "the connection was lost: %s",
                 strerror(-(k->read_error ? k->read_error : k->write_error)));
    else if (clear->alert)
        snprintf(why, TLS_WHY_MAX, "it %s (alert %d)",
                 is_about_certificate(clear->alert) ? "does not accept the certificate"
                                                    : "broke off the handshake",
                 clear->alert);
    else if (!is_record(clear->header))
        snprintf(why, TLS_WHY_MAX, "it does not speak TLS");
    else if (k->eof)
        snprintf(why, TLS_WHY_MAX, "it left in the middle of the handshake");
    else if (err == MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION)
        snprintf(why, TLS_WHY_MAX, "it does not speak %s", tls_versions);
    else
        snprintf(why, TLS_WHY_MAX, "the handshake went wrong (-0x%04x)", (unsigned)-err);
}

void tls_explain_end(struct tls_verdict *v, const struct tls_carrier *k, int err)
{
    char *why = why_text(v);

    if (!why)
        return;
    if (k->read_error)
        snprintf(why, TLS_WHY_MAX, "the connection was lost: %s", strerror(-k->read_error));
    else if (k->eof)
        snprintf(why, TLS_WHY_MAX,
                 "the connection was cut: it ended without the close_notify of TLS");
    else
        snprintf(
            why, TLS_WHY_MAX,
            "what came over the connection is not what the server sent, or it gave up (-0x%04x)",
            (unsigned)-err);
}
