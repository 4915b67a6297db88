/* Shared by the files that implement net/tls.h. Declares the types of the library without including
 * its headers. Begin with net/tls_stream.c. */
#ifndef NET_TLS_INSIDE_H
#define NET_TLS_INSIDE_H

#include "base/span.h"
#include "net/tls.h"

#define TLS_RECORD_MAX 16384  /* plaintext of one record (RFC 8446, 5.1) */
#define TLS_EXPANSION_MAX 512 /* more than a record adds to its plaintext */
#define TLS_READ_MAX (48 * 1024)
#define TLS_WRITE_RECORDS 4 /* the most records in one write to the layer below */
#define TLS_HEADER_SIZE 5   /* of a record: type, version, length (RFC 8446, 5.1) */
#define TLS_WHY_MAX 320

struct mbedtls_ssl_config;
struct mbedtls_ssl_context;
struct mbedtls_ssl_session;
struct mbedtls_x509_crt;

/* Buffers that a stream needs only during a call: records from the layer below, records for it, and
 * small pieces that are to share a record. */
struct tls_scratch {
    struct tls_scratch *next;
    unsigned char in[TLS_READ_MAX];
    unsigned char out[TLS_WRITE_RECORDS * (TLS_RECORD_MAX + TLS_EXPANSION_MAX)];
    unsigned char text[TLS_RECORD_MAX];
};

/* The library's buffers for one record in each direction. */
struct tls_room {
    unsigned char *in, *out;
};

/* The sequence numbers that a connection keeps while its buffers are lent to others. */
struct tls_counters {
    bool away;
    uint8_t in[8], out[8];
};

#define TLS_SPARE_MAX 4
#define TLS_BLOCKS 16

/* A host and the last session with it.
 * 1. A session is offered only to the host it was made with, because resuming it replaces the
 *    verification of a certificate.
 * 2. No session is kept while verified is 0. */
struct tls_peer {
    struct tls_peer *next;
    struct mbedtls_ssl_session *session;
    bool session_there;
    bool no_pss;       /* the next handshake offers it no RSA-PSS signatures */
    uint64_t verified; /* time of its last verified certificate: monotonic seconds, plus 1 */
    uint8_t ip_n;      /* 4 or 16: host is an address; 0: it is a name */
    uint8_t ip[16];
    char host[]; /* without a dot at its end */
};

/* A certificate of ours with its chain, and its key. */
struct tls_pair;

/* refs: its owner, and each stream. A server has pairs, and a client the rest. */
struct tls_context {
    unsigned refs;
    struct mbedtls_ssl_config *config, *config_no_pss;
    struct tls_pair *pairs;
    unsigned n_pairs;
    unsigned long long digest;        /* of the files of all pairs */
    struct mbedtls_x509_crt *trusted; /* where the library cannot ask for them: all of them */
    struct tls_anchors *anchors;      /* where it can */
    char *store;                      /* the file with the trusted certificates */
    struct tls_peer *peers;
    struct tls_scratch *scratch; /* a list: a stream on top of a stream needs two */
    struct tls_room spare[TLS_SPARE_MAX];
    unsigned n_spare;
    void *blocks[TLS_BLOCKS]; /* of the sizes of its numbers: see tls_hold_blocks */
    bool verify;
};

/* The result of a handshake and of reading, for people. */
struct tls_verdict {
    const struct tls_context *context;
    const struct tls_peer *peer;
    bool seen; /* the peer has sent a certificate: the session was not resumed */
    char *why; /* NULL, or one sentence in TLS_WHY_MAX bytes, to be freed */
};

/* The start of the last record in the clear: the library does not tell the number of an alert. */
struct tls_clear {
    uint8_t header[TLS_HEADER_SIZE];
    uint8_t first_n; /* bytes of the first header, which may come in pieces */
    uint8_t alert;   /* a fatal one */
};

/* Ciphertext between the library and the stream below.
 * 1. The library reads from in, which one large read has filled, and writes to scratch->out, which
 *    one large write empties. It never waits for the peer in the middle of a record.
 * 2. scratch is set only during a call. At the end of the call the rest of in moves to in_kept, and
 *    the part of out that the stream below did not take to out_kept. An idle connection has
 *    neither. */
struct tls_carrier {
    struct stream *below;
    struct tls_scratch *scratch;
    unsigned char *in, *in_kept, *out_kept;
    uint32_t in_n, out_at, out_n, staged;
    int read_error, write_error; /* of the stream below, permanent */
    bool eof;                    /* the stream below has ended */
};

/* owed counts the bytes of the owner that are encrypted and kept by the carrier. tls_write has
 * reported them as not taken, so the owner offers them again; once they are sent, tls_write reports
 * them as taken. So the owner waits for the peer as long as there is something to send. */
