/* Building lines and handing them to the ring.
 * Knows no HTTP and never waits for a file.
 * The interface is proxy/log.h, the way to the writer proxy/ring.h. */
#include "proxy/log.h"
#include "cfg/errors.h"
#include "http/emit.h"
#include "proxy/ring.h"
#include "proxy/secrets.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#define RING_SIZE (256 * 1024)
#define RING_MAX (64 * 1024 * 1024)
#define LINE_MAX_BYTES 8192
#define FIELD_MAX 256                   /* of one value that a peer chose: even escaped, all of them fit a line */
#define WINDOW 256                      /* of a long value that is escaped at once */

struct log {
    struct ring *ring;
    struct secrets *secrets;            /* a reference */
    const struct secrets *more;         /* also masked, in the line under way */
    enum conf_log_level level;
    bool json;
    char *file;                         /* as in the configuration */
    size_t room;                        /* of the ring */
    uint64_t lost;                      /* since the start */
    time_t notice;                      /* when lost lines were last told of */
    time_t second;                      /* what date holds */
    char date[24];
    struct http_out line;
    char text[LINE_MAX_BYTES];
};

static const char *const level_names[] = { "debug", "info", "warning", "error" };
static const struct span severities[] = { { "<7>", 3 }, { "<6>", 3 }, { "<4>", 3 }, { "<3>", 3 } };

/* Lines with bodies are long, and there must be room for some of them. */
static size_t ring_room(const struct conf *c)
{
    uint64_t room = c->log.requests || c->log.responses ? 8 * c->log.body_limit : 0;

    return room < RING_SIZE ? RING_SIZE : room > RING_MAX ? RING_MAX : (size_t)room;
}

void log_check(const struct conf *c, struct conf_errors *e)
{
    struct sink *sink = NULL;
    int err = c->log.file && strcmp(c->log.file, "syslog") == 0 ? sink_open(&sink, c->log.file) : 0;

    sink_close(sink);
    if (err)
        conf_fault(e, conf_line_of(c, "log", "file"), "log", "file: there is no syslog daemon here: %s", strerror(-err));
}

static int tell(const struct conf *c, int err, FILE *errors)
{
    if (err)
        conf_error(errors, c, conf_line_of(c, "log", "file"), "log", "file: %s cannot be opened: %s", c->log.file, strerror(-err));
    return err;
}

int log_try(const struct conf *c, FILE *errors)
{
    return tell(c, sink_try(c->log.file), errors);
}

int log_prepare(struct ring **out, const struct log *l, const struct conf *c, FILE *errors)
{
    struct sink *sink;
    int err;

    *out = NULL;
    if (l->file && strcmp(l->file, c->log.file) == 0 && l->room == ring_room(c))
        return 0;
    err = tell(c, sink_open(&sink, c->log.file), errors);
    return err ? err : ring_make(out, ring_room(c), sink);
}

void log_change(struct log *l, const struct conf *c, struct ring *prepared)
{
    char *file = prepared ? strdup(c->log.file) : NULL;

    l->level = c->log.level;
    l->json = c->log.json;
    if (!prepared)
        return;
    ring_free(l->ring, 0);
    l->ring = prepared;
    l->room = ring_room(c);
    free(l->file);
    l->file = file;
}

int log_open(struct log **out, const struct conf *c, FILE *errors)
{
    struct log *l = calloc(1, sizeof *l);
    struct ring *ring;
    int err = l ? log_prepare(&ring, l, c, errors) : -ENOMEM;

    *out = NULL;
    if (err) {
        free(l);
        return err;
    }
    log_change(l, c, ring);
    *out = l;
    return 0;
}

void log_mask(struct log *l, struct secrets *s)
{
    secrets_hold(s);
    secrets_free(l->secrets);
    l->secrets = s;
}

int log_reopen(struct log *l)
{
    return sink_reopen(ring_sink(l->ring));
}

void log_give(struct log *l, uid_t uid, gid_t gid)
{
    sink_give(ring_sink(l->ring), uid, gid);
}

void log_after_fork(struct log *l)
{
    ring_after_fork(l->ring);
}

