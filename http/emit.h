/* Writing heads: text into a buffer of the caller's, with one sticky overflow flag instead of a check per call.
 * Knows nothing of what is written. Error answers built with it are in http/error.h. */
#ifndef HTTP_EMIT_H
#define HTTP_EMIT_H

#include "net/span.h"

#include <stdint.h>

/* 1. n <= cap always; 2. once overflow is set nothing more is written and n stays. */
struct http_out {
    char *p;
    size_t n, cap;
    bool overflow;
};

/* Starts writing at buf, which has room for cap bytes and stays the caller's. */
void http_out_init(struct http_out *o, char *buf, size_t cap);

/* Appends bytes as they are. */
void http_put(struct http_out *o, struct span s);

/* Appends v in decimal. */
void http_put_uint(struct http_out *o, uint64_t v);

/* Appends "name: value" CRLF. The value is written as it is: the caller knows it has no CR, LF or NUL. */
void http_put_field(struct http_out *o, struct span name, struct span value);

/* Appends "name: v" CRLF in decimal. */
void http_put_uint_field(struct http_out *o, struct span name, uint64_t v);

/* Appends s as the inside of a JSON string (RFC 8259, 7): quotes, backslashes, controls and what else changes how text is shown are escaped, and every byte
 * that is not valid UTF-8 is replaced by U+FFFD. */
void http_put_json(struct http_out *o, struct span s);

/* Appends s in base64 with its padding (RFC 4648, 4). */
void http_put_base64(struct http_out *o, struct span s);

/* What was written so far. */
struct span http_out_span(const struct http_out *o);

/* The reason phrase that goes with a status (RFC 9110, 15), or "Unknown". */
struct span http_reason(int status);

#endif
