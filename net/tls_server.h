/* TLS as a stream: the server's side, with certificates of ours. The context is net/tls_server.c, a
 * stream is net/tls_accept.c above net/tls_stream.c, tickets are net/tls_tickets.c. */
#ifndef NET_TLS_SERVER_H
#define NET_TLS_SERVER_H

#include "base/span.h"
#include "net/tls.h"

struct tls_server_options {
    struct files *files;                     /* to read the others with */
    char *const *certificates, *const *keys; /* n paths each, PEM or DER */
    unsigned n;
};

/* Makes a context for clients. A client gets the certificate that has the name it asks for, an
 * exact one before one with a wildcard; without a name, or with one that none has, the first. o is
 * not needed afterwards.
 *   why     gets a sentence of at most why_n - 1 bytes after a failure, which names the file
 *   of_key  is true then if the file is that of a key
 * Returns 0 with *out, to be freed with tls_context_free; -EINVAL if a file cannot be read, is
 * damaged, or if a key does not belong to its certificate; -EIO if there are no random numbers; or
 * -ENOMEM. */
int tls_server_make(struct tls_context **out, const struct tls_server_options *o, char *why,
                    size_t why_n, bool *of_key);

/* True if the files of both contexts hold the same. */
bool tls_server_same(const struct tls_context *a, const struct tls_context *b);

/* Writes what clients will not like about the certificate number i, from 0, to out, of n bytes: it
 * has expired, or is not yet valid. Returns false if there is nothing. */
bool tls_server_warning(const struct tls_context *c, unsigned i, char *out, size_t n);

/* Makes a stream for a client on top of below, to be opened with stream_open. It owns below from
 * now on, unless this fails.
 *   bottom  as for tls_stream_make
 *   sent    what was read from below already; copied
 * Returns 0 with *out, to be closed with stream_close, or a negative errno. */
int tls_accept_make(struct stream **out, struct tls_context *c, struct stream *below,
                    struct watch *bottom, struct span sent);

/* True if s could not be opened because the client speaks HTTP without TLS. */
bool tls_accept_saw_http(const struct stream *s);

/* Frees s, a stream of tls_accept_make, and returns the one below it, which stays open. */
struct stream *tls_accept_remove(struct stream *s);

/* True if nothing that s has read waits to be taken, so that the client's end can be heard. */
bool tls_accept_can_hear(const struct stream *s);

/* Reads on, while the owner takes nothing: at most one record, which is kept if it is not the end.
 * Returns true if the client has ended its direction, by close_notify or by a failure. */
bool tls_accept_has_left(struct stream *s);

/* Sends close_notify: nothing is written to s afterwards. Returns 0 when it is out, or cannot go
 * out; -EAGAIN: call it again when the client takes bytes. */
int tls_accept_end(struct stream *s);

/* Has stream_close say nothing: what the client got is not all. */
void tls_accept_break(struct stream *s);

#define TLS_TICKETS_TURN_MS (3600 * 1000)

/* Makes the key that tickets are encrypted with, in this process and in those that it forks from
 * now on. Without random numbers there are no tickets. */
void tls_tickets_start(void);

/* Replaces the key of tickets if it is older than TLS_TICKETS_TURN_MS. A ticket made with the one
 * before it is still taken. All processes come to the same keys, and none leads back to the one
 * before. To be called that often; making and taking tickets does so too. */
void tls_tickets_turn(void);

#endif
