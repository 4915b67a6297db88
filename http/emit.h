/* Field lines and reason phrases of the heads that this program writes. Error bodies are
 * http/error.h. */
#ifndef HTTP_EMIT_H
#define HTTP_EMIT_H

#include "base/out.h"

/* Appends "name: value" CRLF. The caller knows that the value has no CR, LF or NUL. */
void http_put_field(struct out *o, struct span name, struct span value);

/* Appends "name: v" CRLF in decimal. */
void http_put_uint_field(struct out *o, struct span name, uint64_t v);

/* The reason phrase that goes with a status (RFC 9110, 15), or "Unknown". */
struct span http_reason(int status);

#endif
