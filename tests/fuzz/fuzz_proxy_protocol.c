/* PROXY protocol headers under fuzzing: the verdict depends neither on how the bytes come nor on
 * what follows; a header that is neither taken nor refused can be completed; an accepted line means
 * what was understood. It makes its own seeds. */
#include "net/proxy_protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(c) ((c) ? (void)0 : abort())
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* No header gives this family. */
static const struct addr untouched = { .family = 9 };

/* Parses a block of its own, so that nothing beyond it can be read unnoticed. */
static ssize_t parse_copy(struct span in, struct addr *source)
{
    char *p = malloc(in.n ? in.n : 1);
    ssize_t r;

    memcpy(p, in.p, in.n);
    *source = untouched;
    r = proxy_protocol_parse((struct span){ p, in.n }, source);
    free(p);
    CHECK(r == -EAGAIN || r == -EBADMSG || (r > 0 && (size_t)r <= in.n && r <= PROXY_PROTOCOL_MAX));
    CHECK(r > 0 || source->family == untouched.family);
    return r;
}

/* Parses growing prefixes until there is a verdict; the step changes each time. */
static ssize_t parse_growing(struct span in, struct addr *source, size_t step)
{
    size_t n = 0;
    ssize_t r;

    while ((r = parse_copy((struct span){ in.p, n }, source)) == -EAGAIN && n < in.n) {
        step = step * 7 % 61 + 1;
        n = in.n - n < step ? in.n : n + step;
    }
    return r;
}

static bool same(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* Writes the line again from the parsed values, and from its own words for this side of the
 * connection. An IPv4 address has one form only; an IPv6 address is parsed again. */
static void check_line(struct span line, const struct addr *source)
{
    char text[128], ip[ADDR_TEXT_MAX], from[64], to[64], again[512];
    unsigned port, own_port;
    struct addr reread;
    int family;

    snprintf(text, sizeof text, "%.*s", (int)line.n, line.p);
    CHECK(sscanf(text, "PROXY TCP%d %63s %63s %u %u\r\n", &family, from, to, &port, &own_port) ==
              5 &&
          (family == 4 || family == 6));
    snprintf(again, sizeof again, "PROXY TCP%d %s %s %u %u\r\n", family,
             family == 4 ? addr_text(source, ip) : from, to, (unsigned)source->port, own_port);
    CHECK(span_eq(line, span_of(again)));
    CHECK(addr_parse(&reread, span_of(to)) && (family == 6 || reread.family == 4));
    CHECK(addr_parse(&reread, span_of(from)) && (family == 6 || reread.family == 4));
    reread.port = (uint16_t)port;
    CHECK(same(&reread, source));
}

/* A byte that could follow must exist, unless the line has reached its longest length. */
static void check_goes_on(struct span in)
{
    char *more = malloc(in.n + 1);
    struct addr source;
    ssize_t r = -EBADMSG;

    memcpy(more, in.p, in.n);
    for (int c = 0; c < 256 && r == -EBADMSG; c++) {
        more[in.n] = (char)c;
        r = proxy_protocol_parse((struct span){ more, in.n + 1 }, &source);
    }
    free(more);
    CHECK(r != -EBADMSG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = { (const char *)data, n };
    struct addr source, later;
    ssize_t r = parse_copy(in, &source);

    for (size_t step = 0; step < 61; step += 13) {
        CHECK(parse_growing(in, &later, step) == r);
        CHECK(same(&source, &later));
    }
    if (r > 0 && in.p[0] == 'P' && source.family != untouched.family)
        check_line((struct span){ in.p, (size_t)r }, &source);
    if (r == -EAGAIN && n < 90)
        check_goes_on(in);
    return 0;
}

static void put_seed(const char *dir, const char *name, struct span bytes)
{
    char path[1000];
    FILE *f;

    snprintf(path, sizeof path, "%s/made-%s", dir, name);
    f = fopen(path, "wb");
    if (f) {
        fwrite(bytes.p, 1, bytes.n, f);
        fclose(f);
    }
}

/* Writes a seed of every kind into the first corpus directory named. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *dir = NULL;

    for (int i = 1; i < *argc && !dir; i++)
        if ((*argv)[i][0] != '-')
            dir = (*argv)[i];
    if (!dir)
        return 0;
    put_seed(dir, "tcp4", SPAN("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET"));
    put_seed(dir, "tcp6", SPAN("PROXY TCP6 2001:db8::1 1:2:3:4:5:6:7:8 56324 443\r\n"));
    put_seed(dir, "tcp6-dotted", SPAN("PROXY TCP6 ::ffff:192.0.2.1 1:2:3:4:5:6:1.2.3.4 1 2\r\n"));
    put_seed(dir, "unknown", SPAN("PROXY UNKNOWN ::1 ::1 1 2\r\n"));
    put_seed(dir, "inet",
             SPAN(SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"));
    put_seed(dir, "inet6",
             SPAN(SIGNATURE "\x21\x21\x00\x28"
                            "0123456789abcdefghijklmnopqrstuv\x00\x01\x01\xbb\x04\x00\x01?"));
    put_seed(dir, "local", SPAN(SIGNATURE "\x20\x00\x00\x00"));
    return 0;
}
