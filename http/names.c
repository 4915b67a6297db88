/* Field names to ids: a switch on the length, then one comparison or two of eight bytes at a
 * time. */
#include "http/names.h"

#define IS(literal) http_same(name.p, (literal), sizeof(literal) - 1)

/* Names of which only the family matters; they are longer than 10 bytes. */
static enum http_name family(struct span name)
{
    if (name.n > 15 && IS("access-control-"))
        return HTTP_ACCESS_CONTROL_OTHER;
    if (name.n > 12 && IS("x-forwarded-"))
        return HTTP_X_FORWARDED;
    if (IS("sec-fetch-"))
        return HTTP_PAGE;
    return HTTP_OTHER;
}

/* Long names that speak for an origin: of its certificate, its transport or its storage. */
static enum http_name policy(struct span name)
{
    bool is = (name.n == 15 && (IS("clear-site-data") || IS("public-key-pins"))) ||
        (name.n == 25 && IS("strict-transport-security")) ||
        (name.n == 27 && IS("public-key-pins-report-only"));

    return is ? HTTP_ORIGIN_POLICY : family(name);
}

static enum http_name up_to_nine(struct span name)
{
    switch (name.n) {
    case 2:
        return IS("te") ? HTTP_TE : HTTP_OTHER;
    case 3:
        return IS("via") ? HTTP_VIA : IS("nel") ? HTTP_ORIGIN_POLICY : HTTP_OTHER;
    case 4:
        return IS("host") ? HTTP_HOST
            : IS("date")  ? HTTP_DATE
            : IS("vary")  ? HTTP_VARY
                          : HTTP_OTHER;
    case 6:
        return IS("expect") ? HTTP_EXPECT
            : IS("origin")  ? HTTP_ORIGIN
            : IS("cookie")  ? HTTP_COOKIE
                            : HTTP_OTHER;
    case 7:
        return IS("trailer") ? HTTP_TRAILER
            : IS("upgrade")  ? HTTP_UPGRADE
            : IS("api-key")  ? HTTP_API_KEY
            : IS("referer")  ? HTTP_PAGE
            : IS("alt-svc")  ? HTTP_ORIGIN_POLICY
                             : HTTP_OTHER;
    case 8:
        return IS("location") ? HTTP_LOCATION : HTTP_OTHER;
    case 9:
        return IS("forwarded") ? HTTP_FORWARDED
            : IS("x-real-ip")  ? HTTP_X_REAL_IP
            : IS("x-api-key")  ? HTTP_API_KEY
            : IS("report-to")  ? HTTP_ORIGIN_POLICY
                               : HTTP_OTHER;
    default:
        return HTTP_OTHER;
    }
}

enum http_name http_name_of(struct span name)
{
    switch (name.n) {
    case 10:
        return IS("connection") ? HTTP_CONNECTION
            : IS("keep-alive")  ? HTTP_KEEP_ALIVE
            : IS("set-cookie")  ? HTTP_ORIGIN_POLICY
                                : HTTP_OTHER;
    case 12:
        return IS("content-type") ? HTTP_CONTENT_TYPE
            : IS("x-request-id")  ? HTTP_X_REQUEST_ID
                                  : HTTP_OTHER;
    case 13:
        return IS("authorization") ? HTTP_AUTHORIZATION : family(name);
    case 14:
        return IS("content-length") ? HTTP_CONTENT_LENGTH : family(name);
    case 15:
        return IS("accept-encoding") ? HTTP_ACCEPT_ENCODING
            : IS("x-forwarded-for")  ? HTTP_X_FORWARDED_FOR
                                     : policy(name);
    case 16:
        return IS("content-encoding") ? HTTP_CONTENT_ENCODING
            : IS("proxy-connection")  ? HTTP_PROXY_CONNECTION
                                      : family(name);
    case 17:
        return IS("transfer-encoding") ? HTTP_TRANSFER_ENCODING
            : IS("x-accel-buffering")  ? HTTP_X_ACCEL_BUFFERING
                                       : family(name);
    case 18:
        return IS("proxy-authenticate") ? HTTP_PROXY_AUTHENTICATE : family(name);
    case 19:
        return IS("proxy-authorization") ? HTTP_PROXY_AUTHORIZATION : family(name);
    case 25:
        return policy(name);
    case 27:
        return IS("access-control-allow-origin") ? HTTP_ACCESS_CONTROL_ALLOW_ORIGIN : policy(name);
    case 29:
        return IS("access-control-request-method") ? HTTP_ACCESS_CONTROL_REQUEST_METHOD
                                                   : family(name);
    case 30:
        return IS("access-control-request-headers") ? HTTP_ACCESS_CONTROL_REQUEST_HEADERS
                                                    : family(name);
    case 38:
        return IS("access-control-request-private-network")
            ? HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK
            : family(name);
    default:
        return name.n < 10 ? up_to_nine(name) : family(name);
    }
}

bool http_name_is_hop(enum http_name id)
{
    const uint64_t hop = UINT64_C(1) << HTTP_CONNECTION | UINT64_C(1) << HTTP_KEEP_ALIVE |
        UINT64_C(1) << HTTP_PROXY_CONNECTION | UINT64_C(1) << HTTP_PROXY_AUTHENTICATE |
        UINT64_C(1) << HTTP_PROXY_AUTHORIZATION | UINT64_C(1) << HTTP_TE |
        UINT64_C(1) << HTTP_TRAILER | UINT64_C(1) << HTTP_TRANSFER_ENCODING |
        UINT64_C(1) << HTTP_UPGRADE;

    _Static_assert(HTTP_X_REQUEST_ID < 64, "one bit for each name");
    return hop >> id & 1;
}
