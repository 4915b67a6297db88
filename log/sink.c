/* Files, and the system's log line by line. */
#include "log/sink.h"
#include "base/fd.h"
#include "log/syslog.h"

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
 * 2. line holds the beginning of a line whose end has not come yet. For a file, within tells that
 *    there is such a line, and skipping that its beginning was lost. */
struct sink {
    int fd;                        /* -1: syslog */
    char *path;                    /* NULL: a standard descriptor, or syslog */
    bool within, broken, skipping; /* see sink_lose */
    struct syslog *syslog;
    size_t n;
    char *line;
};

/* Opening a FIFO that nobody reads would wait for a reader, so this process is one for that moment.
 * Lines are lost until another comes. */
static int open_unread(const char *path, int flags)
{
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY),
        fd = reader < 0 ? -1 : open(path, flags);
    int err = errno;

    if (reader >= 0)
        close(reader);
    errno = err;
    return fd;
}

static int open_file(const char *path)
{
    int flags = O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK, fd = open(path, flags | O_CREAT, 0640);

    if (fd < 0 && errno == ENXIO)
        fd = open_unread(path, flags);
    if (fd < 0)
        return -errno;
    fd_close_on_exec(fd);
    return fd;
}

/* The descriptor that file names, or -1. The paths are names of it, too: where it is a socket, as
 * under systemd, it cannot be opened by them. */
static int standard_descriptor(const char *file)
{
    if (strcmp(file, "stderr") == 0 || strcmp(file, "/dev/stderr") == 0)
        return 2;
    return strcmp(file, "stdout") == 0 || strcmp(file, "/dev/stdout") == 0 ? 1 : -1;
}

int sink_try(const char *file)
{
    char folder[PATH_MAX];

    if (standard_descriptor(file) >= 0 || strcmp(file, "syslog") == 0 || access(file, W_OK) == 0)
        return 0;
    if (errno != ENOENT || snprintf(folder, sizeof folder, "%s", file) >= (int)sizeof folder)
        return -errno;
    return access(dirname(folder), W_OK | X_OK) ? -errno : 0;
}

static int sink_open_syslog(struct sink *s)
{
    s->line = malloc(SYSLOG_LINE_MAX);
    return s->line ? syslog_open(&s->syslog, NULL) : -ENOMEM;
}

static int sink_open_descriptor(struct sink *s, int fd)
{
    s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return s->fd < 0 ? -errno : 0;
}

static int sink_open_file(struct sink *s, const char *path)
{
    s->path = strdup(path);
    if (!s->path)
        return -ENOMEM;
    if (s->fd < 0)
        s->fd = open_file(path);
    return s->fd < 0 ? s->fd : 0;
}

int sink_open(struct sink **out, const char *file, int fd)
{
    struct sink *s = calloc(1, sizeof *s);
    int standard = standard_descriptor(file), err;
    bool is_file = standard < 0 && strcmp(file, "syslog") != 0;

    *out = NULL;
    if (fd >= 0 && (!s || !is_file))
        close(fd);
    if (!s)
        return -ENOMEM;
    s->fd = is_file ? fd : -1;
    if (is_file)
        err = sink_open_file(s, file);
    else
        err = standard >= 0 ? sink_open_descriptor(s, standard) : sink_open_syslog(s);
    if (err) {
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

    for (const char *p; s.n > 0 && (p = memchr(s.p, '\n', s.n));
         s = span_skip(s, (size_t)(p + 1 - s.p)))
        n++;
    return n;
}

/* Drops bytes that cannot be written because the disk is full or the reader is gone. A line whose
 * beginning is out (within) is ended before the next one is written (broken); a line whose end has
 * not come yet is left out to its end (skipping). Returns the number of lines lost. */
static unsigned sink_lose(struct sink *s, struct span bytes)
{
    s->broken = s->within;
    s->within = false;
    s->skipping = bytes.p[bytes.n - 1] != '\n';
    return count_lines(bytes) + s->skipping;
}

static struct span sink_skip_line(struct sink *s, struct span bytes)
{
    const char *end = memchr(bytes.p, '\n', bytes.n);

    s->skipping = !end;
    return span_skip(bytes, end ? (size_t)(end + 1 - bytes.p) : bytes.n);
}

/* Waits for the file, and may block in write. */
static unsigned sink_write_file(struct sink *s, struct span bytes)
{
    if (s->skipping)
        bytes = sink_skip_line(s, bytes);
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
            return sink_lose(s, bytes);
        }
    }
    return 0;
}

/* Sends the whole line, which begins with its severity, such as "<6>". */
static bool sink_send_line(struct sink *s)
{
    struct span line = { s->line, s->n };
    int severity = line.n >= 3 && line.p[0] == '<' ? line.p[1] - '0' : 6;

    s->n = 0;
    return syslog_write(s->syslog, severity, span_skip(line, line.n >= 3 ? 3 : 0));
}

static unsigned sink_write_syslog(struct sink *s, struct span bytes)
{
    unsigned lost = 0;

    while (bytes.n > 0) {
        const char *end = memchr(bytes.p, '\n', bytes.n);
        size_t n = end ? (size_t)(end - bytes.p) : bytes.n, room = SYSLOG_LINE_MAX - s->n;

        memcpy(s->line + s->n, bytes.p, n < room ? n : room);
        s->n += n < room ? n : room;
        bytes = span_skip(bytes, end ? n + 1 : n);
        if (end && !sink_send_line(s))
            lost++;
    }
    return lost;
}

unsigned sink_write(struct sink *s, struct span bytes)
{
    return s->syslog ? sink_write_syslog(s, bytes) : sink_write_file(s, bytes);
}

/* The descriptor keeps its number, which the writer's thread is using. */
int sink_reopen(struct sink *s, int fd)
{
    if (!s->path) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    if (fd < 0)
        fd = open_file(s->path);
    if (fd < 0)
        return fd;
    dup2(fd, s->fd);
    fd_close_on_exec(s->fd);
    close(fd);
    return 0;
}

int sink_file(const struct sink *s)
{
    return s->path ? s->fd : -1;
}

/* Gives a regular file only: a terminal or a pipe is the caller's. */
void sink_give(struct sink *s, uid_t uid, gid_t gid)
{
    struct stat st;

    if (s->path && fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode) && fchown(s->fd, uid, gid)) {
        /* the file keeps its owner, and opening it again will say so */
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
