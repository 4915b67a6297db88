/* Values that are lists: addresses to listen on, addresses and blocks to let in, origins for CORS.
 * Knows the form of an address, and neither sockets nor what a list is for; what is checked across lists is in cfg/check.c. */
#include "cfg/values.h"
#include "cfg/conf.h"
#include "cfg/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>

/* A list being taken apart. Start with { .rest = text }. */
struct walk {
    struct span rest, item;
    bool last;
};

/* The next item, blanks trimmed. False at the end. */
static bool next_item(struct walk *w)
{
    if (w->last)
        return false;
    const char *comma = memchr(w->rest.p, ',', w->rest.n);
    size_t n = comma ? (size_t)(comma - w->rest.p) : w->rest.n;
    w->item = conf_trim((struct span){ w->rest.p, n });
    w->rest = span_skip(w->rest, comma ? n + 1 : n);
    w->last = !comma;
    return true;
}

static size_t count_items(struct span text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == ',';
    return n;
}

/* Items come from the expanded text: they are shown only if nothing was put in. */
static int item_fault(const struct conf_value *v, struct span item, const char *what)
{
    struct conf_quoted q;
    bool plain = span_eq(v->text, v->raw);
    if (item.n == 0)
        conf_value_fault(v, "has an empty item; items are separated by one comma");
    else
        conf_value_fault(v, "%s %s", plain ? conf_quote(&q, item) : "an item", what);
    return -EINVAL;
}

/* Reads digits up to max. Returns -1 if s is no such number. */
static int small_number(struct span s, int max)
{
    int n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || n > max)
            return -1;
        n = n * 10 + (s.p[i] - '0');
    }
    return s.n && n <= max ? n : -1;
}

/* Reads an IPv4 or IPv6 address into 16 bytes. Returns its family, or 0. */
static int address_of(struct span s, unsigned char *to)
{
    char text[INET6_ADDRSTRLEN];
    if (s.n >= sizeof(text))
        return 0;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return inet_pton(family, text, to) == 1 ? family : 0;
}

static bool is_loopback(int family, const unsigned char *a)
{
    static const unsigned char one[16] = { [15] = 1 };
    static const unsigned char mapped[13] = { [10] = 0xff, [11] = 0xff, [12] = 127 };
    if (family == AF_INET)
        return a[0] == 127;
    return memcmp(a, one, 16) == 0 || memcmp(a, mapped, 13) == 0;
}

#define MODE_INITIAL 0666

