/* The field section of a head: one pass over its lines, and the rules that keep two parsers from
 * reading them in two ways. */
#include "http/fields.h"
#include "base/text.h"
#include "http/host.h"
#include "http/names.h"
#include "http/scan.h"

/* A request is read strictly. A response has been paid for: where nginx, HAProxy and curl agree on
 * its meaning it is taken, and h->tolerated says so.
 *
 * Every rule here closes one way of request or response smuggling: two hops that disagree about the
 * end of a message let one client write the beginning of another's request. */

/* CL.TE and TE.CL: one hop frames by the length, the next by the chunks. */
static const struct http_fault length_and_coding = {
    400, "Content-Length and Transfer-Encoding in one message (RFC 9112, 6.1)."
};
/* CL.CL: one hop takes the first, the next the last. A request's are refused even if they are
 * equal: the next parser may see a difference that this one does not. */
static const struct http_fault length_repeated = {
    400, "More than one Content-Length (RFC 9112, 6.3)."
};
/* "+5", "0x5", "5 6", and numbers that wrap: strtol and its kin read them, each in its own way. */
static const struct http_fault length_invalid = {
    400, "Content-Length is not a decimal number in range (RFC 9110, 8.6)."
};
/* TE.TE: an odd spelling ("xchunked", "chunked;a", "identity") hides a coding from one hop and not
 * from the next. */
static const struct http_fault coding_unknown = {
    501, "Transfer-Encoding other than chunked (RFC 9112, 6.1)."
};
/* Chunked twice, or under another coding, has no length that two hops agree on; neither has an
 * empty list member. */
static const struct http_fault coding_invalid = {
    400, "Transfer-Encoding is not chunked, once and last (RFC 9112, 6.3)."
};
/* An HTTP/1.0 hop before us does not know chunks and has framed the message another way. */
static const struct http_fault coding_in_1_0 = {
    400, "Transfer-Encoding in an HTTP/1.0 message (RFC 9112, 6.1)."
};
/* obs-fold: "Transfer-Encoding:\r\n chunked" is one field to some and two lines to others; a first
 * line that is folded hides a field. */
static const struct http_fault folded = { 400,
                                          "A field line begins with white space (RFC 9112, 5.2)." };
/* "Transfer-Encoding : chunked" is another name to one hop and the known one to the next. */
static const struct http_fault space_before_colon = {
    400, "White space before the colon of a field (RFC 9112, 5.1)."
};
/* Some skip an empty name, others end the section there. */
static const struct http_fault name_empty = { 400, "A field without a name (RFC 9112, 5)." };
/* A line without a colon is an end, a continuation or nothing at all, depending on the parser. */
static const struct http_fault name_invalid = {
    400, "A byte that a field name may not have (RFC 9110, 5.1)."
};
/* An LF that ends a line for one hop and is part of the value for another hides a field between
 * them. */
static const struct http_fault bare_lf = { 400, "LF without CR (RFC 9112, 2.2)." };
/* The same with CR, which also overwrites a log line on a terminal. */
static const struct http_fault bare_cr = { 400, "CR without LF (RFC 9112, 2.2)." };
/* NUL cuts the value short for code that uses C strings; other controls have no use in a head. */
static const struct http_fault value_invalid = {
    400, "A control byte in a field value (RFC 9110, 5.5)."
};
/* The line goes on after its CR: one hop ignores the rest, another reads it. */
static const struct http_fault line_goes_on = {
    400, "Something else than CRLF at the end of a line (RFC 9112, 2.2)."
};
/* Each field costs memory and a turn of every loop over them. */
static const struct http_fault too_many = { 431, "Too many header fields (RFC 6585, 5)." };
/* Virtual hosts and caches: two hops that pick different ones route one request to two places. */
static const struct http_fault host_repeated = { 400, "More than one Host (RFC 9112, 3.2)." };
static const struct http_fault host_missing = { 400,
                                                "No Host in an HTTP/1.1 request (RFC 9112, 3.2)." };
/* Parsers disagree about which host "a, b", "a@b" and "a/b" name. */
static const struct http_fault host_invalid = { 400,
                                                "Host is not a host and port (RFC 9112, 3.2)." };
/* The upstream might act on an unknown expectation after we answered. */
static const struct http_fault expectation_unknown = {
    417, "Expect other than 100-continue (RFC 9110, 10.1.1)."
};
/* Each name costs a look at every field: 8,000 of them in one head would cost a thousand times an
 * honest one. */
static const struct http_fault too_many_options = {
    431, "Too many names in Connection (RFC 9110, 7.6.1)."
};

/* The state of the section so far. */
struct section {
    struct http_head *h;
    bool response;
    bool unframed; /* no body follows, whatever the fields say */
    bool host, close, keep_alive;
    bool nominates; /* Connection names fields */
};

static const char *field_refuse(struct http_head *h, const struct http_fault *fault)
{
    h->fault = fault;
    return NULL;
}

#define IS(s, literal)                                                                             \
    ((s).n == sizeof(literal) - 1 && http_same((s).p, (literal), sizeof(literal) - 1))

