/* Flags of descriptors: set as one is made where the system can (Linux, the BSDs), else after. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAKE_TRIES 1000

int fd_close_on_exec(int fd)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

int fd_unblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return fd_close_on_exec(fd);
}

#ifdef SOCK_NONBLOCK

int fd_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

int fd_pipe(int fds[2])
{
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0)
        return 0;
    fds[0] = fds[1] = -1;
    return -errno;
}

#else

int fd_socket(int family, int type)
{
    int fd = socket(family, type, 0), err = fd < 0 ? -errno : fd_unblock(fd);

    if (fd >= 0 && err)
        close(fd);
    return err ? err : fd;
}

int fd_pipe(int fds[2])
{
    int err = pipe(fds) < 0 ? -errno : 0;

    if (err) {
        fds[0] = fds[1] = -1;
        return err;
    }
    err = fd_unblock(fds[0]);
    if (!err)
        err = fd_unblock(fds[1]);
    for (int i = 0; i < 2 && err; i++) {
        close(fds[i]);
        fds[i] = -1;
    }
    return err;
}

#endif

/* Linux needs a page for a byte in an empty pipe. */
void fd_wake(int fd, char byte)
{
    const struct timespec pause = { .tv_nsec = 1000000 };

    for (int i = 0; i < WAKE_TRIES && write(fd, &byte, 1) < 0; i++) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        if (errno != EINTR)
            nanosleep(&pause, NULL);
    }
}

ssize_t fd_woken(int fd, char *bytes, size_t n)
{
    ssize_t got;

    do
        got = read(fd, bytes, n);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}
