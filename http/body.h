/* Message bodies (RFC 9112, 6 and 7): where the payload lies in received bytes, and the framing of
 * sent ones. Knows no sockets and copies no payload: the decoder points at bytes where they lie,
 * the writer strings them into an iovec. Heads are http/head.h; proxy/request.c and
 * proxy/response.c relay bodies. */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include "http/head.h"

#include <sys/uio.h>

enum http_framing {
    HTTP_NO_BODY,
    HTTP_LENGTH,
    HTTP_CHUNKED,
    HTTP_UNTIL_CLOSE,
};

/* The receiving side of one body. Resumes at any byte; owns nothing.
 * 1. done becomes true with the last byte of the body (chunked: of the trailer section) and stays
 *    so.
 * 2. state, left and line_n belong to body.c. */
struct http_body {
    enum http_framing framing;
    bool done : 1;
    bool response : 1;  /* read as a response */
    bool tolerated : 1; /* response only: it breaks the RFC, but its meaning is not in doubt */
    uint8_t state;
    uint16_t line_n; /* bytes of the chunk-size line or trailer section so far: both are bounded */
    uint64_t left;   /* of this body or chunk */
    const char *why; /* after -EBADMSG: one sentence with the RFC section */
};

/* One step of the decoder. */
struct http_piece {
    struct span data; /* payload, possibly empty */
    struct span wire; /* what was consumed: data and the framing around it */
    bool whole;       /* wire is one whole chunk without extension: it may be sent on as it lies */
};

/* Prepares b for a body. length counts with HTTP_LENGTH only. A body of length 0 and HTTP_NO_BODY
 * are done at once. */
void http_body_init(struct http_body *b, enum http_framing framing, uint64_t length);

/* The same for the body of a response, which is read more kindly: lines of the chunked coding may
 * end with LF alone and have white space after the size, anything but CR, LF and NUL may stand in
 * chunk extensions and trailer fields, and white space before a trailer field's colon. All but
 * well-formed text in extensions sets b->tolerated; such a connection should not be used again. No
 * piece with any of it is whole. */
void http_body_init_response(struct http_body *b, enum http_framing framing, uint64_t length);

/* The framing of a request's body (RFC 9112, 6.3): HTTP_NO_BODY, HTTP_LENGTH or HTTP_CHUNKED. */
enum http_framing http_request_framing(const struct http_head *h);

/* The framing of the body of a final response to a POST (RFC 9112, 6.3): 1xx, 204 and 304 have
 * none. */
enum http_framing http_response_framing(const struct http_head *h);

/* Consumes bytes of in up to the end of the next run of payload, or all of in, and describes them
 * in *piece. Returns how many bytes it consumed (0 only if in is empty or b->done), or -EBADMSG
 * with b->why set: a size that overflows, CR or LF alone, a chunk without its CRLF, a size line or
 * trailer section over its bound.
 *
 * A chunk that lies whole in `in` is always one piece, and no piece reaches into the next chunk:
 * the CRLF after a chunk belongs to it, as a piece without data if it comes late. Chunk extensions,
 * the last chunk and the trailer section are consumed and never part of a whole piece. An error
 * after a run of payload is reported by the next call. HTTP_UNTIL_CLOSE is never done by itself:
 * the caller sees the end of the connection. */
ssize_t http_body_next(struct http_body *b, struct span in, struct http_piece *piece);

/* Like http_body_next, but the piece has at most max bytes of payload. A chunk with more is cut
 * there: its piece is not whole, what was consumed ends with the last byte of the piece's payload,
 * and the rest of the chunk is the next piece. Returns 0 also if max is 0 and payload comes next.
 *
 * It commits a decoder to no more than was used of a piece: decode with a copy of *b; where all of
 * the piece was used the copy replaces *b, else http_body_take(b, in, used, ...) goes as far. */
ssize_t http_body_take(struct http_body *b, struct span in, size_t max, struct http_piece *piece);

/* The length of the run of whole chunks at the start of in, without extensions, that each end with
 * a line feed: text with a size line between its lines, which may be sent on exactly as it lies. 0
 * for other framings, and within a chunk. Such chunks leave no trace in the decoder: http_body_next
 * continues after them. */
size_t http_body_lines(const struct http_body *b, struct span in);

/* Tells b that n bytes of payload, fewer than are left, have gone by another way. For HTTP_LENGTH
 * only. */
void http_body_skip(struct http_body *b, uint64_t n);

#define HTTP_WRITER_IOV 64

/* The sending side of one run of writes: an iovec of payload where it lies, and of framing in
 * memory of its own.
 * 1. The bytes added so far always end at a boundary of the outgoing framing, so that anything may
 *    follow them.
 * 2. Whole pieces go on as they lie; a run of them that touch is one iovec entry.
 * 3. Payload that follows payload in framing of our own joins its chunk.
 * 4. n_size, size_at and run belong to writer.c. */
struct http_writer {
    enum http_framing framing;
    int n;
    size_t bytes; /* of all entries */
    int n_size;
    int size_at; /* the entry of the last chunk-size line of our own */
    size_t run;  /* payload of that chunk if it is the last thing added, else 0 */
    struct iovec iov[HTTP_WRITER_IOV];
    char size[HTTP_WRITER_IOV / 2][20]; /* chunk-size lines */
};

/* Empties f. framing is that of the outgoing message. */
void http_writer_init(struct http_writer *f, enum http_framing framing);

/* True if http_writer_piece and http_writer_data can be called once more, with http_writer_end
 * still fitting after them. */
bool http_writer_room(const struct http_writer *f);

/* Adds bytes outside the body, such as the head before it. b stays valid until the iovec was
 * used. */
void http_writer_raw(struct http_writer *f, struct span b);

/* Adds a decoder's piece: as it lies where both sides are chunked and it is whole, else its data in
 * framing of our own. Empty data adds nothing. */
void http_writer_piece(struct http_writer *f, const struct http_piece *piece);

/* Adds payload in framing of our own; empty data adds nothing. */
void http_writer_data(struct http_writer *f, struct span data);

/* Adds the end of a complete body: the last chunk where the framing is chunked, else nothing. */
void http_writer_end(struct http_writer *f);

#endif
