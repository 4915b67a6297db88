/* The knobs that a request may set, in its query or in an X-Sample field: events=5&pause=100 and so
 * on. An unknown name or a bad value is ignored. response.c does what the knobs say. */
#include "sample.h"

#include <stdlib.h>
#include <string.h>

#define KNOB(name) #name, offsetof(struct knobs, name)

static const struct {
    const char *name;
    size_t at;
} numbers[] = {
    { KNOB(events) },    /* content events of a stream */
    { KNOB(pause) },     /* ms between events, or between pieces with split */
    { KNOB(size) },      /* bytes of content, per event or of a plain response */
    { KNOB(status) },    /* other than 200: an error of the API's shape */
    { KNOB(cut) },       /* close after so many events, or bytes of a plain response's body */
    { KNOB(midchunk) },  /* cut in the middle of the next event and its chunk */
    { KNOB(rst) },       /* cut with a reset */
    { KNOB(noend) },     /* no finish_reason and no [DONE], but a clean end */
    { KNOB(split) },     /* write so many bytes at a time */
    { KNOB(delay) },     /* ms before the head */
    { KNOB(early) },     /* respond first, read the body then */
    { KNOB(hang) },      /* 1: read no body and never respond; 2: read it and never respond */
    { KNOB(garbage) },   /* respond with bytes that are not HTTP */
    { KNOB(interim) },   /* send this 1xx first */
    { KNOB(requestid) }, /* 0: no x-request-id */
    { KNOB(timeout) },   /* Keep-Alive: timeout=, in seconds, and keep to it */
    { KNOB(close) },     /* Connection: close */
    { KNOB(stream) },    /* whatever the body says */
    { KNOB(usage) },     /* a chunk with the usage, whatever the body says */
    { KNOB(chat) },      /* 0: events that are no chat completion */
};

void knobs_default(struct knobs *k, bool paced)
{
    *k = (struct knobs){
        .events = paced ? 36 : 5,
        .pause = paced ? 60 : 0,
        .size = -1,
        .status = 200,
        .cut = -1,
        .requestid = 1,
        .stream = -1,
        .usage = -1,
        .chat = 1,
        .newline = "\n",
    };
}

static bool is(const char *p, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(p, word, n) == 0;
}

static void set_word(struct knobs *k, const char *name, size_t name_n, const char *v, size_t n)
{
    if (is(name, name_n, "framing"))
        k->framing = is(v, n, "length") ? FRAMING_LENGTH
            : is(v, n, "close")         ? FRAMING_CLOSE
                                        : FRAMING_CHUNKED;
    else if (is(name, name_n, "echo"))
        k->echo = is(v, n, "head") ? ECHO_HEAD
            : is(v, n, "body")     ? ECHO_BODY
            : is(v, n, "0")        ? ECHO_NONE
                                   : ECHO_JSON;
    else if (is(name, name_n, "newlines"))
        k->newline = is(v, n, "crlf") ? "\r\n" : is(v, n, "cr") ? "\r" : "\n";
}

static void set(struct knobs *k, const char *name, size_t name_n, const char *v, size_t n)
{
    char digits[24] = "";

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (!is(name, name_n, numbers[i].name) || n >= sizeof(digits))
            continue;
        memcpy(digits, v, n);
        *(int64_t *)(void *)((char *)k + numbers[i].at) = strtoll(digits, NULL, 10);
        return;
    }
    set_word(k, name, name_n, v, n);
}

void knobs_apply(struct knobs *k, const char *s, size_t n)
{
    const char *end = s + n;

    while (s < end) {
        const char *stop = memchr(s, '&', (size_t)(end - s));
        const char *eq = memchr(s, '=', (size_t)((stop ? stop : end) - s));

        if (!stop)
            stop = end;
        if (eq)
            set(k, s, (size_t)(eq - s), eq + 1, (size_t)(stop - eq - 1));
        s = stop + 1;
    }
}
