/* Record buffers lent to connections for the time of a call. The library keeps 33 KiB of them in
 * each connection; here one keeps them between calls only while a record has come in part, and
 * borrowed ones are in the processor's cache.
 *
 * This depends on the inside of the library. With a version that is not listed here, or one that
 * gives connections buffers of different sizes, each connection keeps its own. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "net/tls_inside.h"

#include <mbedtls/platform.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <errno.h>

#define VERSION_IN(from, to) (MBEDTLS_VERSION_NUMBER >= (from) && MBEDTLS_VERSION_NUMBER < (to))

#if !defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH) &&                                                \
    (VERSION_IN(0x021C0000, 0x03000000) || VERSION_IN(0x03060000, 0x04000000))

#define COUNTER 8 /* the sequence number in front of each buffer's record */

/* True if the buffers hold nothing but the sequence numbers. */
static bool is_between_records(const mbedtls_ssl_context *ssl)
{
    return ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER && !ssl->in_offt && ssl->in_left == 0 &&
        ssl->in_msglen == 0 && ssl->in_hslen == 0 && !ssl->keep_current_message &&
        ssl->out_left == 0 && ssl->in_hdr == ssl->in_buf + COUNTER &&
        ssl->out_hdr == ssl->out_buf + COUNTER && ssl->in_ctr == ssl->in_buf &&
        ssl->out_ctr == ssl->out_buf;
}

static void shift(unsigned char **p, uintptr_t by)
{
    *p = (unsigned char *)((uintptr_t)*p + by);
}

/* While the buffers are lent, the pointers into them hold the distance from their start. */
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

/* The library's own size of a buffer is a little more than that of a record. */
void tls_room_free(struct tls_room *r)
{
    wipe(r->in, MBEDTLS_SSL_IN_CONTENT_LEN);
    wipe(r->out, MBEDTLS_SSL_OUT_CONTENT_LEN);
    mbedtls_free(r->in);
    mbedtls_free(r->out);
    *r = (struct tls_room){ 0 };
}

/* Makes buffers by way of the library, which does not tell their size. Returns 0 or -ENOMEM. */
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

void tls_give_back(struct tls_context *c, struct mbedtls_ssl_context *ssl,
                   struct tls_counters *kept)
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

void tls_give_back(struct tls_context *c, struct mbedtls_ssl_context *ssl,
                   struct tls_counters *kept)
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
