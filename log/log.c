/* Building lines and handing them to the ring. */
#include "log/log.h"
#include "cfg/errors.h"
#include "base/out.h"
#include "base/vec16.h"
#include "log/ring.h"
#include "log/secrets.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define RING_SIZE (256 * 1024)
#define RING_MAX (64 * 1024 * 1024)
#define RING_BESIDE (128 * 1024) /* the stack of its thread, the sink */
#define LINE_MAX_BYTES 8192
#define FIELD_MAX 256 /* bytes of a value that a peer chose; escaped, all of them fit a line */
#define WINDOW 256    /* bytes of a long value that are escaped at once */

struct log {
    struct ring *ring;
    struct secrets *secrets;                      /* a reference */
    const struct secrets *more[SECRETS_SETS - 1]; /* also masked, in the line under way */
    enum conf_log_level level;
    bool json;
    char *file;                  /* as in the configuration */
    size_t room;                 /* of the ring */
    uint64_t lost;               /* since the start */
    struct counter *counts_lost; /* the same for others to read; may be NULL */
    time_t notice;               /* of the last line about lost lines */
    time_t second;               /* of date */
    char date[24];
    struct out line;
    char text[LINE_MAX_BYTES];
};

static const char *const level_names[] = { "debug", "info", "warning", "error" };
static const struct span severities[] = { { "<7>", 3 }, { "<6>", 3 }, { "<4>", 3 }, { "<3>", 3 } };

/* Room for several lines with bodies. */
static size_t wanted_room(const struct conf *c)
{
    uint64_t room = c->log.requests || c->log.responses ? 8 * c->log.body_limit : 0;

    return room < RING_SIZE ? RING_SIZE : room > RING_MAX ? RING_MAX : (size_t)room;
}

/* The ring is a power of two. One that was given up may still be written out. */
size_t log_memory(const struct conf *c)
{
    return sizeof(struct log) + 2 * (2 * wanted_room(c) + RING_BESIDE);
}

void log_check(const struct conf *c, struct conf_errors *e)
{
    struct sink *sink = NULL;
    int err =
        c->log.file && strcmp(c->log.file, "syslog") == 0 ? sink_open(&sink, c->log.file, -1) : 0;

    sink_close(sink);
    if (err)
        conf_fault(e, conf_line_of(c, "log", "file"), "log",
                   "file: there is no syslog daemon here: %s", strerror(-err));
}

static int log_tell(const struct conf *c, int err, FILE *errors)
{
    if (err)
        conf_error(errors, c, conf_line_of(c, "log", "file"), "log",
                   "file: %s cannot be opened: %s", c->log.file, strerror(-err));
    return err;
}

int log_try(const struct conf *c, FILE *errors)
{
    return log_tell(c, sink_try(c->log.file), errors);
}

int log_prepare(struct ring **out, const struct log *l, const struct conf *c, int fd, FILE *errors)
{
    struct sink *sink;
    int err;

    *out = NULL;
    if (l->file && strcmp(l->file, c->log.file) == 0 && l->room == wanted_room(c)) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    err = log_tell(c, sink_open(&sink, c->log.file, fd), errors);
    if (!err)
        err = ring_make(out, wanted_room(c), sink);
    return err || !l->ring ? err : ring_start(*out);
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
    l->room = wanted_room(c);
    free(l->file);
    l->file = file;
}

