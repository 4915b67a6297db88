/* The addresses to listen on, and the options behind each. */
#include "base/addr.h"
#include "base/text.h"
#include "cfg/conf.h"
#include "cfg/lists.h"
#include "cfg/memory.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/un.h>

#define MODE_INITIAL 0666

static const char *parse_unix(struct conf_listen *l, struct span path)
{
    if (path.n == 0)
        return "has no path; write unix:/run/NAME.sock";
    if (path.n >= sizeof((struct sockaddr_un *)0)->sun_path)
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
    size_t colon = span_find_last(item, ':');
    struct span host = { item.p, colon };
    bool bracket = colon > 1 && host.p[0] == '[' && host.p[colon - 1] == ']', v6;
    char text[ADDR_TEXT_MAX];
    struct addr a;
    uint64_t port;

    if (text_uint(span_skip(item, colon == 0), UINT16_MAX, &port))
        return "is a port without an address; write 127.0.0.1:PORT for this machine alone, "
               "0.0.0.0:PORT for everyone";
    if (colon == item.n)
        return "is not ADDRESS:PORT, such as 127.0.0.1:8000, [::]:8000 or unix:/run/x.sock";
    if (bracket)
        host = (struct span){ host.p + 1, host.n - 2 };
    v6 = span_find(host, ':') < host.n;
    if (!addr_parse(&a, host) || bracket != v6 || span_find(host, '%') < host.n)
        return "does not start with an address; write 0.0.0.0 or [::] for all, 127.0.0.1 or [::1] "
               "for this machine alone";
    if (!text_uint(span_skip(item, colon + 1), UINT16_MAX, &port) || port == 0)
        return "has a bad port; a port is a number from 1 to 65535";
    if (l->mode)
        return "has a mode; only a unix socket has one";
    l->port = (uint16_t)port;
    l->loopback = addr_is_loopback(&a);
    l->host = conf_dup(span_of(addr_text(&a, text)));
    if (l->host && asprintf(&l->text, a.family == 6 ? "[%s]:%u" : "%s:%u", l->host, l->port) < 0)
        l->text = NULL;
    return NULL;
}

static const struct {
    const char *text;
    size_t at; /* of a bool in struct conf_listen */
} words[] = {
    { "proxy_protocol", offsetof(struct conf_listen, proxy_protocol) },
    { "tls", offsetof(struct conf_listen, tls) },
    { "admin", offsetof(struct conf_listen, admin) },
};

#define N_WORDS (sizeof words / sizeof *words)

/* Takes one word behind an address. False if it is no option. */
static bool take_option(struct conf_listen *l, struct span word)
{
    unsigned mode = 0;

    for (size_t i = 0; i < N_WORDS; i++)
        if (span_eq(word, span_of(words[i].text)))
            return *(bool *)((char *)l + words[i].at) = true;
    if (word.n < 8 || word.n > 9 || !span_starts(word, SPAN("mode=")))
        return false;
    for (size_t i = 5; i < word.n; i++) {
        if (word.p[i] < '0' || word.p[i] > '7')
            return false;
        mode = mode * 8 + (unsigned)(word.p[i] - '0');
    }
    l->mode = mode;
    return mode > 0 && mode <= 0777;
}

/* Takes the options behind the address off item. They are looked for from the end, because the path
 * of a unix socket may hold blanks. */
static struct span take_options(struct conf_listen *l, struct span item)
{
    for (;;) {
        size_t at = item.n;

        while (at > 0 && !text_is_blank(item.p[at - 1]))
            at--;
        if (at == 0 || !take_option(l, span_skip(item, at)))
            return item;
        item = text_trim((struct span){ item.p, at });
    }
}

int conf_take_listen(const struct conf_value *v, void *item, struct span text)
{
    struct conf_listen *l = item;
    struct span address = take_options(l, text);
    bool is_unix = span_starts(address, SPAN("unix:"));
    size_t blank = span_find_last(address, ' ');
    struct span behind = span_skip(address, blank);
    const char *why;

    if (behind.n > 0 && (!is_unix || span_find(behind, '=') < behind.n))
        why = "has something behind the address that is none of proxy_protocol, tls, admin and, "
              "for a unix socket, mode=0660";
    else
        why = is_unix ? parse_unix(l, span_skip(address, 5)) : parse_inet(l, address);
    if (why)
        return conf_item_fault(v, text, why);
    return l->text && l->host ? 0 : -ENOMEM;
}

void conf_print_listen(FILE *to, const struct conf_listen *l)
{
    conf_print_text(to, l->text);
    for (size_t i = 0; i < N_WORDS; i++)
        if (*(const bool *)((const char *)l + words[i].at))
            fprintf(to, " %s", words[i].text);
    if (l->is_unix)
        fprintf(to, " mode=%04o", l->mode);
}

void conf_clear_listen(void *item)
{
    struct conf_listen *l = item;

    free(l->text);
    free(l->host);
}
