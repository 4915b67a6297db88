/* HTTP/1.x request and response heads (RFC 9112): bytes in, spans out. Knows no sockets, routes or
 * policy: it says what a head means for framing and refuses ambiguous ones. Bodies are http/body.h,
 * writing is http/emit.h, error bodies are http/error.h. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "base/span.h"

#include <stdint.h>
#include <sys/types.h>

#define HTTP_FIELDS_MAX 128

/* Field names that this program tells apart; all others are HTTP_OTHER. Case does not matter. */
enum http_name {
    HTTP_OTHER,
    HTTP_ACCEPT_ENCODING,
    HTTP_ACCESS_CONTROL_ALLOW_ORIGIN,
    HTTP_ACCESS_CONTROL_OTHER, /* any other Access-Control-* except the two request fields below */
    HTTP_ACCESS_CONTROL_REQUEST_HEADERS,
    HTTP_ACCESS_CONTROL_REQUEST_METHOD,
    HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK,
    HTTP_API_KEY, /* api-key and x-api-key */
    HTTP_AUTHORIZATION,
    HTTP_CONNECTION,
    HTTP_CONTENT_ENCODING,
    HTTP_CONTENT_LENGTH,
    HTTP_CONTENT_TYPE,
    HTTP_COOKIE,
    HTTP_DATE,
    HTTP_EXPECT,
    HTTP_FORWARDED,
    HTTP_HOST,
    HTTP_KEEP_ALIVE,
    HTTP_LOCATION,
    HTTP_ORIGIN,
    HTTP_ORIGIN_POLICY, /* speaks for the origin that sends it: Set-Cookie, Alt-Svc, NEL, ... */
    HTTP_PAGE,          /* says which page of a browser asks: Referer and Sec-Fetch-* */
    HTTP_PROXY_AUTHENTICATE,
    HTTP_PROXY_AUTHORIZATION,
    HTTP_PROXY_CONNECTION,
    HTTP_TE,
    HTTP_TRAILER,
    HTTP_TRANSFER_ENCODING,
    HTTP_UPGRADE,
    HTTP_VARY,
    HTTP_VIA,
    HTTP_X_ACCEL_BUFFERING,
    HTTP_X_FORWARDED, /* X-Forwarded-* other than X-Forwarded-For */
    HTTP_X_FORWARDED_FOR,
    HTTP_X_REAL_IP,
    HTTP_X_REQUEST_ID,
};

struct http_field {
    struct span name;
    struct span value; /* without the white space around it */
    struct span
        line; /* the whole field line, with its CRLF; empty if it may not be sent as it is */
    enum http_name id;
    bool hop; /* hop-by-hop (RFC 9110, 7.6.1): of the standard set, or named by Connection */
};

/* Why a head was refused. */
struct http_fault {
    int status;      /* 400, 408, 414, 417, 431, 501 or 505 */
    const char *why; /* one sentence for the client, with the RFC section; static */
};

/* A parsed head. All spans point into the bytes given to the parser. About 9 KiB: one per worker,
 * not one per connection. */
struct http_head {
    struct span method; /* request only */
    struct span target; /* request only, as sent */
    struct span path;   /* request only: of an origin-form or absolute-form target, "/" (static) if
                           it is empty; of OPTIONS "*" and of CONNECT the whole target */
    struct span query; /* request only: the bytes after the first '?'; p is NULL if there is none */
    int status;        /* response only: 100 to 999 */
    struct span reason; /* response only; may be empty */
    int minor;          /* 0 or 1 (a higher minor of HTTP/1 counts as 1) */
    unsigned n_fields;
    uint64_t names; /* bit i: a field with the id i is there, or was merged with another */
    struct http_field fields[HTTP_FIELDS_MAX];

    /* The meaning of the fields for the connection and the body. */
    bool keep_alive;        /* this side is willing to go on (RFC 9112, 9.3) */
    bool says_keep_alive;   /* the fields say so explicitly */
    bool chunked;           /* Transfer-Encoding: chunked, and nothing else */
    bool expect_continue;   /* request only */
    bool tolerated;         /* response only: it breaks the RFC, but its meaning is not in doubt */
    int64_t content_length; /* -1: none */
    const struct http_fault *fault; /* set when a parser returns -EBADMSG */
};

/* Parses the request head at the start of in.
 *   max   the greatest length of the whole head, in bytes; past it 431, or 414 if the request line
 *         alone is too long
 *   seen  how many bytes of in the last call had, 0 at first: then a slow sender costs O(n)
 * A few empty lines before the request line are skipped (RFC 9112, 2.2). Returns the length of the
 * head, including its empty line; -EAGAIN if more bytes are needed (nothing in *h may be used
 * then); -EBADMSG with h->fault set if a proxy may never act on this head. A first line is refused
 * as soon as its end is there, a forbidden byte in it at once; a later fault may be reported with
 * the end of the head or at the bound. The verdict does not depend on how the bytes came. */
ssize_t http_request_parse(struct http_head *h, struct span in, size_t max, size_t seen);

/* The same for a response head; the status of a fault has no meaning there. Interim (1xx) heads are
 * returned like any other. A response that nginx, HAProxy and curl all read, or that the RFC says
 * how to read, is taken though it breaks the RFC; then h->tolerated is set and h->keep_alive is
 * not: lines ended by LF alone; equal values of Content-Length, of which one field remains; chunked
 * in HTTP/1.0; control bytes but CR, LF and NUL in field values and the reason phrase, which stay
 * where they are; white space before a field's colon, which goes (RFC 9112, 5.1). */
ssize_t http_response_parse(struct http_head *h, struct span in, size_t max, size_t seen);

/* The same for the response to CONNECT: a 2xx has no body, and its framing fields are ignored (RFC
 * 9110, 9.3.6). */
ssize_t http_connect_response_parse(struct http_head *h, struct span in, size_t max);

/* The first field of that name, or NULL. id is not HTTP_OTHER. */
const struct http_field *http_find(const struct http_head *h, enum http_name id);

/* How many fields of that name there are. */
unsigned http_count(const struct http_head *h, enum http_name id);

/* The first content coding that is not "identity" (RFC 9110, 8.4); empty if there is none. */
struct span http_coding(const struct http_head *h);

/* Takes the next element of a comma-separated list (RFC 9110, 5.6.1) off *rest into *item, without
 * surrounding white space, skipping empty elements. Returns false when none is left. Quoted strings
 * are not recognised. */
bool http_list_next(struct span *rest, struct span *item);

#endif
