// The program's side of the sockets: what its calls come to. See kernel.h.
#include "tests/fuzz/exchange/calls.h"

extern "C" {
int __real_close(int fd);
int __real_fcntl(int fd, int command, ...);
ssize_t __real_read(int fd, void *buf, size_t n);
}

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

using kernel::find;
using kernel::first_pipe;
using kernel::first_socket;
using kernel::outcome;
using kernel::sock;
using kernel::tube;
using kernel::tubes;

kernel::sock *kernel::find(int fd)
{
    size_t i = (size_t)(fd - first_socket);

    if (fd < first_socket || fd >= first_pipe)
        return nullptr;
    if (i >= sockets.size() || sockets[i].closed) {
        fprintf(stderr, "kernel: a call with a descriptor that is closed\n");
        abort();
    }
    return &sockets[i];
}

namespace {

constexpr size_t pipe_size = 128 * 1024;
constexpr int first_port = 9001; // of the places

[[noreturn]] void broken(const char *what)
{
    fprintf(stderr, "kernel: %s\n", what);
    abort();
}

tube *find_tube(int fd, int end)
{
    size_t i = (size_t)(fd - first_pipe) / 2;

    if (fd < first_pipe)
        return nullptr;
    if (i >= tubes.size() || (fd - first_pipe) % 2 != end || !tubes[i].open[end])
        broken("a call with a pipe that is closed, or its wrong end");
    return &tubes[i];
}

int fail(int error)
{
    errno = error;
    return -1;
}

// The errors that a read may meet, once the bytes are used up. Returns what read returns.
ssize_t read_nothing(sock &s)
{
    if (s.fault) {
        int error = s.fault;

        s.fault = 0;
        kernel::progress++;
        return fail(error);
    }
    return s.fin || s.reset ? 0 : fail(EAGAIN);
}

int injected(int *fault)
{
    int error = *fault;

    *fault = 0;
    kernel::progress++;
    return fail(error);
}

// How much may be written now; -1 with errno where it is nothing.
ssize_t writable(sock &s, size_t n)
{
    if (s.send_fault)
        return injected(&s.send_fault);
    if (s.fault) {
        int error = s.fault;

        s.fault = 0;
        return fail(error);
    }
    if (s.shut || s.reset)
        return fail(EPIPE);
    if (s.connecting)
        return fail(EAGAIN);
    s.starved = s.room < n;
    return s.room == 0 ? fail(EAGAIN) : (ssize_t)(n < s.room ? n : s.room);
}

void note_written(sock &s, size_t n)
{
    s.room -= n;
    kernel::progress++;
    if (kernel::written)
        kernel::written(s);
}

ssize_t write_all(int fd, const struct iovec *iov, size_t n)
{
    sock &s = *find(fd);
    size_t all = 0, left;
    ssize_t most;

    for (size_t i = 0; i < n; i++)
        all += iov[i].iov_len;
    most = writable(s, all);
    left = most > 0 ? (size_t)most : 0;
    for (size_t i = 0; i < n && left > 0; i++) {
        size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

        s.out.append((const char *)iov[i].iov_base, part);
        left -= part;
    }
    if (most > 0)
        note_written(s, (size_t)most);
    return most;
}

int place_of(const struct sockaddr *to)
{
    if (to->sa_family == AF_UNIX)
        return ((const struct sockaddr_un *)to)->sun_path[4] - '0'; // "/up.N"
    if (to->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)to)->sin6_port) - first_port;
    return ntohs(((const struct sockaddr_in *)to)->sin_port) - first_port;
}

} // namespace

