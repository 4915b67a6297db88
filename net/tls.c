/* TLS over a stream: the handshake, reading, writing, and the goodbye.
 * Knows nothing of sockets; what connections share is net/tls_context.c, what is wrong with a certificate is said by
 * net/tls_verify.c.
 * The interface is net/tls.h; the bytes below travel by net/tls_carry.c. */
#include "net/tls_inside.h"

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define HEADER 5                        /* of a record: type, version, length */
#define ALERT 21
#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION
#define MBEDTLS_ERR_SSL_BAD_CERTIFICATE MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE
#endif
#if defined(MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
#define NEW_TICKET MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
#else
#define NEW_TICKET INT_MIN              /* nothing returns this */
#endif

/* owed is how many bytes of the owner's are encrypted and kept by the carrier. He was told that they were not taken, and offers
 * them again; when the last of them is gone they are reported as taken. So he waits for the peer as long as there is something
 * to send. */
struct tls {
    struct stream stream;
    struct tls_carrier carrier;
    struct watch *bottom;
    struct tls_context *context;
    struct tls_peer *peer;
    struct tls_verdict verdict;
    uint32_t owed;
    size_t read_max;                    /* how much the call under way may still read from below */
    int read_error, write_error;        /* for good */
    uint8_t header[HEADER];             /* of the record that is coming in while the connection is opened */
    struct tls_counters counters;
    uint8_t alert;                      /* the fatal one that came in the clear meanwhile */
    bool begun, open;
    bool offered;                       /* a session to resume */
    bool goodbye;                       /* the peer has said that it has ended */
    mbedtls_ssl_context ssl;
};

static struct tls *tls_of(const struct stream *s)
{
    return container_of(s, struct tls, stream);
}

/* Room for a sentence; NULL: no memory. */
static char *why_text(struct tls *t)
{
    if (!t->verdict.why)
        t->verdict.why = calloc(1, TLS_WHY_MAX);
    return t->verdict.why;
}

/* Looks at the records that come in the clear, for the sake of the sentence: the library keeps the number of an alert to
 * itself. */
static void peek(struct tls *t, const unsigned char *p, size_t n)
{
    if (n == HEADER)
        memcpy(t->header, p, HEADER);
    else if (n == 2 && t->header[0] == ALERT && p[0] == MBEDTLS_SSL_ALERT_LEVEL_FATAL)
        t->alert = p[1];
}

/* The library asks for bytes. */
static int receive(void *arg, unsigned char *to, size_t n)
{
    struct tls *t = arg;
    ssize_t got = tls_carry_take(&t->carrier, to, n, t->read_max);

    if (got == -EAGAIN)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (got < 0)
        return MBEDTLS_ERR_SSL_CONN_EOF;
    if (!t->open)
        peek(t, to, (size_t)got);
    return (int)got;
}

/* The library has bytes to send. */
static int stage(void *arg, const unsigned char *from, size_t n)
{
    size_t put = tls_carry_stage(&((struct tls *)arg)->carrier, from, n);

    return put > 0 ? (int)put : MBEDTLS_ERR_SSL_WANT_WRITE;
}

static bool holds_input(const struct tls *t)
{
    return t->carrier.in_n > 0 || t->carrier.eof || t->goodbye || t->read_error || mbedtls_ssl_check_pending(&t->ssl);
}

/* The beginning of a call. Returns 0 or -ENOMEM. */
static int enter(struct tls *t)
{
    int err = tls_carry_begin(&t->carrier, t->context);

    if (err)
        return err;
    err = tls_lend(t->context, &t->ssl, &t->counters);
    if (err)
        tls_carry_end(&t->carrier, t->context);
    return err;
}

/* The end of a call. */
static void leave(struct tls *t)
{
    tls_give_back(t->context, &t->ssl, &t->counters);
    tls_carry_end(&t->carrier, t->context);
    /* No event will tell of what is still here, so the bottom is made to say that there is something to read. */
    if (holds_input(t))
        t->bottom->ready |= READY_READ;
}

