/* Opening listening sockets and draining their queues.
 * Knows nothing of what the connections are for.
 * The interface is net/listen.h. */
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096                    /* the kernel cuts it to its own limit */
#define BATCH_MAX 64

static struct timer_kind rest_kind = { .ms = 100 };

static int set_flag(int fd, int level, int name)
{
    int one = 1;

    return setsockopt(fd, level, name, &one, sizeof one);
}

static int set_nonblocking(int fd)
{
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
        return -errno;
    return 0;
}

static int fail(int fd, int err)
{
    close(fd);
    return err;
}

/* TCP_NODELAY is set here once: Linux gives it on to accepted sockets. */
static int bind_tcp(const struct addr *a, bool reuseport)
{
    struct sockaddr_storage ss;
    socklen_t len = addr_to_sockaddr(a, &ss);
    int fd = socket(ss.ss_family, SOCK_STREAM, 0);

    if (fd < 0)
        return -errno;
    set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
    set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
#ifdef SO_REUSEPORT
    if (reuseport && set_flag(fd, SOL_SOCKET, SO_REUSEPORT))
        return fail(fd, -errno);
#endif
    if (a->family == 6)
        set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    return bind(fd, (struct sockaddr *)&ss, len) ? fail(fd, -errno) : fd;
}

int listen_tcp(const struct addr *a, bool reuseport)
{
    int fd = bind_tcp(a, reuseport);

    if (fd < 0)
        return fd;
    return listen(fd, BACKLOG) || set_nonblocking(fd) ? fail(fd, -errno) : fd;
}

/* A socket that does not listen takes no connection from those that do. */
int listen_try_tcp(const struct addr *a, bool reuseport)
{
    int fd = bind_tcp(a, reuseport);

    return fd < 0 ? fd : fail(fd, 0);
}

/* A socket file that nobody accepts from is left over from a process that died. */
static int remove_stale(const struct sockaddr_un *un)
{
    struct stat st;
    int fd, err;

    if (lstat(un->sun_path, &st))
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return -errno;
    err = connect(fd, (const struct sockaddr *)un, sizeof *un) ? errno : 0;
    close(fd);
    if (err != ECONNREFUSED)
        return -EADDRINUSE;
    return unlink(un->sun_path) ? -errno : 0;
}

int listen_unix(const char *path, unsigned mode)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd, err;

    if (strlen(path) >= sizeof un.sun_path)
        return -ENAMETOOLONG;
    memcpy(un.sun_path, path, strlen(path) + 1);
    err = remove_stale(&un);
    if (err)
        return err;
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&un, sizeof un) || chmod(path, (mode_t)mode) || listen(fd, BACKLOG))
        return fail(fd, -errno);
    return set_nonblocking(fd) ? fail(fd, -errno) : fd;
}

int listen_try_unix(const char *path)
{
    char folder[sizeof ((struct sockaddr_un *)0)->sun_path];
    struct stat st;

    if (strlen(path) >= sizeof folder)
        return -ENAMETOOLONG;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return -EEXIST;
    memcpy(folder, path, strlen(path) + 1);
    return access(dirname(folder), W_OK | X_OK) ? -errno : 0;
}

/* Accepts one connection, ready for use. Returns the descriptor or a negative errno. */
static int accept_one(int fd, struct addr *peer)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
#ifdef __linux__
    int got = accept4(fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int got = accept(fd, (struct sockaddr *)&ss, &len);
#endif

    if (got < 0)
        return -errno;
#ifndef __linux__
    if (set_nonblocking(got))
        return fail(got, -errno);
    set_flag(got, IPPROTO_TCP, TCP_NODELAY);
#endif
    addr_from_sockaddr(peer, &ss);
    return got;
}

/* Without a pause the level-triggered listener would be reported again and again, with nothing that can be done about it. */
static void rest(struct listener *l, int err)
{
    reactor_pause(l->reactor, &l->watch, true);
    timer_arm(l->reactor, &l->rest, &rest_kind);
    if (l->resting)
        l->resting(l, err);
}

static void rested(struct timer *t)
{
    struct listener *l = container_of(t, struct listener, rest);

    if (reactor_pause(l->reactor, &l->watch, false))
        timer_arm(l->reactor, &l->rest, &rest_kind);
}

static bool is_of_connection(int err)
{
    return err == -ECONNABORTED || err == -EINTR || err == -EPROTO || err == -EPERM;
}

/* Takes as many as the batch allows. One at a time saves the call that would only say EAGAIN; a queue that stays full doubles the batch. */
static void on_ready(struct watch *w)
{
    struct listener *l = container_of(w, struct listener, watch);

    for (unsigned n = 0; n < l->batch; n++) {
        struct addr peer;
        int fd = accept_one(w->fd, &peer);

        if (fd >= 0) {
            l->accepted(l, fd, &peer);
            if (w->fd < 0)
                return;
        } else if (fd == -EAGAIN || fd == -EWOULDBLOCK) {
            l->batch = 1;
            return;
        } else if (!is_of_connection(fd)) {
            rest(l, fd);
            return;
        }
    }
    if (l->batch < BATCH_MAX)
        l->batch *= 2;
}

int listener_start(struct listener *l, struct reactor *r, int fd)
{
    int err;

    l->reactor = r;
    l->batch = 1;
    l->watch = (struct watch){ .fd = -1, .fn = on_ready };
    l->rest = (struct timer){ .fn = rested };
    err = reactor_add(r, &l->watch, fd, true);
    if (err)
        return fail(fd, err);
    reactor_want(r, &l->watch, READY_READ);
    return 0;
}

void listener_stop(struct listener *l)
{
    int fd;

    /* Another process may have the socket too, and then closing it here would not stop the kernel from reporting it here. */
    if (l->watch.fd >= 0)
        reactor_pause(l->reactor, &l->watch, true);
    fd = reactor_remove(l->reactor, &l->watch);
    timer_disarm(&l->rest);
    if (fd >= 0)
        close(fd);
}
