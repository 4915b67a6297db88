/* Reading: request heads and bodies, with one buffer for each connection and as few reads as the
 * bytes allow. It knows just enough HTTP to find where a request ends, and judges nothing. */
#include "sample.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#ifdef POLLRDHUP
#define PEER_GONE POLLRDHUP
#else
#define PEER_GONE 0
#endif

/* Reads more bytes into the buffer. Returns false at the end of the connection, or when the buffer
 * is full. */
static bool more(struct conn *c)
{
    ssize_t n;

    if (c->start == c->end) {
        c->start = c->end = 0;
    } else if (c->start && c->end == IN_CAP) {
        memmove(c->in, c->in + c->start, c->end - c->start);
        c->end -= c->start;
        c->start = 0;
    }
    if (c->end == IN_CAP)
        return false;
    n = read(c->fd, c->in + c->end, IN_CAP - c->end);
    if (n <= 0)
        return false;
    c->end += (size_t)n;
    return true;
}

bool wire_pause(struct conn *c, int64_t ms)
{
    struct pollfd p = { .fd = c->fd, .events = PEER_GONE };

    if (ms <= 0)
        return true;
    return poll(&p, 1, (int)ms) == 0;
}

/* The value of the field on this line if it has that name, in lower case; else NULL. */
static const char *value_of(const char *line, const char *end, const char *name, size_t *n)
{
    size_t name_n = strlen(name);

    if ((size_t)(end - line) <= name_n || line[name_n] != ':' ||
        strncasecmp(line, name, name_n) != 0)
        return NULL;
    for (line += name_n + 1; line < end && (*line == ' ' || *line == '\t');)
        line++;
    *n = (size_t)(end - line);
    return line;
}

static void field_line(struct conn *c, const char *line, const char *end)
{
    const char *v;
    size_t n;

    if ((v = value_of(line, end, "content-length", &n)))
        c->req.length = strtoll(v, NULL, 10);
    else if ((v = value_of(line, end, "transfer-encoding", &n)))
        c->req.chunked = true;
    else if ((v = value_of(line, end, "connection", &n)))
        c->req.keep_alive = !(n >= 5 && strncasecmp(v, "close", 5) == 0);
    else if ((v = value_of(line, end, "expect", &n)))
        c->req.expects = true;
    else if ((v = value_of(line, end, "x-sample", &n)))
        knobs_apply(&c->knobs, v, n);
}

static int look_through(struct conn *c)
{
    const char *p = c->req.head, *end = p + c->req.head_n - 2;
    const char *eol = memchr(p, '\r', (size_t)(end - p));
    const char *target = eol ? memchr(p, ' ', (size_t)(eol - p)) : NULL;
    const char *target_end = target ? memchr(target + 1, ' ', (size_t)(eol - target - 1)) : NULL;
    const char *query;

    if (!target_end || eol - target_end != 9 || memcmp(target_end, " HTTP/1.", 8) != 0)
        return -1;
    c->req.keep_alive = target_end[8] == '1';
    c->req.is_head = target - p == 4 && memcmp(p, "HEAD", 4) == 0;
    if ((query = memchr(target, '?', (size_t)(target_end - target))))
        knobs_apply(&c->knobs, query + 1, (size_t)(target_end - query - 1));
    for (p = eol + 2; p < end; p = eol + 2) {
        eol = memchr(p, '\r', (size_t)(end - p));
        if (!eol)
            break;
        field_line(c, p, eol);
    }
    return 1;
}

/* Waits for the first byte of the next request, as long as Keep-Alive: timeout= promised. */
static bool idle(struct conn *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };

    return c->start < c->end || c->knobs.timeout <= 0 ||
        poll(&p, 1, (int)c->knobs.timeout * 1000) == 1;
}

int wire_head(struct conn *c, bool paced)
{
    char *p;

    if (!idle(c))
        return 0;
    while (!(p = memmem(c->in + c->start, c->end - c->start, "\r\n\r\n", 4))) {
        if (c->start && c->start < c->end) {
            memmove(c->in, c->in + c->start, c->end - c->start);
            c->end -= c->start;
            c->start = 0;
        }
        if (!more(c))
            return 0;
    }
    c->req = (struct request){ .head = c->in + c->start, .fnv = 0xcbf29ce484222325u };
    c->req.head_n = (size_t)(p + 4 - c->req.head);
    knobs_default(&c->knobs, paced);
    return look_through(c);
}

