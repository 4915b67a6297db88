/* The table of paths, and the paths that the configuration adds. */
#include "proxy/route.h"

#define ANY_METHOD SPAN("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")

static const struct known_path {
    struct span path, allow;
    struct span methods[2];
    enum route_handler handler;
} known_paths[] = {
    { { "/v1/chat/completions", 20 }, { "POST, OPTIONS", 13 }, { { "POST", 4 } }, ROUTE_CHAT },
    { { "/healthz", 8 },
      { "GET, HEAD, OPTIONS", 18 },
      { { "GET", 3 }, { "HEAD", 4 } },
      ROUTE_HEALTH },
    { { "/readyz", 7 },
      { "GET, HEAD, OPTIONS", 18 },
      { { "GET", 3 }, { "HEAD", 4 } },
      ROUTE_READY },
    { { "/metrics", 8 },
      { "GET, HEAD, OPTIONS", 18 },
      { { "GET", 3 }, { "HEAD", 4 } },
      ROUTE_METRICS },
    { { "/status", 7 },
      { "GET, HEAD, OPTIONS", 18 },
      { { "GET", 3 }, { "HEAD", 4 } },
      ROUTE_STATUS },
    { { "/status/events", 14 },
      { "GET, HEAD, OPTIONS", 18 },
      { { "GET", 3 }, { "HEAD", 4 } },
      ROUTE_EVENTS },
};

static const char *const names[] = {
    [ROUTE_CHAT] = "chat",     [ROUTE_PASS] = "passed",     [ROUTE_HEALTH] = "healthz",
    [ROUTE_READY] = "readyz",  [ROUTE_METRICS] = "metrics", [ROUTE_STATUS] = "status",
    [ROUTE_EVENTS] = "events", [ROUTE_OPTIONS] = "options", [ROUTE_METHOD] = "method",
    [ROUTE_PATH] = "path",     [ROUTE_UNKNOWN] = "unknown", [ROUTE_NONE] = "malformed",
};

const char *route_name(unsigned r)
{
    return names[r];
}

/* Clients put the first path after base URLs of all kinds: with a slash at the end, with /v1 in it
 * or without. */
static struct span usual_form(struct span path)
{
    while (path.n > 1 && path.p[1] == '/')
        path = span_skip(path, 1);
    if (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    return span_eq(path, SPAN("/chat/completions")) ? known_paths[0].path : path;
}

static const struct known_path *find_known(struct span path)
{
    if (span_eq(path, known_paths[0].path))
        return &known_paths[0];
    for (size_t i = 1; i < sizeof known_paths / sizeof known_paths[0]; i++)
        if (span_eq(path, known_paths[i].path))
            return &known_paths[i];
    return span_eq(usual_form(path), known_paths[0].path) ? &known_paths[0] : NULL;
}

/* The number of dots that the segment s consists of, encoded or not (RFC 3986, 2.1, 3.3); 0 if
 * there is anything else in it. */
static unsigned dots(struct span s)
{
    unsigned n = 0;

    while (s.n > 0) {
        size_t step = s.p[0] == '.'                                            ? 1
            : s.n >= 3 && span_eq_nocase((struct span){ s.p, 3 }, SPAN("%2e")) ? 3
                                                                               : 0;

        if (step == 0)
            return 0;
        s = span_skip(s, step);
        n++;
    }
    return n;
}

/* The length of what parts two segments at the start of s: a slash, encoded or not, or what some
 * servers take for one. 0: nothing does. */
static size_t separator(struct span s)
{
    struct span code = { s.p, 3 };

    if (s.p[0] == '/' || s.p[0] == '\\')
        return 1;
    return s.n >= 3 && (span_eq_nocase(code, SPAN("%2f")) || span_eq_nocase(code, SPAN("%5c"))) ? 3
                                                                                                : 0;
}

/* True if a segment of path is "." or "..": the next server would ask for another path than the one
 * that was let through. */
static bool is_ambiguous(struct span path)
{
    while (path.n > 0) {
        struct span segment = { path.p, 0 };
        unsigned n;

        while (segment.n < path.n && separator(span_skip(path, segment.n)) == 0)
            segment.n++;
        n = dots(segment);
        if (n == 1 || n == 2)
            return true;
        path = span_skip(path, segment.n);
        if (path.n > 0)
            path = span_skip(path, separator(path));
    }
    return false;
}

/* True if pattern, which may end with "*", covers path. */
static bool covers(const char *pattern, struct span path)
{
    size_t n = strlen(pattern);

    if (n > 0 && pattern[n - 1] == '*')
        return path.n >= n - 1 && memcmp(pattern, path.p, n - 1) == 0;
    return span_eq(path, (struct span){ pattern, n });
}

static bool is_passed(struct span path, const struct pass_paths *pass)
{
    for (unsigned i = 0; i < pass->n; i++)
        if (covers(pass->patterns[i], path))
            return true;
    return false;
}

/* TRACE would show the client the key that its request took to the upstream (RFC 9110, 9.3.8). */
static enum route_handler pass_handler(const struct http_head *h)
{
    if (span_eq(h->method, SPAN("TRACE")) || span_eq(h->method, SPAN("TRACK")))
        return ROUTE_METHOD;
    return is_ambiguous(h->path) ? ROUTE_PATH : ROUTE_PASS;
}

struct route route_find(const struct http_head *h, const struct pass_paths *pass)
{
    const struct known_path *known = find_known(h->path);
    struct route r = { ROUTE_UNKNOWN, known ? known->allow : ANY_METHOD, h->path };

    if (known && (span_eq(h->method, known->methods[0]) || span_eq(h->method, known->methods[1])))
        r.handler = known->handler;
    else if (span_eq(h->method, SPAN("OPTIONS")))
        r.handler = ROUTE_OPTIONS;
    else if (known)
        r.handler = ROUTE_METHOD;
    else if (is_passed(h->path, pass))
        r.handler = pass_handler(h);
    return r;
}

bool route_is_private(const struct http_head *h)
{
    return span_eq(h->path, SPAN("/metrics")) || span_eq(h->path, SPAN("/status")) ||
        span_eq(h->path, SPAN("/status/events"));
}

struct route route_find_public(const struct http_head *h, const struct pass_paths *pass)
{
    struct route r = { ROUTE_UNKNOWN, ANY_METHOD, h->path };

    if (!route_is_private(h))
        return route_find(h, pass);
    if (span_eq(h->method, SPAN("OPTIONS")))
        r.handler = ROUTE_OPTIONS;
    else if (is_passed(h->path, pass))
        r.handler = pass_handler(h);
    return r;
}

struct route route_find_admin(const struct http_head *h)
{
    const struct pass_paths none = { NULL, 0 };
    struct route r = route_find(h, &none);

    if (r.handler != ROUTE_OPTIONS && r.allow.p == known_paths[0].allow.p)
        r = (struct route){ ROUTE_UNKNOWN, ANY_METHOD, h->path };
    return r;
}
