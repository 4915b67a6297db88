/* Every way in which the proxy itself refuses or fails a request, with the status, code and hints that go with it.
 * Knows no sockets and no heads; who words the message is the place where it went wrong.
 * The answer is written by proxy/reply.h. */
#ifndef PROXY_FAILURE_H
#define PROXY_FAILURE_H

enum failure {
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
    FAIL_UPSTREAM,              /* lost, or not HTTP, after the request went out */
    FAIL_DIAL_TIMEOUT,
    FAIL_ANSWER_TIMEOUT,
    FAIL_OVERLOADED,
    FAIL_DRAINING,
    FAIL_INTERNAL,              /* no memory */
};

struct failure_info {
    int status;
    const char *code;
    const char *type;
    const char *fields;         /* further field lines with their CRLF, or "" */
};

/* What goes with a failure. */
const struct failure_info *failure_info(enum failure f);

/* The failure that a status from the HTTP parser stands for. */
enum failure failure_of_status(int status);

#endif
