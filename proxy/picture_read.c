/* A reader of JSON objects by tables of their members. Nesting is known, so that no function calls
 * itself. */
#include "proxy/picture_read.h"
#include "base/text.h"

#include <errno.h>

/* Who reads a picture multiplies, and adds up. */
#define NUMBER_MAX (UINT64_C(1) << 48)

enum kind { NUMBER, NUMBERS, TEXT, BOOL };

/* Where the value of a member goes. room: its bytes. */
struct member {
    const char *name;
    enum kind kind;
    size_t at, room;
};

#define ROOM(type, field) sizeof(((struct type *)0)->field)
#define MEMBER(type, field, kind)                                                                  \
    {                                                                                              \
        .name = #field, kind, offsetof(struct type, field), ROOM(type, field)                      \
    }

static const struct member of_upstream[] = {
    MEMBER(picture_upstream, name, TEXT),
    MEMBER(picture_upstream, state, TEXT),
    MEMBER(picture_upstream, rests_ms, NUMBER),
    MEMBER(picture_upstream, keys, NUMBER),
    MEMBER(picture_upstream, keys_resting, NUMBERS),
    MEMBER(picture_upstream, client_keys_resting, NUMBER),
    MEMBER(picture_upstream, requests, NUMBERS),
    MEMBER(picture_upstream, first_event, NUMBERS),
    { NULL, NUMBER, 0, 0 },
};

static const struct member of_error[] = {
    MEMBER(picture_error, ago_ms, NUMBER), MEMBER(picture_error, status, NUMBER),
    MEMBER(picture_error, ending, TEXT),   MEMBER(picture_error, upstream, TEXT),
    MEMBER(picture_error, key, TEXT),      MEMBER(picture_error, reason, TEXT),
    MEMBER(picture_error, n, NUMBER),      { NULL, NUMBER, 0, 0 },
};

static const struct member of_picture[] = {
    MEMBER(picture, version, TEXT),
    MEMBER(picture, draining, BOOL),
    MEMBER(picture, time_ms, NUMBER),
    MEMBER(picture, uptime_ms, NUMBER),
    MEMBER(picture, workers, NUMBER),
    MEMBER(picture, in_flight, NUMBER),
    MEMBER(picture, streams, NUMBER),
    MEMBER(picture, clients, NUMBER),
    MEMBER(picture, requests, NUMBERS),
    MEMBER(picture, tokens, NUMBERS),
    MEMBER(picture, first_event, NUMBERS),
    MEMBER(picture, upstreams_more, NUMBER),
    { NULL, NUMBER, 0, 0 },
};

/* What is left to read. Once failed, nothing more is. */
struct reader {
    struct span in;
    bool failed;
};

static void fail(struct reader *r)
{
    r->failed = true;
    r->in.n = 0;
}

/* The next character that is no white space, or 0 at the end; it stays. */
static char peek(struct reader *r)
{
    while (r->in.n > 0 && memchr(" \t\r\n", r->in.p[0], 4))
        r->in = span_skip(r->in, 1);
    return r->in.n > 0 ? r->in.p[0] : '\0';
}

static bool take(struct reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->in = span_skip(r->in, 1);
    return true;
}

static void need(struct reader *r, char c)
{
    if (!take(r, c))
        fail(r);
}

/* One character of a string, decoded: its bytes stay in UTF-8, and an escape is a "?" unless it is
 * one of ASCII's printable ones. Returns what to store, n bytes. */
static struct span next_char(struct reader *r)
{
    static const char plain[] = "\"\\/", unknown[] = "?";
    struct span s = r->in;
    size_t n = 1;
    const char *at;

    if (s.p[0] != '\\') {
        n = text_utf8(s);
        r->in = span_skip(s, n ? n : 1);
        return n == 0 || (uint8_t)s.p[0] < 0x20 || s.p[0] == 0x7f || text_invisible(s, n)
            ? SPAN("?")
            : (struct span){ s.p, n };
    }
    at = s.n > 1 ? memchr(plain, s.p[1], sizeof plain - 1) : NULL;
    n = s.n > 1 && s.p[1] == 'u' ? 6 : 2;
    if (s.n < n) {
        fail(r);
        return SPAN("");
    }
    r->in = span_skip(s, n);
    return (struct span){ at ? at : unknown, 1 };
}

