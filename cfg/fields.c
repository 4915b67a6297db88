/* Which header fields [upstream_headers] may set. */
#include "base/text.h"
#include "cfg/load.h"

static const struct {
    const char *name, *why;
} refused[] = {
    { "Connection", "is about one connection, and never passed on" },
    { "Keep-Alive", "is about one connection, and never passed on" },
    { "Proxy-Connection", "is about one connection, and never passed on" },
    { "Proxy-Authenticate", "is about one connection, and never passed on" },
    { "Proxy-Authorization", "goes to the proxy on the way: write its user into proxy" },
    { "TE", "is about one connection, and never passed on" },
    { "Trailer", "is about one connection, and never passed on" },
    { "Transfer-Encoding", "follows from the body" },
    { "Content-Length", "follows from the body" },
    { "Upgrade", "is about one connection, and never passed on" },
    { "Expect", "is answered here" },
    { "Host", "follows from base_url" },
    { "Via", "names this proxy" },
    { "Authorization", "carries the key: see api_key and auth_header" },
    { "api-key", "carries the key: see api_key and auth_header" },
    { "x-api-key", "carries the key: see api_key and auth_header" },
};

/* True if c may be in a token (RFC 9110, 5.6.2). */
static bool is_token_byte(char c)
{
    return text_is_letter(c) || text_is_digit(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

const char *conf_field_fault(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!is_token_byte(name.p[i]))
            return "is no name of a header field (letters, digits and -)";
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (span_eq_nocase(name, span_of(refused[i].name)))
            return refused[i].why;
    return NULL;
}