static const char *parse_unix(struct conf_listen *l, struct span path)
{
    if (path.n == 0)
        return "has no path; write unix:/run/NAME.sock";
    if (path.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return "has a path too long for a unix socket";
    l->is_unix = l->loopback = true;
    l->mode = l->mode ? l->mode : MODE_INITIAL;
    l->host = conf_dup(path);
    if (l->host && asprintf(&l->text, "unix:%s", l->host) < 0)
        l->text = NULL;
    return NULL;
}

/* Reads ADDRESS:PORT into *l. Returns what is wrong, or NULL; l->text NULL: memory ran out. */
static const char *parse_inet(struct conf_listen *l, struct span item)
{
    unsigned char address[16];
    char text[INET6_ADDRSTRLEN];
    const char *colon = memrchr(item.p, ':', item.n);
    if (!colon)
        return "is not ADDRESS:PORT, such as 127.0.0.1:8000, [::]:8000 or unix:/run/x.sock";
    struct span host = { item.p, (size_t)(colon - item.p) };
    bool bracket = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (bracket)
        host = (struct span){ host.p + 1, host.n - 2 };
    int family = address_of(host, address);
    if (!family || bracket != (family == AF_INET6))
        return "does not start with an address; write 0.0.0.0 or [::] for all, 127.0.0.1 or [::1] for this machine alone";
    int port = small_number(span_skip(item, (size_t)(colon + 1 - item.p)), 65535);
    if (port < 1)
        return "has a bad port; a port is a number from 1 to 65535";
    if (l->mode)
        return "has a mode; only a unix socket has one";
    l->port = (uint16_t)port;
    l->loopback = is_loopback(family, address);
    l->host = inet_ntop(family, address, text, sizeof(text)) ? conf_dup(span_of(text)) : NULL;
    if (l->host && asprintf(&l->text, bracket ? "[%s]:%d" : "%s:%d", l->host, port) < 0)
        l->text = NULL;
    return NULL;
}

/* Takes one word behind an address. False if it is no option. */
static bool take_option(struct conf_listen *l, struct span word)
{
    unsigned mode = 0;
    if (span_eq(word, SPAN("proxy_protocol")))
        return l->proxy_protocol = true;
    if (word.n < 8 || word.n > 9 || memcmp(word.p, "mode=", 5) != 0)
        return false;
    for (size_t i = 5; i < word.n; i++) {
        if (word.p[i] < '0' || word.p[i] > '7')
            return false;
        mode = mode * 8 + (unsigned)(word.p[i] - '0');
    }
    l->mode = mode;
    return mode > 0 && mode <= 0777;
}

/* The options stand behind the address, and are looked for from the end: the path of a unix socket may hold blanks. */
static struct span take_options(struct conf_listen *l, struct span item)
{
    for (;;) {
        size_t at = item.n;
        while (at > 0 && item.p[at - 1] != ' ' && item.p[at - 1] != '\t')
            at--;
        if (at == 0 || !take_option(l, span_skip(item, at)))
            return item;
        item = conf_trim((struct span){ item.p, at });
    }
}

static int add_listen(const struct conf_value *v, struct conf_listen *l, struct span item)
{
    struct span address = take_options(l, item);
    bool is_unix = address.n >= 5 && memcmp(address.p, "unix:", 5) == 0;
    const char *blank = memrchr(address.p, ' ', address.n), *why;
    if (blank && (!is_unix || memchr(blank, '=', (size_t)(address.p + address.n - blank))))
        why = "has something behind the address that is neither proxy_protocol nor, for a unix socket, mode=0660";
    else
        why = is_unix ? parse_unix(l, span_skip(address, 5)) : parse_inet(l, address);
    if (why)
        return item_fault(v, item, why);
    return l->text && l->host ? 0 : -ENOMEM;
}

int conf_set_listen(const struct conf_value *v, void *base)
{
    struct conf_listen *list = calloc(count_items(v->text), sizeof(*list));
    unsigned n = 0;
    int rc = list ? 0 : -ENOMEM;
    for (struct walk w = { .rest = v->text }; rc != -ENOMEM && next_item(&w); n++) {
        int one = add_listen(v, &list[n], w.item);
        rc = one < 0 ? one : rc;
    }
    *(struct conf_listen **)((char *)base + v->row->at) = list;
    *(unsigned *)((char *)base + v->row->count_at) = n;
    return rc;
}

static int check_address(const struct conf_value *v, struct span item)
{
    unsigned char address[16];
    const char *slash = memchr(item.p, '/', item.n);
    struct span host = { item.p, slash ? (size_t)(slash - item.p) : item.n };
    int family = address_of(host, address), most = family == AF_INET6 ? 128 : 32;
    if (span_eq(item, SPAN("unix:")))
        return 0;
    if (!family)
        return item_fault(v, item, "is not an address or block, such as 192.168.0.0/16, 10.1.2.3 or 2001:db8::/32 (or unix:)");
    if (slash && small_number(span_skip(item, host.n + 1), most) < 0)
        return item_fault(v, item, most == 32 ? "has a bad prefix length; it is 0 to 32"
                                              : "has a bad prefix length; it is 0 to 128");
    return 0;
}

/* An origin is scheme://host[:port] and nothing after it: a browser sends no slash (RFC 6454 section 6.2), so that
 * "https://a/" would never match. */
static int check_origin(const struct conf_value *v, struct span item)
{
    const char *mark = memmem(item.p, item.n, "://", 3);
    struct span host = mark ? span_skip(item, (size_t)(mark + 3 - item.p)) : SPAN("");
    bool fine = (mark && mark > item.p && host.n > 0) || span_eq(item, SPAN("null"));
    for (size_t i = 0; i < item.n; i++)
        if ((unsigned char)item.p[i] <= ' ' || (unsigned char)item.p[i] >= 0x7f)
            fine = false;
    if (memchr(host.p, '/', host.n))
        return item_fault(v, item, "has a '/' after the host; an origin ends with the host or the port");
    if (span_eq(item, SPAN("*")) || span_eq_nocase(item, SPAN("none")))
        return item_fault(v, item, "stands alone or not at all");
    return fine ? 0 : item_fault(v, item, "is not an origin, such as https://chat.example.com (or *, or none)");
}

/* A list of strings, each of which check accepts. */
static int set_strings(const struct conf_value *v, void *base, int (*check)(const struct conf_value *v, struct span item))
{
    char **list = calloc(count_items(v->text), sizeof(*list));
    unsigned n = 0;
    int rc = list ? 0 : -ENOMEM;
    for (struct walk w = { .rest = v->text }; rc != -ENOMEM && next_item(&w); n++) {
        int one = check(v, w.item);
        rc = one < 0 ? one : rc;
        list[n] = conf_dup(w.item);
        if (!list[n])
            rc = -ENOMEM;
    }
    *(char ***)((char *)base + v->row->at) = list;
    *(unsigned *)((char *)base + v->row->count_at) = n;
    return rc;
}

int conf_set_addresses(const struct conf_value *v, void *base)
{
    return v->text.n ? set_strings(v, base, check_address) : 0;
}

static int check_nothing(const struct conf_value *v, struct span item)
{
    (void)v;
    (void)item;
    return 0;
}

int conf_set_origins(const struct conf_value *v, void *base)
{
    if (span_eq_nocase(v->text, SPAN("none")))
        return 0;
    return set_strings(v, base, span_eq(v->text, SPAN("*")) ? check_nothing : check_origin);
}
