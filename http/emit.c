/* Writing field lines and reason phrases. */
#include "http/emit.h"

void http_put_field(struct out *o, struct span name, struct span value)
{
    out_put(o, name);
    out_put(o, SPAN(": "));
    out_put(o, value);
    out_put(o, SPAN("\r\n"));
}

void http_put_uint_field(struct out *o, struct span name, uint64_t v)
{
    out_put(o, name);
    out_put(o, SPAN(": "));
    out_uint(o, v);
    out_put(o, SPAN("\r\n"));
}

/* The frequent ones first. */
static const struct {
    int status;
    const char *text;
} reasons[] = {
    { 200, "OK" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 404, "Not Found" },
    { 429, "Too Many Requests" },
    { 500, "Internal Server Error" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 100, "Continue" },
    { 101, "Switching Protocols" },
    { 103, "Early Hints" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 203, "Non-Authoritative Information" },
    { 204, "No Content" },
    { 205, "Reset Content" },
    { 206, "Partial Content" },
    { 300, "Multiple Choices" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 305, "Use Proxy" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 402, "Payment Required" },
    { 403, "Forbidden" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 407, "Proxy Authentication Required" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 426, "Upgrade Required" },
    { 431, "Request Header Fields Too Large" },
    { 501, "Not Implemented" },
    { 505, "HTTP Version Not Supported" },
    { 508, "Loop Detected" },
};

struct span http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return span_of(reasons[i].text);
    return SPAN("Unknown");
}
