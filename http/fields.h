/* The field section of a head: its lines as spans, and what they mean for the body and the connection.
 * Knows nothing of request and status lines and of policy.
 * Who calls it is http/head.c. */
#ifndef HTTP_FIELDS_H
#define HTTP_FIELDS_H

#include "http/head.h"

/* Which rules hold. */
enum http_section { HTTP_SECTION_REQUEST, HTTP_SECTION_RESPONSE, HTTP_SECTION_CONNECT_RESPONSE };

/* Parses field lines and the empty line after them, from p on, into h, whose first line's parts are set.
 * Returns the byte after the empty line; NULL with h->fault set if it is refused, NULL without if bytes are missing before end. */
const char *http_fields_parse(struct http_head *h, const char *p, const char *end, enum http_section of);

/* The byte after the CRLF that has to be at p; NULL with h->fault set if it is something else, NULL without if it is not all
 * there. */
const char *http_line_end(struct http_head *h, const char *p, const char *end);

/* True if s has only bytes that a host and port may have. Loose: it has no '/', '@', ',', '?', '#', '\', space, control or
 * non-ASCII byte. */
bool http_is_host(struct span s);

#endif
