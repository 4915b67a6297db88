/* What the files behind net/tls.h share.
 * Knows the library's types by name only: its headers are for the .c files.
 * Begin with net/tls.c. */
#ifndef NET_TLS_INSIDE_H
#define NET_TLS_INSIDE_H

#include "net/span.h"
#include "net/tls.h"

#define TLS_RECORD_MAX 16384            /* plaintext of one record (RFC 8446, 5.1) */
#define TLS_EXPANSION_MAX 512           /* what a record adds to it, generously */
#define TLS_READ_MAX (48 * 1024)
#define TLS_WRITE_RECORDS 4             /* how many records one write to the layer below carries */
#define TLS_WHY_MAX 320

struct mbedtls_ssl_config;
struct mbedtls_ssl_context;
struct mbedtls_ssl_session;
struct mbedtls_x509_crt;

/* Room that a stream needs only while a call is under way: records as they came in, records to go out, and small pieces that are
 * to share a record. Streams that wait need none of it. */
struct tls_scratch {
    struct tls_scratch *next;
    unsigned char in[TLS_READ_MAX];
    unsigned char out[TLS_WRITE_RECORDS * (TLS_RECORD_MAX + TLS_EXPANSION_MAX)];
    unsigned char text[TLS_RECORD_MAX];
};

/* The library's room for a record each way. */
struct tls_room {
    unsigned char *in, *out;
};

/* What a connection whose room is lent to others keeps of it. */
struct tls_counters {
    bool away;
    uint8_t in[8], out[8];
};

#define TLS_SPARE_MAX 4

/* A host, and the last session with it.
 * 1. A session is offered to the host with which it was made and to no other: resuming it stands for a verified certificate.
 * 2. No session is kept while verified is 0. */
struct tls_peer {
    struct tls_peer *next;
    struct mbedtls_ssl_session *session;
    bool session_there;
    bool no_pss;                        /* it is to be offered no RSA-PSS signatures */
    uint64_t verified;                  /* when its certificate was last looked at: seconds of a clock that never goes back, and 1 */
    uint8_t ip_n;                       /* 4 or 16: host is an address; 0: it is a name */
    uint8_t ip[16];
    char host[];                        /* without the dot at its end */
};

struct tls_context {
    struct mbedtls_ssl_config *config, *config_no_pss;
    struct mbedtls_x509_crt *trusted;
    char *store;                        /* the file that trusted was read from */
    struct tls_peer *peers;
    struct tls_scratch *scratch;        /* a list: a stream on top of a stream needs two */
    struct tls_room spare[TLS_SPARE_MAX];
    unsigned n_spare;
    bool verify;
};

/* A certificate looked at while a connection is opened; what is wrong with it, if anything, is in why. */
struct tls_verdict {
    const struct tls_context *context;
    const struct tls_peer *peer;
    bool seen;                          /* there was one: the session was not resumed */
    char *why;                          /* NULL, or one sentence; TLS_WHY_MAX bytes, to be freed */
};

/* Ciphertext on its way between the library and the stream below.
 * 1. The library reads from in, which one large read has filled, and writes to scratch->out, which one large write empties: it
 *    never waits for the peer in the middle of a record.
 * 2. scratch is there during a call only. What is left of in at its end is moved to in_kept, what the stream below did not take
 *    of out to out_kept; a connection that waits has neither. */
struct tls_carrier {
    struct stream *below;
    struct tls_scratch *scratch;
    unsigned char *in, *in_kept, *out_kept;
    uint32_t in_n, out_at, out_n, staged;
    int read_error, write_error;        /* of the stream below, for good */
    bool eof;                           /* the stream below has ended */
};

/* tls_carry.c */

/* Begins a call. Returns 0 or -ENOMEM. */
int tls_carry_begin(struct tls_carrier *k, struct tls_context *c);

/* Ends it: what is still here is kept. */
void tls_carry_end(struct tls_carrier *k, struct tls_context *c);

