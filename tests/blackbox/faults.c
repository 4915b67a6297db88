/* A library to preload: makes one chosen allocation or system call of the program fail. A test
 * steers it through a page that both map (the file that OCP_FAULTS names; faults.py has the same
 * layout). Without it everything works as ever, and nothing is counted.
 *
 * A fault looks as the kernel's would. Where a call is cut short or says EAGAIN although there is
 * more, the descriptor is registered anew with epoll, so that an edge follows as after a true one.
 * Calls that the C library makes inside itself are not seen; getaddrinfo fails as a whole. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX 4096
#define CALLS_MAX 64

enum { OFF, ALLOCATIONS, CALLS };

/* What a fault is beside an errno. */
enum { SHORT = -1, EVERYTHING_READY = -2, NOTHING_READY = -3 };

/* Shared with the test.
 * 1. The fault is the one with the number variant of the call with the number call, when it is made
 *    for the time at, counted from 1; or of the allocation with that number. on: and of all after
 *    it.
 * 2. seen counts allocations, calls each call since the page was armed. */
struct page {
    _Atomic int32_t armed;
    int32_t call, at, on, variant;
    _Atomic int32_t seen, fired;
    int32_t own_port, peer_port; /* of the socket that was hit, or 0 */
    _Atomic int32_t live;        /* blocks that are allocated */
    _Atomic int32_t calls[CALLS_MAX];
};

static struct page nothing, *page = &nothing;
static struct {
    int poller;
    struct epoll_event event;
} watched[FDS_MAX];

/* X(name, faults). The order is that of faults.py, which reads it from here. */
#define SYSTEM_CALLS(X)                                                                            \
    X(recv, EAGAIN, EINTR, SHORT, ECONNRESET, ENOMEM, ENOBUFS, EINVAL)                             \
    X(recvmsg, EAGAIN, EINTR, SHORT, ENOMEM)                                                       \
    X(send, EAGAIN, EINTR, SHORT, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EINVAL)                      \
    X(sendmsg, EAGAIN, EINTR, SHORT, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EINVAL)                   \
    X(sendto, EAGAIN, EINTR, EPIPE, ENOBUFS)                                                       \
    X(read, EAGAIN, EINTR, SHORT, EIO, ENOMEM)                                                     \
    X(write, EAGAIN, EINTR, SHORT, EPIPE, ENOSPC, EIO, ENOMEM)                                     \
    X(splice, EAGAIN, EINTR, SHORT, EINVAL, ENOMEM, EPIPE, ECONNRESET, ENOBUFS)                    \
    X(accept4, EAGAIN, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO)               \
    X(connect, ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL, EAGAIN, ENOBUFS, EPERM)        \
    X(socket, EMFILE, ENFILE, ENOBUFS, ENOMEM, EAFNOSUPPORT, EACCES)                               \
    X(socketpair, EMFILE, ENFILE)                                                                  \
    X(bind, EADDRINUSE, EADDRNOTAVAIL, EACCES)                                                     \
    X(listen, EADDRINUSE)                                                                          \
    X(setsockopt, ENOBUFS, ENOMEM, EINVAL)                                                         \
    X(getsockopt, ENOBUFS, EINVAL)                                                                 \
    X(getsockname, ENOBUFS)                                                                        \
    X(shutdown, ENOTCONN)                                                                          \
    X(epoll_create1, EMFILE, ENOMEM)                                                               \
    X(epoll_ctl, ENOMEM, ENOSPC)                                                                   \
    X(epoll_wait, EINTR, NOTHING_READY, EVERYTHING_READY)                                          \
    X(poll, EINTR, ENOMEM)                                                                         \
    X(pipe2, EMFILE, ENFILE)                                                                       \
    X(fcntl, EMFILE, EPERM, EINVAL)                                                                \
    X(ioctl, EINVAL)                                                                               \
    X(dup2, EINTR, EMFILE)                                                                         \
    X(open, EMFILE, ENFILE, EACCES, ENOENT, ENOMEM, EIO)                                           \
    X(close, EINTR, EIO)                                                                           \
    X(fstat, EIO, ENOMEM)                                                                          \
    X(stat, EIO, ENOENT)                                                                           \
    X(lstat, EACCES, EIO)                                                                          \
    X(access, EACCES)                                                                              \
    X(chmod, EPERM, EIO)                                                                           \
    X(unlink, EACCES, ENOENT)                                                                      \
    X(mmap, ENOMEM)                                                                                \
    X(prctl, EINVAL)                                                                               \
    X(getrlimit, EINVAL)                                                                           \
    X(setrlimit, EPERM)                                                                            \
    X(getrandom, EINTR, EAGAIN, ENOSYS)                                                            \
    X(fork, EAGAIN, ENOMEM)                                                                        \
    X(pthread_create, EAGAIN)                                                                      \
    X(getaddrinfo, EAI_AGAIN, EAI_MEMORY, EAI_FAIL, EAI_NONAME, EAI_SYSTEM)

