/* Address text by the C library's inet_pton and inet_ntop. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* ::ffff:192.0.2.1 is 192.0.2.1 (RFC 4291, 2.5.5.2); a list of IPv4 blocks could be passed by
 * otherwise. */
static void unmap(struct addr *a)
{
    if (a->family != 6 || memcmp(a->ip, v4_mapped, sizeof v4_mapped) != 0)
        return;
    a->family = 4;
    memmove(a->ip, a->ip + 12, 4);
    memset(a->ip + 4, 0, 12);
}

bool addr_parse(struct addr *a, struct span text)
{
    size_t zone = span_find(text, '%');
    char s[ADDR_TEXT_MAX];

    memset(a, 0, sizeof *a);
    if (zone + 1 < text.n && span_find(text, ':') < zone)
        text.n = zone;
    if (text.n == 0 || text.n >= sizeof s || memchr(text.p, 0, text.n))
        return false;
    memcpy(s, text.p, text.n);
    s[text.n] = 0;
    if (inet_pton(AF_INET, s, a->ip) == 1)
        a->family = 4;
    else if (inet_pton(AF_INET6, s, a->ip) == 1)
        a->family = 6;
    unmap(a);
    return a->family != 0;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t one[16] = { [15] = 1 };

    return a->family == 0 || (a->family == 4 && a->ip[0] == 127) ||
        (a->family == 6 && memcmp(a->ip, one, sizeof one) == 0);
}

bool addr_is_any(const struct addr *a)
{
    static const uint8_t zero[16] = { 0 };

    return a->family != 0 && memcmp(a->ip, zero, sizeof zero) == 0;
}

void addr_set(struct addr *a, int family, const void *ip, uint16_t port)
{
    memset(a, 0, sizeof *a);
    a->family = (uint8_t)family;
    a->port = port;
    memcpy(a->ip, ip, family == 4 ? 4 : 16);
    unmap(a);
}

void addr_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

    memset(a, 0, sizeof *a);
    if (ss->ss_family == AF_INET)
        addr_set(a, 4, &in->sin_addr, ntohs(in->sin_port));
    else if (ss->ss_family == AF_INET6)
        addr_set(a, 6, &in6->sin6_addr, ntohs(in6->sin6_port));
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
    memset(ss, 0, sizeof *ss);
    if (a->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)ss;

        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip, 4);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    memcpy(&in6->sin6_addr, a->ip, 16);
    return sizeof *in6;
}

/* Without the C library, whose way through its formats takes longer than the rest of a log line. */
static const char *put_ipv4(const uint8_t ip[4], char *out)
{
    char *at = out;

    for (unsigned i = 0; i < 4; i++) {
        unsigned n = ip[i];

        if (n >= 100)
            *at++ = (char)('0' + n / 100);
        if (n >= 10)
            *at++ = (char)('0' + n / 10 % 10);
        *at++ = (char)('0' + n % 10);
        *at++ = i < 3 ? '.' : 0;
    }
    return out;
}

const char *addr_text(const struct addr *a, char out[ADDR_TEXT_MAX])
{
    if (a->family == 4)
        return put_ipv4(a->ip, out);
    if (a->family == 0 || !inet_ntop(AF_INET6, a->ip, out, ADDR_TEXT_MAX))
        snprintf(out, ADDR_TEXT_MAX, "unix");
    return out;
}