/* Words for a handshake that failed with what the library calls err. */
static void explain(struct tls *t, int err)
{
    uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);
    char *why;

    if (err == MBEDTLS_ERR_SSL_BAD_CERTIFICATE && flags != UINT32_MAX)
        tls_verdict_add(&t->verdict, flags);
    if (t->verdict.why || !(why = why_text(t)))
        return;
    if (t->carrier.read_error)
        snprintf(why, TLS_WHY_MAX, "the connection was lost during the handshake: %s", strerror(-t->carrier.read_error));
    else if (memcmp(t->header, "HTTP/", HEADER) == 0)
        snprintf(why, TLS_WHY_MAX, "the server speaks plain HTTP on this port, not HTTPS");
    else if (t->alert)
        tls_alert_text(why, TLS_WHY_MAX, t->alert, t->peer->host);
    else if (t->header[0] && (t->header[0] < 20 || t->header[0] > 23 || t->header[1] != 3))
        snprintf(why, TLS_WHY_MAX, "the server does not speak TLS on this port");
    else if (t->carrier.eof)
        snprintf(why, TLS_WHY_MAX, "the server closed the connection during the handshake");
    else if (err == MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION)
        snprintf(why, TLS_WHY_MAX, "the server speaks none of the versions that this program speaks: %s", tls_versions);
    else
        snprintf(why, TLS_WHY_MAX, "the handshake went wrong (-0x%04x)", (unsigned)-err);
    tls_printable(why);
}

/* True if the next connection should be offered no RSA-PSS. mbedTLS 3.6.6 and 4.1.0 offer it for the sake of TLS 1.3 and refuse it
 * in TLS 1.2, where servers may choose it all the same. What is learnt from a connection is forgotten when the next one fails too. */
static bool learn(struct tls *t, int err)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    t->peer->no_pss = !t->peer->no_pss && err == MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER &&
                      mbedtls_ssl_get_version_number(&t->ssl) == MBEDTLS_SSL_VERSION_TLS1_2;
#else
    (void)err;
#endif
    return t->peer->no_pss;
}

/* The handshake has failed: the alert that says so has gone out already, if it could. */
static int fail_open(struct tls *t, int err)
{
    int code = learn(t, err) ? -ECONNABORTED : err == MBEDTLS_ERR_SSL_ALLOC_FAILED ? -ENOMEM : -EPROTO;

    explain(t, err);
    if (t->offered)
        tls_session_forget(t->peer);
    t->read_error = t->carrier.read_error ? t->carrier.read_error : code;
    t->write_error = t->read_error;
    return t->read_error;
}

static int shake_hands(struct tls *t)
{
    for (;;) {
        int err = mbedtls_ssl_handshake(&t->ssl);
        int sent = tls_carry_flush(&t->carrier);

        if (err == NEW_TICKET || (err == MBEDTLS_ERR_SSL_WANT_WRITE && sent == 0))
            continue;
        if (err == MBEDTLS_ERR_SSL_WANT_READ || err == MBEDTLS_ERR_SSL_WANT_WRITE)
            return -EAGAIN;
        return err ? fail_open(t, err) : 0;
    }
}

/* The end of reading, whatever it is. A connection that ends without its goodbye may have been cut by anybody (RFC 8446, 6.1). */
static void end_reading(struct tls *t, int err)
{
    char *why;

    if (err == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        t->goodbye = true;
        return;
    }
    why = why_text(t);
    if (why && t->carrier.read_error)
        snprintf(why, TLS_WHY_MAX, "the connection was lost: %s", strerror(-t->carrier.read_error));
    else if (why && t->carrier.eof)
        snprintf(why, TLS_WHY_MAX, "the connection was cut: it ended without the goodbye of TLS");
    else if (why)
        snprintf(why, TLS_WHY_MAX, "what came over the connection is not what the server sent, or it gave up (-0x%04x)",
                 (unsigned)-err);
    t->read_error = t->carrier.read_error ? t->carrier.read_error : -EPROTO;
}