#define AS_NUMBER(name, ...) CALL_##name,
#define AS_FAULTS(name, ...) [CALL_##name] = { __VA_ARGS__ },
enum call { SYSTEM_CALLS(AS_NUMBER) };
static const int faults[][9] = { SYSTEM_CALLS(AS_FAULTS) };

#define NEXT(name)                                                                                 \
    static __typeof__(name) *next;                                                                 \
    if (!next)                                                                                     \
    next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* dlsym may allocate before the real functions are known. */
static char early[16384];
static size_t early_n;

static void *early_block(size_t n)
{
    char *p = early + early_n;

    early_n += (n + 15) / 16 * 16 + 16;
    if (early_n > sizeof early)
        abort();
    *(size_t *)(void *)p = n;
    return p + 16;
}

static bool is_early(const void *p)
{
    return (const char *)p >= early && (const char *)p < early + sizeof early;
}

static void *(*next_malloc)(size_t), *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);
static bool resolving;

static bool resolved(void)
{
    if (next_free)
        return true;
    if (resolving)
        return false;
    resolving = true;
    next_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    next_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    next_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    resolving = false;
    return next_free != NULL;
}

static int port_of(const struct sockaddr_storage *ss)
{
    if (ss->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)ss)->sin_port);
    if (ss->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)ss)->sin6_port);
    return 0;
}

static int next_getsockname(int fd, struct sockaddr_storage *ss, socklen_t *n)
{
    NEXT(getsockname);
    return next(fd, (struct sockaddr *)ss, n);
}

/* Whom the descriptor belongs to, so that the test knows which side has lost something. */
static void note_ports(int fd)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t n = sizeof ss;

    page->own_port = page->peer_port = 0;
    if (fd < 0 || next_getsockname(fd, &ss, &n))
        return;
    page->own_port = port_of(&ss);
    n = sizeof ss;
    if (getpeername(fd, (struct sockaddr *)&ss, &n) == 0)
        page->peer_port = port_of(&ss);
}

/* Lets epoll report anew what the descriptor is ready for. */
static void touch(int fd)
{
    static int (*control)(int, int, int, struct epoll_event *);

    if (fd < 0 || fd >= FDS_MAX || !watched[fd].poller)
        return;
    if (!control)
        control = (int (*)(int, int, int, struct epoll_event *))dlsym(RTLD_NEXT, "epoll_ctl");
    control(watched[fd].poller - 1, EPOLL_CTL_MOD, fd, &watched[fd].event);
}

/* Whether a kernel does that to this kind of file: a datagram is not cut, a pipe is not worn out, a
 * file on a disk has no peer. */
