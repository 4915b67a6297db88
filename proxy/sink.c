/* Files, and the system's log line by line.
 * Knows nothing of what the lines say.
 * The interface is proxy/sink.h; the system's log is proxy/syslog.h. */
#include "proxy/sink.h"
#include "proxy/syslog.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSLOG_LINE_MAX (64 * 1024)

/* 1. Exactly one of fd and syslog is in use.
 * 2. line holds the beginning of a line whose end has not come yet; of a file it is only known whether there is one, and whether its beginning was lost. */
struct sink {
    int fd;                             /* -1: syslog */
    char *path;                         /* NULL: standard error, or syslog */
    bool within, broken, skipping;      /* see write_file */
    struct syslog *syslog;
    size_t n;
    char *line;
};

/* A FIFO that nobody reads yet cannot be opened for writing without waiting for a reader, so there is one for that moment. Lines are lost until there is another. */
static int open_unread(const char *path, int flags)
{
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY), fd = reader < 0 ? -1 : open(path, flags);
    int err = errno;

    if (reader >= 0)
        close(reader);
    errno = err;
    return fd;
}

static int open_file(const char *path)
{
    int flags = O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK, fd = path ? open(path, flags | O_CREAT, 0640) : dup(2);

    if (fd < 0 && path && errno == ENXIO)
        fd = open_unread(path, flags);
    if (fd < 0)
        return -errno;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

int sink_try(const char *file)
{
    char folder[PATH_MAX];

    if (strcmp(file, "stderr") == 0 || strcmp(file, "syslog") == 0 || access(file, W_OK) == 0)
        return 0;
    if (errno != ENOENT || snprintf(folder, sizeof folder, "%s", file) >= (int)sizeof folder)
        return -errno;
    return access(dirname(folder), W_OK | X_OK) ? -errno : 0;
}

static int open_syslog(struct sink *s)
{
    s->line = malloc(SYSLOG_LINE_MAX);
    return s->line ? syslog_open(&s->syslog, NULL) : -ENOMEM;
}

int sink_open(struct sink **out, const char *file)
{
    bool to_file = strcmp(file, "stderr") != 0 && strcmp(file, "syslog") != 0;
    struct sink *s = calloc(1, sizeof *s);
    int err = 0;

    *out = NULL;
    if (!s)
        return -ENOMEM;
    s->fd = -1;
    if (to_file)
        s->path = strdup(file);
    if (to_file && !s->path)
        err = -ENOMEM;
    else if (strcmp(file, "syslog") == 0)
        err = open_syslog(s);
    else
        err = s->fd = open_file(s->path);
    if (err < 0) {
        sink_close(s);
        return err;
    }
    *out = s;
    return 0;
}

bool sink_wants_severity(const struct sink *s)
{
    return s->syslog != NULL;
}

static unsigned count_lines(struct span s)
{
    unsigned n = 0;

    for (const char *p; s.n > 0 && (p = memchr(s.p, '\n', s.n)); s = span_skip(s, (size_t)(p + 1 - s.p)))
        n++;
    return n;
}

/* What cannot be written, because the disk is full or the reader is gone, is lost: a line whose beginning is out (within) is ended before the next one is
 * written (broken), one whose end has not come yet is left out to its end (skipping). Returns how many lines that were. */
static unsigned lose(struct sink *s, struct span bytes)
{
    s->broken = s->within;
    s->within = false;
    s->skipping = bytes.p[bytes.n - 1] != '\n';
    return count_lines(bytes) + s->skipping;
}

static struct span skip_line(struct sink *s, struct span bytes)
{
    const char *end = memchr(bytes.p, '\n', bytes.n);

    s->skipping = !end;
    return span_skip(bytes, end ? (size_t)(end + 1 - bytes.p) : bytes.n);
}

/* Waits, and blocks in write if need be: that is what the thread is for. */
static unsigned write_file(struct sink *s, struct span bytes)
{
    if (s->skipping)
        bytes = skip_line(s, bytes);
    while (bytes.n > 0) {
        struct span now = s->broken ? SPAN("\n") : bytes;
        ssize_t put = write(s->fd, now.p, now.n);

        if (put > 0) {
            s->within = now.p[put - 1] != '\n';
            if (!s->broken)
                bytes = span_skip(bytes, (size_t)put);
            s->broken = false;
        } else if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            struct pollfd wait = { .fd = s->fd, .events = POLLOUT };

            poll(&wait, 1, 1000);
        } else if (put == 0 || errno != EINTR) {
            return lose(s, bytes);
        }
    }
    return 0;
}

/* A line goes out when its end has come. It begins with its severity, "<6>". */
static bool end_line(struct sink *s)
{
    struct span line = { s->line, s->n };
    int severity = line.n >= 3 && line.p[0] == '<' ? line.p[1] - '0' : 6;

    s->n = 0;
    return syslog_write(s->syslog, severity, span_skip(line, line.n >= 3 ? 3 : 0));
}

static unsigned write_syslog(struct sink *s, struct span bytes)
{
    unsigned lost = 0;

    while (bytes.n > 0) {
        const char *end = memchr(bytes.p, '\n', bytes.n);
        size_t n = end ? (size_t)(end - bytes.p) : bytes.n, room = SYSLOG_LINE_MAX - s->n;

        memcpy(s->line + s->n, bytes.p, n < room ? n : room);
        s->n += n < room ? n : room;
        bytes = span_skip(bytes, end ? n + 1 : n);
        if (end && !end_line(s))
            lost++;
    }
    return lost;
}

unsigned sink_write(struct sink *s, struct span bytes)
{
    return s->syslog ? write_syslog(s, bytes) : write_file(s, bytes);
}

/* The descriptor keeps its number, so that the thread that writes need not be told. */
int sink_reopen(struct sink *s)
{
    int fd = s->path ? open_file(s->path) : -1;

    if (!s->path)
        return 0;
    if (fd < 0)
        return fd;
    dup2(fd, s->fd);
    fcntl(s->fd, F_SETFD, FD_CLOEXEC);
    close(fd);
    return 0;
}

/* Only a regular file: a terminal or a pipe is the caller's. */
void sink_give(struct sink *s, uid_t uid, gid_t gid)
{
    struct stat st;

    if (s->path && fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode) && fchown(s->fd, uid, gid)) {
        /* then it stays whose it is, and opening it anew will say so */
    }
}

void sink_close(struct sink *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    syslog_close(s->syslog);
    free(s->line);
    free(s->path);
    free(s);
}