/* Decrypts into buf for as long as nothing has to be waited for. Once there is something, no more is read from below. n may be
 * 0: tickets, and what is left of the handshake, are taken then. */
static size_t decrypt(struct tls *t, unsigned char *buf, size_t n)
{
    size_t got = 0;

    do {
        int r = mbedtls_ssl_read(&t->ssl, buf + got, n - got);

        if (r > 0) {
            got += (size_t)r;
            t->read_max = 0;
        } else if (r == NEW_TICKET) {
            tls_session_keep(t->peer, &t->ssl);
        } else if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE) {
            if (!mbedtls_ssl_check_pending(&t->ssl))
                break;
        } else {
            if (r < 0 || n > 0)
                end_reading(t, r);
            break;
        }
    } while (n == 0 || got < n);
    return got;
}

static int tls_open(struct stream *s)
{
    struct tls *t = tls_of(s);
    int err;

    if (t->open || t->read_error)
        return t->read_error;
    if (enter(t))
        return -ENOMEM;
    t->begun = true;
    t->read_max = TLS_READ_MAX;
    err = tls_carry_flush(&t->carrier);
    if (!err)
        err = shake_hands(t);
    if (!err) {
        t->open = true;
        tls_session_opened(t->peer, &t->ssl, t->verdict.seen || !t->context->verify);
        /* The library lets go of the last message of the handshake only when it looks for the next one. */
        t->read_max = 0;
        decrypt(t, t->header, 0);
    }
    leave(t);
    return err;
}

static ssize_t tls_read(struct stream *s, void *buf, size_t n)
{
    struct tls *t = tls_of(s);
    size_t got;

    if (t->read_error)
        return t->read_error;
    if (t->goodbye)
        return 0;
    if (enter(t))
        return -ENOMEM;
    /* Together with a record that has begun to come in, no more than fits: the rest would have to be kept. */
    t->read_max = n >= TLS_READ_MAX + TLS_RECORD_MAX ? TLS_READ_MAX : TLS_RECORD_MAX + TLS_EXPANSION_MAX;
    got = decrypt(t, buf, n);
    tls_carry_flush(&t->carrier);
    leave(t);
    if (got > 0)
        return (ssize_t)got;
    if (t->read_error)
        return t->read_error;
    return t->goodbye ? 0 : -EAGAIN;
}

static bool tls_pending(const struct stream *s)
{
    const struct tls *t = tls_of(s);

    return holds_input(t) || stream_pending(t->carrier.below);
}

/* Puts the next record's worth of bytes on the stage: where they lie if they lie together, else gathered, so that a head and the
 * body behind it share a record. Returns how many, or -EPROTO. */
static ssize_t encrypt_record(struct tls *t, struct tls_source *f)
{
    int max = mbedtls_ssl_get_max_out_record_payload(&t->ssl);
    const unsigned char *p = (const unsigned char *)f->iov->iov_base + f->at;
    size_t n = max > 0 && max < TLS_RECORD_MAX ? (size_t)max : TLS_RECORD_MAX;
    int put;

    if (tls_source_first(f) >= n || f->n == 1) {
        n = tls_source_first(f) < n ? tls_source_first(f) : n;
        tls_source_take(f, n);
    } else {
        n = tls_source_gather(f, t->carrier.scratch->text, n);
        p = t->carrier.scratch->text;
    }
    do
        put = mbedtls_ssl_write(&t->ssl, p, n);
    while (put == NEW_TICKET);
    return put == (int)n ? put : -EPROTO;
}

/* Encrypts and sends all of f, or what the layer below takes of it; *done grows by what was taken. */
static int encrypt(struct tls *t, struct tls_source *f, size_t *done)
{
    size_t unsent = 0;

    tls_source_take(f, 0);
    while (f->n > 0) {
        ssize_t n = encrypt_record(t, f);
        int err;

        if (n < 0)
            return t->write_error = (int)n;
        unsent += (size_t)n;
        if (f->n > 0 && tls_carry_has_room(&t->carrier))
            continue;
        err = tls_carry_flush(&t->carrier);
        if (err) {
            t->owed = (uint32_t)unsent;
            return err;
        }
        *done += unsent;
        unsent = 0;
    }
    return 0;
}

