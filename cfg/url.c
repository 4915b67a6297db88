/* Takes a URL apart, strictly: a URL with two meanings is refused. Messages never repeat the URL,
 * which may hold a password. */
#include "cfg/url.h"
#include "base/addr.h"
#include "base/text.h"
#include "cfg/memory.h"

#include <errno.h>
#include <stdlib.h>

#define HOST_MAX 253
#define CREDENTIAL_MAX 255 /* RFC 1929, 2: one byte of length */

static const struct scheme {
    struct span name;
    uint16_t port;
    bool proxy_only;
} schemes[] = {
    { { "http", 4 }, 80, false },    { { "https", 5 }, 443, false },
    { { "socks5", 6 }, 1080, true }, { { "socks5h", 7 }, 1080, true },
    { { "socks4", 6 }, 1080, true }, { { "socks4a", 7 }, 1080, true },
    { { "socks", 5 }, 1080, true },
};

static char *dup_lower(struct span s)
{
    char *copy = conf_dup(s);

    for (size_t i = 0; copy && i < s.n; i++)
        copy[i] = ascii_lower(copy[i]);
    return copy;
}

/* A URL holds visible ASCII (RFC 3986, 2); a blank or a line end in it could smuggle a header line
 * into a request. */
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
            return "holds a character beyond ASCII; write host names in their xn-- form and "
                   "percent-encode the rest";
        if (c == '\\')
            return "holds a backslash";
    }
    return NULL;
}

/* Takes the scheme off *rest. */
static int take_scheme(struct conf_url *u, struct span *rest, enum conf_url_kind kind,
                       const char **why)
{
    const char *mark = memmem(rest->p, rest->n, "://", 3);
    struct span name = mark ? (struct span){ rest->p, (size_t)(mark - rest->p) } : SPAN("http");

    *why = kind == URL_BASE
        ? "must start with http:// or https://"
        : "must start with http://, https://, socks5://, socks5h://, socks4:// or "
          "socks4a://";
    if (!mark && kind != URL_PROXY_ENV)
        return -EINVAL;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!span_eq_nocase(name, schemes[i].name) || (schemes[i].proxy_only && kind == URL_BASE))
            continue;
        u->port = kind == URL_PROXY_ENV && schemes[i].port == 80 ? 1080 : schemes[i].port;
        u->scheme = conf_dup(schemes[i].name);
        *rest = mark ? span_skip(*rest, name.n + 3) : *rest;
        return u->scheme ? 0 : -ENOMEM;
    }
    return -EINVAL;
}

/* The byte that the '%' at the start of s stands for; -1 if no two hex digits follow. */
static int decode_byte(struct span s)
{
    int high = s.n > 2 ? text_hex(s.p[1]) : -1, low = s.n > 2 ? text_hex(s.p[2]) : -1;

    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Percent-decodes s into *out, which is the caller's whatever is returned. Refuses a decoded
 * control character, which has no place in a header or in a log. */
static int decode(char **out, struct span s, const char **why)
{
    char *d = *out = calloc(1, s.n + 1);

    if (!d)
        return -ENOMEM;
    while (s.n > 0) {
        int byte = s.p[0] == '%' ? decode_byte(s) : (unsigned char)s.p[0];

        *why = "has a '%' in the user name or password that is not followed by two hex digits (a "
               "'%' itself is %25)";
        if (byte < 0)
            return -EINVAL;
        *why = "has a control character in the user name or password";
        if (byte < 0x20 || byte == 0x7f)
            return -EINVAL;
        s = span_skip(s, s.p[0] == '%' ? 3 : 1);
        *d++ = (char)byte;
    }
    *why = "has a user name or password longer than 255 bytes";
    return d - *out > CREDENTIAL_MAX ? -EINVAL : 0;
}

/* Takes user:password@ off *authority. */
static int take_credentials(struct conf_url *u, struct span *authority, enum conf_url_kind kind,
                            const char **why)
{
    struct span all = { authority->p, span_find_last(*authority, '@') };
    struct span user = { all.p, span_find(all, ':') };
    int err;

    if (all.n == authority->n)
        return 0;
    *authority = span_skip(*authority, all.n + 1);
    *why = "holds a user name or password; the upstream's key goes into api_key or [api_keys]";
    if (kind == URL_BASE)
        return -EINVAL;
    err = decode(&u->user, user, why);
    if (!err)
        err = decode(&u->password, user.n < all.n ? span_skip(all, user.n + 1) : SPAN(""), why);
    return err;
}

static int take_port(struct conf_url *u, struct span digits, const char **why)
{
    uint64_t port;

    *why = "has a bad port; a port is a number from 1 to 65535";
    if (digits.n > 5 || !text_uint(digits, UINT16_MAX, &port) || port == 0)
        return -EINVAL;
    u->port = (uint16_t)port;
    return 0;
}

/* Why host cannot be the name of a host, or NULL. A name whose last part is a number can only be
 * meant as an address, and resolvers disagree on what 127.1 is. */
static const char *name_fault(struct span host)
{
    bool digits = true;

    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];

        if (c == '.')
            digits = digits || i + 1 < host.n;
        else if (!text_is_digit(c))
            digits = false;
        if (!text_is_letter(c) && !text_is_digit(c) && !strchr(".-_", c))
            return "has a host name with a character other than letters, digits, '.', '-' and '_'";
        if (c == '.' && (i == 0 || host.p[i - 1] == '.'))
            return "has a host name with an empty part";
    }
    if (host.n > HOST_MAX)
        return "has a host name longer than 253 characters";
    return digits
        ? "has a host that looks like an IPv4 address but is none (four numbers up to 255)"
        : NULL;
}