static bool is_plausible(enum call call, int fault, int fd)
{
    static int (*option)(int, int, int, void *, socklen_t *);
    static int (*status)(int, struct stat *);
    int type = SOCK_STREAM;
    socklen_t n = sizeof type;
    struct stat st = { 0 };

    if (!option)
        option = (int (*)(int, int, int, void *, socklen_t *))dlsym(RTLD_NEXT, "getsockopt");
    if (!status)
        status = (int (*)(int, struct stat *))dlsym(RTLD_NEXT, "fstat");
    if (fault == SHORT && option(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0)
        return type == SOCK_STREAM;
    if ((call != CALL_read && call != CALL_write) || status(fd, &st))
        return true;
    if (S_ISREG(st.st_mode))
        return fault != EAGAIN && fault != EPIPE && (call == CALL_read || fault != ENOMEM);
    return fault == EINTR || (call == CALL_read ? fault == EAGAIN : fault == ENOMEM);
}

/* Counts a call. Returns 0 if it is to be made as it is, an errno, which is set, or SHORT and the
 * like. */
static int strike(enum call call, int fd)
{
    int saved = errno, fault = faults[call][page->variant];

    if (atomic_load(&page->armed) != CALLS)
        return 0;
    if (atomic_fetch_add(&page->calls[call], 1) + 1 != page->at || (int)call != page->call)
        return 0;
    if (!is_plausible(call, fault, fd))
        return 0;
    note_ports(fd);
    atomic_fetch_add(&page->fired, 1);
    if (fault == EAGAIN)
        touch(fd);
    errno = fault > 0 ? fault : saved;
    return fault;
}

static bool strike_allocation(void)
{
    int n;

    if (atomic_load(&page->armed) != ALLOCATIONS)
        return false;
    n = atomic_fetch_add(&page->seen, 1) + 1;
    if (page->on ? n < page->at : n != page->at)
        return false;
    atomic_fetch_add(&page->fired, 1);
    errno = ENOMEM;
    return true;
}

/* ready before the program's own constructors are */
__attribute__((constructor)) static void shim_open(void)
{
    const char *path = getenv("OCP_FAULTS");
    int fd = path ? (int)open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (p != MAP_FAILED)
        page = p;
    if (fd >= 0)
        close(fd);
    /* what was allocated before is not counted, and may be freed: the test looks at differences */
}

static void *counted(void *p)
{
    if (p)
        atomic_fetch_add_explicit(&page->live, 1, memory_order_relaxed);
    return p;
}

void *malloc(size_t n)
{
    if (!resolved())
        return early_block(n);
    return strike_allocation() ? NULL : counted(next_malloc(n));
}

void *calloc(size_t n, size_t size)
{
    if (!resolved())
        return early_block(n * size);
    return strike_allocation() ? NULL : counted(next_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
    void *q;

    if (is_early(p)) {
        size_t before = *(size_t *)(void *)((char *)p - 16);

        q = malloc(n);
        return q ? memcpy(q, p, before < n ? before : n) : NULL;
    }
    if (!resolved())
        return early_block(n);
    if (strike_allocation())
        return NULL;
    q = next_realloc(p, n);
    return p ? q : counted(q);
}

void free(void *p)
{
    if (!p || is_early(p) || !resolved())
        return;
    atomic_fetch_sub_explicit(&page->live, 1, memory_order_relaxed);
    next_free(p);
}

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    int fault = strike(CALL_recv, fd);
    ssize_t got;

    NEXT(recv);
    if (fault > 0)
        return -1;
    got = next(fd, buf, fault == SHORT && n > 1 ? 1 : n, flags);
    if (fault == SHORT)
        touch(fd);
    return got;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    int fault = strike(CALL_recvmsg, fd);
    struct iovec *iov = msg->msg_iov, cut = { iov->iov_base, 1 };
    size_t n_iov = msg->msg_iovlen;
    ssize_t got;

    NEXT(recvmsg);
    if (fault > 0)
        return -1;
    if (fault == SHORT && iov->iov_len > 1) {
        msg->msg_iov = &cut;
        msg->msg_iovlen = 1;
    }
    got = next(fd, msg, flags);
    msg->msg_iov = iov;
    msg->msg_iovlen = n_iov;
    if (fault == SHORT)
        touch(fd);
    return got;
}

ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    int fault = strike(CALL_send, fd);
    ssize_t put;

    NEXT(send);
    if (fault > 0)
        return -1;
    put = next(fd, buf, fault == SHORT && n > 1 ? 1 : n, flags);
    if (fault == SHORT)
        touch(fd);
    return put;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    int fault = strike(CALL_sendmsg, fd);
    struct msghdr cut = *msg;
    struct iovec first = { msg->msg_iov->iov_base, 1 };
    ssize_t put;

    NEXT(sendmsg);
    if (fault > 0)
        return -1;
    if (fault != SHORT || msg->msg_iov->iov_len < 2)
        return next(fd, msg, flags);
    cut.msg_iov = &first;
    cut.msg_iovlen = 1;
    put = next(fd, &cut, flags);
    touch(fd);
    return put;
}

ssize_t sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
               socklen_t to_n)
{
    NEXT(sendto);
    return strike(CALL_sendto, fd) > 0 ? -1 : next(fd, buf, n, flags, to, to_n);
}

ssize_t read(int fd, void *buf, size_t n)
{
    int fault = strike(CALL_read, fd);
    ssize_t got;

    NEXT(read);
    if (fault > 0)
        return -1;
    got = next(fd, buf, fault == SHORT && n > 1 ? 1 : n);
    if (fault == SHORT)
        touch(fd);
    return got;
}

