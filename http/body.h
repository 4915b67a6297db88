/* Message bodies (RFC 9112, 6 and 7): where the payload lies in what was received, and the framing of what is sent.
 * Knows no sockets and copies no payload: the decoder points at bytes where they lie, the framer strings them into an iovec.
 * Heads are in http/head.h; who relays is proxy/exchange.c. */
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
 * 1. done is set once and for all when the last byte of the body (chunked: of the trailer section) was consumed.
 * 2. state, left and line_n belong to body.c. */
struct http_body {
    enum http_framing framing;
    bool done;
    uint8_t state;
    uint16_t line_n;                    /* bytes of the chunk-size line or trailer section so far: both are bounded */
    uint64_t left;                      /* of this body or chunk */
    const char *why;                    /* set when http_body_next returns -EBADMSG: one sentence with the RFC section */
};

/* One step of the decoder. */
struct http_piece {
    struct span data;                   /* payload, possibly empty */
    struct span wire;                   /* what was consumed: data and the framing around it */
    bool whole;                         /* wire is one whole chunk, without extension, that may be sent on exactly as it lies */
};

/* Prepares b for a body. length is used with HTTP_LENGTH only; a length of 0 and HTTP_NO_BODY are done at once. */
void http_body_init(struct http_body *b, enum http_framing framing, uint64_t length);

/* The framing of a request's body (RFC 9112, 6.3): HTTP_NO_BODY, HTTP_LENGTH or HTTP_CHUNKED. */
enum http_framing http_request_framing(const struct http_head *h);

/* The framing of the body of a final response to a POST (RFC 9112, 6.3): 1xx, 204 and 304 have none. */
enum http_framing http_response_framing(const struct http_head *h);

/* Consumes bytes of in up to the end of the next run of payload, or all of in, and describes them in *piece. Returns how many
 * bytes were consumed (0 only if in is empty or b->done), or -EBADMSG with b->why set: sizes that overflow, bare CR or LF, a
 * missing CRLF after a chunk, a size line or trailer section over its bound. Chunk extensions and trailers are consumed and never
 * part of a piece that is whole. A chunk that lies whole in `in` is always one piece, and no piece reaches into the next chunk:
 * the CRLF after a chunk belongs to it, by itself as a piece without data if it comes late. The last chunk and the trailer
 * section are consumed as pieces without data and never whole. What is wrong after a run of payload is told by the next call.
 * HTTP_UNTIL_CLOSE is never done by itself: the caller sees the end of the connection. */
ssize_t http_body_next(struct http_body *b, struct span in, struct http_piece *piece);

/* The length of the run of whole chunks at the start of in, without extensions, that each end with a line feed: text in which a size line
 * stands between lines, and that may be sent on exactly as it lies. 0 for other framings, and within a chunk. Such chunks leave no trace in the
 * decoder: http_body_next goes on behind them. */
size_t http_body_lines(const struct http_body *b, struct span in);

/* Says that n bytes of payload, fewer than are left, have gone by another way. For HTTP_LENGTH only. */
void http_body_skip(struct http_body *b, uint64_t n);

#define HTTP_FRAME_IOV 64

/* The sending side of one run of writes: an iovec of payload where it lies, and of framing in room of its own.
 * 1. What was added so far always ends at a boundary of the outgoing framing, so that anything may follow it.
 * 2. Pieces that are whole go on as they lie; a run of them that touches is one iovec entry.
 * 3. Payload in framing of our own that follows such payload joins its chunk.
 * 4. n_size, size_at and run belong to frame.c. */
struct http_frame {
    enum http_framing framing;
    int n;
    size_t bytes;                       /* of all entries */
    int n_size;
    int size_at;                        /* the entry of the last chunk-size line of our own */
    size_t run;                         /* payload of the chunk of our own that is the last thing added; 0 if something else is */
    struct iovec iov[HTTP_FRAME_IOV];
    char size[HTTP_FRAME_IOV / 2][20];  /* chunk-size lines */
};

/* Empties f; framing is that of the outgoing message. */
void http_frame_init(struct http_frame *f, enum http_framing framing);

/* True if http_frame_piece and http_frame_data can be called once more, with http_frame_end still fitting after them. */
bool http_frame_room(const struct http_frame *f);

/* Adds bytes that are no part of a body, such as a head, before the body's. b stays valid until the iovec was used. */
void http_frame_raw(struct http_frame *f, struct span b);

/* Adds a decoder's piece: as it lies where both sides are chunked and it is whole, else its data in framing of our own. Empty
 * data adds nothing. */
void http_frame_piece(struct http_frame *f, const struct http_piece *piece);

/* Adds payload in framing of our own; empty data adds nothing. */
void http_frame_data(struct http_frame *f, struct span data);

/* Adds the end of a complete body: the last chunk where the framing is chunked, else nothing. */
void http_frame_end(struct http_frame *f);

#endif