/* Finds the host at the front of authority, without brackets, and what follows it. */
static const char *split_host(struct span authority, struct span *host, struct span *rest)
{
    bool bracket = span_starts(authority, SPAN("["));
    size_t end = span_find(authority, bracket ? ']' : ':');

    if (!bracket && end != span_find_last(authority, ':'))
        return "has more than one ':' in its host; an IPv6 address needs brackets: [::1]";
    if (bracket && end == authority.n)
        return "has a '[' without a ']'";
    if (end == 0)
        return "has no host";
    *host = (struct span){ authority.p + bracket, end - bracket };
    *rest = span_skip(authority, end + bracket);
    return NULL;
}

/* Takes the host from the front of authority and leaves the rest in *rest. */
static int take_host(struct conf_url *u, struct span authority, struct span *rest, const char **why)
{
    struct span host;
    struct addr a;
    bool v6;

    *why = split_host(authority, &host, rest);
    if (*why)
        return -EINVAL;
    u->host = dup_lower(host);
    if (!u->host)
        return -ENOMEM;
    v6 = host.p != authority.p;
    u->is_address = addr_parse(&a, host) && span_find(host, '%') == host.n &&
        (span_find(host, ':') < host.n) == v6;
    if (!u->is_address)
        *why = v6 ? "has no IPv6 address between '[' and ']'" : name_fault(host);
    if (*why)
        return -EINVAL;
    *why = "has something other than :PORT after the host";
    return rest->n > 0 && rest->p[0] != ':' ? -EINVAL : 0;
}

/* Takes out of path the slashes at its end and those that follow another. */
static void tidy_path(char *path)
{
    char *to = path;

    for (const char *from = path; *from; from++)
        if (*from != '/' || (from[1] && from[1] != '/'))
            *to++ = *from;
    *to = '\0';
}

static int take_path(struct conf_url *u, struct span path, enum conf_url_kind kind,
                     const char **why)
{
    if (kind == URL_PROXY_ENV)
        path.n = 0;
    u->path = conf_dup(path);
    if (!u->path)
        return -ENOMEM;
    tidy_path(u->path);
    *why = "has a path; a proxy is scheme://host:port and no more";
    return kind == URL_PROXY && u->path[0] ? -EINVAL : 0;
}

/* The URL as a file would have it, where curl reads it otherwise than a file. */
static char *from_environment(const struct conf_url *u)
{
    bool v6 = strchr(u->host, ':') != NULL;
    char *out = NULL;
    int n = asprintf(&out, "%s://%s%s%s%s:%u", u->scheme, u->user ? "***@" : "", v6 ? "[" : "",
                     u->host, v6 ? "]" : "", (unsigned)u->port);

    return n < 0 ? NULL : out;
}

/* The URL with its credentials masked: the only form that is kept for logs. */
static char *masked(struct span text, bool credentials)
{
    const char *mark = memmem(text.p, text.n, "://", 3);
    size_t start = mark ? (size_t)(mark - text.p) + 3 : 0;
    struct span authority = span_skip(text, start);
    char *out = NULL;
    size_t at;

    authority.n = span_find(authority, '/');
    at = start + span_find_last(authority, '@');
    if (!credentials || at == start + authority.n)
        return conf_dup(text);
    return asprintf(&out, "%.*s***%.*s", (int)start, text.p, (int)(text.n - at), text.p + at) < 0
        ? NULL
        : out;
}

static int parse_parts(struct conf_url *u, struct span text, enum conf_url_kind kind,
                       const char **why)
{
    struct span rest = text, authority, port;
    int err = take_scheme(u, &rest, kind, why);

    if (err)
        return err;
    authority = (struct span){ rest.p, span_find(rest, '/') };
    rest = span_skip(rest, authority.n);
    err = take_credentials(u, &authority, kind, why);
    if (!err)
        err = take_host(u, authority, &port, why);
    if (!err && port.n > 0)
        err = take_port(u, span_skip(port, 1), why);
    if (err)
        return err;
    u->text = kind == URL_PROXY_ENV ? from_environment(u) : masked(text, u->user != NULL);
    if (!u->text)
        return -ENOMEM;
    return take_path(u, rest, kind, why);
}

int conf_url_parse(struct conf_url *u, struct span text, enum conf_url_kind kind, const char **why)
{
    *u = (struct conf_url){ 0 };
    *why = bytes_fault(text);
    if (*why)
        return -EINVAL;
    if (span_find(text, '?') < text.n || span_find(text, '#') < text.n) {
        *why = kind == URL_BASE
            ? "holds a '?' or a '#'; only a scheme, a host, a port and a path belong here (what "
              "follows a '?' goes into proxy_url_path)"
            : "holds a '?' or a '#'; only a scheme, a host and a port belong here (in a password, "
              "percent-encode them)";
        return -EINVAL;
    }
    return parse_parts(u, text, kind, why);
}

static bool copy_text(char **to, const char *from)
{
    *to = from ? conf_dup(span_of(from)) : NULL;
    return *to || !from;
}

int conf_url_copy(struct conf_url *to, const struct conf_url *from)
{
    *to = (struct conf_url){ .port = from->port, .is_address = from->is_address };
    return copy_text(&to->text, from->text) && copy_text(&to->scheme, from->scheme) &&
            copy_text(&to->host, from->host) && copy_text(&to->path, from->path) &&
            copy_text(&to->user, from->user) && copy_text(&to->password, from->password)
        ? 0
        : -ENOMEM;
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