struct tls {
    struct stream stream;
    struct tls_carrier carrier;
    struct watch *bottom;
    struct tls_context *context;
    struct tls_peer *peer; /* NULL: this is the server's side */
    struct tls_verdict verdict;
    uint32_t owed;
    size_t read_max;             /* bytes that the present call may still read from below */
    int read_error, write_error; /* permanent */
    struct tls_clear clear;      /* of the handshake */
    struct tls_counters counters;
    bool begun; /* the client has been asked to speak, or has spoken to this server */
    bool open;
    bool offered;      /* a session to resume */
    bool plain_http;   /* the peer speaks HTTP without TLS */
    bool close_notify; /* the peer has sent it */
    bool ended;        /* this side has sent it */
    struct mbedtls_ssl_context *ssl;
};

/* tls_stream.c */

/* Makes a stream as tls_stream_make does, without what differs between the sides. NULL: no
 * memory. */
struct tls *tls_new(struct tls_context *c, struct stream *below, struct watch *bottom);

/* Prepares the library's part by a configuration of t->context. Returns 0 or the library's
 * error. */
int tls_prepare(struct tls *t, const struct mbedtls_ssl_config *config);

/* Frees t alone. */
void tls_free(struct tls *t);

/* The struct of a stream that tls_new made. */
static inline struct tls *tls_of(const struct stream *s)
{
    return container_of(s, struct tls, stream);
}

/* True if something was read that its owner has not taken, be it the end. */
bool tls_holds_input(const struct tls *t);

/* Sends close_notify, or what is left of it. Returns 0 if nothing is left to send, or can be;
 * -EAGAIN: call it again when the peer takes bytes. */
int tls_announce_end(struct tls *t);

/* tls_carry.c */

/* Begins a call. Returns 0 or -ENOMEM. */
int tls_carry_begin(struct tls_carrier *k, struct tls_context *c);

/* Ends a call and keeps the input that is left. */
void tls_carry_end(struct tls_carrier *k, struct tls_context *c);

/* Takes up to n bytes of input. If there are none, reads up to read_max bytes from below, unless
 * that read would return -EAGAIN. Returns the count, 0 at the end, -EAGAIN, or a negative errno. */
ssize_t tls_carry_take(struct tls_carrier *k, unsigned char *to, size_t n, size_t read_max);

/* Appends up to n bytes to the output of this call. Returns how many there was room for. */
size_t tls_carry_stage(struct tls_carrier *k, const unsigned char *from, size_t n);

/* True if a record of any size fits into the output of this call. */
bool tls_carry_has_room(const struct tls_carrier *k);

/* Sends the output that earlier calls kept. Returns 0 if none is left, -EAGAIN, or the error that
 * ends all writing. */
int tls_carry_send_kept(struct tls_carrier *k);

/* Sends the kept output, then that of this call, and keeps the rest. Returns 0 if none is left,
 * -EAGAIN, or the error that ends all writing. */
int tls_carry_flush(struct tls_carrier *k);

/* The bytes that a write has not taken yet: n pieces, the first one from at on. */
struct tls_source {
    const struct iovec *iov;
    int n;
    size_t at;
};

/* The number of bytes left of the first piece. */
static inline size_t tls_source_first(const struct tls_source *f)
{
    return f->iov->iov_len - f->at;
}

/* Drops n bytes, and the empty pieces after them. */
void tls_source_take(struct tls_source *f, size_t n);

/* Moves up to n bytes to to, or drops them if to is NULL. Returns how many. */
size_t tls_source_gather(struct tls_source *f, unsigned char *to, size_t n);

/* tls_lend.c */

/* Gives ssl buffers if it has lent its own. Returns 0 or -ENOMEM. */
int tls_lend(struct tls_context *c, struct mbedtls_ssl_context *ssl, struct tls_counters *kept);

/* Takes the buffers of ssl for other connections, unless they hold a part of a record. */
void tls_give_back(struct tls_context *c, struct mbedtls_ssl_context *ssl,
                   struct tls_counters *kept);

/* Frees r. */
void tls_room_free(struct tls_room *r);

/* tls_context.c */

/* Sets what the configurations of both sides have in common. pss: RSA-PSS signatures are accepted.
 * Returns 0 or the library's error. */
int tls_configure(struct mbedtls_ssl_config *conf, bool server, bool pss);

/* Keeps a block of each size that the library computes in. An allocator that gives memory back with
 * the last block of a size, as musl's does, would do so a hundred times in a handshake. */
void tls_hold_blocks(struct tls_context *c);

/* The peer called host, made on first use. NULL: no memory. */
struct tls_peer *tls_peer_get(struct tls_context *c, const char *host);

/* Offers the last session of p in the handshake of ssl, which has not begun. Returns true if there
 * was one. */
bool tls_session_offer(struct tls_peer *p, struct mbedtls_ssl_context *ssl);

/* Keeps the session of ssl after its handshake, if there is one yet. verified: the certificate was
 * verified in this handshake, and not in that of a resumed session. */
void tls_session_opened(struct tls_peer *p, const struct mbedtls_ssl_context *ssl, bool verified);

/* Keeps the session of ssl, for which a ticket has come, for later connections. */
void tls_session_keep(struct tls_peer *p, const struct mbedtls_ssl_context *ssl);

/* Drops the last session. */
void tls_session_forget(struct tls_peer *p);

