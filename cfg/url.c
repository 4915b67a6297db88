/* Takes a URL apart, strictly: what could be read in two ways is refused rather than guessed.
 * Knows no environment and no socket, and its messages never repeat the URL, which may hold a password.
 * The proxies of the environment are in cfg/noproxy.c. */
#include "cfg/url.h"
#include "cfg/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#define HOST_MAX 253
#define CREDENTIAL_MAX 255              /* RFC 1929 section 2: one byte of length */

static const struct scheme {
    struct span name;
    uint16_t port;
    bool proxy_only;
} schemes[] = {
    { { "http", 4 }, 80, false },
    { { "https", 5 }, 443, false },
    { { "socks5", 6 }, 1080, true },
    { { "socks5h", 7 }, 1080, true },
};

static char *dup_lower(struct span s)
{
    char *copy = conf_dup(s);
    for (size_t i = 0; copy && i < s.n; i++)
        copy[i] = ascii_lower(copy[i]);
    return copy;
}

/* A URL holds visible ASCII (RFC 3986 section 2); a blank or a line end in it could smuggle a header line into a request. */
static const char *bytes_fault(struct span text)
{
    if (text.n == 0)
        return "is empty";
    if (text.p[0] == '"' || text.p[0] == '\'')
        return "starts with a quote; leave the quotes out";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= ' ' || c == 0x7f)
            return "holds a blank or a control character";
        if (c > 0x7f)
            return "holds a character beyond ASCII; write host names in their xn-- form and percent-encode the rest";
        if (c == '\\')
            return "holds a backslash";
    }
    return NULL;
}

/* Takes the scheme off *rest. */
static int take_scheme(struct conf_url *u, struct span *rest, enum conf_url_kind kind, const char **why)
{
    const char *mark = memmem(rest->p, rest->n, "://", 3);
    struct span name = mark ? (struct span){ rest->p, (size_t)(mark - rest->p) } : SPAN("http");
    *why = kind == URL_BASE ? "must start with http:// or https://" : "must start with http://, https://, socks5:// or socks5h://";
    if (!mark && kind != URL_PROXY_ENV)
        return -EINVAL;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (!span_eq_nocase(name, schemes[i].name) || (schemes[i].proxy_only && kind == URL_BASE))
            continue;
        u->port = kind == URL_PROXY_ENV && schemes[i].port == 80 ? 1080 : schemes[i].port;
        u->scheme = conf_dup(schemes[i].name);
        *rest = mark ? span_skip(*rest, name.n + 3) : *rest;
        return u->scheme ? 0 : -ENOMEM;
    }
    return -EINVAL;
}

static int hex(char c)
{
    c = ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes s. A decoded control character is refused: it has no place in a header or in a log. */
static int decode(char **out, struct span s, const char **why)
{
    char *d = *out = malloc(s.n + 1);
    if (!d)
        return -ENOMEM;
    for (size_t i = 0; i < s.n; i++, d++) {
        *d = s.p[i];
        if (*d == '%') {
            int high = i + 2 < s.n ? hex(s.p[i + 1]) : -1, low = high >= 0 ? hex(s.p[i + 2]) : -1;
            *d = (char)(high * 16 + low);
            i += 2;
            if (low < 0) {
                *d = '\0';
                *why = "has a '%' in the user name or password that is not followed by two hex digits (a '%' itself is %25)";
                return -EINVAL;
            }
        }
        if ((unsigned char)*d < 0x20 || *d == 0x7f) {
            *d = '\0';
            *why = "has a control character in the user name or password";
            return -EINVAL;
        }
    }
    *d = '\0';
    *why = "has a user name or password longer than 255 bytes";
    return d - *out > CREDENTIAL_MAX ? -EINVAL : 0;
}

/* Takes user:password@ off *authority. */
static int take_credentials(struct conf_url *u, struct span *authority, enum conf_url_kind kind, const char **why)
{
    const char *at = memrchr(authority->p, '@', authority->n);
    if (!at)
        return 0;
    struct span all = { authority->p, (size_t)(at - authority->p) };
    *authority = span_skip(*authority, all.n + 1);
    *why = "holds a user name or password; the upstream's key goes into api_key or [api_keys]";
    if (kind == URL_BASE)
        return -EINVAL;
    const char *colon = memchr(all.p, ':', all.n);
    struct span user = { all.p, colon ? (size_t)(colon - all.p) : all.n };
    int rc = decode(&u->user, user, why);
    if (rc == 0)
        rc = decode(&u->password, colon ? span_skip(all, user.n + 1) : SPAN(""), why);
    return rc;
}

static int take_port(struct conf_url *u, struct span digits, const char **why)
{
    unsigned port = 0;
    *why = "has a bad port; a port is a number from 1 to 65535";
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9' || digits.n > 5)
            return -EINVAL;
        port = port * 10 + (unsigned)(digits.p[i] - '0');
    }
    if (port < 1 || port > 65535)
        return -EINVAL;
    u->port = (uint16_t)port;
    return 0;
}

/* Why host cannot be the name of a host, or NULL. A name whose last part is a number can only be meant as an address, and
 * resolvers disagree on what 127.1 is. */
static const char *name_fault(struct span host)
{
    bool digits = true;
    for (size_t i = 0; i < host.n; i++) {
        char c = ascii_lower(host.p[i]);
        if (c == '.')
            digits = digits || i + 1 < host.n;
        else if (c < '0' || c > '9')
            digits = false;
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
            return "has a host name with a character other than letters, digits, '.', '-' and '_'";
        if (c == '.' && (i == 0 || host.p[i - 1] == '.'))
            return "has a host name with an empty part";
    }
    if (host.n > HOST_MAX)
        return "has a host name longer than 253 characters";
    return digits ? "has a host that looks like an IPv4 address but is none (four numbers up to 255)" : NULL;
}

