/* A TLS stream: the handshake, reading, writing, and close_notify. */
#include "net/tls_inside.h"

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define MBEDTLS_ERR_SSL_BAD_CERTIFICATE MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE
#endif
#if defined(MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
#define NEW_TICKET MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
#else
#define NEW_TICKET INT_MIN /* no function returns this */
#endif

/* Gives the library input. */
static int tls_receive(void *arg, unsigned char *to, size_t n)
{
    struct tls *t = arg;
    ssize_t got = tls_carry_take(&t->carrier, to, n, t->read_max);

    if (got == -EAGAIN)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (got < 0)
        return MBEDTLS_ERR_SSL_CONN_EOF;
    if (!t->open)
        tls_clear_note(&t->clear, to, (size_t)got);
    if (!t->begun && t->clear.first_n == TLS_HEADER_SIZE) {
        t->plain_http = tls_is_plain_http(&t->clear);
        t->begun = true;
    }
    return t->plain_http ? MBEDTLS_ERR_SSL_CONN_EOF : (int)got;
}

/* Takes output from the library. */
static int tls_send(void *arg, const unsigned char *from, size_t n)
{
    size_t put = tls_carry_stage(&((struct tls *)arg)->carrier, from, n);

    return put > 0 ? (int)put : MBEDTLS_ERR_SSL_WANT_WRITE;
}

bool tls_holds_input(const struct tls *t)
{
    return t->carrier.in_n > 0 || t->carrier.eof || t->close_notify || t->read_error ||
        mbedtls_ssl_check_pending(t->ssl);
}

/* Begins a call. Returns 0 or -ENOMEM. */
static int tls_enter(struct tls *t)
{
    int err = tls_carry_begin(&t->carrier, t->context);

    if (err)
        return err;
    err = tls_lend(t->context, t->ssl, &t->counters);
    if (err)
        tls_carry_end(&t->carrier, t->context);
    return err;
}

/* Ends a call. No event announces the input that is left, so the bottom is marked as readable. */
static void tls_leave(struct tls *t)
{
    tls_give_back(t->context, t->ssl, &t->counters);
    tls_carry_end(&t->carrier, t->context);
    if (tls_holds_input(t))
        t->bottom->ready |= READY_READ;
}

/* True if the next connection should not offer RSA-PSS. mbedTLS 3.6.6 and 4.1.0 offer it for TLS
 * 1.3 and refuse it in TLS 1.2, where servers may choose it too. A second failure clears the
 * note. */
static bool learn_no_pss(struct tls *t, int err)
{
    if (!t->peer)
        return false;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    t->peer->no_pss = !t->peer->no_pss && err == MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER &&
        mbedtls_ssl_get_version_number(t->ssl) == MBEDTLS_SSL_VERSION_TLS1_2;
#else
    (void)err;
#endif
    return t->peer->no_pss;
}

/* Ends the stream after a failed handshake. The library has sent its alert, if it could. */
static int tls_fail_open(struct tls *t, int err)
{
    uint32_t flags = mbedtls_ssl_get_verify_result(t->ssl);
    int code = learn_no_pss(t, err)           ? -ECONNABORTED
        : err == MBEDTLS_ERR_SSL_ALLOC_FAILED ? -ENOMEM
                                              : -EPROTO;

    if (err == MBEDTLS_ERR_SSL_BAD_CERTIFICATE && flags != UINT32_MAX)
        tls_verdict_add(&t->verdict, flags);
    if (t->peer)
        tls_explain_handshake(&t->verdict, &t->carrier, &t->clear, err);
    else
        tls_explain_client(&t->verdict, &t->carrier, &t->clear, err);
    if (t->offered)
        tls_session_forget(t->peer);
    t->read_error = t->carrier.read_error ? t->carrier.read_error
        : t->carrier.write_error          ? t->carrier.write_error
                                          : code;
    t->write_error = t->read_error;
    return t->read_error;
}

/* After a failed write the peer hears nothing more. What it said before, such as an alert, is here
 * by now and is read once more, whatever the loop knows of it. */
