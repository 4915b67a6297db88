/* HTTP/1.x request and response heads (RFC 9112): bytes in, spans out.
 * Knows no sockets, no routes and no policy: it says what the head means for framing, and refuses what is ambiguous.
 * Bodies are in http/body.h, writing is in http/emit.h, error answers are in http/error.h. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "net/span.h"

#include <stdint.h>
#include <sys/types.h>

#define HTTP_FIELDS_MAX 128

/* Field names that somebody here has to tell apart; all others are HTTP_OTHER. Matched without regard to case. */
enum http_name {
    HTTP_OTHER,
    HTTP_ACCESS_CONTROL_ALLOW_ORIGIN,
    HTTP_ACCESS_CONTROL_OTHER,          /* any other Access-Control-* except the two request fields below */
    HTTP_ACCESS_CONTROL_REQUEST_HEADERS,
    HTTP_ACCESS_CONTROL_REQUEST_METHOD,
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
    HTTP_ORIGIN,
    HTTP_PROXY_AUTHENTICATE,
    HTTP_PROXY_AUTHORIZATION,
    HTTP_PROXY_CONNECTION,
    HTTP_TE,
    HTTP_TRAILER,
    HTTP_TRANSFER_ENCODING,
    HTTP_UPGRADE,
    HTTP_VARY,
    HTTP_X_FORWARDED,                   /* X-Forwarded-* other than X-Forwarded-For */
    HTTP_X_FORWARDED_FOR,
    HTTP_X_REAL_IP,
    HTTP_X_REQUEST_ID,
};

struct http_field {
    struct span name;
    struct span value;                  /* without the white space around it */
    struct span line;                   /* the whole field line, with its CRLF */
    enum http_name id;
    bool hop;                           /* hop-by-hop (RFC 9110, 7.6.1): of the standard set, or named by Connection */
};

/* Why a head was refused. */
struct http_fault {
    int status;                         /* 400, 408, 414, 417, 431, 501 or 505 */
    const char *why;                    /* one sentence for the client, with the RFC section; static */
};

/* A parsed head. All spans point into the bytes given to the parser. About 9 KiB: one per worker, not one per connection. */
struct http_head {
    struct span method;                 /* request only */
    struct span target;                 /* request only, as sent */
    struct span path;                   /* request only: the path of an origin-form or absolute-form target ("/" if it has none, then
                                         * static); of OPTIONS "*" and of CONNECT the target as it is */
    struct span query;                  /* request only: what follows the first '?', without it; p is NULL where there is none */
    int status;                         /* response only: 100 to 999 */
    struct span reason;                 /* response only; may be empty */
    int minor;                          /* 0 or 1 (a higher minor of HTTP/1 counts as 1) */
    unsigned n_fields;
    struct http_field fields[HTTP_FIELDS_MAX];

    /* What the fields mean for the connection and the body. */
    bool keep_alive;                    /* this side is willing to go on (RFC 9112, 9.3) */
    bool says_keep_alive;               /* in so many words */
    bool chunked;                       /* Transfer-Encoding: chunked, and nothing else */
    bool expect_continue;               /* request only */
    int64_t content_length;             /* -1: none */
    const struct http_fault *fault;     /* set when a parser returns -EBADMSG */
};

/* Parses the request head at the start of in.
 *   max        the greatest length of the whole head, in bytes; past it 431 (414 where the request line alone is too long)
 *   seen       how much of in the last call had (0 at first): a slow sender then costs O(n), not O(n^2)
 * A few empty lines before the request line are skipped (RFC 9112, 2.2).
 * Returns the length of the head, its empty line included; -EAGAIN if more bytes are needed (nothing in *h may be used then),
 * -EBADMSG if this can never be a head that a proxy may act on, with h->fault saying why. A first line that cannot be one is
 * refused as soon as its end is there, a forbidden byte in it at once; what is wrong further on may be told with the end of the head
 * only, or at the bound. The verdict does not hang on how the bytes came. */
ssize_t http_request_parse(struct http_head *h, struct span in, size_t max, size_t seen);

/* The same for a response head; a fault's status has no meaning there. Interim (1xx) heads are returned as any other. */
ssize_t http_response_parse(struct http_head *h, struct span in, size_t max, size_t seen);

/* The same for the answer to CONNECT: a 2xx has no body, and what it says of one is not looked at (RFC 9110, 9.3.6). */
ssize_t http_connect_response_parse(struct http_head *h, struct span in, size_t max);

/* The first field of that name, or NULL. id is not HTTP_OTHER. */
const struct http_field *http_find(const struct http_head *h, enum http_name id);

/* How many fields of that name there are. */
unsigned http_count(const struct http_head *h, enum http_name id);

/* What the body is coded by (RFC 9110, 8.4), the first coding that is not "identity"; empty if it is not coded. */
struct span http_coding(const struct http_head *h);

/* Takes the next element of a comma-separated list (RFC 9110, 5.6.1) off *rest into *item, white space trimmed, empty
 * elements skipped. Returns false when there is none left. Quoted strings are not looked into. */
bool http_list_next(struct span *rest, struct span *item);

#endif
