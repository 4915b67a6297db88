/* Responses: a chat completion, a stream of its chunks, an error, an echo; whole, or broken in the
 * way that the request asks for (knobs.c). The same request always gets the same bytes, except for
 * the x-request-id. */
#include "sample.h"

#include <string.h>

static const char *const words[] = {
    "Hello",    "!",      " This",    " is",   " the",    " sample", " upstream", ":",   " it",
    " answers", " every", " request", " with", " these",  " few",    " words",    ",",   " one",
    " event",   " each",  ",",        " over", " and",    " over",   ",",         " as", " a",
    " model",   " would", " that",    " has",  " little", " to",     " say",      ".",   " ",
};

#define N_WORDS (sizeof(words) / sizeof(words[0]))
#define CREATED "\"created\":1735689600,\"model\":\"sample-1\",\"system_fingerprint\":\"fp_sample\""
#define CHUNK                                                                                      \
    "data: {\"id\":\"chatcmpl-sample\",\"object\":\"chat.completion.chunk\"," CREATED              \
    ",\"choices\":["
#define USAGE "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":36,\"total_tokens\":45}"
#define PLAIN_HEAD                                                                                 \
    "{\"id\":\"chatcmpl-sample\",\"object\":\"chat.completion\"," CREATED                          \
    ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\""
#define PLAIN_TAIL "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}]," USAGE "}"

static const char *const reasons[][2] = {
    { "200", "OK" },
    { "204", "No Content" },
    { "304", "Not Modified" },
    { "400", "Bad Request" },
    { "401", "Unauthorized" },
    { "404", "Not Found" },
    { "429", "Too Many Requests" },
    { "500", "Internal Server Error" },
    { "503", "Service Unavailable" },
};

static void status_line(struct conn *c, int64_t status)
{
    out_str(c, "HTTP/1.1 ");
    out_uint(c, (uint64_t)status);
    out_str(c, " ");
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if ((reasons[i][0][0] - '0') * 100 + (reasons[i][0][1] - '0') * 10 + reasons[i][0][2] -
                '0' ==
            status)
            out_str(c, reasons[i][1]);
    out_str(c, "\r\n");
}

static bool no_body(const struct conn *c)
{
    return c->knobs.status == 204 || c->knobs.status == 304;
}

/* The header fields that depend on the framing. length: the body's. */
static void framing_fields(struct conn *c, enum framing usual, uint64_t length)
{
    enum framing f = c->knobs.framing == FRAMING_AUTO ? usual : c->knobs.framing;

    c->chunked = f == FRAMING_CHUNKED && !no_body(c);
    c->left = c->knobs.cut;
    if (c->knobs.close || f == FRAMING_CLOSE || !c->req.keep_alive)
        c->req.keep_alive = false;
    if (c->chunked)
        out_field(c, "Transfer-Encoding", "chunked");
    if (f == FRAMING_LENGTH && !no_body(c)) {
        out_str(c, "Content-Length: ");
        out_uint(c, length);
        out_str(c, "\r\n");
    }
    if (!c->req.keep_alive)
        out_field(c, "Connection", "close");
}

static void rate_limit_fields(struct conn *c)
{
    out_field(c, "retry-after", "2");
    out_field(c, "retry-after-ms", "1500");
    out_field(c, "x-ratelimit-limit-requests", "60");
    out_field(c, "x-ratelimit-remaining-requests", "0");
    out_field(c, "x-ratelimit-reset-requests", "1.5s");
}

static void head(struct conn *c, const char *type, enum framing usual, uint64_t length)
{
    status_line(c, c->knobs.status);
    if (!no_body(c))
        out_field(c, "Content-Type", type);
    if (c->knobs.requestid) {
        out_str(c, "x-request-id: req-");
        out_uint(c, c->id);
        out_str(c, "-");
        out_uint(c, c->requests);
        out_str(c, "\r\n");
    }
    out_str(c, "openai-version: 2020-10-01\r\nopenai-processing-ms: 12\r\n");
    if (c->knobs.status == 429)
        rate_limit_fields(c);
    if (c->knobs.timeout) {
        out_str(c, "Keep-Alive: timeout=");
        out_uint(c, (uint64_t)c->knobs.timeout);
        out_str(c, "\r\n");
    }
    framing_fields(c, usual, length);
    out_str(c, "\r\n");
}

