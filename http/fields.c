/* The field section of a head: one pass over its lines, and the rules on which the safety of a proxy hangs.
 * Refuses whatever two parsers could read in two ways; knows no policy and no first lines.
 * The interfaces are http/fields.h and, for what is found out, http/head.h; the inner loops are in http/scan.h. */
#include "http/fields.h"
#include "http/names.h"
#include "http/scan.h"

/* Every rule here closes one way of request or response smuggling: two hops that disagree about where a message ends let one
 * client write the beginning of the next one's request. */

/* CL.TE and TE.CL: one hop frames by the length, the next by the chunks. */
static const struct http_fault length_and_coding = { 400, "Content-Length and Transfer-Encoding in one message (RFC 9112, 6.1)." };
/* CL.CL: one hop takes the first, the next the last. Equal values are no better: what is equal to us may not be to the next
 * parser. */
static const struct http_fault length_repeated = { 400, "More than one Content-Length (RFC 9112, 6.3)." };
/* "+5", "0x5", "5 6", and numbers that wrap: strtol and its kin read them, each in its own way. */
static const struct http_fault length_invalid = { 400, "Content-Length is not a decimal number in range (RFC 9110, 8.6)." };
/* TE.TE: a coding hidden from one hop by an odd spelling ("xchunked", "chunked;a", "identity") is seen by another. */
static const struct http_fault coding_unknown = { 501, "Transfer-Encoding other than chunked (RFC 9112, 6.1)." };
/* Chunked twice, or under another coding, has no length that two hops agree on; so has an empty list member. */
static const struct http_fault coding_invalid = { 400, "Transfer-Encoding is not chunked, once and last (RFC 9112, 6.3)." };
/* An HTTP/1.0 hop before us does not know chunks and has framed the message in another way. */
static const struct http_fault coding_in_1_0 = { 400, "Transfer-Encoding in an HTTP/1.0 message (RFC 9112, 6.1)." };
/* obs-fold: "Transfer-Encoding:\r\n chunked" is one field to some and two lines to others; a first line that is folded hides a
 * field. */
static const struct http_fault folded = { 400, "A field line begins with white space (RFC 9112, 5.2)." };
/* "Transfer-Encoding : chunked" is another name to one hop and the known one to the next. */
static const struct http_fault space_before_colon = { 400, "White space before the colon of a field (RFC 9112, 5.1)." };
/* An empty name is skipped by some and ends the section for others. */
static const struct http_fault name_empty = { 400, "A field without a name (RFC 9112, 5)." };
/* A line without a colon is an end, a continuation or nothing at all, according to whom one asks. */
static const struct http_fault name_invalid = { 400, "A byte that a field name may not have (RFC 9110, 5.1)." };
/* A LF that ends a line for one hop and is part of the value for another hides a field between them. */
static const struct http_fault bare_lf = { 400, "LF without CR (RFC 9112, 2.2)." };
/* The same with CR; it also overwrites what a terminal shows of a log. */
static const struct http_fault bare_cr = { 400, "CR without LF (RFC 9112, 2.2)." };
/* NUL cuts the value short for whoever uses C strings; the other controls have no business in a head. */
static const struct http_fault value_invalid = { 400, "A control byte in a field value (RFC 9110, 5.5)." };
/* A line that should be over goes on: one hop ignores the rest, another reads it. */
static const struct http_fault line_goes_on = { 400, "Something else than CRLF at the end of a line (RFC 9112, 2.2)." };
/* Each field costs memory and a turn of every loop behind us. */
static const struct http_fault too_many = { 431, "Too many header fields (RFC 6585, 5)." };
/* Virtual hosts and caches: two hops that pick different ones route one request to two places. */
static const struct http_fault host_repeated = { 400, "More than one Host (RFC 9112, 3.2)." };
static const struct http_fault host_missing = { 400, "No Host in an HTTP/1.1 request (RFC 9112, 3.2)." };
/* "a, b", "a@b" and "a/b" are read as one host by some and as the other by others. */
static const struct http_fault host_invalid = { 400, "Host is not a host and port (RFC 9112, 3.2)." };
/* An expectation that we do not know may be one that the upstream acts on after we answered. */
static const struct http_fault expectation_unknown = { 417, "Expect other than 100-continue (RFC 9110, 10.1.1)." };
/* Each name costs a look at every field: 8,000 of them in one head would cost a thousand times what an honest one does. */
static const struct http_fault too_many_options = { 431, "Too many names in Connection (RFC 9110, 7.6.1)." };

/* What was found so far. */
struct section {
    struct http_head *h;
    bool response;
    bool unframed;                      /* no body follows, whatever is said of one */
    bool host, close, keep_alive;
    bool nominates;                     /* Connection names fields */
};

static const char *refuse(struct http_head *h, const struct http_fault *fault)
{
    h->fault = fault;
    return NULL;
}

#define IS(s, literal) ((s).n == sizeof(literal) - 1 && http_same((s).p, (literal), sizeof(literal) - 1))

bool http_is_host(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(http_class[(uint8_t)s.p[i]] & HTTP_CLASS_HOST))
            return false;
    return true;
}

