/* The library keeps room for one record each way, 33 KiB as it is commonly built, with every connection; here a connection has
 * it only during a call, and while a record has come in part. What is lent is warm in the cache, too.
 * Knows the library from inside, and so only those versions whose inside it knows; with others, or where the library gives rooms
 * of different sizes to different connections, each keeps its own.
 * The interface is net/tls_inside.h, the user net/tls.c. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "net/tls_inside.h"

#include <mbedtls/platform.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <errno.h>

#define VERSION_IN(from, to) (MBEDTLS_VERSION_NUMBER >= (from) && MBEDTLS_VERSION_NUMBER < (to))

#if !defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH) && (VERSION_IN(0x021C0000, 0x03000000) || VERSION_IN(0x03060000, 0x04000000))

#define COUNTER 8                       /* the number of the next record, in front of the record's own place */

/* True if nothing is in either room but the counters. */
static bool is_between_records(const mbedtls_ssl_context *ssl)
{
    return ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER && !ssl->in_offt && ssl->in_left == 0 && ssl->in_msglen == 0 &&
           ssl->in_hslen == 0 && !ssl->keep_current_message && ssl->out_left == 0 && ssl->in_hdr == ssl->in_buf + COUNTER &&
           ssl->out_hdr == ssl->out_buf + COUNTER && ssl->in_ctr == ssl->in_buf && ssl->out_ctr == ssl->out_buf;
}

static void shift(unsigned char **p, uintptr_t by)
{
    *p = (unsigned char *)((uintptr_t)*p + by);
}

/* While the room is elsewhere, what pointed into it holds the distance from its start. */
static void shift_all(mbedtls_ssl_context *ssl, uintptr_t in, uintptr_t out)
{
    shift(&ssl->in_ctr, in);
    shift(&ssl->in_hdr, in);
    shift(&ssl->in_len, in);
    shift(&ssl->in_iv, in);
    shift(&ssl->in_msg, in);
    shift(&ssl->out_ctr, out);
    shift(&ssl->out_hdr, out);
    shift(&ssl->out_len, out);
    shift(&ssl->out_iv, out);
    shift(&ssl->out_msg, out);
#if defined(MBEDTLS_SSL_DTLS_CONNECTION_ID)
    shift(&ssl->in_cid, in);
    shift(&ssl->out_cid, out);
#endif
}

static struct tls_room take_out(mbedtls_ssl_context *ssl)
{
    struct tls_room r = { .in = ssl->in_buf, .out = ssl->out_buf };

    ssl->in_buf = ssl->out_buf = NULL;
    return r;
}

void tls_room_free(struct tls_room *r)
{
    mbedtls_free(r->in);
    mbedtls_free(r->out);
    *r = (struct tls_room){ 0 };
}

/* Room as the library itself makes it: how much that is, it does not say. */
static int make_room(struct tls_context *c, struct tls_room *r)
{
    mbedtls_ssl_context ssl;
    int err;

    mbedtls_ssl_init(&ssl);
    err = mbedtls_ssl_setup(&ssl, c->config);
    if (!err)
        *r = take_out(&ssl);
    mbedtls_ssl_free(&ssl);
    return err ? -ENOMEM : 0;
}

void tls_give_back(struct tls_context *c, struct mbedtls_ssl_context *ssl, struct tls_counters *kept)
{
    struct tls_room r;

    if (kept->away || !is_between_records(ssl))
        return;
    memcpy(kept->in, ssl->in_buf, COUNTER);
    memcpy(kept->out, ssl->out_buf, COUNTER);
    shift_all(ssl, -(uintptr_t)ssl->in_buf, -(uintptr_t)ssl->out_buf);
    r = take_out(ssl);
    kept->away = true;
    if (c->n_spare < TLS_SPARE_MAX)
        c->spare[c->n_spare++] = r;
    else
        tls_room_free(&r);
}

int tls_lend(struct tls_context *c, struct mbedtls_ssl_context *ssl, struct tls_counters *kept)
{
    struct tls_room r;

    if (!kept->away)
        return 0;
    if (c->n_spare > 0)
        r = c->spare[--c->n_spare];
    else if (make_room(c, &r))
        return -ENOMEM;
    ssl->in_buf = r.in;
    ssl->out_buf = r.out;
    shift_all(ssl, (uintptr_t)r.in, (uintptr_t)r.out);
    memcpy(ssl->in_buf, kept->in, COUNTER);
    memcpy(ssl->out_buf, kept->out, COUNTER);
    kept->away = false;
    return 0;
}

#else

void tls_room_free(struct tls_room *r)
{
    (void)r;
}

void tls_give_back(struct tls_context *c, struct mbedtls_ssl_context *ssl, struct tls_counters *kept)
{
    (void)c;
    (void)ssl;
    (void)kept;
}

int tls_lend(struct tls_context *c, struct mbedtls_ssl_context *ssl, struct tls_counters *kept)
{
    (void)c;
    (void)ssl;
    (void)kept;
    return 0;
}

#endif