/* Takes up to n bytes of what came in, reading up to read_max from below if there is nothing (0: not at all). A read that would
 * only say -EAGAIN is left out. Returns the count, 0 at the end, -EAGAIN, or a negative errno. */
ssize_t tls_carry_take(struct tls_carrier *k, unsigned char *to, size_t n, size_t read_max);

/* Puts bytes on the stage. Returns how many there was room for. */
size_t tls_carry_stage(struct tls_carrier *k, const unsigned char *from, size_t n);

/* True if a record of any size has room on the stage. */
bool tls_carry_has_room(const struct tls_carrier *k);

/* Sends what an earlier call kept. Returns 0 if nothing is left, -EAGAIN, or the error that ends all writing. */
int tls_carry_send_kept(struct tls_carrier *k);

/* Sends what was kept, then what is staged, and keeps what is left. Returns 0 if nothing is left, -EAGAIN, or the error that
 * ends all writing. */
int tls_carry_flush(struct tls_carrier *k);

/* What the caller of write has to send yet: n pieces, the first of them from at on. */
struct tls_source {
    const struct iovec *iov;
    int n;
    size_t at;
};

/* How much of the first piece is left. */
static inline size_t tls_source_first(const struct tls_source *f)
{
    return f->iov->iov_len - f->at;
}

/* Goes on by n bytes, and past pieces that are empty. */
void tls_source_take(struct tls_source *f, size_t n);

/* Takes up to n bytes into to, or drops them where to is NULL. Returns how many there were. */
size_t tls_source_gather(struct tls_source *f, unsigned char *to, size_t n);

/* tls_lend.c */

/* Sees that ssl has room for records. Returns 0 or -ENOMEM. */
int tls_lend(struct tls_context *c, struct mbedtls_ssl_context *ssl, struct tls_counters *kept);

/* Takes the room of ssl for others, if there is nothing in it that ssl needs. */
void tls_give_back(struct tls_context *c, struct mbedtls_ssl_context *ssl, struct tls_counters *kept);

/* Frees r. */
void tls_room_free(struct tls_room *r);

/* tls_context.c */

/* The peer of that name, made on first use. NULL: no memory. */
struct tls_peer *tls_peer_get(struct tls_context *c, const char *host);

/* Offers the peer's last session to ssl, whose handshake has not begun. Returns true if there was one. */
bool tls_session_offer(struct tls_peer *p, struct mbedtls_ssl_context *ssl);

/* The handshake of ssl is over; verified: with a certificate that was looked at, and not with a session resumed. Keeps what
 * there is to keep. */
void tls_session_opened(struct tls_peer *p, const struct mbedtls_ssl_context *ssl, bool verified);

/* Keeps the session of ssl, for which a ticket has come, for the connections that follow. */
void tls_session_keep(struct tls_peer *p, const struct mbedtls_ssl_context *ssl);

/* Offers the last session to nobody any more. */
void tls_session_forget(struct tls_peer *p);

/* Takes room for a call; NULL: no memory. */
struct tls_scratch *tls_scratch_get(struct tls_context *c);

/* Gives it back. */
void tls_scratch_put(struct tls_context *c, struct tls_scratch *s);

/* After a fork, parent and child must not draw the same random numbers. To be called before a connection is made. */
void tls_after_fork(void);

/* The TLS versions that this program speaks, for sentences. */
extern const char *const tls_versions;

/* tls_verify.c */

/* The library's question about each certificate of a chain, from the root to the server's own; arg is a struct tls_verdict. Adds
 * flags, never takes one away. Returns 0. */
int tls_verify(void *arg, struct mbedtls_x509_crt *crt, int depth, uint32_t *flags);

/* Adds what flags say of the whole chain, where the library has set them after the last question. */
void tls_verdict_add(struct tls_verdict *v, uint32_t flags);

/* What the peer meant by a fatal alert, for an upstream called host. Writes a sentence of at most n - 1 bytes. */
void tls_alert_text(char *to, size_t n, int alert, const char *host);

/* Replaces what a terminal or a log should not see. Returns s. */
char *tls_printable(char *s);

#endif