const char *http_line_end(struct http_head *h, const char *p, const char *end)
{
    if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
        return p + 2;
    if (p == end || (*p == '\r' && p + 1 == end))
        return NULL;
    return refuse(h, *p == '\r' ? &bare_cr : *p == '\n' ? &bare_lf : &line_goes_on);
}

static const struct http_fault *take_length(struct http_head *h, struct span v)
{
    int64_t n = 0;

    if (h->content_length >= 0)
        return &length_repeated;
    if (v.n == 0)
        return &length_invalid;
    for (size_t i = 0; i < v.n; i++) {
        int digit = v.p[i] - '0';

        if (digit < 0 || digit > 9 || n > (INT64_MAX - digit) / 10)
            return &length_invalid;
        n = n * 10 + digit;
    }
    h->content_length = n;
    return NULL;
}

/* Only the one word is let through. The rest tells an unknown coding, which a newer server might know, from nonsense. */
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

static const struct http_fault *take_host(struct section *s, struct span v)
{
    if (s->response)
        return NULL;
    if (s->host)
        return &host_repeated;
    s->host = true;
    return http_is_host(v) ? NULL : &host_invalid;
}

/* An HTTP/1.0 client cannot wait for 100 Continue: what it expects is ignored (RFC 9110, 10.1.1). */
static const struct http_fault *take_expectation(struct section *s, struct span v)
{
    if (s->response || s->h->minor == 0)
        return NULL;
    if (!IS(v, "100-continue"))
        return &expectation_unknown;
    s->h->expect_continue = true;
    return NULL;
}

static const struct http_fault *take(struct section *s, const struct http_field *f)
{
    switch (f->id) {
    case HTTP_CONNECTION:
        return take_connection(s, f->value);
    case HTTP_CONTENT_LENGTH:
        return s->unframed ? NULL : take_length(s->h, f->value);
    case HTTP_EXPECT:
        return take_expectation(s, f->value);
    case HTTP_HOST:
        return take_host(s, f->value);
    case HTTP_TRANSFER_ENCODING:
        return s->unframed ? NULL : take_coding(s->h, f->value);
    default:
        return NULL;
    }
}

/* What is wrong with a line whose name, begun at p, ends at stop without a colon. */
static const struct http_fault *name_fault(const char *p, const char *stop)
{
    if (*stop == ' ' || *stop == '\t')
        return p == stop ? &folded : &space_before_colon;
    if (*stop == '\n')
        return &bare_lf;
    return p == stop && *stop == ':' ? &name_empty : &name_invalid;
}

static const struct http_fault *value_fault(char stop)
{
    return stop == '\n' ? &bare_lf : stop == '\r' ? &bare_cr : &value_invalid;
}

/* One field line, from p on, into *f. Returns the byte after its CRLF, or NULL as http_fields_parse does. */
static const char *field_line(struct http_head *h, struct http_field *f, const char *p, const char *end)
{
    const char *colon = http_name_end(p, end), *value, *stop, *last;

    if (colon == end)
        return NULL;
    if (*colon != ':' || colon == p)
        return refuse(h, name_fault(p, colon));
    for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
        ;
    stop = http_value_end(value, end);
    if (stop == end || (*stop == '\r' && stop + 1 == end))
        return NULL;
    if (*stop != '\r' || stop[1] != '\n')
        return refuse(h, value_fault(*stop));
    for (last = stop; last > value && (last[-1] == ' ' || last[-1] == '\t'); last--)
        ;
    f->name = (struct span){ p, (size_t)(colon - p) };
    f->value = (struct span){ value, (size_t)(last - value) };
    f->line = (struct span){ p, (size_t)(stop + 2 - p) };
    f->id = http_name_of(f->name);
    f->hop = http_name_is_hop(f->id);
    return stop + 2;
}

/* Marks the fields that a Connection option names. In a request a name that somebody here tells apart cannot be named: with
 * "Connection: authorization" or "x-forwarded-for" a client would strip, between the hops, what access hangs on. */
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

/* What only the whole section can tell. */
static const struct http_fault *conclude(struct section *s)
{
    struct http_head *h = s->h;

    if (h->chunked && h->content_length >= 0)
        return &length_and_coding;
    if (h->chunked && h->minor == 0)
        return &coding_in_1_0;
    if (!s->response && !s->host && h->minor > 0)
        return &host_missing;
    h->says_keep_alive = !s->close && s->keep_alive;
    h->keep_alive = h->says_keep_alive || (!s->close && h->minor > 0);
    return s->nominates ? nominate_all(s) : NULL;
}

const char *http_fields_parse(struct http_head *h, const char *p, const char *end, enum http_section of)
{
    struct section s = { .h = h, .response = of != HTTP_SECTION_REQUEST, .unframed = of == HTTP_SECTION_CONNECT_RESPONSE && h->status / 100 == 2 };
    const struct http_fault *fault;

    while (p < end && *p != '\r') {
        struct http_field *f = &h->fields[h->n_fields];

        if (h->n_fields == HTTP_FIELDS_MAX)
            return refuse(h, &too_many);
        p = field_line(h, f, p, end);
        if (!p)
            return NULL;
        h->n_fields++;
        if ((fault = take(&s, f)) != NULL)
            return refuse(h, fault);
    }
    p = http_line_end(h, p, end);
    if (p && (fault = conclude(&s)) != NULL)
        return refuse(h, fault);
    return p;
}
