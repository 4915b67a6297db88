/* The receiving side of message bodies: where the payload lies in the bytes that came in.
 * Knows no sockets, keeps no bytes, and looks at payload not at all.
 * The interface is http/body.h; the sending side is http/frame.c. */
#include "http/body.h"
#include "http/scan.h"

#include <errno.h>

/* A size line needs 18 bytes; what extensions add is thrown away, and may not be used to keep us busy. */
#define SIZE_LINE_MAX 256
#define SIZE_DIGITS_MAX 16
#define TRAILER_MAX 8192

/* What comes next in a chunked body (RFC 9112, 7.1). */
enum {
    SIZE_FIRST,                         /* the first digit of a chunk size */
    SIZE,
    SIZE_WHITE,                         /* white space before a chunk extension */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,                            /* a field line of the trailer section, or its end */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
};

/* Chunk sizes are where hops disagree most: each refusal here is one known way to hide a request in a body. */

/* "0x5", "-1", "+5", " 5" and an empty line, which strtoul reads. */
static const char size_invalid[] = "A chunk size is not a hexadecimal number (RFC 9112, 7.1).";
/* A size that wraps at 32 or 64 bits is small for one hop and large for the other. */
static const char size_overflow[] = "A chunk size is out of range (RFC 9112, 7.1).";
/* "5 \r\n": trimmed by some, the end of the number or of the message for others. */
static const char size_white[] = "White space after a chunk size (RFC 9112, 7.1).";
/* "5;a\nb\r\n": the size line ends at the LF for one hop and at the CRLF for the other. */
static const char size_line[] = "A control byte, or CR or LF alone, in a chunk-size line (RFC 9112, 7.1.1).";
static const char size_line_long[] = "A chunk-size line is too long (RFC 9112, 7.1.1).";
/* A hop that skips two bytes after the data without a look at them swallows part of the next size. */
static const char data_end[] = "No CRLF after the data of a chunk (RFC 9112, 7.1).";
/* A trailer section that ends elsewhere for the next hop leaves it bytes to take for a request. */
static const char trailer_invalid[] = "A malformed field in the trailer section (RFC 9112, 7.1.2).";
static const char trailer_long[] = "The trailer section is too long (RFC 9112, 7.1.2).";

void http_body_init(struct http_body *b, enum http_framing framing, uint64_t length)
{
    *b = (struct http_body){ .framing = framing, .state = SIZE_FIRST };
    if (framing == HTTP_LENGTH)
        b->left = length;
    b->done = framing == HTTP_NO_BODY || (framing == HTTP_LENGTH && length == 0);
}

enum http_framing http_request_framing(const struct http_head *h)
{
    return h->chunked ? HTTP_CHUNKED : h->content_length >= 0 ? HTTP_LENGTH : HTTP_NO_BODY;
}

enum http_framing http_response_framing(const struct http_head *h)
{
    if (h->status < 200 || h->status == 204 || h->status == 304)
        return HTTP_NO_BODY;
    return h->chunked ? HTTP_CHUNKED : h->content_length >= 0 ? HTTP_LENGTH : HTTP_UNTIL_CLOSE;
}

static int refuse(struct http_body *b, const char *why)
{
    b->why = why;
    return -EBADMSG;
}

/* The value of a hexadecimal digit, or -1. */
static int hex(char c)
{
    unsigned digit = (unsigned char)c - (unsigned)'0', letter = ((unsigned char)c | 0x20u) - 'a';

    return digit < 10 ? (int)digit : letter < 6 ? (int)letter + 10 : -1;
}

static int size_digit(struct http_body *b, int digit)
{
    if (b->line_n > SIZE_DIGITS_MAX || b->left > (uint64_t)INT64_MAX >> 4)
        return refuse(b, size_overflow);
    b->left = b->left << 4 | (unsigned)digit;
    b->state = SIZE;
    return 0;
}

/* One byte of a chunk-size line. */
static int size_byte(struct http_body *b, char c)
{
    int digit = b->state <= SIZE ? hex(c) : -1;

    if (++b->line_n > SIZE_LINE_MAX)
        return refuse(b, size_line_long);
    if (digit >= 0)
        return size_digit(b, digit);
    if (b->state == SIZE_FIRST)
        return refuse(b, size_invalid);
    if (b->state == SIZE_LF) {
        if (c != '\n')
            return refuse(b, size_line);
        b->line_n = 0;
        b->state = b->left > 0 ? DATA : TRAILER;
    } else if (c == '\r' && b->state != SIZE_WHITE) {
        b->state = SIZE_LF;
    } else if (b->state == EXTENSION) {
        return http_is_text(c) ? 0 : refuse(b, size_line);
    } else if (c == ';') {
        b->state = EXTENSION;
    } else if (c == ' ' || c == '\t') {
        b->state = SIZE_WHITE;
    } else {
        return refuse(b, c == '\n' ? size_line : b->state == SIZE ? size_invalid : size_white);
    }
    return 0;
}

