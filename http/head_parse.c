/* Request and status lines, and the entry points of the head parser. */
#include "http/head.h"
#include "http/fields.h"
#include "http/host.h"
#include "http/scan.h"

#include <errno.h>

/* More empty lines before a request line are no old client's stray CRLF but a way to keep us
 * busy. */
#define EMPTY_LINES_MAX 8

/* Sent to the plain port by mistake or as a probe: it can never become a request. */
static const struct http_fault tls_hello = {
    400, "This is TLS, and plain HTTP is spoken here (RFC 9112, 3)."
};
static const struct http_fault empty_lines = {
    400, "Too many empty lines before the request line (RFC 9112, 2.2)."
};
/* The next hop would tell a method with odd bytes, or none, apart differently ("\0GET",
 * "GET\x0B"). */
static const struct http_fault method_invalid = { 400,
                                                  "The method is not a token (RFC 9112, 3.1)." };
/* A space in the target moves the version for parsers that split at the last one; some cut, drop or
 * decode controls and non-ASCII bytes; a fragment is never sent. */
static const struct http_fault target_invalid = {
    400, "A byte in the request target that must be percent-encoded (RFC 9112, 3.2)."
};
static const struct http_fault target_empty = {
    400, "No request target after one space (RFC 9112, 3)."
};
/* "GET evil/../x", "POST *", "GET http://a@b/": some see a path in it, some a host. */
static const struct http_fault target_form = {
    400, "The request target has none of the forms that go with the method (RFC 9112, 3.2)."
};
static const struct http_fault version_invalid = {
    400, "The first line has no valid HTTP version (RFC 9112, 2.3)."
};
/* Without HTTP/1 framing the end of the message is unknown. */
static const struct http_fault version_unknown = {
    505, "HTTP/1.0 and HTTP/1.1 are spoken here (RFC 9110, 15.6.6)."
};
static const struct http_fault status_invalid = {
    502, "The status line has no status of three digits (RFC 9112, 4)."
};
static const struct http_fault reason_invalid = {
    502, "A NUL byte in the reason phrase (RFC 9112, 4)."
};
static const struct http_fault line_too_long = { 414,
                                                 "The request line is too long (RFC 9112, 3)." };
static const struct http_fault head_too_long = { 431, "The head is too long (RFC 6585, 5)." };

static const char *head_refuse(struct http_head *h, const struct http_fault *fault)
{
    h->fault = fault;
    return NULL;
}

/* Reads "HTTP/d.d" into *major and h->minor. Returns the byte after it, or NULL as all of these
 * functions do: with h->fault set if it is refused, without if bytes are missing before end. */
static const char *version(struct http_head *h, const char *p, const char *end, int *major)
{
    static const char form[] = "HTTP/d.d";

    if (end - p >= 8 && memcmp(p, "HTTP/1.1", 8) == 0) {
        *major = h->minor = 1;
        return p + 8;
    }
    for (size_t i = 0; i < sizeof form - 1; i++) {
        if (p + i == end)
            return NULL;
        if (form[i] == 'd' ? p[i] < '0' || p[i] > '9' : p[i] != form[i])
            return head_refuse(h, &version_invalid);
    }
    *major = p[5] - '0';
    h->minor = p[7] > '0';
    return p + 8;
}

/* Splits s into path and query. An empty path is "/" (RFC 9110, 4.2.3). */
static void split_path(struct http_head *h, struct span s)
{
    const char *mark = memchr(s.p, '?', s.n);

    h->path = mark ? (struct span){ s.p, (size_t)(mark - s.p) } : s;
    h->query = mark ? span_skip(s, h->path.n + 1) : (struct span){ NULL, 0 };
    if (h->path.n == 0)
        h->path = SPAN("/");
}

/* Splits "http://host:port/path?query" (RFC 9112, 3.2.2). Refuses user names and empty hosts (RFC
 * 9110, 4.2.1 and 4.2.4). */
static bool split_absolute(struct http_head *h)
{
    struct span host, scheme = { h->target.p, h->target.n < 8 ? h->target.n : 8 };
    size_t n = 0;

    if (span_eq_nocase(scheme, SPAN("https://")))
        host = span_skip(h->target, 8);
    else if (scheme.n >= 7 && span_eq_nocase((struct span){ scheme.p, 7 }, SPAN("http://")))
        host = span_skip(h->target, 7);
    else
        return false;
    while (n < host.n && host.p[n] != '/' && host.p[n] != '?')
        n++;
    if (n == 0 || !http_is_host((struct span){ host.p, n }))
        return false;
    split_path(h, span_skip(host, n));
    return true;
}

/* Finds which of the four forms the target has (RFC 9112, 3.2), and its path and query. */
static bool split_target(struct http_head *h)
{
    if (span_eq(h->method, SPAN("CONNECT"))) {
        h->path = h->target;
        return http_is_host(h->target);
    }
    if (h->target.p[0] == '/') {
        split_path(h, h->target);
        return true;
    }
    if (span_eq(h->target, SPAN("*"))) {
        h->path = h->target;
        return span_eq(h->method, SPAN("OPTIONS"));
    }
    return split_absolute(h);
}

static const char *skip_empty_lines(struct http_head *h, const char *p, const char *end)
{
    for (int i = 0; p && p < end && (*p == '\r' || *p == '\n'); i++) {
        if (i == EMPTY_LINES_MAX)
            return head_refuse(h, &empty_lines);
        p = http_line_end(h, p, end);
    }
    return p;
}

static struct span upto(const char *p, const char *stop)
{
    return (struct span){ p, (size_t)(stop - p) };
}