/* Takes the host from the front of authority and leaves what follows it in *rest. */
static int take_host(struct conf_url *u, struct span authority, struct span *rest, const char **why)
{
    unsigned char address[16];
    bool bracket = authority.n && authority.p[0] == '[';
    const char *end = memchr(authority.p, bracket ? ']' : ':', authority.n);
    *why = "has more than one ':' in its host; an IPv6 address needs brackets: [::1]";
    if (!bracket && end != memrchr(authority.p, ':', authority.n))
        return -EINVAL;
    *why = bracket ? "has a '[' without a ']'" : "has no host";
    if ((bracket && !end) || authority.n == 0 || end == authority.p)
        return -EINVAL;
    struct span host = { authority.p + bracket, end ? (size_t)(end - authority.p) - bracket : authority.n };
    *rest = end ? span_skip(authority, host.n + (bracket ? 2 : 0)) : SPAN("");
    u->host = dup_lower(host);
    if (!u->host)
        return -ENOMEM;
    u->is_address = inet_pton(bracket ? AF_INET6 : AF_INET, u->host, address) == 1;
    *why = bracket ? "has no IPv6 address between '[' and ']'" : u->is_address ? NULL : name_fault(host);
    if (!u->is_address && *why)
        return -EINVAL;
    *why = "has something other than :PORT after the host";
    return rest->n && rest->p[0] != ':' ? -EINVAL : 0;
}

static int take_path(struct conf_url *u, struct span path, enum conf_url_kind kind, const char **why)
{
    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    if (kind == URL_PROXY_ENV)
        path.n = 0;
    *why = "has a path; a proxy is scheme://host:port and no more";
    if (kind == URL_PROXY && path.n)
        return -EINVAL;
    u->path = conf_dup(path);
    return u->path ? 0 : -ENOMEM;
}

/* What curl reads otherwise than a file is written as the file would have it. */
static char *from_environment(const struct conf_url *u)
{
    bool v6 = strchr(u->host, ':');
    char *out = NULL;
    int n = asprintf(&out, "%s://%s%s%s%s:%u", u->scheme, u->user ? "***@" : "", v6 ? "[" : "", u->host, v6 ? "]" : "", (unsigned)u->port);
    return n < 0 ? NULL : out;
}

/* The URL with its credentials masked: the only form that is kept for logs. */
static char *masked(struct span text, bool credentials)
{
    const char *mark = memmem(text.p, text.n, "://", 3);
    size_t start = mark ? (size_t)(mark - text.p) + 3 : 0;
    struct span rest = span_skip(text, start);
    const char *at = NULL;
    for (size_t i = 0; credentials && i < rest.n && rest.p[i] != '/'; i++)
        if (rest.p[i] == '@')
            at = rest.p + i;
    if (!at)
        return conf_dup(text);
    char *out = NULL;
    int n = asprintf(&out, "%.*s***%.*s", (int)start, text.p, (int)(text.p + text.n - at), at);
    return n < 0 ? NULL : out;
}

static int parse_parts(struct conf_url *u, struct span text, enum conf_url_kind kind, const char **why)
{
    struct span rest = text, port;
    int rc = take_scheme(u, &rest, kind, why);
    if (rc < 0)
        return rc;
    const char *slash = memchr(rest.p, '/', rest.n);
    struct span authority = { rest.p, slash ? (size_t)(slash - rest.p) : rest.n };
    if ((rc = take_credentials(u, &authority, kind, why)) < 0 || (rc = take_host(u, authority, &port, why)) < 0)
        return rc;
    if (port.n && (rc = take_port(u, span_skip(port, 1), why)) < 0)
        return rc;
    u->text = kind == URL_PROXY_ENV ? from_environment(u) : masked(text, u->user != NULL);
    if (!u->text)
        return -ENOMEM;
    return take_path(u, slash ? span_skip(rest, (size_t)(slash - rest.p)) : SPAN(""), kind, why);
}

int conf_url_parse(struct conf_url *u, struct span text, enum conf_url_kind kind, const char **why)
{
    *u = (struct conf_url){ 0 };
    *why = bytes_fault(text);
    if (*why)
        return -EINVAL;
    if (memchr(text.p, '?', text.n) || memchr(text.p, '#', text.n)) {
        *why = "holds a '?' or a '#'; only a scheme, a host, a port and a path belong here (in a password, percent-encode them)";
        return -EINVAL;
    }
    return parse_parts(u, text, kind, why);
}

void conf_url_free(struct conf_url *u)
{
    free(u->text);
    free(u->scheme);
    free(u->host);
    free(u->path);
    conf_free_text(u->user);
    conf_free_text(u->password);
    *u = (struct conf_url){ 0 };
}

char *conf_url_join(const struct conf_url *base, const char *path)
{
    static const struct span v1 = { "/v1", 3 };
    struct span prefix = span_of(base->path);
    bool ends = prefix.n >= v1.n && span_eq(span_skip(prefix, prefix.n - v1.n), v1);
    bool starts = strncmp(path, v1.p, v1.n) == 0 && strchr("/?", path[v1.n]) != NULL;
    char *joined = NULL;
    if (ends && starts)
        prefix.n -= v1.n;
    int n = asprintf(&joined, "%.*s%s", (int)prefix.n, prefix.p, path);
    return n < 0 ? NULL : joined;
}