/* Takes buffers for a call; NULL: no memory. */
struct tls_scratch *tls_scratch_get(struct tls_context *c);

/* Gives s back. */
void tls_scratch_put(struct tls_context *c, struct tls_scratch *s);

/* The TLS versions of this program, for sentences. */
extern const char *const tls_versions;

/* tls_store.c */

/* Reads the trusted certificates, checks each, and notes the name of their file in c->store. One
 * that is damaged is an error; one of a kind that the library does not know is passed over. Returns
 * as tls_context_make does. */
int tls_store_load(struct tls_context *c, const struct tls_options *o, char *why, size_t why_n);

/* Has conf verify certificates by those that are trusted. */
void tls_store_use(const struct tls_context *c, struct mbedtls_ssl_config *conf);

/* Adds the certificates of a file to to. One that is damaged is an error; one of a kind that the
 * library does not know is passed over. Returns 0, or the error of the certificate *number, counted
 * from 1. */
int tls_store_add(struct mbedtls_x509_crt *to, struct span contents, unsigned *number);

/* True if an error of the library is a lack of memory. */
bool tls_is_shortage(int err);

/* tls_anchors.c */

/* Trusted certificates that are parsed when a chain asks for them by name: parsed, they take three
 * times as much memory. */
struct tls_anchors;

/* Makes an empty collection with room for bytes of certificates. NULL: no memory. */
struct tls_anchors *tls_anchors_make(size_t bytes);

/* Frees a; NULL is fine. */
void tls_anchors_free(struct tls_anchors *a);

/* Adds a certificate, in DER, and copies it. Returns 0, or the library's error of parsing it: it is
 * not added. */
int tls_anchors_add(struct tls_anchors *a, struct span der);

/* Gives the room back that is not taken. */
void tls_anchors_trim(struct tls_anchors *a);

/* How many there are. */
unsigned tls_anchors_count(const struct tls_anchors *a);

/* The library calls it for those that child names as its issuer, parsed in *found, which is the
 * library's to free; NULL if there is none. arg is a struct tls_anchors. Returns 0, or an error of
 * the library's: no memory. */
int tls_anchors_ask(void *arg, const struct mbedtls_x509_crt *child,
                    struct mbedtls_x509_crt **found);

/* True if crt is one of them, and the issuer of itself. a may be NULL. */
bool tls_anchors_have(const struct tls_anchors *a, const struct mbedtls_x509_crt *crt);

/* tls_server.c */

/* Wipes and frees the pairs of c. */
void tls_pairs_free(struct tls_context *c);

/* True if a name in a certificate means a host: in either case, and with a wildcard for its first
 * label (RFC 6125, 6.4). */
bool tls_name_matches(struct span pattern, struct span host);

/* tls_tickets.c */

/* Has conf give tickets and take them back, if tls_tickets_start was called. */
void tls_tickets_use(struct mbedtls_ssl_config *conf);

/* tls_suites.c */

/* The cipher suites of both sides, the fastest of this processor first. Ends with 0. */
const int *tls_suites(void);

/* tls_random.c */

/* The callback by which the library takes random numbers before 4.x, of the kernel each time: a
 * generator that was seeded once would give the same keys to all forked processes. Returns 0 or an
 * error of the library's. */
int tls_random(void *unused, unsigned char *to, size_t n);

/* Starts the library's own generator, which TLS 1.3 uses, and starts it again in a forked process,
 * whose numbers would repeat those of the parent. To be called before a connection is made. Returns
 * 0, or -EIO if it finds nothing to be seeded with. */
int tls_after_fork(void);

/* tls_verify.c */

/* The library calls it for each certificate of a chain, from the root to the server's own. arg is a
 * struct tls_verdict. Adds flags, and removes that of a certificate that is trusted itself. Returns
 * 0. */
int tls_verify(void *arg, struct mbedtls_x509_crt *crt, int depth, uint32_t *flags);

/* Adds a sentence for flags of the whole chain, which the library sets after its last call of
 * tls_verify. */
void tls_verdict_add(struct tls_verdict *v, uint32_t flags);

/* tls_words.c */

/* Notes a piece of a record in the clear, of n bytes, as the library reads it. */
void tls_clear_note(struct tls_clear *c, const unsigned char *p, size_t n);

/* Sets v->why, if there is none yet, after a handshake that failed with the library's error err. */
void tls_explain_handshake(struct tls_verdict *v, const struct tls_carrier *k,
                           const struct tls_clear *clear, int err);

/* True if the peer begins as a client of HTTP does. To be asked about a whole header. */
bool tls_is_plain_http(const struct tls_clear *c);

/* The same for a client of ours; no sentence where it left before it said a word. */
void tls_explain_client(struct tls_verdict *v, const struct tls_carrier *k,
                        const struct tls_clear *clear, int err);

/* Sets v->why after the end of reading that is not a clean one; err is the library's error. */
void tls_explain_end(struct tls_verdict *v, const struct tls_carrier *k, int err);

/* Replaces bytes that are not printable ASCII by '?'. Returns s. */
char *tls_printable(char *s);

#endif