/* Finds "word" : true between p and p + n. */
static bool says_true(const char *p, size_t n, const char *word)
{
    const char *end = p + n;

    while ((p = memmem(p, (size_t)(end - p), word, strlen(word)))) {
        p += strlen(word);
        while (p < end && (*p == ' ' || *p == ':'))
            p++;
        if (end - p >= 4 && memcmp(p, "true", 4) == 0)
            return true;
    }
    return false;
}

static void look_for_words(struct request *r, const char *p, size_t n)
{
    r->stream = r->stream || says_true(p, n, "\"stream\"");
    r->usage = r->usage || says_true(p, n, "\"include_usage\"");
}

/* Looks at a piece of the body, together with the end of the piece before. */
static void look(struct request *r, const char *p, size_t n)
{
    char seam[2 * sizeof(r->tail)];
    size_t first = n < sizeof(r->tail) ? n : sizeof(r->tail), keep;

    if (r->tail_n) {
        memcpy(seam, r->tail, r->tail_n);
        memcpy(seam + r->tail_n, p, first);
        look_for_words(r, seam, r->tail_n + first);
    }
    look_for_words(r, p, n);
    if (n < sizeof(r->tail)) {
        keep = r->tail_n + n > sizeof(r->tail) ? sizeof(r->tail) - n : r->tail_n;
        memmove(r->tail, r->tail + r->tail_n - keep, keep);
        memcpy(r->tail + keep, p, n);
        r->tail_n = keep + n;
    } else {
        memcpy(r->tail, p + n - sizeof(r->tail), sizeof(r->tail));
        r->tail_n = sizeof(r->tail);
    }
}

static void keep_body(struct request *r, const char *p, size_t n)
{
    if (r->body_n + n > r->body_cap) {
        r->body_cap = 2 * (r->body_cap + n);
        r->body = realloc(r->body, r->body_cap);
        if (!r->body)
            abort();
    }
    memcpy(r->body + r->body_n, p, n);
}

/* Takes up to n bytes of body out of the buffer. Returns how many, 0 at the end of the connection.
 */
static size_t take(struct conn *c, uint64_t n)
{
    struct request *r = &c->req;
    const char *p;

    if (c->start == c->end && !more(c))
        return 0;
    p = c->in + c->start;
    if (n > c->end - c->start)
        n = c->end - c->start;
    look(r, p, n);
    if (c->knobs.echo == ECHO_BODY)
        keep_body(r, p, n);
    if (c->knobs.echo == ECHO_JSON)
        for (size_t i = 0; i < n; i++)
            r->fnv = (r->fnv ^ (unsigned char)p[i]) * 0x100000001b3u;
    r->body_n += n;
    c->start += n;
    return n;
}

static int take_all(struct conn *c, uint64_t n)
{
    while (n) {
        size_t got = take(c, n);

        if (!got)
            return -1;
        n -= got;
    }
    return 0;
}

/* The next line, without its end; NULL at the end of the connection. Valid until the next read. */
static const char *line(struct conn *c)
{
    char *eol;

    while (!(eol = memchr(c->in + c->start, '\n', c->end - c->start))) {
        if (c->start + 4096 < c->end || !more(c))
            return NULL;
    }
    const char *p = c->in + c->start;
    c->start = (size_t)(eol + 1 - c->in);
    *eol = '\0';
    return p;
}

static int chunked_body(struct conn *c)
{
    const char *p;
    uint64_t n;

    do {
        if (!(p = line(c)))
            return -1;
        n = strtoull(p, NULL, 16);
        if (n && (take_all(c, n) || !line(c)))
            return -1;
    } while (n);
    do {
        if (!(p = line(c)))
            return -1;
    } while (*p != '\r' && *p != '\0');
    return 0;
}

int wire_body(struct conn *c)
{
    if (c->req.expects && !c->knobs.early && (c->req.chunked || c->req.length)) {
        out_str(c, "HTTP/1.1 100 Continue\r\n\r\n");
        out_flush(c);
    }
    return c->req.chunked ? chunked_body(c) : take_all(c, (uint64_t)c->req.length);
}