void log_close(struct log *l)
{
    if (!l)
        return;
    log_flush(l);
    ring_free(l->ring, 1000);
    secrets_free(l->secrets);
    free(l->file);
    free(l);
}

bool log_enabled(const struct log *l, enum conf_log_level level)
{
    return level >= l->level;
}

/* RFC 3339 in UTC, with milliseconds. */
static void put_time(struct log *l)
{
    struct timespec ts;
    struct tm tm;
    unsigned ms;
    char fraction[5];

    clock_gettime(CLOCK_REALTIME, &ts);
    if (ts.tv_sec != l->second || !l->date[0]) {
        l->second = ts.tv_sec;
        gmtime_r(&ts.tv_sec, &tm);
        strftime(l->date, sizeof l->date, "%Y-%m-%dT%H:%M:%S", &tm);
    }
    http_put(&l->line, span_of(l->date));
    ms = (unsigned)(ts.tv_nsec / 1000000);
    fraction[0] = '.';
    fraction[1] = (char)('0' + ms / 100);
    fraction[2] = (char)('0' + ms / 10 % 10);
    fraction[3] = (char)('0' + ms % 10);
    fraction[4] = 'Z';
    http_put(&l->line, (struct span){ fraction, 5 });
}

/* Text: what is not printable ASCII, and what would end a value, as \xHH; blanks only within a value. */
static void put_escaped(struct log *l, struct span v, bool blanks)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0, run = 0; i <= v.n; i++) {
        unsigned char c = i < v.n ? (unsigned char)v.p[i] : 0;
        char escape[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

        if (i < v.n && c >= 0x20 && c < 0x7f && (blanks || (c != ' ' && c != '"' && c != '\\')))
            continue;
        http_put(&l->line, (struct span){ v.p + run, i - run });
        if (i < v.n)
            http_put(&l->line, (struct span){ escape, 4 });
        run = i + 1;
    }
}

/* A stretch of text that may be shown, and whether a secret follows that is shown as "***". */
struct stretch {
    struct span plain;
    bool secret;
};

/* The next stretch from *at on, of what begins before limit: a secret that ends beyond it is masked as a whole. False at the end. */
static bool next_stretch(const struct log *l, struct span text, size_t limit, size_t *at, struct stretch *out)
{
    struct span secret;
    size_t end;

    limit = text.n < limit ? text.n : limit;
    if (*at >= limit)
        return false;
    secret = secrets_next(l->secrets, l->more, text, *at);
    end = (size_t)(secret.p - text.p);
    out->secret = secret.n > 0 && end < limit;
    end = end < limit ? end : limit;
    out->plain = (struct span){ text.p + *at, end - *at };
    *at = out->secret ? end + secret.n : end;
    return true;
}

/* Puts the first limit bytes of text with its secrets masked; blanks: it is a sentence and no value. */
static void put_masked(struct log *l, struct span text, size_t limit, bool blanks)
{
    struct stretch s;

    for (size_t at = 0; next_stretch(l, text, limit, &at, &s);) {
        if (l->json)
            http_put_json(&l->line, s.plain);
        else
            put_escaped(l, s.plain, blanks);
        if (s.secret)
            http_put(&l->line, SPAN("***"));
    }
}

/* The last bytes of the room are kept back for what ends the line, so that a line that is too long is cut and still ends. */
void log_begin(struct log *l, enum conf_log_level level, const char *message)
{
    http_out_init(&l->line, l->text, sizeof l->text - 8);
    if (sink_wants_severity(ring_sink(l->ring)))
        http_put(&l->line, severities[level]);
    if (l->json)
        http_put(&l->line, SPAN("{\"time\":\""));
    put_time(l);
    http_put(&l->line, l->json ? SPAN("\",\"level\":\"") : SPAN(" "));
    http_put(&l->line, span_of(level_names[level]));
    http_put(&l->line, l->json ? SPAN("\"") : SPAN(""));
    if (!message)
        return;
    http_put(&l->line, l->json ? SPAN(",\"message\":\"") : SPAN(" "));
    put_masked(l, span_of(message), SIZE_MAX, true);
    http_put(&l->line, l->json ? SPAN("\"") : SPAN(""));
}