/* Reads a string into to, of n bytes, as much as has room. */
static void read_string(struct reader *r, char *to, size_t n)
{
    size_t used = 0;
    bool full = false;

    need(r, '"');
    while (!r->failed && r->in.n > 0 && r->in.p[0] != '"') {
        struct span c = next_char(r);

        full |= used + c.n >= n;
        if (full)
            continue;
        memcpy(to + used, c.p, c.n);
        used += c.n;
    }
    need(r, '"');
    if (n > 0)
        to[used] = '\0';
}

/* Reads a number; what it has behind its whole part is passed over. */
static uint64_t read_number(struct reader *r)
{
    uint64_t n = 0;

    peek(r);
    if (text_take_uint(&r->in, NUMBER_MAX, &n))
        fail(r);
    return n;
}

/* Passes over a value of any kind. */
static void skip_value(struct reader *r)
{
    unsigned depth = 0;

    do {
        char c = peek(r);

        if (c == '"')
            read_string(r, NULL, 0);
        else if (c == '\0')
            fail(r);
        else
            r->in = span_skip(r->in, 1);
        depth += c == '{' || c == '[';
        depth -= depth > 0 && (c == '}' || c == ']');
    } while (!r->failed && (depth > 0 || !strchr(",]}", peek(r))));
}

/* Reads the numbers of an array, those of arrays in it, too. */
static void read_numbers(struct reader *r, uint64_t *to, size_t room)
{
    unsigned depth = 0;
    size_t n = 0;

    do {
        if (take(r, '[')) {
            depth++;
        } else if (depth > 0 && take(r, ']')) {
            depth--;
        } else if (!take(r, ',')) {
            uint64_t number = read_number(r);

            if (n < room)
                to[n++] = number;
        }
    } while (!r->failed && depth > 0);
}

/* Reads the value of a member into the struct at object. */
static void read_value(struct reader *r, const struct member *m, void *object)
{
    void *to = (char *)object + m->at;

    switch (m->kind) {
    case NUMBER:
        *(uint64_t *)to = read_number(r);
        break;
    case NUMBERS:
        read_numbers(r, to, m->room / sizeof(uint64_t));
        break;
    case TEXT:
        read_string(r, to, m->room);
        break;
    case BOOL:
        *(bool *)to = peek(r) == 't';
        skip_value(r);
        break;
    }
}

/* Reads the name of the next member of an object, whose opening bracket was read. False at its
 * end. */
static bool next_name(struct reader *r, char *name, size_t n)
{
    if (r->failed || take(r, '}'))
        return false;
    take(r, ',');
    read_string(r, name, n);
    need(r, ':');
    return !r->failed;
}

static void read_member(struct reader *r, const struct member *members, const char *name,
                        void *object)
{
    while (members->name && strcmp(members->name, name) != 0)
        members++;
    if (members->name)
        read_value(r, members, object);
    else
        skip_value(r);
}

/* Reads an array of objects of size bytes, the first room of them. Returns how many it has read. */
static uint64_t read_list(struct reader *r, const struct member *members, void *to, size_t size,
                          size_t room)
{
    char name[PICTURE_TEXT];
    size_t n = 0;

    need(r, '[');
    while (!r->failed && !take(r, ']')) {
        take(r, ',');
        if (n == room) {
            skip_value(r);
            continue;
        }
        need(r, '{');
        while (next_name(r, name, sizeof name))
            read_member(r, members, name, (char *)to + n * size);
        n++;
    }
    return n;
}

int picture_read(struct picture *p, struct span json)
{
    struct reader r = { .in = json };
    char name[PICTURE_TEXT];

    memset(p, 0, sizeof *p);
    need(&r, '{');
    while (next_name(&r, name, sizeof name)) {
        if (strcmp(name, "upstreams") == 0)
            p->n_upstreams = read_list(&r, of_upstream, p->upstreams, sizeof p->upstreams[0],
                                       PICTURE_READ_UPSTREAMS);
        else if (strcmp(name, "errors") == 0)
            p->n_errors = read_list(&r, of_error, p->errors, sizeof p->errors[0], PICTURE_ERRORS);
        else
            read_member(&r, of_picture, name, p);
    }
    if (r.failed || peek(&r) != '\0')
        return -EBADMSG;
    return 0;
}
