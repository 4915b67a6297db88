/* The receiving side of message bodies: finds the payload in bytes that came in. */
#include "http/body.h"
#include "base/text.h"
#include "http/scan.h"

#include <errno.h>

/* A size line needs 18 bytes; extensions are dropped, and the bound keeps them from costing
 * much. */
#define SIZE_LINE_MAX 256
#define SIZE_DIGITS_MAX 16
#define TRAILER_MAX 8192

/* What comes next in a chunked body (RFC 9112, 7.1). */
enum {
    SIZE_FIRST, /* the first digit of a chunk size */
    SIZE,
    SIZE_BLANK, /* white space after the size or after a chunk extension */
    EXT_START,  /* after a semicolon: white space, then a name */
    EXT_NAME,
    EXT_NAME_BLANK,  /* white space after a name */
    EXT_VALUE_START, /* after an equals sign: white space, then a value */
    EXT_VALUE,
    EXT_QUOTED,
    EXT_QUOTED_PAIR, /* after a backslash in a quoted value */
    EXT_QUOTED_END,
    EXT_ANY, /* an extension in a response, dropped unread */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* a field line of the trailer section, or its end */
    TRAILER_NAME,
    TRAILER_BLANK, /* white space before the colon in a response */
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
};

/* Hops disagree most about chunk sizes: each refusal here closes one known way to hide a request in
 * a body. A response is read more kindly, as its head is (http/head.h). */

/* "0x5", "-1", "+5", " 5" and an empty line, which strtoul reads. */
static const char size_invalid[] = "A chunk size is not a hexadecimal number (RFC 9112, 7.1).";
/* A size that wraps at 32 or 64 bits is small for one hop and large for the other. */
static const char size_overflow[] = "A chunk size is out of range (RFC 9112, 7.1).";
/* "5 \r\n": some trim it, others take it for the end of the number or of the message. */
static const char size_white[] = "White space after a chunk size (RFC 9112, 7.1).";
/* "5;" and "5;a=\"b": extensions are read by few, and each of those ends them elsewhere. */
static const char extension_invalid[] = "A malformed chunk extension (RFC 9112, 7.1.1).";
/* "5;a\nb\r\n": the size line ends at the LF for one hop and at the CRLF for the other. */
static const char size_line[] =
    "A control byte, or CR or LF alone, in a chunk-size line (RFC 9112, 7.1.1).";
static const char size_line_long[] = "A chunk-size line is too long (RFC 9112, 7.1.1).";
/* A hop that skips two bytes after the data unseen swallows part of the next size. */
static const char data_end[] = "No CRLF after the data of a chunk (RFC 9112, 7.1).";
/* A trailer section that ends earlier for the next hop leaves it bytes to take for a request. */
static const char trailer_invalid[] = "A malformed field in the trailer section (RFC 9112, 7.1.2).";
static const char trailer_long[] = "The trailer section is too long (RFC 9112, 7.1.2).";

void http_body_init(struct http_body *b, enum http_framing framing, uint64_t length)
{
    *b = (struct http_body){ .framing = framing, .state = SIZE_FIRST };
    if (framing == HTTP_LENGTH)
        b->left = length;
    b->done = framing == HTTP_NO_BODY || (framing == HTTP_LENGTH && length == 0);
}

