/* Gives every TCP socket of a process the congestion control that BENCH_CONGESTION names, by
 * LD_PRELOAD. BBR paces even loopback traffic, with a timer for each write, and chance decides
 * which process pays for the timers. */
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int socket(int domain, int type, int protocol)
{
    static int (*real)(int, int, int);
    const char *name = getenv("BENCH_CONGESTION");
    int fd;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "socket");
    fd = real(domain, type, protocol);
    if (fd >= 0 && name && (domain == AF_INET || domain == AF_INET6))
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
    return fd;
}
