/* Random numbers for the library. Its own sources are a generator that was seeded once, and devices
 * that a bare root does not have. */
#include "net/tls_inside.h"
#include "base/random.h"

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

int tls_random(void *unused, unsigned char *to, size_t n)
{
    (void)unused;
    return random_bytes(to, n) ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : 0;
}

#if defined(MBEDTLS_ENTROPY_HARDWARE_ALT)
int mbedtls_hardware_poll(void *unused, unsigned char *to, size_t n, size_t *got);

/* Seeds the library's generator, where scripts/mbedtls-config.h leaves that to the program. */
int mbedtls_hardware_poll(void *unused, unsigned char *to, size_t n, size_t *got)
{
    int err = tls_random(unused, to, n);

    *got = err ? 0 : n;
    return err;
}
#endif

/* There is one generator in a process, and so one variable. */
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
static pid_t started_by;
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;

int tls_after_fork(void)
{
    bool started;

    pthread_mutex_lock(&starting);
    if (started_by != getpid()) {
        if (started_by != 0)
            mbedtls_psa_crypto_free();
        started_by = psa_crypto_init() == PSA_SUCCESS ? getpid() : 0;
    }
    started = started_by != 0;
    pthread_mutex_unlock(&starting);
    return started ? 0 : -EIO;
}
#else
int tls_after_fork(void)
{
    return 0;
}
#endif
