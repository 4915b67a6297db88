/* The program: a thread with a small stack for each connection, blocking calls, nothing shared but
 * a counter. Requests are read in wire.c and answered in response.c. */
#include "sample.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static bool paced;

/* Closes with a reset if the request asked for one; else in a way that the written bytes still
 * arrive, though not everything was read. */
static void hang_up(struct conn *c)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    struct timeval wait = { .tv_sec = 1 };

    if (c->knobs.rst) {
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    } else if (shutdown(c->fd, SHUT_WR) == 0) {
        setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        while (read(c->fd, c->in, sizeof(c->in)) > 0)
            continue;
    }
    close(c->fd);
}

static void *serve(void *arg)
{
    struct conn *c = arg;
    int yes = 1;
    bool more = true;

    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    while (more && wire_head(c, paced) > 0) {
        c->requests++;
        c->chunked = false;
        c->left = -1;
        more = response_send(c);
        free(c->req.body);
        c->req.body = NULL;
    }
    hang_up(c);
    free(c);
    return NULL;
}

/* Starts a thread for fd, or closes fd if there cannot be one. */
static void start(int fd, const pthread_attr_t *attr)
{
    static uint64_t ids;
    struct conn *c = malloc(sizeof(*c));
    pthread_t thread;

    if (c) {
        memset(c, 0, offsetof(struct conn, out)); /* the buffers stay untouched: a silent connection
                                                     costs no pages for them */
        c->fd = fd;
        c->id = ++ids;
        if (pthread_create(&thread, attr, serve, c) == 0)
            return;
        free(c);
    }
    close(fd);
}

static void accept_all(int listener)
{
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 64 * 1024);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0)
            start(fd, &attr);
        else if (errno != EINTR && errno != ECONNABORTED)
            nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000 * 1000 }, NULL);
    }
}

/* A socket that listens on "host:port", or -1 with a message. */
static int listen_on(char *where)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE },
                    *a;
    char *port = strrchr(where, ':');
    int fd, yes = 1;

    if (!port)
        return fprintf(stderr, "sample-upstream: '%s' is no host:port\n", where), -1;
    *port++ = '\0';
    if (where[0] == '[') {
        where++;
        where[strcspn(where, "]")] = '\0';
    }
    if (getaddrinfo(where, port, &hints, &a) != 0)
        return fprintf(stderr, "sample-upstream: '%s' is no address\n", where), -1;
    fd = socket(a->ai_family, SOCK_STREAM, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (fd < 0 || bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, 4096) < 0) {
        fprintf(stderr, "sample-upstream: %s port %s: %s\n", where, port, strerror(errno));
        fd = -1;
    }
    freeaddrinfo(a);
    return fd;
}

static void say_where(int fd)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof(at);
    char host[64], port[8];

    if (getsockname(fd, (struct sockaddr *)&at, &n) == 0 &&
        getnameinfo((struct sockaddr *)&at, n, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        printf(at.ss_family == AF_INET6 ? "listening on [%s]:%s\n" : "listening on %s:%s\n", host,
               port);
    fflush(stdout);
}

static void on_term(int sig)
{
    (void)sig;
    _exit(0);
}

static void set_up_process(void)
{
    struct rlimit files;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_term);
    signal(SIGINT, on_term);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    out_prepare();
}

int main(int argc, char **argv)
{
    char usual[] = "127.0.0.1:0", *where = usual;
    int opt, fd;

    while ((opt = getopt(argc, argv, "l:p")) != -1) {
        if (opt == 'l') {
            where = optarg;
        } else if (opt == 'p') {
            paced = true;
        } else {
            fprintf(stderr,
                    "usage: sample-upstream [-l host:port] [-p]\n  -l  where to listen "
                    "(127.0.0.1:0; port 0: any free one)\n"
                    "  -p  paced: a stream takes its time, as a model does\n");
            return 1;
        }
    }
    set_up_process();
    fd = listen_on(where);
    if (fd < 0)
        return 2;
    say_where(fd);
    accept_all(fd);
}
