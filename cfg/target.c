/* From base_url, as people have it, to the path that chat completions are asked at. */
#include "base/text.h"
#include "cfg/load.h"
#include "cfg/owners.h"

#define ENDPOINT "/chat/completions"
#define VERSION "/v1"

/* Takes the next segment off *path, which starts with a slash. */
static struct span next_segment(struct span *path)
{
    struct span rest = span_skip(*path, 1), segment = { rest.p, span_find(rest, '/') };

    *path = span_skip(rest, segment.n);
    return segment;
}

/* True if s is like v1, v3 or v1beta2. */
static bool is_version(struct span s)
{
    size_t i = 1;

    if (s.n < 2 || ascii_lower(s.p[0]) != 'v' || !text_is_digit(s.p[1]))
        return false;
    while (i < s.n && text_is_digit(s.p[i]))
        i++;
    while (i < s.n && text_is_letter(s.p[i]))
        i++;
    while (i < s.n && text_is_digit(s.p[i]))
        i++;
    return i == s.n;
}

static bool has_version(const char *path)
{
    struct span rest = span_of(path);

    while (rest.n > 0)
        if (is_version(next_segment(&rest)))
            return true;
    return false;
}

static bool ends_with(struct span s, struct span end)
{
    return s.n >= end.n && span_eq(span_skip(s, s.n - end.n), end);
}

/* Takes the endpoint off the end of a path. False if it is not there. */
static bool drop_endpoint(char *path)
{
    struct span s = span_of(path), endpoint = SPAN(ENDPOINT);

    if (!ends_with(s, endpoint))
        return false;
    path[s.n - endpoint.n] = '\0';
    return true;
}

/* Joins the paths of u, a version that both have only once; NULL if memory ran out. */
static char *join(const struct conf_upstream *u)
{
    struct span version = SPAN(VERSION), prefix = span_of(u->base_url.path);
    struct span path = span_of(u->proxy_url_path);
    char *joined = NULL;

    if (ends_with(prefix, version) && span_starts(path, version) && strchr("/?", path.p[version.n]))
        prefix.n -= version.n;
    return asprintf(&joined, "%.*s%s", (int)prefix.n, prefix.p, path.p) < 0 ? NULL : joined;
}

/* The URL of the target; NULL if memory ran out. */
static char *whole_url(const struct conf_upstream *u)
{
    bool v6 = strchr(u->base_url.host, ':') != NULL;
    bool standard = u->base_url.port == (conf_url_is(&u->base_url, "https") ? 443 : 80);
    char port[8] = "", *url = NULL;

    if (!standard)
        snprintf(port, sizeof port, ":%u", (unsigned)u->base_url.port);
    if (asprintf(&url, "%s://%s%s%s%s%s", u->base_url.scheme, v6 ? "[" : "", u->base_url.host,
                 v6 ? "]" : "", port, u->target) < 0)
        return NULL;
    return url;
}

void conf_make_target(struct conf_loader *l, struct conf_upstream *u)
{
    if (!u->base_url.path || !u->proxy_url_path)
        return;
    /* The SDKs put the endpoint behind OPENAI_BASE_URL, whatever that is. */
    u->versioned = drop_endpoint(u->base_url.path) || has_version(u->base_url.path) ||
        conf_upstream_line(u, "base_url") == CONF_ENVIRONMENT;
    if (u->versioned && conf_upstream_line(u, "proxy_url_path") == 0)
        memcpy(u->proxy_url_path, ENDPOINT, sizeof ENDPOINT);
    u->target = join(u);
    u->url = u->target ? whole_url(u) : NULL;
    l->errors->oom |= !u->url;
}
