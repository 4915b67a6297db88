/* Tickets: the state of a session, encrypted, which the client keeps and brings back (RFC 5077,
 * RFC 8446, 4.6.1). So nothing is kept here, and it does not matter which worker the client comes
 * back to.
 *
 * The key is a chain: each is computed from the one before, at the same moment in all processes,
 * which therefore need not talk about it. No key tells the one before it: who takes over a process
 * cannot read what was recorded earlier. */
#include "net/tls_server.h"
#include "base/random.h"
#include "net/tls_inside.h"

#include <mbedtls/chachapoly.h>
#include <mbedtls/md.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <errno.h>
#include <time.h>

#define KEY 32
#define NONCE 12
#define TAG 16
#define STATE_MAX 1024

/* There is one chain for all contexts, which may be made while handshakes of others go on, and so
 * one variable. Only the thread of the loop uses it. turn: the moment, in units of
 * TLS_TICKETS_TURN_MS. */
static struct {
    bool started, has_before;
    uint64_t turn;
    unsigned char key[KEY], before[KEY];
} chain;

static uint64_t present_turn(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec / (TLS_TICKETS_TURN_MS / 1000);
}

/* Computes a key from another for some purpose (RFC 2104). */
static int derive(unsigned char to[KEY], const unsigned char from[KEY], const char *purpose)
{
    return mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), from, KEY,
                           (const unsigned char *)purpose, strlen(purpose), to);
}

void tls_tickets_start(void)
{
    chain.started = random_bytes(chain.key, KEY) == 0;
    chain.turn = present_turn();
}

void tls_tickets_turn(void)
{
    uint64_t now = present_turn();
    unsigned char next[KEY];

    for (; chain.started && chain.turn < now; chain.turn++) {
        chain.started = derive(next, chain.key, "next") == 0;
        memcpy(chain.before, chain.key, KEY);
        memcpy(chain.key, next, KEY);
        chain.has_before = true;
    }
    wipe(next, KEY);
}

/* Begins to encrypt, or to decrypt, with a key of the chain. Returns 0 or the library's error. */
static int begin(mbedtls_chachapoly_context *cipher, const unsigned char from[KEY])
{
    unsigned char key[KEY];
    int err = derive(key, from, "tickets");

    mbedtls_chachapoly_init(cipher);
    if (!err)
        err = mbedtls_chachapoly_setkey(cipher, key);
    wipe(key, KEY);
    return err;
}

/* A ticket is a nonce, a tag, and the state. */
static int on_write(void *unused, const mbedtls_ssl_session *session, unsigned char *start,
                    const unsigned char *end, size_t *n, uint32_t *lifetime)
{
    unsigned char *tag = start + NONCE, *state = tag + TAG;
    mbedtls_chachapoly_context cipher;
    int err = MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    size_t room = (size_t)(end - start), got = 0;

    (void)unused;
    tls_tickets_turn();
    if (room < NONCE + TAG)
        return err;
    room -= NONCE + TAG;
    err = mbedtls_ssl_session_save(session, state, room < STATE_MAX ? room : STATE_MAX, &got);
    if (!err)
        err = tls_random(NULL, start, NONCE);
    if (!err) {
        err = begin(&cipher, chain.key);
        if (!err)
            err =
                mbedtls_chachapoly_encrypt_and_tag(&cipher, got, start, NULL, 0, state, state, tag);
        mbedtls_chachapoly_free(&cipher);
    }
    if (err)
        wipe(state, got);
    *n = NONCE + TAG + got;
    *lifetime = TLS_TICKETS_TURN_MS / 1000;
    return err;
}

/* Decrypts a ticket's n bytes of state. Returns false if it was not made with this key. */
static bool unlock(unsigned char *state, const unsigned char *ticket, size_t n,
                   const unsigned char key[KEY])
{
    mbedtls_chachapoly_context cipher;
    int err = begin(&cipher, key);

    if (!err)
        err = mbedtls_chachapoly_auth_decrypt(&cipher, n, ticket, NULL, 0, ticket + NONCE,
                                              ticket + NONCE + TAG, state);
    mbedtls_chachapoly_free(&cipher);
    return !err;
}

static int on_parse(void *unused, mbedtls_ssl_session *session, unsigned char *ticket, size_t n)
{
    unsigned char state[STATE_MAX];
    int err = MBEDTLS_ERR_SSL_INVALID_MAC;

    (void)unused;
    tls_tickets_turn();
    if (n < NONCE + TAG || n - NONCE - TAG > sizeof state)
        return err;
    n -= NONCE + TAG;
    if (unlock(state, ticket, n, chain.key) ||
        (chain.has_before && unlock(state, ticket, n, chain.before)))
        err = mbedtls_ssl_session_load(session, state, n);
    wipe(state, sizeof state);
    return err;
}

void tls_tickets_use(mbedtls_ssl_config *conf)
{
    if (chain.started)
        mbedtls_ssl_conf_session_tickets_cb(conf, on_write, on_parse, NULL);
}