static const char *request_line(struct http_head *h, const char *p, const char *end)
{
    const char *stop;
    int major;

    p = skip_empty_lines(h, p, end);
    if (!p || (stop = http_name_end_portable(p, end)) == end)
        return NULL;
    if (*stop != ' ' || stop == p)
        return head_refuse(h, stop == p && *stop == 0x16 ? &tls_hello : &method_invalid);
    h->method = upto(p, stop);
    p = stop + 1;
    if ((stop = http_target_end(p, end)) == end)
        return NULL;
    if (*stop != ' ' || stop == p)
        return head_refuse(h,
                           *stop == ' '                         ? &target_empty
                               : *stop == '\r' || *stop == '\n' ? &version_invalid
                                                                : &target_invalid);
    h->target = upto(p, stop);
    p = version(h, stop + 1, end, &major);
    if (p)
        p = http_line_end(h, p, end);
    if (!p)
        return NULL;
    if (major != 1)
        return head_refuse(h, &version_unknown);
    return split_target(h) ? p : head_refuse(h, &target_form);
}

/* " ddd", from 100 on. */
static const char *status(struct http_head *h, const char *p, const char *end)
{
    static const char form[] = " 199";

    for (size_t i = 0; i < sizeof form - 1; i++) {
        if (p + i == end)
            return NULL;
        if (form[i] == ' ' ? p[i] != ' ' : p[i] < (form[i] == '1' ? '1' : '0') || p[i] > '9')
            return head_refuse(h, &status_invalid);
    }
    h->status = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
    return p + 4;
}

/* True for a control byte that a response may have in its text: any but CR, LF and NUL. */
static bool is_control(char c)
{
    return c != '\r' && c != '\n' && c != '\0';
}

/* The reason phrase and the space before it may both be missing: servers send "HTTP/1.1 200" (RFC
 * 9112, 4). */
static const char *status_line(struct http_head *h, const char *p, const char *end)
{
    const char *stop;
    int major;

    p = version(h, p, end, &major);
    if (p)
        p = status(h, p, end);
    if (!p || p == end)
        return NULL;
    if (*p == ' ') {
        for (stop = http_value_end(++p, end); stop < end && is_control(*stop);
             stop = http_value_end(stop + 1, end))
            h->tolerated = true;
        if (stop < end && *stop == '\0')
            return head_refuse(h, &reason_invalid);
        h->reason = upto(p, stop);
        p = stop;
    }
    p = http_response_line_end(h, p, end);
    return p && major != 1 ? head_refuse(h, &version_unknown) : p;
}

/* True if the bytes past the first `seen` cannot have ended a head whose first line was there
 * before them: then parsing again is useless. A slow sender costs a parse per line until its first
 * line is there, and then one look at each line end. */
static bool goes_on(struct span in, size_t seen)
{
    const char *end = in.p + in.n, *p;
    size_t first = 0;

    while (first < seen && (in.p[first] == '\r' || in.p[first] == '\n'))
        first++;
    if (first == seen || !memchr(in.p + first, '\n', seen - first))
        return false;
    for (p = in.p + (seen < 2 ? 0 : seen - 2); (p = memchr(p, '\n', (size_t)(end - p))) != NULL;
         p++)
        if (end - p >= 2 && (p[1] == '\n' || (p[1] == '\r' && end - p >= 3)))
            return false;
    return true;
}

/* Clears the fields of *h that not every head sets; the array keeps its contents. */
static void head_clear(struct http_head *h)
{
    const struct span none = { NULL, 0 };

    h->method = h->target = h->path = h->query = h->reason = none;
    h->status = h->minor = 0;
    h->n_fields = 0;
    h->names = 0;
    h->keep_alive = h->says_keep_alive = h->chunked = h->expect_continue = h->tolerated = false;
    h->content_length = -1;
    h->fault = NULL;
}

/* The kind of head. */
struct form {
    const char *(*first_line)(struct http_head *h, const char *p, const char *end);
    enum http_section section;
};

struct limits {
    size_t max, seen;
};

/* Faults are found in the order of the bytes, and those of the whole head last, so that the verdict
 * does not depend on how the bytes came. At the limit everything is parsed once more for the same
 * reason. */
static ssize_t head_parse(struct http_head *h, struct span in, struct limits l, struct form form)
{
    bool full = in.n >= l.max;
    const char *end, *line, *p;

    head_clear(h);
    if (in.n == 0 || (!full && l.seen > 0 && l.seen <= in.n && goes_on(in, l.seen)))
        return -EAGAIN;
    end = in.p + (full ? l.max : in.n);
    line = form.first_line(h, in.p, end);
    p = line ? http_fields_parse(h, line, end, form.section) : NULL;
    if (p)
        return p - in.p;
    if (!h->fault && full)
        head_refuse(h, line ? &head_too_long : &line_too_long);
    return h->fault ? -EBADMSG : -EAGAIN;
}

ssize_t http_request_parse(struct http_head *h, struct span in, size_t max, size_t seen)
{
    return head_parse(h, in, (struct limits){ max, seen },
                      (struct form){ request_line, HTTP_SECTION_REQUEST });
}

ssize_t http_response_parse(struct http_head *h, struct span in, size_t max, size_t seen)
{
    return head_parse(h, in, (struct limits){ max, seen },
                      (struct form){ status_line, HTTP_SECTION_RESPONSE });
}

ssize_t http_connect_response_parse(struct http_head *h, struct span in, size_t max)
{
    return head_parse(h, in, (struct limits){ max, 0 },
                      (struct form){ status_line, HTTP_SECTION_CONNECT_RESPONSE });
}
