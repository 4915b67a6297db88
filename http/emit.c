/* Writing heads and JSON strings into a buffer of the caller's.
 * Knows neither what is written nor where it goes.
 * The interface is http/emit.h; error bodies built with it are in http/error.c. */
#include "http/emit.h"

void http_out_init(struct http_out *o, char *buf, size_t cap)
{
    *o = (struct http_out){ .p = buf, .cap = cap };
}

void http_put(struct http_out *o, struct span s)
{
    if (s.n > o->cap - o->n)
        o->overflow = true;
    if (o->overflow || s.n == 0)
        return;
    memcpy(o->p + o->n, s.p, s.n);
    o->n += s.n;
}

void http_put_uint(struct http_out *o, uint64_t v)
{
    char text[20], *p = text + sizeof text;

    do
        *--p = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    http_put(o, (struct span){ p, (size_t)(text + sizeof text - p) });
}

void http_put_field(struct http_out *o, struct span name, struct span value)
{
    http_put(o, name);
    http_put(o, SPAN(": "));
    http_put(o, value);
    http_put(o, SPAN("\r\n"));
}

void http_put_uint_field(struct http_out *o, struct span name, uint64_t v)
{
    http_put(o, name);
    http_put(o, SPAN(": "));
    http_put_uint(o, v);
    http_put(o, SPAN("\r\n"));
}

static bool in_range(char c, unsigned low, unsigned high)
{
    return (uint8_t)c >= low && (uint8_t)c <= high;
}

/* The length of the character at the start of s if it is valid UTF-8 of more than one byte (RFC 3629, 4: no surrogates, nothing
 * overlong, nothing beyond U+10FFFF), else 0. */
static size_t utf8_length(struct span s)
{
    uint8_t lead = (uint8_t)s.p[0];
    unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    size_t n = lead < 0xC2 || lead > 0xF4 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;

    if (n == 0 || s.n < n || !in_range(s.p[1], low, high))
        return 0;
    for (size_t i = 2; i < n; i++)
        if (!in_range(s.p[i], 0x80, 0xBF))
            return 0;
    return n;
}

/* The character at the start of s, of n bytes, if it is one that changes how what follows it is shown: a control beyond ASCII, a line or paragraph
 * separator, an override of the writing direction. Else 0. */
static unsigned invisible(struct span s, size_t n)
{
    unsigned c = 0;

    if (n == 2)
        c = ((uint8_t)s.p[0] & 0x1Fu) << 6 | ((uint8_t)s.p[1] & 0x3Fu);
    else if (n == 3)
        c = ((uint8_t)s.p[0] & 0x0Fu) << 12 | ((uint8_t)s.p[1] & 0x3Fu) << 6 | ((uint8_t)s.p[2] & 0x3Fu);
    return (c >= 0x80 && c < 0xA0) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) ? c : 0;
}

static void put_escaped(struct http_out *o, unsigned c)
{
    static const char digits[] = "0123456789abcdef";
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = c < 0x80 ? memchr(plain, (int)c, sizeof plain - 1) : NULL;
    char text[6] = { '\\', 'u', digits[c >> 12 & 15], digits[c >> 8 & 15], digits[c >> 4 & 15], digits[c & 15] };

    if (at) {
        text[1] = letters[at - plain];
        http_put(o, (struct span){ text, 2 });
    } else {
        http_put(o, (struct span){ text, 6 });
    }
}

void http_put_json(struct http_out *o, struct span s)
{
    while (s.n > 0 && !o->overflow) {
        size_t n = 0, more;

        while (n < s.n && in_range(s.p[n], 0x20, 0x7E) && s.p[n] != '"' && s.p[n] != '\\')
            n++;
        while (n < s.n && (more = utf8_length(span_skip(s, n))) > 0 && !invisible(span_skip(s, n), more))
            n += more;
        http_put(o, (struct span){ s.p, n });
        s = span_skip(s, n);
        if (n > 0)
            continue;
        more = utf8_length(s);
        if (more > 0)
            put_escaped(o, invisible(s, more));
        else if ((uint8_t)s.p[0] >= 0x80)
            http_put(o, SPAN("\xEF\xBF\xBD"));
        else
            put_escaped(o, (uint8_t)s.p[0]);
        s = span_skip(s, more ? more : 1);
    }
}

void http_put_base64(struct http_out *o, struct span s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    while (s.n > 0) {
        size_t n = s.n < 3 ? s.n : 3;
        uint32_t bits = 0;
        char text[4];

        for (size_t i = 0; i < 3; i++)
            bits = bits << 8 | (i < n ? (uint8_t)s.p[i] : 0);
        for (unsigned i = 0; i < 4; i++)
            text[i] = i <= n ? digits[bits >> (18 - 6 * i) & 63] : '=';
        http_put(o, (struct span){ text, 4 });
        s = span_skip(s, n);
    }
}

struct span http_out_span(const struct http_out *o)
{
    return (struct span){ o->p, o->n };
}

struct span http_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        { 200, "OK" }, { 400, "Bad Request" }, { 401, "Unauthorized" }, { 404, "Not Found" }, { 429, "Too Many Requests" },
        { 500, "Internal Server Error" }, { 502, "Bad Gateway" }, { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
        { 100, "Continue" }, { 101, "Switching Protocols" }, { 103, "Early Hints" },
        { 201, "Created" }, { 202, "Accepted" }, { 203, "Non-Authoritative Information" }, { 204, "No Content" },
        { 205, "Reset Content" }, { 206, "Partial Content" },
        { 300, "Multiple Choices" }, { 301, "Moved Permanently" }, { 302, "Found" }, { 303, "See Other" }, { 304, "Not Modified" },
        { 305, "Use Proxy" }, { 307, "Temporary Redirect" }, { 308, "Permanent Redirect" },
        { 402, "Payment Required" }, { 403, "Forbidden" }, { 405, "Method Not Allowed" }, { 406, "Not Acceptable" },
        { 407, "Proxy Authentication Required" }, { 408, "Request Timeout" }, { 409, "Conflict" }, { 410, "Gone" },
        { 411, "Length Required" }, { 412, "Precondition Failed" }, { 413, "Content Too Large" }, { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" }, { 417, "Expectation Failed" },
        { 421, "Misdirected Request" }, { 422, "Unprocessable Content" }, { 426, "Upgrade Required" },
        { 431, "Request Header Fields Too Large" },
        { 501, "Not Implemented" }, { 505, "HTTP Version Not Supported" },
    };

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return span_of(reasons[i].text);
    return SPAN("Unknown");
}