/* One byte of the trailer section, lexed as field lines are. */
static int trailer_byte(struct http_body *b, char c)
{
    bool fine = false;

    if (++b->line_n > TRAILER_MAX)
        return refuse(b, trailer_long);
    switch (b->state) {
    case TRAILER:
        fine = c == '\r' || http_is_token(c);
        b->state = c == '\r' ? LAST_LF : TRAILER_NAME;
        break;
    case TRAILER_NAME:
        fine = c == ':' || http_is_token(c);
        b->state = c == ':' ? TRAILER_VALUE : TRAILER_NAME;
        break;
    case TRAILER_VALUE:
        fine = c == '\r' || http_is_text(c);
        b->state = c == '\r' ? TRAILER_LF : TRAILER_VALUE;
        break;
    default:
        fine = c == '\n';
        b->done = b->state == LAST_LF && fine;
        b->state = TRAILER;
    }
    return fine ? 0 : refuse(b, trailer_invalid);
}

/* Consumes the CRLF after a chunk's data as far as it is there, and what is not one as an error. */
static ssize_t after_data(struct http_body *b, struct span in)
{
    size_t i = 0;

    for (; i < in.n && (b->state == DATA_CR || b->state == DATA_LF); i++) {
        if (in.p[i] != (b->state == DATA_CR ? '\r' : '\n'))
            return refuse(b, data_end);
        b->state = b->state == DATA_CR ? DATA_LF : SIZE_FIRST;
    }
    return (ssize_t)i;
}

/* Takes payload of the chunk off in at i, and the CRLF after it if it is there already. What is wrong after the payload is found
 * by the next call, so that the payload is delivered however the bytes came. Returns the end of what was consumed. */
static size_t take_data(struct http_body *b, struct span in, size_t i, struct span *data)
{
    *data = span_skip(in, i);
    if (data->n >= b->left) {
        data->n = (size_t)b->left;
        b->state = DATA_CR;
    }
    b->left -= data->n;
    i += data->n;
    if (b->state == DATA_CR && i < in.n && in.p[i] == '\r') {
        b->state = DATA_LF;
        i++;
    }
    if (b->state == DATA_LF && i < in.n && in.p[i] == '\n') {
        b->state = SIZE_FIRST;
        i++;
    }
    return i;
}

/* The length of the chunk at the start of in, with its payload in *data, if all of it is there and its size line is plain: up to eight
 * digits, no zero in front, nothing else before the CRLF. 0 if it is another. Such a chunk leaves no trace in the decoder. */
static inline size_t whole_chunk(struct span in, struct span *data)
{
    size_t size = 0, i = 0;
    const char *p;

    for (int digit; i < 8 && i < in.n && (digit = hex(in.p[i])) >= 0; i++)
        size = size << 4 | (unsigned)digit;
    if (i == 0 || in.p[0] == '0' || in.n - i < 4 || size > in.n - i - 4)
        return 0;
    p = in.p + i;
    if (p[0] != '\r' || p[1] != '\n' || p[2 + size] != '\r' || p[3 + size] != '\n')
        return 0;
    *data = (struct span){ p + 2, size };
    return i + size + 4;
}

size_t http_body_lines(const struct http_body *b, struct span in)
{
    struct span data;
    size_t i = 0, n;

    if (b->framing != HTTP_CHUNKED || b->state != SIZE_FIRST || b->done)
        return 0;
    while ((n = whole_chunk(span_skip(in, i), &data)) > 0 && data.p[data.n - 1] == '\n')
        i += n;
    return i;
}

static ssize_t next_chunked(struct http_body *b, struct span in, struct http_piece *piece)
{
    size_t i = 0;
    int r = 0;

    if (b->state == SIZE_FIRST && (i = whole_chunk(in, &piece->data)) > 0) {
        piece->whole = true;
        return (ssize_t)i;
    }
    if (b->state == DATA_CR || b->state == DATA_LF)
        return after_data(b, in);
    for (; i < in.n && b->state < DATA && r == 0; i++)
        r = size_byte(b, in.p[i]);
    if (b->state == DATA && i < in.n)
        i = take_data(b, in, i, &piece->data);
    for (; i < in.n && b->state >= TRAILER && !b->done && r == 0; i++)
        r = trailer_byte(b, in.p[i]);
    return r < 0 ? r : (ssize_t)i;
}

/* As long as in, or as what is left of the body. */
static ssize_t next_length(struct http_body *b, struct span in, struct http_piece *piece)
{
    piece->data = in;
    if (in.n >= b->left)
        piece->data.n = (size_t)b->left;
    b->left -= piece->data.n;
    b->done = b->left == 0;
    return (ssize_t)piece->data.n;
}

void http_body_skip(struct http_body *b, uint64_t n)
{
    b->left -= n;
}

ssize_t http_body_next(struct http_body *b, struct span in, struct http_piece *piece)
{
    ssize_t n;

    *piece = (struct http_piece){ .data = { in.p, 0 }, .wire = { in.p, 0 } };
    if (b->done || in.n == 0)
        return 0;
    if (b->framing == HTTP_CHUNKED) {
        n = next_chunked(b, in, piece);
    } else if (b->framing == HTTP_LENGTH) {
        n = next_length(b, in, piece);
    } else {
        piece->data = in;
        n = (ssize_t)in.n;
    }
    if (n > 0)
        piece->wire.n = (size_t)n;
    return n;
}