static int shake_hands(struct tls *t)
{
    bool lost = false;

    for (;;) {
        int err = mbedtls_ssl_handshake(t->ssl);
        int sent = tls_carry_flush(&t->carrier);
        bool waits = err == MBEDTLS_ERR_SSL_WANT_READ || err == MBEDTLS_ERR_SSL_WANT_WRITE;

        if (err == NEW_TICKET || (err == MBEDTLS_ERR_SSL_WANT_WRITE && sent == 0))
            continue;
        if (waits && (sent == 0 || sent == -EAGAIN))
            return -EAGAIN;
        if (!waits || lost)
            return err ? tls_fail_open(t, err) : 0;
        lost = true;
        t->bottom->ready |= READY_READ;
    }
}

/* Ends reading. An end without close_notify may be a truncation (RFC 8446, 6.1). */
static void end_reading(struct tls *t, int err)
{
    if (err == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        t->close_notify = true;
        return;
    }
    tls_explain_end(&t->verdict, &t->carrier, err);
    t->read_error = t->carrier.read_error ? t->carrier.read_error : -EPROTO;
}

/* Decrypts into buf without waiting, and reads no more from below once there are bytes. With n = 0
 * it only takes tickets and the rest of the handshake. */
static size_t decrypt(struct tls *t, unsigned char *buf, size_t n)
{
    size_t got = 0;

    do {
        int r = mbedtls_ssl_read(t->ssl, buf + got, n - got);

        if (r > 0) {
            got += (size_t)r;
            t->read_max = 0;
        } else if (r == NEW_TICKET) {
            tls_session_keep(t->peer, t->ssl);
        } else if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE) {
            if (!mbedtls_ssl_check_pending(t->ssl))
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
    if (tls_enter(t))
        return -ENOMEM;
    t->begun |= t->peer != NULL;
    t->read_max = TLS_READ_MAX;
    err = tls_carry_flush(&t->carrier);
    if (!err)
        err = shake_hands(t);
    if (!err) {
        t->open = true;
        if (t->peer)
            tls_session_opened(t->peer, t->ssl, t->verdict.seen || !t->context->verify);
        /* The library drops the last message of the handshake when it looks for the next record,
         * and a server of TLS 1.3 sends its ticket then. */
        t->read_max = 0;
        decrypt(t, t->clear.header, 0);
        tls_carry_flush(&t->carrier);
    }
    tls_leave(t);
    return err;
}

static ssize_t tls_read(struct stream *s, void *buf, size_t n)
{
    struct tls *t = tls_of(s);
    size_t got;

    if (t->read_error)
        return t->read_error;
    if (t->close_notify)
        return 0;
    if (tls_enter(t))
        return -ENOMEM;
    /* No more than fits into buf, with a record that has come in part: the rest would be kept. */
    t->read_max =
        n >= TLS_READ_MAX + TLS_RECORD_MAX ? TLS_READ_MAX : TLS_RECORD_MAX + TLS_EXPANSION_MAX;
    got = decrypt(t, buf, n);
    tls_carry_flush(&t->carrier);
    tls_leave(t);
    if (got > 0)
        return (ssize_t)got;
    if (t->read_error)
        return t->read_error;
    return t->close_notify ? 0 : -EAGAIN;
}

static bool tls_pending(const struct stream *s)
{
    const struct tls *t = tls_of(s);

    return tls_holds_input(t) || stream_pending(t->carrier.below);
}

/* Encrypts the bytes of the next record: in place if they lie together, or else gathered, so that a
 * head and the start of its body share a record. Returns how many, or -EPROTO. */
static ssize_t encrypt_record(struct tls *t, struct tls_source *f)
{
    int max = mbedtls_ssl_get_max_out_record_payload(t->ssl);
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
        put = mbedtls_ssl_write(t->ssl, p, n);
    while (put == NEW_TICKET);
    if (p == t->carrier.scratch->text)
        wipe(t->carrier.scratch->text, n); /* a head, with its key */
    return put == (int)n ? put : -EPROTO;
}

/* Encrypts and sends f as far as the layer below takes it, and adds the bytes taken to *done. */
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
    if (tls_enter(t))
        return -ENOMEM;
    err = tls_carry_flush(&t->carrier);
    if (!err) {
        done = tls_source_gather(&from, NULL, t->owed);
        t->owed -= (uint32_t)done;
        err = encrypt(t, &from, &done);
    }
    tls_leave(t);
    return done > 0 ? (ssize_t)done : err;
}

/* Until the stream is open, the handshake decides what to wait for. Messages of the library itself,
 * such as an alert, that could not be sent at once are sent here, because every owner calls this
 * after each event. */