static ssize_t tls_write(struct stream *s, const struct iovec *iov, int n)
{
    struct tls *t = tls_of(s);
    struct tls_source from = { iov, n, 0 };
    size_t done = 0;
    int err;

    if (t->write_error)
        return t->write_error;
    if (enter(t))
        return -ENOMEM;
    err = tls_carry_flush(&t->carrier);
    if (!err) {
        done = tls_source_gather(&from, NULL, t->owed);
        t->owed -= (uint32_t)done;
        err = encrypt(t, &from, &done);
    }
    leave(t);
    return done > 0 ? (ssize_t)done : err;
}

/* While the connection is opened, it is the handshake that waits, not the owner. What the library had to say on its own, such as
 * an alert, and could not send at once goes out here, where every owner comes by after each event. */
static void tls_want(struct stream *s, unsigned mask)
{
    struct tls *t = tls_of(s);

    struct tls_carrier *k = &t->carrier;

    if (k->out_n > 0 && (t->bottom->ready & READY_WRITE))
        tls_carry_send_kept(k);
    if (!t->open)
        mask = (mask & READY_HUP) | (k->out_n > 0 || !t->begun ? READY_WRITE : READY_READ);
    else if (k->out_n > 0 && !k->write_error)
        mask |= READY_WRITE;
    if (holds_input(t))
        t->bottom->ready |= READY_READ;
    stream_want(k->below, mask);
}

static void tls_close(struct stream *s)
{
    struct tls *t = tls_of(s);
    struct tls_carrier *k = &t->carrier;

    if (t->open && !t->write_error && !k->write_error && k->out_n == 0 && enter(t) == 0) {
        mbedtls_ssl_close_notify(&t->ssl);
        tls_carry_flush(k);
        leave(t);
    }
    mbedtls_ssl_free(&t->ssl);
    stream_close(k->below);
    free(k->in_kept);
    free(k->out_kept);
    free(t->verdict.why);
    free(t);
}

static const char *tls_why(const struct stream *s)
{
    const struct tls *t = tls_of(s);

    return t->verdict.why ? t->verdict.why : stream_why(t->carrier.below);
}

static const struct stream_ops tls_ops = {
    .open = tls_open,
    .read = tls_read,
    .pending = tls_pending,
    .write = tls_write,
    .want = tls_want,
    .close = tls_close,
    .why = tls_why,
};

/* An address is no server_name (RFC 6066, 3), and it is not the library that checks it. */
static int set_up(struct tls *t)
{
    int err = mbedtls_ssl_setup(&t->ssl, t->peer->no_pss ? t->context->config_no_pss : t->context->config);

    if (!err)
        err = mbedtls_ssl_set_hostname(&t->ssl, t->peer->ip_n ? NULL : t->peer->host);
    if (err)
        return err;
    if (t->context->verify)
        mbedtls_ssl_set_verify(&t->ssl, tls_verify, &t->verdict);
    mbedtls_ssl_set_bio(&t->ssl, t, stage, receive, NULL);
    t->offered = tls_session_offer(t->peer, &t->ssl);
    return 0;
}

int tls_stream_make(struct stream **out, struct tls_context *c, struct stream *below, struct watch *bottom, const char *host)
{
    struct tls *t = calloc(1, sizeof *t);

    *out = NULL;
    if (!t)
        return -ENOMEM;
    tls_after_fork();
    mbedtls_ssl_init(&t->ssl);
    t->stream.ops = &tls_ops;
    t->carrier.below = below;
    t->bottom = bottom;
    t->context = c;
    t->peer = tls_peer_get(c, host);
    t->verdict.context = c;
    t->verdict.peer = t->peer;
    if (!t->peer || set_up(t)) {
        mbedtls_ssl_free(&t->ssl);
        free(t);
        return -ENOMEM;
    }
    *out = &t->stream;
    return 0;
}
