/* One message for each line, by datagram where the daemon takes them and else by stream. */
#include "log/syslog.h"
#include "base/fd.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TAG "openai-chat-proxy"
#define FACILITY_DAEMON 3 /* RFC 3164, 4.1.1 */
#define HEADER_MAX 80
#define NOTICE_MAX 48
#define DATAGRAM_MIN 512 /* a daemon that refuses even this has another reason */
#define FULL_WAIT_MS 10  /* where a full queue is an error and does not block */
#define FULL_TRIES 100

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SIGPIPE is ignored by the program anyway */
#endif

struct syslog {
    char *path; /* NULL: the usual places */
    int fd;     /* -1: not connected */
    bool stream;
    size_t datagram_max; /* longer ones have been refused */
};

static void syslog_disconnect(struct syslog *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static int connect_by(struct syslog *s, const struct sockaddr_un *un, int type)
{
    int err;

    s->fd = socket(AF_UNIX, type, 0);
    if (s->fd < 0)
        return -errno;
    fd_close_on_exec(s->fd);
    if (connect(s->fd, (const struct sockaddr *)un, sizeof *un) == 0)
        return 0;
    err = -errno;
    syslog_disconnect(s);
    return err;
}

static int connect_to(struct syslog *s, const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int err;

    if (strlen(path) >= sizeof un.sun_path)
        return -ENAMETOOLONG;
    memcpy(un.sun_path, path, strlen(path) + 1);
    err = connect_by(s, &un, SOCK_DGRAM);
    s->stream = err == -EPROTOTYPE;
    return s->stream ? connect_by(s, &un, SOCK_STREAM) : err;
}

/* The next daemon may take longer datagrams than the last one. */
static int syslog_reconnect(struct syslog *s)
{
    static const char *const usual[] = { "/dev/log", "/var/run/syslog", "/var/run/log" };
    int err = -ENOENT;

    syslog_disconnect(s);
    s->datagram_max = SIZE_MAX;
    if (s->path)
        return connect_to(s, s->path);
    for (size_t i = 0; i < sizeof usual / sizeof *usual && err == -ENOENT; i++)
        err = connect_to(s, usual[i]);
    return err;
}

int syslog_open(struct syslog **out, const char *path)
{
    struct syslog *s = calloc(1, sizeof *s);
    int err;

    *out = NULL;
    if (!s)
        return -ENOMEM;
    s->fd = -1;
    s->path = path ? strdup(path) : NULL;
    err = path && !s->path ? -ENOMEM : syslog_reconnect(s);
    if (err) {
        syslog_close(s);
        return err;
    }
    *out = s;
    return 0;
}

void syslog_close(struct syslog *s)
{
    if (!s)
        return;
    syslog_disconnect(s);
    free(s->path);
    free(s);
}

/* Puts "<PRI>Mmm dd hh:mm:ss TAG[pid]: ", in local time and English (the program sets no locale).
 * Local daemons expect no host. */
static struct span put_header(char out[HEADER_MAX], int severity)
{
    time_t now = time(NULL);
    struct tm tm = { 0 };
    char stamp[32];
    int n;

    localtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%b %e %H:%M:%S", &tm);
    n = snprintf(out, HEADER_MAX, "<%d>%s " TAG "[%ld]: ", FACILITY_DAEMON << 3 | (severity & 7),
                 stamp, (long)getpid());
    return (struct span){ out, (size_t)n };
}

/* Takes n bytes off the front of the n_iov pieces. */
static void advance(struct iovec *iov, int n_iov, size_t n)
{
    for (int i = 0; i < n_iov; i++) {
        size_t part = n < iov[i].iov_len ? n : iov[i].iov_len;

        iov[i].iov_base = (char *)iov[i].iov_base + part;
        iov[i].iov_len -= part;
        n -= part;
    }
}

/* Sends all pieces. A datagram goes whole or not at all, a stream may take a part. BSDs return
 * ENOBUFS where the receiver has no room. */
static int send_pieces(int fd, struct iovec *iov, int n_iov)
{
    struct msghdr msg = fd_message(iov, n_iov);
    const struct timespec pause = { .tv_nsec = FULL_WAIT_MS * 1000000L };
    size_t left = 0;
    int tries = 0;

    for (int i = 0; i < n_iov; i++)
        left += iov[i].iov_len;
    while (left > 0) {
        ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);

        if (n >= 0) {
            advance(iov, n_iov, (size_t)n);
            left -= (size_t)n;
        } else if (errno == ENOBUFS && ++tries < FULL_TRIES) {
            nanosleep(&pause, NULL);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static struct iovec piece(struct span s)
{
    return (struct iovec){ (char *)s.p, s.n };
}

/* Ends the message with a NUL, as a stream needs it. */
static int send_record(struct syslog *s, struct span header, struct span line)
{
    struct iovec iov[] = { piece(header), piece(line), piece((struct span){ "", 1 }) };

    return send_pieces(s->fd, iov, 3);
}

/* At most room bytes of line, not ending within a UTF-8 character. */
static struct span cut(struct span line, size_t room)
{
    if (room < line.n)
        for (line.n = room; line.n > 0 && (line.p[line.n] & 0xC0) == 0x80;)
            line.n--;
    return line;
}

/* Sends as much of the line as fits a datagram. The size that fits is found by trying, and
 * remembered. */
static int send_datagram(struct syslog *s, struct span header, struct span line)
{
    for (;;) {
        bool fits = line.n <= s->datagram_max - header.n;
        struct span part = fits ? line : cut(line, s->datagram_max - header.n - NOTICE_MAX);
        char notice[NOTICE_MAX];
        int n = fits ? 0 : snprintf(notice, sizeof notice, " [%zu bytes cut off]", line.n - part.n);
        struct iovec iov[] = { piece(header), piece(part),
                               piece((struct span){ notice, (size_t)n }) };
        int err = send_pieces(s->fd, iov, 3);

        if (err != -EMSGSIZE)
            return err;
        s->datagram_max = (header.n + part.n + (size_t)n) / 4 * 3;
        if (s->datagram_max < DATAGRAM_MIN) {
            s->datagram_max = SIZE_MAX;
            return err;
        }
    }
}

static int send_line(struct syslog *s, struct span header, struct span line)
{
    if (s->fd < 0)
        return -ENOTCONN;
    return s->stream ? send_record(s, header, line) : send_datagram(s, header, line);
}

/* After any failure a new connection is tried once. A record that a stream took in part ends with
 * its connection. */
bool syslog_write(struct syslog *s, int severity, struct span line)
{
    char header[HEADER_MAX];
    struct span h = put_header(header, severity);

    if (line.n > 0 && line.p[line.n - 1] == '\n')
        line.n--;
    if (send_line(s, h, line) == 0)
        return true;
    if (syslog_reconnect(s) == 0 && send_line(s, h, line) == 0)
        return true;
    syslog_disconnect(s);
    return false;
}