const char *http_line_end(struct http_head *h, const char *p, const char *end)
{
    if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
        return p + 2;
    if (p == end || (*p == '\r' && p + 1 == end))
        return NULL;
    return field_refuse(h, *p == '\r' ? &bare_cr : *p == '\n' ? &bare_lf : &line_goes_on);
}

const char *http_response_line_end(struct http_head *h, const char *p, const char *end)
{
    if (p == end || *p != '\n')
        return http_line_end(h, p, end);
    h->tolerated = true;
    return p + 1;
}

/* The decimal number at v, -1 if it is none or out of range. */
static int64_t length_of(struct span v)
{
    uint64_t n;

    return text_uint(v, INT64_MAX, &n) ? (int64_t)n : -1;
}

/* A response may tell the same length several times (RFC 9110, 8.6). One field with one number
 * remains. */
static const struct http_fault *take_equal_lengths(struct section *s, struct http_field *f)
{
    struct http_head *h = s->h;
    struct span rest = f->value, item;
    int64_t n;

    h->tolerated = true;
    text_next_item(&rest, &f->value);
    f->line.n = 0;
    n = length_of(f->value);
    if (n < 0)
        return &length_invalid;
    while (text_next_item(&rest, &item))
        if (length_of(item) != n)
            return &length_repeated;
    if (h->content_length >= 0 && h->content_length != n)
        return &length_repeated;
    if (h->content_length >= 0)
        h->n_fields--;
    h->content_length = n;
    return NULL;
}

static const struct http_fault *take_length(struct section *s, struct http_field *f)
{
    struct http_head *h = s->h;
    int64_t n = length_of(f->value);

    if (n >= 0 && h->content_length < 0) {
        h->content_length = n;
        return NULL;
    }
    if (s->response)
        return take_equal_lengths(s, f);
    return h->content_length < 0 ? &length_invalid : &length_repeated;
}

/* Only the one word passes. The rest tells an unknown coding, which a newer server might know, from
 * nonsense. */
static const struct http_fault *take_coding(struct http_head *h, struct span v)
{
    struct span rest = v, item;

    if (h->chunked)
        return &coding_invalid;
    if (IS(v, "chunked")) {
        h->chunked = true;
        return NULL;
    }
    while (http_list_next(&rest, &item)) {
        if (!IS(item, "chunked"))
            return h->chunked ? &coding_invalid : &coding_unknown;
        h->chunked = true;
    }
    return &coding_invalid;
}

static const struct http_fault *take_connection(struct section *s, struct span v)
{
    struct span item;

    while (http_list_next(&v, &item)) {
        if (IS(item, "keep-alive"))
            s->keep_alive = true;
        else if (IS(item, "close"))
            s->close = true;
        else
            s->nominates = true;
    }
    return NULL;
}

static const struct http_fault *take_host_field(struct section *s, struct span v)
{
    if (s->response)
        return NULL;
    if (s->host)
        return &host_repeated;
    s->host = true;
    return http_is_host(v) ? NULL : &host_invalid;
}

/* An HTTP/1.0 client cannot wait for 100 Continue: its expectation is ignored
 * (RFC 9110, 10.1.1). */
static const struct http_fault *take_expectation(struct section *s, struct span v)
{
    if (s->response || s->h->minor == 0)
        return NULL;
    if (!IS(v, "100-continue"))
        return &expectation_unknown;
    s->h->expect_continue = true;
    return NULL;
}

static const struct http_fault *take_field(struct section *s, struct http_field *f)
{
    switch (f->id) {
    case HTTP_CONNECTION:
        return take_connection(s, f->value);
    case HTTP_CONTENT_LENGTH:
        return s->unframed ? NULL : take_length(s, f);
    case HTTP_EXPECT:
        return take_expectation(s, f->value);
    case HTTP_HOST:
        return take_host_field(s, f->value);
    case HTTP_TRANSFER_ENCODING:
        return s->unframed ? NULL : take_coding(s->h, f->value);
    default:
        return NULL;
    }
}

/* The fault of a line whose name, begun at p, ends at stop without a colon. */
static const struct http_fault *field_name_fault(const char *p, const char *stop)
{
    if (*stop == ' ' || *stop == '\t')
        return p == stop ? &folded : &space_before_colon;
    if (*stop == '\n')
        return &bare_lf;
    return p == stop && *stop == ':' ? &name_empty : &name_invalid;
}

static const struct http_fault *field_value_fault(char stop)
{
    return stop == '\n' ? &bare_lf : stop == '\r' ? &bare_cr : &value_invalid;
}

static void set_field(struct http_field *f, struct span name, const char *value, const char *stop)
{
    while (stop > value && text_is_blank(stop[-1]))
        stop--;
    f->name = name;
    f->value = (struct span){ value, (size_t)(stop - value) };
    f->id = http_name_of(name);
    f->hop = http_name_is_hop(f->id);
}

static const char *skip_white(const char *p, const char *end)
{
    while (p < end && text_is_blank(*p))
        p++;
    return p;
}

/* The end of the value at p. Control bytes in a response stay where they are; CR, LF and NUL end
 * it.
 */