extern "C" {

// Calls of the C library, by --wrap.

ssize_t __wrap_recv(int fd, void *buf, size_t n, int)
{
    sock &s = *find(fd);
    size_t here = s.in.size() - s.in_at;

    if (s.recv_fault)
        return injected(&s.recv_fault);
    if (here == 0)
        return read_nothing(s);
    if (n < here)
        here = n;
    memcpy(buf, s.in.data() + s.in_at, here);
    s.in_at += here;
    kernel::progress++;
    return (ssize_t)here;
}

ssize_t __wrap_send(int fd, const void *p, size_t n, int)
{
    struct iovec iov = { (void *)p, n };

    return write_all(fd, &iov, 1);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int)
{
    return write_all(fd, m->msg_iov, m->msg_iovlen);
}

static ssize_t splice_to_pipe(sock &s, tube &p, size_t n)
{
    size_t here = s.in.size() - s.in_at, room = pipe_size - p.bytes.size();

    if (s.recv_fault)
        return injected(&s.recv_fault);
    if (here == 0)
        return read_nothing(s);
    here = here < n ? here : n;
    here = here < room ? here : room;
    p.bytes.append(s.in, s.in_at, here);
    s.in_at += here;
    kernel::progress++;
    return (ssize_t)here;
}

ssize_t __wrap_splice(int from, void *, int to, void *, size_t n, unsigned)
{
    ssize_t most;

    if (sock *s = find(from))
        return splice_to_pipe(*s, *find_tube(to, 1), n);
    tube &p = *find_tube(from, 0);
    sock &s = *find(to);

    most = writable(s, n < p.bytes.size() ? n : p.bytes.size());
    if (most <= 0)
        return most;
    s.out.append(p.bytes, 0, (size_t)most);
    p.bytes.erase(0, (size_t)most);
    note_written(s, (size_t)most);
    return most;
}

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
    tube *p = find_tube(fd, 0);

    if (!p)
        return __real_read(fd, buf, n);
    if (p->bytes.empty())
        return fail(EAGAIN);
    n = n < p->bytes.size() ? n : p->bytes.size();
    memcpy(buf, p->bytes.data(), n);
    p->bytes.erase(0, n);
    return (ssize_t)n;
}

int __wrap_pipe2(int fds[2], int)
{
    if (kernel::no_pipes)
        return fail(EMFILE);
    fds[0] = first_pipe + 2 * (int)tubes.size();
    fds[1] = fds[0] + 1;
    tubes.push_back({ "", { true, true } });
    return 0;
}

int __wrap_fcntl(int fd, int command, ...)
{
    va_list args;
    long value;

    va_start(args, command);
    value = va_arg(args, long);
    va_end(args);
    return fd >= first_pipe ? (int)pipe_size : __real_fcntl(fd, command, value);
}

int __wrap_socket(int, int, int)
{
    return kernel::arrive().fd;
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t)
{
    sock &s = *find(fd);
    outcome o = kernel::outcomes.empty() ? outcome::made : kernel::outcomes.front();

    if (!kernel::outcomes.empty())
        kernel::outcomes.pop_front();
    s.place = place_of(to);
    kernel::progress++;
    if (o == outcome::refused_at_once || (o != outcome::made && to->sa_family == AF_UNIX))
        return fail(ECONNREFUSED);
    if (to->sa_family == AF_UNIX)
        return 0;
    s.connecting = true;
    kernel::under_way[(size_t)(fd - first_socket)] = o;
    if (o == outcome::made)
        kernel::settle(s, o);
    return fail(EINPROGRESS);
}

int __wrap_shutdown(int fd, int)
{
    find(fd)->shut = true;
    return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t)
{
    const struct linger *l = (const struct linger *)value;

    if (level == SOL_SOCKET && name == SO_LINGER && l->l_onoff && l->l_linger == 0)
        find(fd)->closed_by_reset = true;
    return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *n)
{
    sock &s = *find(fd);

    if (level == SOL_SOCKET && name == SO_ERROR) {
        *(int *)value = s.fault;
        s.fault = 0;
        return 0;
    }
    if (level != IPPROTO_TCP || name != TCP_INFO)
        return fail(ENOPROTOOPT);
    memset(value, 0, *n);
    ((struct tcp_info *)value)->tcpi_unacked = s.vanished;
    ((struct tcp_info *)value)->tcpi_last_ack_recv = s.vanished ? 1u << 31 : 0;
    return 0;
}

int __wrap_ioctl(int fd, unsigned long, int *value)
{
    *value = find(fd)->vanished;
    return 0;
}

int __wrap_close(int fd)
{
    if (fd < first_socket)
        return __real_close(fd);
    kernel::progress++;
    if (sock *s = find(fd)) {
        s->closed = true;
        s->watch = nullptr;
        return 0;
    }
    find_tube(fd, (fd - first_pipe) % 2)->open[(fd - first_pipe) % 2] = false;
    return 0;
}

int __wrap_clock_gettime(int, struct timespec *ts)
{
    ts->tv_sec = (time_t)(kernel::now / 1000);
    ts->tv_nsec = (long)(kernel::now % 1000) * 1000000;
    return 0;
}

time_t __wrap_time(time_t *t)
{
    time_t at = (time_t)(kernel::now / 1000);

    if (t)
        *t = at;
    return at;
}

ssize_t __wrap_getrandom(void *p, size_t n, unsigned)
{
    memset(p, 0x5a, n);
    return (ssize_t)n;
}
}
