/* TLS as a stream on top of another one: the client's side, which verifies certificates unless the
 * configuration says otherwise. Only the files net/tls*.c name the library. The streams are
 * net/tls_stream.c, the context is net/tls_context.c. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "net/stream.h"

struct files;

struct tls_options {
    struct files *files; /* to read ca_file with */
    /* NULL or "": the file that SSL_CERT_FILE names, or else the bundle of this system. */
    const char *ca_file;
    bool verify; /* false: any certificate is accepted */
};

/* Shared by all connections of one configuration: the trusted certificates, the settings, the last
 * session with each host. */
struct tls_context;

/* Makes a context. Reads the files that o names; o is not needed afterwards.
 *   why   gets a sentence of at most why_n - 1 bytes after a failure, which names what was tried
 * Returns 0 with *out, to be freed with tls_context_free; -EINVAL if there is no certificate to
 * verify with or the library fails; -EIO if there are no random numbers; or -ENOMEM. */
int tls_context_make(struct tls_context **out, const struct tls_options *o, char *why,
                     size_t why_n);

/* Writes a text that changes with the certificates that tls_context_make trusts for o, with a NUL
 * into out of n bytes; "" where there are none. Returns 0 or -ENOMEM. */
int tls_store_identity(const struct tls_options *o, char *out, size_t n);

/* The size of the file with the certificates that tls_context_make trusts for o; 0 where there is
 * none. */
size_t tls_store_bytes(const struct tls_options *o);

/* The most memory that a stream takes: what the library keeps of a connection, a handshake with a
 * chain of certificates, and records that have come or gone in part. */
size_t tls_stream_memory(void);

/* Takes another reference. Returns c. */
struct tls_context *tls_context_hold(struct tls_context *c);

/* Drops a reference. c is freed with the last one, and with its last stream. NULL is fine. */
void tls_context_free(struct tls_context *c);

/* Makes a stream on top of below, to be opened with stream_open. It owns below from now on, unless
 * this fails.
 *   bottom   the watch at the bottom of the stack, which the stream marks as readable while it
 *            holds input that no event announces
 *   host     the name or address that the certificate of the peer must be valid for; copied
 * Returns 0 with *out, to be closed with stream_close, or a negative errno. */
int tls_stream_make(struct stream **out, struct tls_context *c, struct stream *below,
                    struct watch *bottom, const char *host);

/* The name and version of the linked library, such as "Mbed TLS 3.6.4". */
const char *tls_library(void);

#endif
