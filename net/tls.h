/* TLS as a stream on top of another one, always the client's side, always verified unless the configuration says otherwise.
 * Knows nothing of HTTP, names no library, and dials nothing: who stacks it (proxy/dial.c) brings the stream below and the name
 * to verify.
 * The streams are net/tls.c, what they share is net/tls_context.c, verdicts on certificates and their words are
 * net/tls_verify.c. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "net/stream.h"

struct tls_options {
    const char *ca_file;                /* NULL or "": SSL_CERT_FILE, then wherever this system keeps its certificates */
    bool verify;                        /* false: any certificate will do */
};

/* What all connections of one configuration share: the certificates trusted, the settings, the last session with each host. */
struct tls_context;

/* Makes a context; the files that o names are read now, and o is not needed afterwards.
 * Returns 0 with *out, to be freed with tls_context_free; -EINVAL (nothing to verify with) or -ENOMEM, with a sentence in why
 * that names what was tried. */
int tls_context_make(struct tls_context **out, const struct tls_options *o, char *why, size_t why_n);

/* Frees c, which no stream may use any more. NULL is fine. */
void tls_context_free(struct tls_context *c);

/* Makes a stream, to be opened with stream_open, on top of below.
 *   bottom  the watch at the bottom of the stack: told to run its callback while the stream holds bytes that no event will
 * announce   host    the name or address that the peer's certificate must be for; copied
 * From the call on, below belongs to the stream, unless this fails: then it stays the caller's.
 * Returns 0 with *out or a negative errno. */
int tls_stream_make(struct stream **out, struct tls_context *c, struct stream *below, struct watch *bottom, const char *host);

/* The name and version of the library that is linked, such as "Mbed TLS 3.6.4". */
const char *tls_library(void);

#endif