ssize_t write(int fd, const void *buf, size_t n)
{
    int fault = strike(CALL_write, fd);

    NEXT(write);
    return fault > 0 ? -1 : next(fd, buf, fault == SHORT && n > 1 ? 1 : n);
}

ssize_t splice(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags)
{
    bool reads = in < FDS_MAX && in >= 0 && watched[in].poller;
    int fd = reads ? in : out, fault = strike(CALL_splice, fd);
    ssize_t moved;

    NEXT(splice);
    if (fault > 0)
        return -1;
    moved = next(in, in_at, out, out_at, fault == SHORT && n > 1 ? 1 : n, flags);
    if (fault == SHORT)
        touch(fd);
    return moved;
}

int accept4(int fd, struct sockaddr *a, socklen_t *n, int flags)
{
    NEXT(accept4);
    return strike(CALL_accept4, fd) > 0 ? -1 : next(fd, a, n, flags);
}

/* The system's log is the test's own. */
int connect(int fd, const struct sockaddr *a, socklen_t n)
{
    const char *log = getenv("OCP_FAULTS_SYSLOG");
    struct sockaddr_un un;

    NEXT(connect);
    if (strike(CALL_connect, fd) > 0)
        return -1;
    memset(&un, 0, sizeof un);
    memcpy(&un, a, n < sizeof un ? n : sizeof un - 1);
    if (!log || un.sun_family != AF_UNIX || strcmp(un.sun_path, "/dev/log") != 0)
        return next(fd, a, n);
    strncpy(un.sun_path, log, sizeof un.sun_path - 1);
    return next(fd, (struct sockaddr *)&un, sizeof un);
}

int socket(int family, int type, int protocol)
{
    NEXT(socket);
    return strike(CALL_socket, -1) > 0 ? -1 : next(family, type, protocol);
}

int socketpair(int family, int type, int protocol, int ends[2])
{
    NEXT(socketpair);
    return strike(CALL_socketpair, -1) > 0 ? -1 : next(family, type, protocol, ends);
}

int bind(int fd, const struct sockaddr *a, socklen_t n)
{
    NEXT(bind);
    return strike(CALL_bind, fd) > 0 ? -1 : next(fd, a, n);
}

int listen(int fd, int backlog)
{
    NEXT(listen);
    return strike(CALL_listen, fd) > 0 ? -1 : next(fd, backlog);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t n)
{
    NEXT(setsockopt);
    return strike(CALL_setsockopt, fd) > 0 ? -1 : next(fd, level, name, value, n);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *n)
{
    NEXT(getsockopt);
    return strike(CALL_getsockopt, fd) > 0 ? -1 : next(fd, level, name, value, n);
}

int getsockname(int fd, struct sockaddr *a, socklen_t *n)
{
    NEXT(getsockname);
    return strike(CALL_getsockname, fd) > 0 ? -1 : next(fd, a, n);
}

int shutdown(int fd, int how)
{
    NEXT(shutdown);
    return strike(CALL_shutdown, fd) > 0 ? -1 : next(fd, how);
}

int epoll_create1(int flags)
{
    NEXT(epoll_create1);
    return strike(CALL_epoll_create1, -1) > 0 ? -1 : next(flags);
}

int epoll_ctl(int poller, int op, int fd, struct epoll_event *e)
{
    int err;

    NEXT(epoll_ctl);
    if (op != EPOLL_CTL_DEL && strike(CALL_epoll_ctl, fd) > 0)
        return -1;
    err = next(poller, op, fd, e);
    if (err == 0 && fd < FDS_MAX) {
        watched[fd].poller = op == EPOLL_CTL_DEL ? 0 : poller + 1;
        if (op != EPOLL_CTL_DEL)
            watched[fd].event = *e;
    }
    return err;
}

/* All that is registered, as if it were ready. */
static int report_everything(int poller, struct epoll_event *out, int max)
{
    int n = 0;

    for (int fd = 0; fd < FDS_MAX && n < max; fd++)
        if (watched[fd].poller == poller + 1) {
            out[n] = watched[fd].event;
            out[n++].events &= EPOLLIN | EPOLLOUT;
        }
    return n;
}

int epoll_wait(int poller, struct epoll_event *out, int max, int ms)
{
    int fault = strike(CALL_epoll_wait, -1);

    NEXT(epoll_wait);
    if (fault == EVERYTHING_READY)
        return report_everything(poller, out, max);
    return fault > 0 ? -1 : fault ? 0 : next(poller, out, max, ms);
}