void http_body_init_response(struct http_body *b, enum http_framing framing, uint64_t length)
{
    http_body_init(b, framing, length);
    b->response = true;
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

static int body_refuse(struct http_body *b, const char *why)
{
    b->why = why;
    return -EBADMSG;
}

static int size_digit(struct http_body *b, int digit)
{
    if (b->line_n > SIZE_DIGITS_MAX || b->left > (uint64_t)INT64_MAX >> 4)
        return body_refuse(b, size_overflow);
    b->left = b->left << 4 | (unsigned)digit;
    b->state = SIZE;
    return 0;
}

static void end_size_line(struct http_body *b)
{
    b->line_n = 0;
    b->state = b->left > 0 ? DATA : TRAILER;
}

/* True if c ends a line of a response though it is LF alone, or is a control byte that the response
 * may have in a place that is dropped. */
static bool tolerate(struct http_body *b, char c)
{
    if (!b->response || c == '\0' || c == '\r')
        return false;
    b->tolerated = true;
    return true;
}

/* The state after byte c behind a size or a value, or behind white space there. */
static int next_extension(char c)
{
    return text_is_blank(c) ? SIZE_BLANK : c == ';' ? EXT_START : -1;
}

/* The same behind a name. */
static int next_after_name(char c)
{
    return text_is_blank(c) ? EXT_NAME_BLANK
        : c == ';'          ? EXT_START
        : c == '='          ? EXT_VALUE_START
                            : -1;
}

/* The state after byte c of a request's chunk extensions (RFC 9112, 7.1.1), which must be right
 * even though they are dropped; -1 if it is not. The line ends where it may. */
static int next_in_extension(int state, char c)
{
    bool blank = text_is_blank(c), token = http_is_token(c);

    switch (state) {
    case SIZE_BLANK:
        return next_extension(c);
    case EXT_START:
        return blank ? EXT_START : token ? EXT_NAME : -1;
    case EXT_NAME:
        return token ? EXT_NAME : c == '\r' ? SIZE_LF : next_after_name(c);
    case EXT_NAME_BLANK:
        return next_after_name(c);
    case EXT_VALUE_START:
        return blank ? EXT_VALUE_START : c == '"' ? EXT_QUOTED : token ? EXT_VALUE : -1;
    case EXT_VALUE:
        return token ? EXT_VALUE : c == '\r' ? SIZE_LF : next_extension(c);
    case EXT_QUOTED:
        return c == '"'       ? EXT_QUOTED_END
            : c == '\\'       ? EXT_QUOTED_PAIR
            : http_is_text(c) ? EXT_QUOTED
                              : -1;
    case EXT_QUOTED_PAIR:
        return http_is_text(c) ? EXT_QUOTED : -1;
    default: /* EXT_QUOTED_END */
        return c == '\r' ? SIZE_LF : next_extension(c);
    }
}

static int request_extension_byte(struct http_body *b, char c)
{
    int next = next_in_extension(b->state, c);

    if (next < 0 && c != '\r' && !http_is_text(c))
        return body_refuse(b, size_line);
    if (next < 0)
        return body_refuse(b, b->state == SIZE_BLANK ? size_white : extension_invalid);
    b->state = (uint8_t)next;
    return 0;
}

/* What follows a response's chunk size, up to the end of the line, says nothing to this hop. */
static int response_extension_byte(struct http_body *b, char c)
{
    if (c == '\r') {
        b->tolerated |= b->state == SIZE_BLANK;
        b->state = SIZE_LF;
    } else if (c == '\n' && tolerate(b, c)) {
        end_size_line(b);
    } else if (b->state == SIZE_BLANK && !text_is_blank(c) && c != ';') {
        return body_refuse(b, size_white);
    } else if (!http_is_text(c) && !tolerate(b, c)) {
        return body_refuse(b, size_line);
    } else if (c == ';') {
        b->state = EXT_ANY;
    }
    return 0;
}

/* The first byte after the digits of a chunk size. */
static int size_end(struct http_body *b, char c)
{
    if (c == '\r') {
        b->state = SIZE_LF;
    } else if (c == ';') {
        b->state = b->response ? EXT_ANY : EXT_START;
    } else if (text_is_blank(c)) {
        b->state = SIZE_BLANK;
    } else if (c == '\n' && tolerate(b, c)) {
        end_size_line(b);
    } else {
        return body_refuse(b, c == '\n' ? size_line : size_invalid);
    }
    return 0;
}

/* One byte of a chunk-size line. */
static int size_byte(struct http_body *b, char c)
{
    int digit = b->state <= SIZE ? text_hex(c) : -1;

    if (++b->line_n > SIZE_LINE_MAX)
        return body_refuse(b, size_line_long);
    if (digit >= 0)
        return size_digit(b, digit);
    if (b->state == SIZE_FIRST)
        return body_refuse(b, size_invalid);
    if (b->state == SIZE)
        return size_end(b, c);
    if (b->state != SIZE_LF)
        return b->response ? response_extension_byte(b, c) : request_extension_byte(b, c);
    if (c != '\n')
        return body_refuse(b, size_line);
    end_size_line(b);
    return 0;
}

/* One byte of the trailer section, lexed as field lines are. */
static int trailer_byte(struct http_body *b, char c)
{
    bool lf = c == '\n' && b->state != LAST_LF && b->state != TRAILER_LF, fine;

    if (++b->line_n > TRAILER_MAX)
        return body_refuse(b, trailer_long);
    switch (b->state) {
    case TRAILER:
        fine = c == '\r' || http_is_token(c) || (lf && tolerate(b, c));
        b->done = lf && fine;
        b->state = c == '\r' ? LAST_LF : TRAILER_NAME;
        break;
    case TRAILER_NAME:
    case TRAILER_BLANK:
        if (text_is_blank(c))
            fine = tolerate(b, c);
        else
            fine = c == ':' || (b->state == TRAILER_NAME && http_is_token(c));
        b->state = c == ':' ? TRAILER_VALUE : text_is_blank(c) ? TRAILER_BLANK : TRAILER_NAME;
        break;
    case TRAILER_VALUE:
        fine = c == '\r' || http_is_text(c) || tolerate(b, c);
        b->state = c == '\r' ? TRAILER_LF : lf ? TRAILER : TRAILER_VALUE;
        break;
    default:
        fine = c == '\n';
        b->done = b->state == LAST_LF && fine;
        b->state = TRAILER;
    }
    return fine ? 0 : body_refuse(b, trailer_invalid);
}

/* True, and the end of the chunk goes one byte further, if c continues it. */
static bool ends_data(struct http_body *b, char c)
{
    if (c == '\n' && (b->state == DATA_LF || tolerate(b, c)))
        b->state = SIZE_FIRST;
    else if (c == '\r' && b->state == DATA_CR)
        b->state = DATA_LF;
    else
        return false;
    return true;
}

/* Consumes the CRLF after a chunk's data as far as it is there. Anything else is an error. */
static ssize_t after_data(struct http_body *b, struct span in)
{
    size_t i = 0;

    for (; i < in.n && b->state != SIZE_FIRST; i++)
        if (!ends_data(b, in.p[i]))
            return body_refuse(b, data_end);
    return (ssize_t)i;
}

/* Takes payload of the chunk in `in` from i on, and the CRLF after it if it is there already. An
 * error after the payload is found by the next call, so that the payload is delivered however the
 * bytes came. Returns the end of the consumed bytes. */
static size_t take_data(struct http_body *b, struct span in, size_t i, struct span *data)
{
    *data = span_skip(in, i);
    if (data->n >= b->left) {
        data->n = (size_t)b->left;
        b->state = DATA_CR;
    }
    b->left -= data->n;
    i += data->n;
    while (i < in.n && (b->state == DATA_CR || b->state == DATA_LF) && ends_data(b, in.p[i]))
        i++;
    return i;
}

/* The values of hexadecimal digits, one more than each so that 0 is no digit. */
static const uint8_t digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

#define PLAIN_DIGITS 8 /* a size line is plain up to so many digits */
#define PLAIN_LINE 16  /* more bytes than a plain size line and the CRLF after the data have */

/* The end of the chunk of size bytes, one at least, whose size line ends at p, with its payload in
 * *data, if CRLF follows both and lies before end; else NULL. */
static inline const char *chunk_end(const char *p, const char *end, size_t size, struct span *data)
{
    if (end - p < 5 || size > (size_t)(end - p) - 4)
        return NULL;
    if (memcmp(p, "\r\n", 2) != 0 || memcmp(p + 2 + size, "\r\n", 2) != 0)
        return NULL;
    *data = (struct span){ p + 2, size };
    return p + size + 4;
}

/* As whole_chunk, where few bytes are left, but one at least. */
static const char *last_chunk_in(const char *p, const char *end, struct span *data)
{
    size_t size = 0;

    if (*p == '0')
        return NULL;
    for (int n = 0; p < end && digits[(uint8_t)*p] > 0; p++, n++) {
        if (n == PLAIN_DIGITS)
            return NULL;
        size = size * 16 + digits[(uint8_t)*p] - 1;
    }
    return size > 0 ? chunk_end(p, end, size, data) : NULL;
}

/* The end of the chunk at p, with its payload in *data, if all of it is there before end and its
 * size line is plain: up to eight digits, no leading zero, then CRLF. Else NULL. Such a chunk
 * leaves no trace in the decoder. */
static inline const char *whole_chunk(const char *p, const char *end, struct span *data)
{
    const char *most = p + PLAIN_DIGITS;
    unsigned digit;
    size_t size;

    if (end - p < PLAIN_LINE)
        return last_chunk_in(p, end, data);
    digit = digits[(uint8_t)*p];
    if (digit <= 1)
        return NULL;
    for (size = digit - 1; (digit = digits[(uint8_t) * ++p]) > 0; size = size * 16 + digit - 1)
        if (p == most)
            return NULL;
    return chunk_end(p, end, size, data);
}

size_t http_body_lines(const struct http_body *b, struct span in)
{
    const char *p = in.p, *next, *end = in.p + in.n;
    struct span data;

    if (b->framing != HTTP_CHUNKED || b->state != SIZE_FIRST || b->done)
        return 0;
    while (p < end && (next = whole_chunk(p, end, &data)) != NULL && next[-3] == '\n')
        p = next;
    return (size_t)(p - in.p);
}

static ssize_t next_chunked(struct http_body *b, struct span in, struct http_piece *piece)
{
    const char *end = in.p + in.n, *next;
    size_t i = 0;
    int r = 0;

    if (b->state == SIZE_FIRST && (next = whole_chunk(in.p, end, &piece->data)) != NULL) {
        piece->whole = true;
        return next - in.p;
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

/* Takes all of in, or the rest of the body. */
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

ssize_t http_body_take(struct http_body *b, struct span in, size_t max, struct http_piece *piece)
{
    const struct http_body before = *b;
    ssize_t n = http_body_next(b, in, piece);

    if (n < 0 || piece->data.n <= max)
        return n;
    *b = before;
    return http_body_next(b, (struct span){ in.p, (size_t)(piece->data.p - in.p) + max }, piece);
}