static const char *kind_value_end(const char *p, const char *end)
{
    const char *stop = http_value_end(p, end);

    while (stop < end && *stop != '\r' && *stop != '\n' && *stop != '\0')
        stop = http_value_end(stop + 1, end);
    return stop;
}

/* A line that is no field line by the RFC: refused in a request, tolerated in a response if it can
 * only mean one thing. NULL also for the empty line that is LF alone and ends a response's
 * section. */
static const char *odd_field_line(const struct section *s, struct http_field *f, const char *p,
                                  const char *end)
{
    const char *name_end = http_name_end(p, end), *colon = name_end, *value, *stop;
    bool crlf;

    if (s->response)
        colon = skip_white(name_end, end);
    if (colon == end || (s->response && *p == '\n'))
        return NULL;
    if (*colon != ':' || name_end == p)
        return field_refuse(s->h, field_name_fault(p, name_end));
    value = skip_white(colon + 1, end);
    stop = s->response ? kind_value_end(value, end) : http_value_end(value, end);
    if (stop == end || (*stop == '\r' && stop + 1 == end))
        return NULL;
    crlf = *stop == '\r' && stop[1] == '\n';
    if (!crlf && !(s->response && *stop == '\n'))
        return field_refuse(s->h, field_value_fault(*stop));
    set_field(f, (struct span){ p, (size_t)(name_end - p) }, value, stop);
    f->line = (struct span){ p, crlf && colon == name_end ? (size_t)(stop + 2 - p) : 0 };
    s->h->tolerated = true;
    return stop + 1 + crlf;
}

/* Reads one field line from p on into *f. Returns the byte after its end, or NULL as
 * http_fields_parse does. */
static const char *field_line(const struct section *s, struct http_field *f, const char *p,
                              const char *end)
{
    const char *colon = http_name_end(p, end), *value, *stop;

    if (colon == end)
        return NULL;
    if (*colon != ':' || colon == p)
        return odd_field_line(s, f, p, end);
    value = skip_white(colon + 1, end);
    stop = http_value_end(value, end);
    if (stop == end || (*stop == '\r' && stop + 1 == end))
        return NULL;
    if (*stop != '\r' || stop[1] != '\n')
        return odd_field_line(s, f, p, end);
    set_field(f, (struct span){ p, (size_t)(colon - p) }, value, stop);
    f->line = (struct span){ p, (size_t)(stop + 2 - p) };
    return stop + 2;
}

/* Marks the fields that a Connection option names. In a request an option cannot name a field that
 * this program tells apart: with "Connection: authorization" or "x-forwarded-for" a client would
 * strip the fields that access depends on. */
static void nominate(struct section *s, struct span option)
{
    for (unsigned i = 0; i < s->h->n_fields; i++) {
        struct http_field *f = &s->h->fields[i];

        if ((s->response || f->id == HTTP_OTHER) && span_eq_nocase(f->name, option))
            f->hop = true;
    }
}

static const struct http_fault *nominate_all(struct section *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->h->n_fields; i++) {
        struct span rest = s->h->fields[i].value, option;

        if (s->h->fields[i].id != HTTP_CONNECTION)
            continue;
        while (http_list_next(&rest, &option)) {
            if (++n > HTTP_FIELDS_MAX)
                return &too_many_options;
            nominate(s, option);
        }
    }
    return NULL;
}

/* Checks and sets what only the whole section can tell. */
static const struct http_fault *conclude(struct section *s)
{
    struct http_head *h = s->h;

    if (h->chunked && h->content_length >= 0)
        return &length_and_coding;
    if (h->chunked && h->minor == 0) {
        if (!s->response)
            return &coding_in_1_0;
        h->tolerated = true;
    }
    if (!s->response && !s->host && h->minor > 0)
        return &host_missing;
    h->says_keep_alive = !s->close && s->keep_alive;
    h->keep_alive = h->says_keep_alive || (!s->close && h->minor > 0);
    if (h->tolerated)
        h->keep_alive = h->says_keep_alive = false;
    return s->nominates ? nominate_all(s) : NULL;
}

const char *http_fields_parse(struct http_head *h, const char *p, const char *end,
                              enum http_section of)
{
    struct section s = { .h = h,
                         .response = of != HTTP_SECTION_REQUEST,
                         .unframed = of == HTTP_SECTION_CONNECT_RESPONSE && h->status / 100 == 2 };
    const struct http_fault *fault;

    while (p < end && *p != '\r') {
        struct http_field *f = &h->fields[h->n_fields];
        bool full = h->n_fields == HTTP_FIELDS_MAX;
        const char *next = full ? NULL : field_line(&s, f, p, end);

        if (!next && s.response && *p == '\n')
            break;
        if (!next)
            return full ? field_refuse(h, &too_many) : NULL;
        p = next;
        h->n_fields++;
        h->names |= (uint64_t)1 << f->id;
        if ((fault = take_field(&s, f)) != NULL)
            return field_refuse(h, fault);
    }
    p = s.response ? http_response_line_end(h, p, end) : http_line_end(h, p, end);
    if (p && (fault = conclude(&s)) != NULL)
        return field_refuse(h, fault);
    return p;
}
