/* Every way in which the proxy itself refuses or fails a request, with the status, code and hints
 * that go with it. The message is worded where it went wrong; proxy/reply.h writes the response. */
#ifndef PROXY_FAILURE_H
#define PROXY_FAILURE_H

#include "upstream/dial.h"

enum failure {
    FAIL_NONE,
    FAIL_BAD_REQUEST,
    FAIL_INVALID_JSON,
    FAIL_API_KEY,
    FAIL_IP,
    FAIL_URL,
    FAIL_METHOD,
    FAIL_REQUEST_TIMEOUT,
    FAIL_BODY_SIZE,
    FAIL_TARGET_SIZE,
    FAIL_CONTENT_ENCODING,
    FAIL_EXPECTATION,
    FAIL_HEAD_SIZE,
    FAIL_TRANSFER_CODING,
    FAIL_HTTP_VERSION,
    FAIL_DNS,
    FAIL_CONNECT,
    FAIL_TLS,
    FAIL_PROXY,
    FAIL_UPSTREAM, /* lost, or not HTTP, after the request went out */
    FAIL_DIAL_TIMEOUT,
    FAIL_RESPONSE_TIMEOUT,
    FAIL_MODEL,             /* nobody serves it */
    FAIL_MODEL_NOT_ALLOWED, /* not this client */
    FAIL_KEYS_REST,
    FAIL_KEY_EXPIRED,
    FAIL_LIMIT_REQUESTS, /* a limit of this client's: [key LABEL], [access] */
    FAIL_LIMIT_TOKENS,
    FAIL_LIMIT_DAY, /* the same, and it is not soon over */
    FAIL_DECLINED,  /* the upstream's response is not passed on: the request is tried again */
    FAIL_LOOP,      /* the request has been here before */
    FAIL_OVERLOADED,
    FAIL_DRAINING,
    FAIL_INTERNAL, /* no memory */
};

struct failure_info {
    int status;
    const char *code;
    const char *type;
};

/* The status and the texts of a failure other than FAIL_NONE. */
const struct failure_info *failure_info(enum failure f);

/* True if f says that the request itself is not as it should be. */
bool failure_is_of_shape(enum failure f);

/* Further field lines of the response to a failure, with their CRLF, or "". sent: the request went
 * out to an upstream, which may have acted on it, so that a server's error says not to retry. */
const char *failure_fields(enum failure f, bool sent);

/* The failure that a status from the HTTP parser stands for. */
enum failure failure_of_status(int status);

/* The fault of the connection that f stands for; DIAL_OK: it is another failure. */
enum dial_fault failure_reason(enum failure f);

/* The failure that a fault of the upstream's connection stands for, which is not DIAL_OK. */
enum failure failure_of_dial(enum dial_fault fault);

#endif