/* A body of one piece: the text before the filler, the filler, the text after it. */
static void one_piece(struct conn *c, const char *type, const char *before, size_t n_filler,
                      const char *after)
{
    uint64_t length = strlen(before) + n_filler + strlen(after), shown = length;

    head(c, type, FRAMING_LENGTH, length);
    if (c->req.is_head || no_body(c))
        return;
    if (c->left >= 0 && (uint64_t)c->left < length && !c->knobs.midchunk)
        shown = (uint64_t)c->left; /* a cut between chunks: the last chunk is whole */
    if (shown)
        out_begin(c, shown);
    out_body(c, before, strlen(before));
    out_filler(c, n_filler);
    out_body(c, after, strlen(after));
    out_end(c);
    out_finish(c);
}

static void plain(struct conn *c)
{
    char text[512] = "";

    if (c->knobs.size >= 0) {
        one_piece(c, "application/json", PLAIN_HEAD, (size_t)c->knobs.size, PLAIN_TAIL);
        return;
    }
    for (size_t i = 0, n = 0; i < N_WORDS; n += strlen(words[i++]))
        memcpy(text + n, words[i], strlen(words[i]) + 1);
    char before[sizeof(PLAIN_HEAD) + sizeof(text)];
    memcpy(before, PLAIN_HEAD, sizeof(PLAIN_HEAD));
    strcat(before, text);
    one_piece(c, "application/json", before, 0, PLAIN_TAIL);
}

static void error(struct conn *c)
{
    one_piece(
        c, "application/json",
        c->knobs.status == 429
            ? "{\"error\":{\"message\":\"Rate limit reached for "
              "sample-1\",\"type\":\"requests\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}"
            : "{\"error\":{\"message\":\"The sample upstream was asked to "
              "fail\",\"type\":\"invalid_request_error\",\"param\":null,"
              "\"code\":\"sample_error\"}}",
        0, "");
}

/* An event of three parts, the middle one content of n bytes (text NULL: filler). half: only its
 * first half, and then the connection ends. */
struct event {
    const char *before, *text, *after;
    size_t n;
    bool half;
};

static size_t event_size(const struct conn *c, const struct event *e)
{
    return strlen(e->before) + e->n + strlen(e->after) + 2 * strlen(c->knobs.newline);
}

static void put_event(struct conn *c, const struct event *e)
{
    size_t total = event_size(c, e);

    out_begin(c, total);
    if (e->half)
        c->left = (int64_t)(total / 2);
    out_body(c, e->before, strlen(e->before));
    if (e->text)
        out_body(c, e->text, e->n);
    else
        out_filler(c, e->n);
    out_body(c, e->after, strlen(e->after));
    out_body(c, c->knobs.newline, strlen(c->knobs.newline));
    out_body(c, c->knobs.newline, strlen(c->knobs.newline));
    out_end(c);
    out_flush(c);
}

static struct event content(const struct conn *c, uint64_t i)
{
    struct event e = {
        .before = c->knobs.chat ? CHUNK "{\"index\":0,\"delta\":{\"content\":\""
                                : "event: tick\ndata: {\"text\":\"",
        .after = c->knobs.chat ? "\"},\"logprobs\":null,\"finish_reason\":null}]}" : "\"}",
        .text = words[i % N_WORDS],
        .n = strlen(words[i % N_WORDS]),
    };

    if (c->knobs.size >= 0) {
        e.text = NULL;
        e.n = (size_t)c->knobs.size;
    }
    return e;
}

static const struct event first = {
    .before = CHUNK "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":"
                    "null},\"logprobs\":null,\"finish_reason\":null}]}",
    .after = "",
};

/* The events after the content: finish, usage and [DONE], as far as they are wanted. Returns their
 * number. */
static int last_events(const struct conn *c, struct event e[3])
{
    int n = 0;

    if (c->knobs.noend || !c->knobs.chat)
        return 0;
    e[n++] =
        (struct event){ .before = CHUNK
                        "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}",
                        .after = "" };
    if (c->knobs.usage > 0 || (c->knobs.usage < 0 && c->req.usage))
        e[n++] = (struct event){ .before = CHUNK "]," USAGE "}", .after = "" };
    e[n++] = (struct event){ .before = "data: [DONE]", .after = "" };
    return n;
}

static uint64_t stream_length(const struct conn *c)
{
    struct event e[3];
    int n = last_events(c, e);
    uint64_t total = c->knobs.chat ? event_size(c, &first) : 0;

    while (n > 0)
        total += event_size(c, &e[--n]);
    for (int64_t i = 0; i < c->knobs.events; i++) {
        struct event x = content(c, (uint64_t)i);

        total += event_size(c, &x);
    }
    return total;
}

