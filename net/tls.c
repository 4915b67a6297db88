/* The only file that names mbedTLS.
 * The interface is net/tls.h. */
#include "net/tls.h"

#include <mbedtls/version.h>

const char *tls_library(void)
{
    static char text[32];

    mbedtls_version_get_string_full(text);
    return text;
}
