/* Which cipher suites there are, and which is the fastest here. */
#include "net/tls_inside.h"

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#if defined(__aarch64__) && defined(__linux__) && defined(MBEDTLS_AESCE_C)
#include <sys/auxv.h>
#define ARM_AES (1u << 3)   /* of AT_HWCAP: what AES is computed with, */
#define ARM_PMULL (1u << 4) /* and what GCM is */
#endif

/* Forward secrecy and authenticated encryption only (RFC 9325, 4.2), which every server of the last
 * ten years has. */
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#define CHACHA_13 MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#define AES_13 MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
#else
#define CHACHA_13
#define AES_13
#endif
#define CHACHA_12                                                                                  \
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,                                         \
        MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
#define AES_12                                                                                     \
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,                                               \
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,                                             \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,                                           \
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384

static const int chacha_first[] = { CHACHA_13 AES_13 CHACHA_12, AES_12, 0 };

#if defined(ARM_AES)
static const int aes_first[] = { AES_13 CHACHA_13 AES_12, CHACHA_12, 0 };
#endif

/* On x86-64 the library computes ChaCha20 faster than AES, with AES instructions as well; where
 * there are none, three times as fast, and without table lookups that leak through cache timing.
 * Only those of ARMv8 make its AES the faster one. docs/performance.md has the figures. */
const int *tls_suites(void)
{
#if defined(ARM_AES)
    const unsigned long both = ARM_AES | ARM_PMULL;

    if ((getauxval(AT_HWCAP) & both) == both)
        return aes_first;
#endif
    return chacha_first;
}
