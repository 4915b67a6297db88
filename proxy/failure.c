/* The table of failures.
 * Knows no sockets and no heads.
 * The interface is proxy/failure.h. */
#include "proxy/failure.h"

#define REQUEST "invalid_request_error"
#define SERVER "server_error"
/* 502 and 504 are tried three times by the SDKs, and billed as often: they are told when that makes sense. */
#define RETRY "x-should-retry: true\r\n"
#define NO_RETRY "x-should-retry: false\r\n"
#define RETRY_SOON "retry-after: 1\r\nx-should-retry: true\r\n"

static const struct failure_info infos[] = {
    [FAIL_BAD_REQUEST] = { 400, "bad_request", REQUEST, "" },
    [FAIL_INVALID_JSON] = { 400, "invalid_json", REQUEST, "" },
    [FAIL_API_KEY] = { 401, "invalid_api_key", REQUEST, "WWW-Authenticate: Bearer\r\n" },
    [FAIL_IP] = { 403, "ip_not_allowed", REQUEST, "" },
    [FAIL_URL] = { 404, "unknown_url", REQUEST, "" },
    [FAIL_METHOD] = { 405, "method_not_allowed", REQUEST, "" },
    [FAIL_REQUEST_TIMEOUT] = { 408, "request_timeout", REQUEST, "" },
    [FAIL_BODY_SIZE] = { 413, "body_too_large", REQUEST, "" },
    [FAIL_TARGET_SIZE] = { 414, "uri_too_long", REQUEST, "" },
    [FAIL_CONTENT_ENCODING] = { 415, "unsupported_content_encoding", REQUEST, "" },
    [FAIL_EXPECTATION] = { 417, "expectation_failed", REQUEST, "" },
    [FAIL_HEAD_SIZE] = { 431, "headers_too_large", REQUEST, "" },
    [FAIL_TRANSFER_CODING] = { 501, "unsupported_transfer_coding", REQUEST, "" },
    [FAIL_HTTP_VERSION] = { 505, "unsupported_http_version", REQUEST, "" },
    [FAIL_DNS] = { 502, "upstream_dns_error", SERVER, RETRY },
    [FAIL_CONNECT] = { 502, "upstream_connect_error", SERVER, RETRY },
    [FAIL_TLS] = { 502, "upstream_tls_error", SERVER, RETRY },
    [FAIL_PROXY] = { 502, "upstream_proxy_error", SERVER, RETRY },
    [FAIL_UPSTREAM] = { 502, "upstream_error", SERVER, NO_RETRY },
    [FAIL_DIAL_TIMEOUT] = { 504, "upstream_timeout", SERVER, RETRY },
    [FAIL_ANSWER_TIMEOUT] = { 504, "upstream_timeout", SERVER, NO_RETRY },
    [FAIL_OVERLOADED] = { 503, "overloaded", SERVER, RETRY_SOON },
    [FAIL_DRAINING] = { 503, "draining", SERVER, RETRY_SOON },
    [FAIL_INTERNAL] = { 500, "internal_error", SERVER, "" },
};

const struct failure_info *failure_info(enum failure f)
{
    return &infos[f];
}

enum failure failure_of_status(int status)
{
    switch (status) {
    case 408:
        return FAIL_REQUEST_TIMEOUT;
    case 413:
        return FAIL_BODY_SIZE;
    case 414:
        return FAIL_TARGET_SIZE;
    case 417:
        return FAIL_EXPECTATION;
    case 431:
        return FAIL_HEAD_SIZE;
    case 501:
        return FAIL_TRANSFER_CODING;
    case 505:
        return FAIL_HTTP_VERSION;
    default:
        return FAIL_BAD_REQUEST;
    }
}
