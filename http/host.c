/* Telling a host and port from other text: what one hop takes for a host and another for a host and
 * something else routes one request to two places. */
#include "http/host.h"
#include "http/scan.h"

static bool is_host_byte(char c)
{
    return http_class[(uint8_t)c] & HTTP_CLASS_HOST;
}

/* The length of "[...]" at the start of s; 0 if it is empty inside or not closed. */
static size_t literal_length(struct span s)
{
    size_t n = 1;

    while (n < s.n && (is_host_byte(s.p[n]) || s.p[n] == ':'))
        n++;
    return n > 1 && n < s.n && s.p[n] == ']' ? n + 1 : 0;
}

static size_t host_length(struct span s)
{
    size_t n = 0;

    if (s.n > 0 && s.p[0] == '[')
        return literal_length(s);
    while (n < s.n && is_host_byte(s.p[n]))
        n++;
    return n;
}

static bool is_port(struct span s)
{
    unsigned port = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        port = port * 10 + (unsigned)(s.p[i] - '0');
        if (port > 65535)
            return false;
    }
    return true;
}

bool http_is_host(struct span s)
{
    size_t n = host_length(s);

    return n == s.n || (n > 0 && s.p[n] == ':' && is_port(span_skip(s, n + 1)));
}
