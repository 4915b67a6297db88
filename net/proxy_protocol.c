/* The line of version 1, parsed byte by byte, and the fixed layout of version 2. Section numbers
 * are those of HAProxy's doc/proxy-protocol.txt. */
#include "net/proxy_protocol.h"
#include "base/text.h"

#include <errno.h>

#define LINE_MAX_BYTES 107 /* of version 1, its CRLF included (2.1) */
#define FIXED_SIZE 16      /* of version 2, before the addresses (2.2) */

static const char signature[12] = {
    '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'
};

/* A function that reads from it returns false if it cannot continue: either bad is set, and the
 * byte at p is wrong, or the bytes have ended. */
struct reader {
    const char *p, *end;
    bool bad;
};

static bool reader_refuse(struct reader *r)
{
    r->bad = true;
    return false;
}

/* True if there is a next byte, and it is c. */
static bool is_next(const struct reader *r, char c)
{
    return r->p < r->end && *r->p == c;
}

static bool take_text(struct reader *r, const char *text)
{
    for (; *text; text++, r->p++) {
        if (r->p == r->end)
            return false;
        if (*r->p != *text)
            return reader_refuse(r);
    }
    return true;
}

/* A decimal number up to max without leading zeros. The byte after it must be there and is not
 * taken. */
static bool take_decimal(struct reader *r, unsigned max, unsigned *n)
{
    struct span rest = { r->p, (size_t)(r->end - r->p) };
    bool zero = is_next(r, '0');
    uint64_t value = 0;

    if (rest.n == 0)
        return false;
    if (text_take_uint(&rest, max, &value) || (zero && rest.p > r->p + 1))
        return reader_refuse(r);
    r->p = rest.p;
    *n = (unsigned)value;
    return rest.n > 0;
}

static bool take_v4(struct reader *r, uint8_t *ip)
{
    for (int i = 0; i < 4; i++) {
        unsigned n;

        if ((i > 0 && !take_text(r, ".")) || !take_decimal(r, 255, &n))
            return false;
        ip[i] = (uint8_t)n;
    }
    return true;
}

/* An IPv6 address while it is read. */
struct v6 {
    uint8_t *ip;
    int n;       /* bytes so far */
    int gap;     /* the index of "::" among them; -1: none so far */
    bool dotted; /* the last four were written as IPv4, which ends the address */
};

/* The most bytes that may be written out: "::" stands for at least two of the 16. */
static int v6_room(const struct v6 *a)
{
    return a->gap < 0 ? 16 : 14;
}

/* Up to four hexadecimal digits; or four bytes in decimal at the end of the address, recognised by
 * the dot after the first of them. */
static bool take_group(struct reader *r, struct v6 *a)
{
    const char *start = r->p;
    bool may_be_dotted = a->gap < 0 ? a->n == 12 : a->n <= 10;
    unsigned value = 0;

    for (; r->p < r->end && r->p - start < 4 && text_hex(*r->p) >= 0; r->p++)
        value = value << 4 | (unsigned)text_hex(*r->p);
    if (r->p == r->end)
        return false;
    if (r->p == start)
        return reader_refuse(r);
    if (*r->p == '.' && may_be_dotted) {
        r->p = start;
        a->dotted = take_v4(r, a->ip + a->n);
        a->n += 4;
        return a->dotted;
    }
    a->ip[a->n++] = (uint8_t)(value >> 8);
    a->ip[a->n++] = (uint8_t)value;
    return true;
}

/* Inserts the zeros of "::". */
static void fill_gap(const struct v6 *a)
{
    size_t after = (size_t)(a->n - a->gap);

    memmove(a->ip + 16 - after, a->ip + a->gap, after);
    memset(a->ip + a->gap, 0, 16 - (size_t)a->n);
}

/* All forms of RFC 4291, 2.2, because inet_ntop writes some IPv6 addresses with an IPv4 tail. */
static bool take_v6(struct reader *r, uint8_t *ip)
{
    struct v6 a = { .ip = ip, .gap = -1 };

    if (is_next(r, ':')) {
        if (!take_text(r, "::"))
            return false;
        a.gap = 0;
    }
    for (;;) {
        bool may_end = a.n == a.gap;

        if (r->p == r->end)
            return false;
        if (may_end && (a.n == v6_room(&a) || text_hex(*r->p) < 0))
            break;
        if (!take_group(r, &a))
            return false;
        if (a.dotted || a.n == v6_room(&a) || *r->p != ':')
            break;
        r->p++;
        if (a.gap < 0 && is_next(r, ':')) {
            r->p++;
            a.gap = a.n;
        }
    }
    if (a.gap >= 0)
        fill_gap(&a);
    return a.gap >= 0 || a.n == 16 || reader_refuse(r);
}