int poll(struct pollfd *fds, nfds_t n, int ms)
{
    NEXT(poll);
    return strike(CALL_poll, -1) > 0 ? -1 : next(fds, n, ms);
}

int pipe2(int fds[2], int flags)
{
    NEXT(pipe2);
    return strike(CALL_pipe2, -1) > 0 ? -1 : next(fds, flags);
}

int fcntl(int fd, int command, ...)
{
    va_list args;
    void *arg;

    NEXT(fcntl);
    va_start(args, command);
    arg = va_arg(args, void *);
    va_end(args);
    return strike(CALL_fcntl, fd) > 0 ? -1 : next(fd, command, arg);
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*next)(int, unsigned long, ...);
    va_list args;
    void *arg;

    if (!next)
        next = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    return strike(CALL_ioctl, fd) > 0 ? -1 : next(fd, request, arg);
}

int dup2(int from, int to)
{
    NEXT(dup2);
    return strike(CALL_dup2, from) > 0 ? -1 : next(from, to);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    int mode;

    NEXT(open);
    va_start(args, flags);
    mode = va_arg(args, int);
    va_end(args);
    return strike(CALL_open, -1) > 0 ? -1 : next(path, flags, mode);
}

/* The descriptor is closed in any case, as Linux does it. */
int close(int fd)
{
    int fault = strike(CALL_close, fd), err;

    NEXT(close);
    if (fd >= 0 && fd < FDS_MAX)
        watched[fd].poller = 0;
    err = next(fd);
    if (fault > 0)
        errno = fault;
    return fault > 0 ? -1 : err;
}

int fstat(int fd, struct stat *st)
{
    NEXT(fstat);
    return strike(CALL_fstat, fd) > 0 ? -1 : next(fd, st);
}

int stat(const char *path, struct stat *st)
{
    NEXT(stat);
    return strike(CALL_stat, -1) > 0 ? -1 : next(path, st);
}

int lstat(const char *path, struct stat *st)
{
    NEXT(lstat);
    return strike(CALL_lstat, -1) > 0 ? -1 : next(path, st);
}

int access(const char *path, int mode)
{
    NEXT(access);
    return strike(CALL_access, -1) > 0 ? -1 : next(path, mode);
}

int chmod(const char *path, mode_t mode)
{
    NEXT(chmod);
    return strike(CALL_chmod, -1) > 0 ? -1 : next(path, mode);
}

int unlink(const char *path)
{
    NEXT(unlink);
    return strike(CALL_unlink, -1) > 0 ? -1 : next(path);
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    NEXT(mmap);
    return strike(CALL_mmap, fd) > 0 ? MAP_FAILED : next(at, n, protection, flags, fd, offset);
}

int prctl(int option, ...)
{
    static int (*next)(int, ...);
    unsigned long arg[4];
    va_list args;

    if (!next)
        next = (int (*)(int, ...))dlsym(RTLD_NEXT, "prctl");
    va_start(args, option);
    for (int i = 0; i < 4; i++)
        arg[i] = va_arg(args, unsigned long);
    va_end(args);
    return strike(CALL_prctl, -1) > 0 ? -1 : next(option, arg[0], arg[1], arg[2], arg[3]);
}

int getrlimit(__rlimit_resource_t what, struct rlimit *limit)
{
    NEXT(getrlimit);
    return strike(CALL_getrlimit, -1) > 0 ? -1 : next(what, limit);
}

int setrlimit(__rlimit_resource_t what, const struct rlimit *limit)
{
    NEXT(setrlimit);
    return strike(CALL_setrlimit, -1) > 0 ? -1 : next(what, limit);
}

ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
    static ssize_t (*next)(void *, size_t, unsigned);

    if (!next)
        next = (ssize_t(*)(void *, size_t, unsigned))dlsym(RTLD_NEXT, "getrandom");
    return strike(CALL_getrandom, -1) > 0 ? -1 : next(buf, n, flags);
}

pid_t fork(void)
{
    NEXT(fork);
    return strike(CALL_fork, -1) > 0 ? -1 : next();
}

int pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    int fault = strike(CALL_pthread_create, -1);

    NEXT(pthread_create);
    return fault > 0 ? fault : next(id, attr, fn, arg);
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **list)
{
    int fault = 0;

    NEXT(getaddrinfo);
    /* its errors are negative, as SHORT is */
    fault = strike(CALL_getaddrinfo, -1);
    return fault ? fault : next(host, service, hints, list);
}