static void tls_want(struct stream *s, unsigned mask)
{
    struct tls *t = tls_of(s);
    struct tls_carrier *k = &t->carrier;

    if (k->out_n > 0 && (t->bottom->ready & READY_WRITE))
        tls_carry_send_kept(k);
    if (!t->open)
        mask = (mask & READY_HUP) |
            (k->out_n > 0 || (!t->begun && t->peer) ? READY_WRITE : READY_READ);
    else if (k->out_n > 0 && !k->write_error)
        mask |= READY_WRITE;
    if (tls_holds_input(t))
        t->bottom->ready |= READY_READ;
    stream_want(k->below, mask);
}

int tls_announce_end(struct tls *t)
{
    struct tls_carrier *k = &t->carrier;

    if (t->ended)
        return tls_carry_send_kept(k) == -EAGAIN ? -EAGAIN : 0;
    if (!t->open || t->write_error || k->write_error || tls_enter(t))
        return 0;
    t->ended = true;
    mbedtls_ssl_close_notify(t->ssl);
    tls_carry_flush(k);
    tls_leave(t);
    return k->out_n > 0 && !k->write_error ? -EAGAIN : 0;
}

void tls_free(struct tls *t)
{
    mbedtls_ssl_free(t->ssl);
    free(t->carrier.in_kept);
    free(t->carrier.out_kept);
    free(t->verdict.why);
    tls_context_free(t->context);
    free(t);
}

static void tls_close(struct stream *s)
{
    struct tls *t = tls_of(s);

    if (t->carrier.out_n == 0)
        tls_announce_end(t);
    stream_close(t->carrier.below);
    tls_free(t);
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

/* Both parts of a stream, in one piece. */
struct whole {
    struct tls tls;
    mbedtls_ssl_context ssl;
};

/* Each of the library's two buffers has room for a record. The chain comes in one message of at
 * most a record, and is parsed into about twice as much. */
#define LIBRARY_MAX (2 * (TLS_RECORD_MAX + TLS_EXPANSION_MAX) + 3 * TLS_RECORD_MAX + 16 * 1024)

size_t tls_stream_memory(void)
{
    return sizeof(struct whole) + LIBRARY_MAX + TLS_READ_MAX + TLS_WHY_MAX +
        TLS_WRITE_RECORDS * (TLS_RECORD_MAX + TLS_EXPANSION_MAX);
}

struct tls *tls_new(struct tls_context *c, struct stream *below, struct watch *bottom)
{
    struct whole *w = calloc(1, sizeof *w);
    struct tls *t;

    if (!w)
        return NULL;
    t = &w->tls;
    t->ssl = &w->ssl;
    mbedtls_ssl_init(t->ssl);
    t->stream.ops = &tls_ops;
    t->carrier.below = below;
    t->bottom = bottom;
    t->context = tls_context_hold(c);
    t->verdict.context = c;
    return t;
}

int tls_prepare(struct tls *t, const struct mbedtls_ssl_config *config)
{
    int err = mbedtls_ssl_setup(t->ssl, config);

    mbedtls_ssl_set_bio(t->ssl, t, tls_send, tls_receive, NULL);
    return err;
}

/* An address is not sent as server_name (RFC 6066, 3), and tls_verify checks it, not the
 * library. */
static int tls_set_up(struct tls *t)
{
    int err = tls_prepare(t, t->peer->no_pss ? t->context->config_no_pss : t->context->config);

    if (!err)
        err = mbedtls_ssl_set_hostname(t->ssl, t->peer->ip_n ? NULL : t->peer->host);
    if (err)
        return err;
    if (t->context->verify)
        mbedtls_ssl_set_verify(t->ssl, tls_verify, &t->verdict);
    t->offered = tls_session_offer(t->peer, t->ssl);
    return 0;
}

int tls_stream_make(struct stream **out, struct tls_context *c, struct stream *below,
                    struct watch *bottom, const char *host)
{
    int err = tls_after_fork();
    struct tls *t = err ? NULL : tls_new(c, below, bottom);

    *out = NULL;
    if (!t)
        return err ? err : -ENOMEM;
    t->peer = tls_peer_get(c, host);
    t->verdict.peer = t->peer;
    if (!t->peer || tls_set_up(t)) {
        tls_free(t);
        return -ENOMEM;
    }
    *out = &t->stream;
    return 0;
}
