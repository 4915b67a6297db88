/* The field section of a head: its lines as spans, and their meaning for the body and the
 * connection. Knows no request and status lines and no policy. */
#ifndef HTTP_FIELDS_H
#define HTTP_FIELDS_H

#include "http/head.h"

/* Which rules apply. */
enum http_section { HTTP_SECTION_REQUEST, HTTP_SECTION_RESPONSE, HTTP_SECTION_CONNECT_RESPONSE };

/* Parses field lines and the empty line after them, from p on, into h, whose first line is parsed.
 * Returns the byte after the empty line; NULL with h->fault set if the section is refused, NULL
 * without if bytes are missing before end. */
const char *http_fields_parse(struct http_head *h, const char *p, const char *end,
                              enum http_section of);

/* The byte after the CRLF at p. NULL with h->fault set if something else is there, NULL without if
 * it is not all there. */
const char *http_line_end(struct http_head *h, const char *p, const char *end);

/* The same for a response, whose lines may also end with LF alone; then h->tolerated is set. */
const char *http_response_line_end(struct http_head *h, const char *p, const char *end);

#endif
