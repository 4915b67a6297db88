/* The table of failures. */
#include "proxy/failure.h"

#define REQUEST "invalid_request_error"
#define SERVER "server_error"
/* 502 and 504 are tried three times by the SDKs, and billed as often: they are told when that makes
 * sense. */
#define RETRY "x-should-retry: true\r\n"
#define NO_RETRY "x-should-retry: false\r\n"
#define RETRY_SOON "retry-after: 1\r\nx-should-retry: true\r\n"

struct failure_row {
    struct failure_info info;
    const char *fields; /* where the request has not gone out */
};

static const struct failure_row rows[] = {
    [FAIL_BAD_REQUEST] = { { 400, "bad_request", REQUEST }, "" },
    [FAIL_INVALID_JSON] = { { 400, "invalid_json", REQUEST }, "" },
    [FAIL_API_KEY] = { { 401, "invalid_api_key", REQUEST }, "WWW-Authenticate: Bearer\r\n" },
    [FAIL_IP] = { { 403, "ip_not_allowed", REQUEST }, "" },
    [FAIL_URL] = { { 404, "unknown_url", REQUEST }, "" },
    [FAIL_METHOD] = { { 405, "method_not_allowed", REQUEST }, "" },
    [FAIL_REQUEST_TIMEOUT] = { { 408, "request_timeout", REQUEST }, "" },
    [FAIL_BODY_SIZE] = { { 413, "body_too_large", REQUEST }, "" },
    [FAIL_TARGET_SIZE] = { { 414, "uri_too_long", REQUEST }, "" },
    [FAIL_CONTENT_ENCODING] = { { 415, "unsupported_content_encoding", REQUEST }, "" },
    [FAIL_EXPECTATION] = { { 417, "expectation_failed", REQUEST }, "" },
    [FAIL_HEAD_SIZE] = { { 431, "headers_too_large", REQUEST }, "" },
    [FAIL_TRANSFER_CODING] = { { 501, "unsupported_transfer_coding", REQUEST }, "" },
    [FAIL_HTTP_VERSION] = { { 505, "unsupported_http_version", REQUEST }, "" },
    [FAIL_DNS] = { { 502, "upstream_dns_error", SERVER }, RETRY },
    [FAIL_CONNECT] = { { 502, "upstream_connect_error", SERVER }, RETRY },
    [FAIL_TLS] = { { 502, "upstream_tls_error", SERVER }, RETRY },
    [FAIL_PROXY] = { { 502, "upstream_proxy_error", SERVER }, RETRY },
    [FAIL_UPSTREAM] = { { 502, "upstream_error", SERVER }, NO_RETRY },
    [FAIL_DIAL_TIMEOUT] = { { 504, "upstream_timeout", SERVER }, RETRY },
    [FAIL_RESPONSE_TIMEOUT] = { { 504, "upstream_timeout", SERVER }, NO_RETRY },
    [FAIL_MODEL] = { { 404, "model_not_found", REQUEST }, "" },
    [FAIL_MODEL_NOT_ALLOWED] = { { 403, "model_not_allowed", REQUEST }, "" },
    [FAIL_KEYS_REST] = { { 429, "rate_limit_exceeded", "rate_limit_error" }, RETRY },
    [FAIL_KEY_EXPIRED] = { { 401, "key_expired", REQUEST }, "WWW-Authenticate: Bearer\r\n" },
    [FAIL_LIMIT_REQUESTS] = { { 429, "rate_limit_exceeded", "requests" }, "" },
    [FAIL_LIMIT_TOKENS] = { { 429, "rate_limit_exceeded", "tokens" }, "" },
    [FAIL_LIMIT_DAY] = { { 429, "rate_limit_exceeded", "tokens" }, NO_RETRY },
    [FAIL_DECLINED] = { { 502, "upstream_error", SERVER }, NO_RETRY },
    [FAIL_LOOP] = { { 508, "loop_detected", SERVER }, NO_RETRY },
    [FAIL_OVERLOADED] = { { 503, "overloaded", SERVER }, RETRY_SOON },
    [FAIL_DRAINING] = { { 503, "draining", SERVER }, RETRY_SOON },
    [FAIL_INTERNAL] = { { 500, "internal_error", SERVER }, "" },
};

const struct failure_info *failure_info(enum failure f)
{
    return &rows[f].info;
}

/* A request that did not come in time may have been one. */
bool failure_is_of_shape(enum failure f)
{
    return strcmp(rows[f].info.type, REQUEST) == 0 && f != FAIL_REQUEST_TIMEOUT;
}

const char *failure_fields(enum failure f, bool sent)
{
    return sent && rows[f].info.status >= 500 ? NO_RETRY : rows[f].fields;
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

static const enum failure failures[] = {
    [DIAL_NO_NAME] = FAIL_DNS,          [DIAL_NO_CONNECT] = FAIL_CONNECT,
    [DIAL_NO_TLS] = FAIL_TLS,           [DIAL_NO_PROXY] = FAIL_PROXY,
    [DIAL_TIMEOUT] = FAIL_DIAL_TIMEOUT, [DIAL_FULL] = FAIL_OVERLOADED,
    [DIAL_NO_MEMORY] = FAIL_INTERNAL,
};

enum dial_fault failure_reason(enum failure f)
{
    unsigned i = DIAL_NO_MEMORY;

    while (i > DIAL_OK && failures[i] != f)
        i--;
    return (enum dial_fault)i;
}

enum failure failure_of_dial(enum dial_fault fault)
{
    return failures[fault];
}
