/* The lower bound of a second hop: bytes carried both ways between two sockets, without parsing.
 * Linux only. Each client gets a connection to the upstream when it connects.
 * Usage: bench-relay PORT UPSTREAM_PORT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (64 * 1024)

/* One end. Bytes that its peer did not take are parked with the peer, and this end is not read
 * meanwhile. */
struct end {
    int fd;
    bool readable, writable;
    struct end *peer;
    size_t at, n;
    char *parked;
};

static int loop;
static char buf[READ_SIZE];

static void watch(struct end *e)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = e };
    int one = 1;

    setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_ctl(loop, EPOLL_CTL_ADD, e->fd, &ev);
}

static void drop(struct end *e)
{
    struct end *both[2] = { e, e->peer };

    for (int i = 0; i < 2; i++) {
        if (both[i]->fd >= 0)
            close(both[i]->fd);
        both[i]->fd = -1;
    }
}

/* Sends n bytes to e and parks the rest. Returns false when the pair is gone. */
static bool give(struct end *e, const char *p, size_t n)
{
    ssize_t put = e->writable ? send(e->fd, p, n, MSG_NOSIGNAL) : -1;

    if (put < 0 && e->writable && errno != EAGAIN) {
        drop(e);
        return false;
    }
    put = put < 0 ? 0 : put;
    if ((size_t)put == n)
        return true;
    e->writable = false;
    e->parked = malloc(n - (size_t)put);
    __builtin_memcpy(e->parked, p + put, n - (size_t)put);
    e->at = 0;
    e->n = n - (size_t)put;
    return true;
}

static void unpark(struct end *e)
{
    ssize_t put = send(e->fd, e->parked + e->at, e->n - e->at, MSG_NOSIGNAL);

    if (put > 0)
        e->at += (size_t)put;
    if (e->at < e->n) {
        e->writable = false;
        return;
    }
    free(e->parked);
    e->parked = NULL;
}

static void carry(struct end *from)
{
    while (from->fd >= 0 && from->readable && !from->peer->parked) {
        ssize_t n = recv(from->fd, buf, sizeof buf, 0);

        if (n < 0 && errno == EAGAIN)
            from->readable = false;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            drop(from);
            return;
        }
        from->readable = n == READ_SIZE;
        if (!give(from->peer, buf, (size_t)n))
            return;
    }
}

static void on_event(struct end *e, uint32_t events)
{
    if (e->fd < 0)
        return;
    if (events & EPOLLOUT)
        e->writable = true;
    if (e->parked && e->writable)
        unpark(e);
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        e->readable = true;
    carry(e);
    if (e->fd >= 0)
        carry(e->peer);
}

static void accept_all(int listener, const struct sockaddr_in *to)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct end *pair = calloc(2, sizeof *pair);

        pair[0] = (struct end){ .fd = fd, .writable = true, .peer = &pair[1] };
        pair[1] =
            (struct end){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .peer = &pair[0] };
        if (connect(pair[1].fd, (const struct sockaddr *)to, sizeof *to) && errno != EINPROGRESS) {
            drop(pair);
            continue;
        }
        watch(&pair[0]);
        watch(&pair[1]);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
                       to = in;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL }, list[256];

    if (argc < 3)
        return 1;
    in.sin_port = htons((uint16_t)atoi(argv[1]));
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&in, sizeof in) || listen(listener, 4096)) {
        perror("bench-relay");
        return 1;
    }
    loop = epoll_create1(0);
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &ev);
    for (;;) {
        int n = epoll_wait(loop, list, 256, -1);

        for (int i = 0; i < n; i++) {
            if (list[i].data.ptr)
                on_event(list[i].data.ptr, list[i].events);
            else
                accept_all(listener, &to);
        }
    }
}
