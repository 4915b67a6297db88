/* Building lines and handing them to the ring.
 * Knows no HTTP and never waits for a file.
 * The interface is proxy/log.h, the writer proxy/ring.h. */
#include "proxy/log.h"
#include "http/emit.h"
#include "proxy/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define RING_SIZE (256 * 1024)
#define LINE_MAX_BYTES 8192
#define FIELD_MAX 256                   /* of one value that a peer chose: even escaped, all of them fit a line */

struct log {
    struct ring *ring;
    enum conf_log_level level;
    bool json;
    int fd;
    char *path;                         /* NULL: standard error */
    time_t second;                      /* what date holds */
    char date[24];
    struct http_out line;
    char text[LINE_MAX_BYTES];
};

static const char *const level_names[] = { "debug", "info", "warning", "error" };

static int open_sink(const char *path)
{
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0640) : dup(2);

    if (fd < 0)
        return -errno;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

int log_open(struct log **out, const struct conf *c)
{
    struct log *l = calloc(1, sizeof *l);
    bool to_file = strcmp(c->log.file, "stderr") != 0;
    int err;

    *out = NULL;
    if (!l)
        return -ENOMEM;
    l->level = c->log.level;
    l->json = c->log.json;
    l->path = to_file ? strdup(c->log.file) : NULL;
    err = to_file && !l->path ? -ENOMEM : open_sink(l->path);
    if (err >= 0) {
        l->fd = err;
        err = ring_make(&l->ring, RING_SIZE, l->fd);
        if (err)
            close(l->fd);
    }
    if (err < 0) {
        free(l->path);
        free(l);
        return err;
    }
    *out = l;
    return 0;
}

/* The descriptor keeps its number, so that the writer need not be told. */
int log_reopen(struct log *l)
{
    int fd = l->path ? open_sink(l->path) : -EBADF;

    if (!l->path)
        return 0;
    if (fd < 0)
        return fd;
    dup2(fd, l->fd);
    fcntl(l->fd, F_SETFD, FD_CLOEXEC);
    close(fd);
    return 0;
}

/* A writer that is stuck is left behind with its descriptor; the process is about to end then. */
void log_close(struct log *l)
{
    int fd;

    if (!l)
        return;
    fd = l->fd;
    log_flush(l);
    if (ring_free(l->ring, 1000))
        close(fd);
    free(l->path);
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

/* The last bytes of the room are kept back for what ends the line, so that a line that is too long is cut and still ends. */
void log_begin(struct log *l, enum conf_log_level level, const char *message)
{
    http_out_init(&l->line, l->text, sizeof l->text - 8);
    if (l->json)
        http_put(&l->line, SPAN("{\"time\":\""));
    put_time(l);
    http_put(&l->line, l->json ? SPAN("\",\"level\":\"") : SPAN(" "));
    http_put(&l->line, span_of(level_names[level]));
    if (l->json)
        http_put(&l->line, SPAN("\""));
    if (!message)
        return;
    if (l->json) {
        log_field(l, "message", span_of(message));
        return;
    }
    http_put(&l->line, SPAN(" "));
    for (const char *p = message; *p; p++)
        http_put(&l->line, (unsigned char)*p < 0x20 || *p == 0x7f ? SPAN("?") : (struct span){ p, 1 });
}

static void put_name(struct log *l, const char *name)
{
    http_put(&l->line, l->json ? SPAN(",\"") : SPAN(" "));
    http_put(&l->line, span_of(name));
    http_put(&l->line, l->json ? SPAN("\":") : SPAN("="));
}

/* Text: what is not printable ASCII, and what would end a value, as \xHH. */
static void put_escaped(struct log *l, struct span v)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0, run = 0; i <= v.n; i++) {
        unsigned char c = i < v.n ? (unsigned char)v.p[i] : 0;
        char escape[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

        if (i < v.n && c > 0x20 && c < 0x7f && c != '"' && c != '\\')
            continue;
        http_put(&l->line, (struct span){ v.p + run, i - run });
        if (i < v.n)
            http_put(&l->line, (struct span){ escape, 4 });
        run = i + 1;
    }
}

void log_field(struct log *l, const char *name, struct span value)
{
    if (value.n > FIELD_MAX)
        value.n = FIELD_MAX;
    put_name(l, name);
    if (l->json) {
        http_put(&l->line, SPAN("\""));
        http_put_json(&l->line, value);
        http_put(&l->line, SPAN("\""));
    } else if (value.n == 0) {
        http_put(&l->line, SPAN("-"));
    } else {
        put_escaped(l, value);
    }
}

void log_number(struct log *l, const char *name, uint64_t value)
{
    put_name(l, name);
    http_put_uint(&l->line, value);
}

void log_end(struct log *l)
{
    l->line.overflow = false;
    l->line.cap = sizeof l->text;
    http_put(&l->line, l->json ? SPAN("}\n") : SPAN("\n"));
    ring_put(l->ring, http_out_span(&l->line));
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

void log_flush(struct log *l)
{
    uint64_t lost = ring_lost(l->ring);

    if (lost > 0) {
        log_begin(l, LOG_WARNING_LEVEL, "log lines were lost: the log was not written fast enough");
        log_number(l, "lost", lost);
        log_end(l);
    }
    ring_flush(l->ring);
}