static void stream(struct conn *c)
{
    uint64_t length = c->knobs.framing == FRAMING_LENGTH ? stream_length(c) : 0;
    struct event e[3];
    int n = last_events(c, e);

    head(c, "text/event-stream; charset=utf-8", FRAMING_CHUNKED, length);
    if (c->req.is_head)
        return;
    c->left = -1; /* a stream's cut counts events */
    if (c->knobs.chat)
        put_event(c, &first);
    else
        out_flush(c);
    for (int64_t i = 0; i < c->knobs.events && !c->broken; i++) {
        struct event x = content(c, (uint64_t)i);

        if (!c->knobs.split && !wire_pause(c, c->knobs.pause))
            c->broken = true;
        x.half = i == c->knobs.cut;
        if (x.half && !c->knobs.midchunk)
            c->broken = true;
        put_event(c, &x);
    }
    if (c->knobs.cut == c->knobs.events)
        c->broken = true;
    for (int i = 0; i < n; i++)
        put_event(c, &e[i]);
    out_finish(c);
}

static void escaped(char *to, size_t cap, const char *p, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n && at + 3 < cap; i++) {
        char short_form = p[i] == '\r'    ? 'r'
            : p[i] == '\n'                ? 'n'
            : p[i] == '\t'                ? 't'
            : p[i] == '"' || p[i] == '\\' ? p[i]
                                          : '\0';

        if (short_form)
            to[at++] = '\\';
        to[at++] = short_form ? short_form : p[i];
    }
    to[at] = '\0';
}

static void number(char *to, uint64_t v)
{
    char digits[24];
    int i = 0;

    do {
        digits[i++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (i > 0)
        *to++ = digits[--i];
    *to = '\0';
}

static void echo_json(struct conn *c, const char *kept_head, size_t n)
{
    char text[12 * 1024], length[24], fnv[24];

    escaped(text, sizeof(text) - 256, kept_head, n);
    number(length, c->req.body_n);
    number(fnv, c->req.fnv);
    char after[128] = "\",\"length\":";
    strcat(strcat(strcat(strcat(after, length), ",\"fnv\":\""), fnv), "\"}");
    char before[sizeof(text) + 16] = "{\"head\":\"";
    strcat(before, text);
    one_piece(c, "application/json", before, 0, after);
}

static void echo(struct conn *c, const char *kept_head, size_t n)
{
    if (c->knobs.echo == ECHO_JSON) {
        echo_json(c, kept_head, n);
        return;
    }
    const char *p = c->knobs.echo == ECHO_HEAD ? kept_head : c->req.body;
    size_t size = c->knobs.echo == ECHO_HEAD ? n : c->req.body_n;

    head(c, c->knobs.echo == ECHO_HEAD ? "text/plain" : "application/octet-stream", FRAMING_LENGTH,
         size);
    if (size) {
        out_begin(c, size);
        out_body(c, p, size);
        out_end(c);
    }
    out_finish(c);
}

static void send_chosen(struct conn *c, const char *kept_head, size_t n)
{
    bool streamed = c->knobs.stream < 0 ? c->req.stream : c->knobs.stream > 0;

    if (c->knobs.interim) {
        status_line(c, c->knobs.interim);
        out_str(c, "Link: </style.css>; rel=preload\r\n\r\n");
    }
    if (c->knobs.echo)
        echo(c, kept_head, n);
    else if (c->knobs.status != 200)
        error(c);
    else if (streamed)
        stream(c);
    else
        plain(c);
    out_flush(c);
}

static bool never(struct conn *c)
{
    while (wire_pause(c, 3600 * 1000))
        continue;
    return false;
}

bool response_send(struct conn *c)
{
    char kept_head[10 * 1024];
    size_t n = c->req.head_n < sizeof(kept_head) ? c->req.head_n : sizeof(kept_head);

    if (c->knobs.echo)
        memcpy(kept_head, c->req.head, n);
    c->start += c->req.head_n;
    if (c->knobs.hang == 1)
        return never(c);
    if (!c->knobs.early && wire_body(c) < 0)
        return false;
    if (c->knobs.hang || !wire_pause(c, c->knobs.delay))
        return c->knobs.hang ? never(c) : false;
    if (c->knobs.garbage) {
        out_str(c, "SSH-2.0-sample is not what you asked for\r\n");
        out_flush(c);
        return false;
    }
    send_chosen(c, kept_head, n);
    if (c->broken)
        return false;
    return (!c->knobs.early || wire_body(c) == 0) && c->req.keep_alive;
}
