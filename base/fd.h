/* Descriptors as every room wants them: calls on them return at once, and a program that is
 * executed does not get them. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <sys/socket.h>
#include <sys/types.h>

/* A message of the n pieces of iov, which stays the caller's, for sendmsg(2). The count is a size_t
 * on some systems and an int on others. */
static inline struct msghdr fd_message(struct iovec *iov, int n)
{
    struct msghdr m = { .msg_iov = iov };

    m.msg_iovlen = (__typeof__(m.msg_iovlen))n;
    return m;
}

/* Makes fd close when another program is executed. Returns 0 or a negative errno. */
int fd_close_on_exec(int fd);

/* Makes calls on fd return -EAGAIN rather than wait, and makes it close when another program is
 * executed. Returns 0 or a negative errno. */
int fd_unblock(int fd);

/* As socket(2) with protocol 0, and fd_unblock. Returns the descriptor, the caller's, or a negative
 * errno. */
int fd_socket(int family, int type);

/* As pipe(2), and fd_unblock for both ends, which are the caller's. Returns 0 or, with fds[0] and
 * fds[1] -1, a negative errno. */
int fd_pipe(int fds[2]);

/* Writes a byte into a pipe of fd_pipe by which a thread or a signal handler, where it is safe,
 * wakes a loop. A full pipe wakes it anyway. While the system has no memory for it, it waits, up to
 * a second. */
void fd_wake(int fd, char byte);

/* Reads up to n bytes of fd_wake. Returns the count, or a negative errno: -EAGAIN where there are
 * no more. */
ssize_t fd_woken(int fd, char *bytes, size_t n);

#endif