/* The rest of a line after "PROXY TCP4 " or "PROXY TCP6 ". */
static bool take_addresses(struct reader *r, int family, struct addr *source)
{
    bool (*take_ip)(struct reader * r, uint8_t * ip) = family == 4 ? take_v4 : take_v6;
    uint8_t ip[16], own_ip[16];
    unsigned port, own_port;

    if (!take_ip(r, ip) || !take_text(r, " ") || !take_ip(r, own_ip) || !take_text(r, " "))
        return false;
    if (!take_decimal(r, 65535, &port) || !take_text(r, " ") ||
        !take_decimal(r, 65535, &own_port) || !take_text(r, "\r\n"))
        return false;
    addr_set(source, family, ip, (uint16_t)port);
    return true;
}

/* UNKNOWN and the rest of its line, which neither CR nor LF alone ends (2.1). */
static bool take_unknown(struct reader *r)
{
    if (!take_text(r, "UNKNOWN"))
        return false;
    if (is_next(r, ' '))
        while (r->p < r->end && *r->p != '\r' && *r->p != '\n')
            r->p++;
    return take_text(r, "\r\n");
}

static bool take_line(struct reader *r, struct addr *source)
{
    int family;

    if (!take_text(r, "PROXY "))
        return false;
    if (is_next(r, 'U'))
        return take_unknown(r);
    if (!take_text(r, "TCP"))
        return false;
    family = is_next(r, '6') ? 6 : 4;
    return take_text(r, family == 6 ? "6 " : "4 ") && take_addresses(r, family, source);
}

static ssize_t parse_line(struct span in, struct addr *source)
{
    bool full = in.n >= LINE_MAX_BYTES;
    struct reader r = { in.p, in.p + (full ? LINE_MAX_BYTES : in.n), false };

    if (take_line(&r, source))
        return r.p - in.p;
    return r.bad || full ? -EBADMSG : -EAGAIN;
}

enum command { LOCAL = 0, PROXY = 1 };
enum family { UNSPEC = 0, INET = 1, INET6 = 2, UNIX = 3 };
/* The transport: 0 is an unspecified one; datagrams are not accepted. */
#define STREAM 1

/* The fields of the fixed part. With LOCAL the address fields have no meaning (2.2). */
struct fixed {
    unsigned version, command, family, transport;
    size_t length;
};

static struct fixed take_apart(const uint8_t *p)
{
    struct fixed f = { p[12] >> 4, p[12] & 15, p[13] >> 4, p[13] & 15, (size_t)p[14] << 8 | p[15] };

    if (f.command == LOCAL)
        f.family = f.transport = UNSPEC;
    return f;
}

/* False if one of the first n bytes of the fixed part is wrong. The bytes after them are zero. */
static bool may_be_fixed(const uint8_t *p, size_t n)
{
    static const size_t least[] = { [UNSPEC] = 0, [INET] = 12, [INET6] = 36, [UNIX] = 216 };
    struct fixed f = take_apart(p);

    if (memcmp(p, signature, n < sizeof signature ? n : sizeof signature) != 0)
        return false;
    if (n > 12 && (f.version != 2 || f.command > PROXY))
        return false;
    if (n > 13 && (f.family > UNIX || f.transport > STREAM))
        return false;
    return f.length <= PROXY_PROTOCOL_MAX - FIXED_SIZE &&
        (n < FIXED_SIZE || f.length >= least[f.family]);
}

static uint16_t port_at(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static ssize_t parse_binary(struct span in, struct addr *source)
{
    uint8_t fixed[FIXED_SIZE] = { 0 };
    size_t n = in.n < FIXED_SIZE ? in.n : FIXED_SIZE;
    const uint8_t *addresses;
    struct fixed f;

    memcpy(fixed, in.p, n);
    if (!may_be_fixed(fixed, n))
        return -EBADMSG;
    f = take_apart(fixed);
    if (n < FIXED_SIZE || in.n - FIXED_SIZE < f.length)
        return -EAGAIN;
    addresses = (const uint8_t *)in.p + FIXED_SIZE;
    if (f.family == INET && f.transport == STREAM)
        addr_set(source, 4, addresses, port_at(addresses + 8));
    else if (f.family == INET6 && f.transport == STREAM)
        addr_set(source, 6, addresses, port_at(addresses + 32));
    return (ssize_t)(FIXED_SIZE + f.length);
}

/* The first byte distinguishes the versions. */
ssize_t proxy_protocol_parse(struct span in, struct addr *source)
{
    if (in.n == 0)
        return -EAGAIN;
    return in.p[0] == signature[0] ? parse_binary(in, source) : parse_line(in, source);
}