static void put_name(struct log *l, const char *name)
{
    http_put(&l->line, l->json ? SPAN(",\"") : SPAN(" "));
    http_put(&l->line, span_of(name));
    http_put(&l->line, l->json ? SPAN("\":") : SPAN("="));
}

void log_field(struct log *l, const char *name, struct span value)
{
    put_name(l, name);
    if (!l->json && value.n == 0)
        http_put(&l->line, SPAN("-"));
    http_put(&l->line, l->json ? SPAN("\"") : SPAN(""));
    put_masked(l, value, FIELD_MAX, false);
    http_put(&l->line, l->json ? SPAN("\"") : SPAN(""));
}

void log_mask_too(struct log *l, const struct secrets *s)
{
    l->more = s;
}

void log_number(struct log *l, const char *name, uint64_t value)
{
    put_name(l, name);
    http_put_uint(&l->line, value);
}

void log_no_number(struct log *l, const char *name)
{
    put_name(l, name);
    http_put(&l->line, l->json ? SPAN("null") : SPAN("-"));
}

void log_end(struct log *l)
{
    l->line.overflow = false;
    l->line.cap = sizeof l->text;
    http_put(&l->line, l->json ? SPAN("}\n") : SPAN("\n"));
    if (ring_reserve(l->ring, l->line.n))
        ring_add(l->ring, http_out_span(&l->line));
    l->more = NULL;
}

/* How much of s may be escaped at once: a window that does not end within a character. */
static size_t window(struct span s)
{
    size_t n = s.n < WINDOW ? s.n : WINDOW;

    while (n < s.n && n > WINDOW - 4 && ((uint8_t)s.p[n] & 0xC0) == 0x80)
        n--;
    return n;
}

/* Escapes text, window by window, into the ring, or only counts how long that would be. */
static size_t put_windows(struct log *l, struct span text, bool count)
{
    char buf[6 * WINDOW];
    size_t all = 0;

    while (text.n > 0) {
        size_t n = window(text);
        struct http_out o;

        http_out_init(&o, buf, sizeof buf);
        http_put_json(&o, (struct span){ text.p, n });
        if (!count)
            ring_add(l->ring, http_out_span(&o));
        all += o.n;
        text = span_skip(text, n);
    }
    return all;
}

static size_t put_long(struct log *l, struct span text, size_t limit, bool count)
{
    size_t all = 0;
    struct stretch s;

    for (size_t at = 0; next_stretch(l, text, limit, &at, &s);) {
        struct span mask = s.secret ? SPAN("***") : SPAN("");

        all += put_windows(l, s.plain, count) + mask.n;
        if (!count)
            ring_add(l->ring, mask);
    }
    return all;
}

void log_end_long(struct log *l, const char *name, struct span text, size_t limit)
{
    struct span tail = l->json ? SPAN("\"}\n") : SPAN("\"\n");

    put_name(l, name);
    http_put(&l->line, SPAN("\""));
    if (ring_reserve(l->ring, l->line.n + put_long(l, text, limit, true) + tail.n)) {
        ring_add(l->ring, http_out_span(&l->line));
        put_long(l, text, limit, false);
        ring_add(l->ring, tail);
    }
    l->more = NULL;
}

void log_say(struct log *l, enum conf_log_level level, const char *format, ...)
{
    char message[1024];
    va_list args;

    if (!log_enabled(l, level))
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    log_begin(l, level, message);
    log_end(l);
}

/* Lost lines are told of once a second, and counted from the start: where nothing can be written, the line that says so is lost too. */
void log_flush(struct log *l)
{
    uint64_t lost = l->second > l->notice || l->notice == 0 ? ring_lost(l->ring) : 0;

    if (lost > 0) {
        l->lost += lost;
        log_begin(l, LOG_WARNING_LEVEL, "log lines were lost: they could not be written, or not fast enough");
        log_number(l, "lost_since_start", l->lost);
        log_end(l);
        l->notice = l->second;
    }
    ring_flush(l->ring);
}