int log_open(struct log **out, const struct conf *c, FILE *errors)
{
    struct log *l = calloc(1, sizeof *l);
    struct ring *ring;
    int err = l ? log_prepare(&ring, l, c, -1, errors) : -ENOMEM;

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

int log_reopen(struct log *l, int fd)
{
    int err = sink_reopen(ring_sink(l->ring), fd);

    if (err)
        log_say(l, LOG_ERROR_LEVEL, "the log file cannot be opened again: %s", strerror(-err));
    return err;
}

int log_file(const struct log *l)
{
    return sink_file(ring_sink(l->ring));
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
    out_put(&l->line, span_of(l->date));
    ms = (unsigned)(ts.tv_nsec / 1000000);
    fraction[0] = '.';
    fraction[1] = (char)('0' + ms / 100);
    fraction[2] = (char)('0' + ms / 10 % 10);
    fraction[3] = (char)('0' + ms % 10);
    fraction[4] = 'Z';
    out_put(&l->line, (struct span){ fraction, 5 });
}

/* A bit for each byte of ASCII that stands for itself: in a value, which blanks and quotes end, and
 * in a sentence. */
static const uint64_t plain[2][2] = {
    { 0xfffffffa00000000, 0x7fffffffefffffff },
    { 0xffffffff00000000, 0x7fffffffffffffff },
};

static bool is_plain(char c, bool sentence)
{
    unsigned n = (unsigned char)c;

    return n < 128 && plain[sentence][n / 64] >> (n % 64) & 1;
}

/* How many bytes at the start of v stand for themselves. */
static size_t plain_run(struct span v, bool sentence)
{
    size_t n = 0;

#if defined(VEC16)
    for (; !sentence && v.n - n >= 16; n += 16) {
        vec16 c = vec16_load(v.p + n), printable = vec16_at_most(vec16_less(c, '!'), '~' - '!'),
              ends = vec16_either(vec16_equal(c, '"'), vec16_equal(c, '\\'));

        if (vec16_hits(vec16_but_not(printable, ends)) != VEC16_ALL)
            break;
    }
#endif
    while (n < v.n && is_plain(v.p[n], sentence))
        n++;
    return n;
}

/* Puts v as text: bytes that are not printable ASCII, and those that would end a value, as \xHH.
 * Only a sentence keeps its blanks. */
static void put_printable(struct log *l, struct span v, bool sentence)
{
    static const char hex[] = "0123456789abcdef";

    while (v.n > 0) {
        size_t run = plain_run(v, sentence);

        out_put(&l->line, (struct span){ v.p, run });
        v = span_skip(v, run);
        if (v.n > 0) {
            unsigned char c = (unsigned char)v.p[0];

            out_put(&l->line, (struct span){ (char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4 });
            v = span_skip(v, 1);
        }
    }
}

/* A way through the first limit bytes of a text. */
struct stretches {
    struct secrets_search search;
    size_t limit;
};

/* A stretch of text without a secret. secret: one follows, to be shown as "***". */
struct stretch {
    struct span plain;
    bool secret;
};

static void stretches_begin(struct stretches *all, const struct log *l, struct span text,
                            size_t limit)
{
    all->search.sets[0] = l->secrets;
    all->search.sets[1] = l->more[0];
    all->search.sets[2] = l->more[1];
    all->search.text = text;
    all->search.at = 0;
    all->search.begun = false;
    all->limit = text.n < limit ? text.n : limit;
}

/* Takes the next stretch. A secret that ends beyond the limit is masked as a whole. False at the
 * end. */
static bool stretches_next(struct stretches *all, struct stretch *out)
{
    struct span text = all->search.text, secret;
    size_t at = all->search.at, end;

    if (at >= all->limit)
        return false;
    secret = secrets_next(&all->search);
    end = (size_t)(secret.p - text.p);
    out->secret = secret.n > 0 && end < all->limit;
    end = end < all->limit ? end : all->limit;
    out->plain = (struct span){ text.p + at, end - at };
    return true;
}

/* Puts the first limit bytes of text with its secrets masked. blanks: it is a sentence. */
static void put_masked(struct log *l, struct span text, size_t limit, bool blanks)
{
    struct stretches all;
    struct stretch s;

    for (stretches_begin(&all, l, text, limit); stretches_next(&all, &s);) {
        if (l->json)
            out_json(&l->line, s.plain);
        else
            put_printable(l, s.plain, blanks);
        if (s.secret)
            out_put(&l->line, SPAN("***"));
    }
}

/* Keeps the last bytes of the room for the end of the line: a line that is too long is cut and
 * still ends. */
void log_begin(struct log *l, enum conf_log_level level, const char *message)
{
    out_init(&l->line, l->text, sizeof l->text - 8);
    if (sink_wants_severity(ring_sink(l->ring)))
        out_put(&l->line, severities[level]);
    if (l->json)
        out_put(&l->line, SPAN("{\"time\":\""));
    put_time(l);
    out_put(&l->line, l->json ? SPAN("\",\"level\":\"") : SPAN(" "));
    out_put(&l->line, span_of(level_names[level]));
    out_put(&l->line, l->json ? SPAN("\"") : SPAN(""));
    if (!message)
        return;
    out_put(&l->line, l->json ? SPAN(",\"message\":\"") : SPAN(" "));
    put_masked(l, span_of(message), SIZE_MAX, true);
    out_put(&l->line, l->json ? SPAN("\"") : SPAN(""));
}

static void put_name(struct log *l, const struct log_name *name)
{
    out_put(&l->line, l->json ? name->json : name->text);
}

void log_field(struct log *l, const struct log_name *name, struct span value)
{
    put_name(l, name);
    if (!l->json && value.n == 0)
        out_put(&l->line, SPAN("-"));
    out_put(&l->line, l->json ? SPAN("\"") : SPAN(""));
    put_masked(l, value, FIELD_MAX, false);
    out_put(&l->line, l->json ? SPAN("\"") : SPAN(""));
}

void log_word(struct log *l, const struct log_name *name, struct span value)
{
    put_name(l, name);
    out_put(&l->line, l->json ? SPAN("\"") : SPAN(""));
    out_put(&l->line, value);
    out_put(&l->line, l->json ? SPAN("\"") : SPAN(""));
}

void log_mask_too(struct log *l, const struct secrets *s)
{
    for (unsigned i = 0; i < SECRETS_SETS - 1 && s && s != l->secrets; i++)
        if (!l->more[i] || l->more[i] == s) {
            l->more[i] = s;
            return;
        }
}

void log_number(struct log *l, const struct log_name *name, uint64_t value)
{
    put_name(l, name);
    out_uint(&l->line, value);
}

void log_no_number(struct log *l, const struct log_name *name)
{
    put_name(l, name);
    out_put(&l->line, l->json ? SPAN("null") : SPAN("-"));
}

static void log_end_ring(struct log *l)
{
    ring_end(l->ring);
    memset(l->more, 0, sizeof l->more);
}

void log_end(struct log *l)
{
    l->line.overflow = false;
    l->line.cap = sizeof l->text;
    out_put(&l->line, l->json ? SPAN("}\n") : SPAN("\n"));
    ring_add(l->ring, out_span(&l->line));
    log_end_ring(l);
}

/* The length of a window at the start of s, which does not end within a character. */
static size_t window(struct span s)
{
    size_t n = s.n < WINDOW ? s.n : WINDOW;

    while (n < s.n && n > WINDOW - 4 && ((uint8_t)s.p[n] & 0xC0) == 0x80)
        n--;
    return n;
}

/* Escapes text, window by window, into the ring. */
static void put_windows(struct log *l, struct span text)
{
    char buf[6 * WINDOW];

    while (text.n > 0) {
        size_t n = window(text);
        struct out o;

        out_init(&o, buf, sizeof buf);
        out_json(&o, (struct span){ text.p, n });
        ring_add(l->ring, out_span(&o));
        text = span_skip(text, n);
    }
}

void log_end_long(struct log *l, const struct log_name *name, struct span text, size_t limit)
{
    struct stretches all;
    struct stretch s;

    put_name(l, name);
    out_put(&l->line, SPAN("\""));
    ring_add(l->ring, out_span(&l->line));
    for (stretches_begin(&all, l, text, limit); stretches_next(&all, &s);) {
        put_windows(l, s.plain);
        ring_add(l->ring, s.secret ? SPAN("***") : SPAN(""));
    }
    ring_add(l->ring, l->json ? SPAN("\"}\n") : SPAN("\"\n"));
    log_end_ring(l);
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

void log_count_lost(struct log *l, struct counter *lost)
{
    l->counts_lost = lost;
}

/* Tells of lost lines once a second, with their number since the start: where nothing can be
 * written, this line is lost too. */
void log_flush(struct log *l)
{
    uint64_t lost = l->second > l->notice || l->notice == 0 ? ring_lost(l->ring) : 0;

    if (lost > 0) {
        l->lost += lost;
        if (l->counts_lost)
            counter_add(l->counts_lost, lost);
        log_begin(l, LOG_WARNING_LEVEL,
                  "log lines were lost: they could not be written, or not fast enough");
        log_number(l, LOG_NAME("lost_since_start"), l->lost);
        log_end(l);
        l->notice = l->second;
    }
    ring_flush(l->ring);
}
