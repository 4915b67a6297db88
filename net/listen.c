/* Opening listening sockets and emptying their queues. */
#include "net/listen.h"
#include "base/fd.h"
#include "net/tcp.h"

#include <errno.h>
#include <libgen.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel reduces it to its own limit */
#define BATCH_MAX 64

/* How many bytes the kernel takes that it cannot send yet: for a client that does not read it would
 * take 4 MiB, and for a thousand of them it runs out of memory for all connections. */
#define UNSENT_MAX (256 * 1024)

static struct timer_kind pause_kind = { .ms = 100 };

static int set_flag(int fd, int level, int name)
{
    int one = 1;

    return setsockopt(fd, level, name, &one, sizeof one);
}

static void limit_unsent(int fd)
{
#ifdef TCP_NOTSENT_LOWAT
    int max = UNSENT_MAX;

    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &max, sizeof max);
#else
    (void)fd;
#endif
}

static int close_with(int fd, int err)
{
    close(fd);
    return err;
}

/* Linux copies TCP_NODELAY to accepted sockets. */
static int bind_tcp(const struct addr *a, enum listen_claim claim)
{
    struct sockaddr_storage ss;
    socklen_t len = addr_to_sockaddr(a, &ss);
    int fd = fd_socket(ss.ss_family, SOCK_STREAM);

    if (fd < 0)
        return fd;
    set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
    set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
    limit_unsent(fd);
#ifdef SO_REUSEPORT
    if (claim == LISTEN_JOIN && set_flag(fd, SOL_SOCKET, SO_REUSEPORT))
        return close_with(fd, -errno);
#endif
    if (a->family == 6)
        set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    return bind(fd, (struct sockaddr *)&ss, len) ? close_with(fd, -errno) : fd;
}

/* A socket that listens without SO_REUSEPORT is alone. Once it does, the option lets others
 * join. */
int listen_tcp(const struct addr *a, enum listen_claim claim)
{
    int fd = bind_tcp(a, claim);

    if (fd < 0)
        return fd;
    if (listen(fd, BACKLOG))
        return close_with(fd, -errno);
#ifdef SO_REUSEPORT
    if (set_flag(fd, SOL_SOCKET, SO_REUSEPORT))
        return close_with(fd, -errno);
#endif
    return fd;
}

/* A bound socket that does not listen takes no connection away from those that do. */
int listen_try_tcp(const struct addr *a, enum listen_claim claim)
{
    int fd = bind_tcp(a, claim);

    return fd < 0 ? fd : close_with(fd, 0);
}

/* A socket file that no process listens on is left over from one that died. */
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
    fd = fd_socket(AF_UNIX, SOCK_STREAM);
    if (fd < 0)
        return fd;
    if (bind(fd, (struct sockaddr *)&un, sizeof un) || chmod(path, (mode_t)mode) ||
        listen(fd, BACKLOG))
        return close_with(fd, -errno);
    return fd;
}

int listen_try_unix(const char *path)
{
    char folder[sizeof((struct sockaddr_un *)0)->sun_path];
    struct stat st;

    if (strlen(path) >= sizeof folder)
        return -ENAMETOOLONG;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return -EEXIST;
    memcpy(folder, path, strlen(path) + 1);
    return access(dirname(folder), W_OK | X_OK) ? -errno : 0;
}

/* Accepts one connection and sets its flags. Returns the descriptor or a negative errno. */
static int accept_one(const struct acceptor *l, struct addr *peer)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
#ifdef __linux__
    int got = accept4(l->watch.fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int got = accept(l->watch.fd, (struct sockaddr *)&ss, &len);
#endif

    if (got < 0)
        return -errno;
#ifndef __linux__
    if (fd_unblock(got))
        return close_with(got, -errno);
    set_flag(got, IPPROTO_TCP, TCP_NODELAY);
    limit_unsent(got);
    tcp_watch_peer(got, l->unacked_max);
#endif
    addr_from_sockaddr(peer, &ss);
    return got;
}

/* Without a pause the kernel would report the level-triggered listener in every turn. */
static void acceptor_pause(struct acceptor *l, int err)
{
    reactor_pause(l->reactor, &l->watch);
    timer_arm(l->reactor, &l->pause, &pause_kind);
    if (l->paused)
        l->paused(l, err);
}

static void acceptor_resume(struct timer *t)
{
    struct acceptor *l = container_of(t, struct acceptor, pause);

    if (reactor_resume(l->reactor, &l->watch))
        timer_arm(l->reactor, &l->pause, &pause_kind);
}

/* True for errors of the connection that was to be accepted, which leave the listener intact. */
static bool is_of_connection(int err)
{
    return err == -ECONNABORTED || err == -EINTR || err == -EPROTO || err == -EPERM;
}

/* Accepts up to a batch of connections. A batch of one avoids the call that returns EAGAIN; a queue
 * that stays full doubles it. */
static void acceptor_on_ready(struct watch *w)
{
    struct acceptor *l = container_of(w, struct acceptor, watch);

    for (unsigned n = 0; n < l->batch; n++) {
        struct addr peer;
        int fd = accept_one(l, &peer);

        if (fd >= 0) {
            l->accepted(l, fd, &peer);
            if (w->fd < 0)
                return;
        } else if (fd == -EAGAIN || fd == -EWOULDBLOCK) {
            l->batch = 1;
            return;
        } else if (!is_of_connection(fd)) {
            acceptor_pause(l, fd);
            return;
        }
    }
    if (l->batch < BATCH_MAX)
        l->batch *= 2;
}

int acceptor_start(struct acceptor *l, struct reactor *r, int fd)
{
    int err;

    l->reactor = r;
    l->batch = 1;
    l->watch = (struct watch){ .fd = -1, .fn = acceptor_on_ready, .level = true };
    l->pause = (struct timer){ .fn = acceptor_resume };
    err = reactor_add(r, &l->watch, fd);
    if (err)
        return close_with(fd, err);
    tcp_watch_peer(fd, l->unacked_max);
    reactor_want(r, &l->watch, READY_READ);
    return 0;
}

void acceptor_stop(struct acceptor *l)
{
    int fd;

    /* While another process has the socket open too, closing it here does not end its reports. */
    if (l->watch.fd >= 0)
        reactor_pause(l->reactor, &l->watch);
    fd = reactor_remove(l->reactor, &l->watch);
    timer_disarm(&l->pause);
    if (fd >= 0)
        close(fd);
}
