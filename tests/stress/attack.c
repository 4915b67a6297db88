/* Clients that hurt, and one that behaves and is timed meanwhile. One loop over epoll, Linux only.
 * Prints "started" when all connections have been opened once, and a line of JSON at the end.
 * Usage: attack PORT KIND [connections=N] [seconds=S] [rate=PER_SECOND] [query=Q]
 *   probe  N connections that stay, and rate requests a second in all, timed from the moment when
 *          each is due
 *   drip   N clients that send a head byte by byte, rate bytes a second in all
 *   sip    N clients that ask for query, and read rate bytes a second in all
 *   hold   N clients that connect, rate a second, and say nothing
 *   reset  N clients that connect and reset at once, again and again, as fast as it goes
 * Who is closed connects again, but for those that hold. */
#include "bench/gateway/delays.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PORTS_EACH 10000 /* connections from one address */
#define OPEN_BATCH 100   /* connections opened in a millisecond, so that no queue overflows */

enum kind { PROBE, DRIP, SIP, HOLD, RESET };
static const char *const kinds[] = { "probe", "drip", "sip", "hold", "reset" };

struct conn {
    int fd;
    bool open;       /* connected */
    size_t sent;     /* of the request */
    uint64_t due;    /* when the request under way was to be sent; 0: none is */
    unsigned missed; /* further requests that were due while it was under way */
    size_t n;        /* bytes of the response so far */
    char head[1024]; /* its beginning */
};

static struct {
    unsigned port, connections, rate;
    enum kind kind;
    double seconds;
    const char *query;
} options = { .connections = 1, .seconds = 5, .rate = 100, .query = "" };

static int loop, clock_fd;
static struct conn *conns;
static unsigned next_open, next_turn; /* who is opened next, whose turn is next */
static uint64_t started, turns, opened, closed, failed;
static struct delays delays;
static char request[2048];
static size_t request_n;

static void note_delays(const struct conn *c)
{
    uint64_t now = now_ns(), each = 1000000000u / options.rate * options.connections;

    for (uint64_t i = 0; i <= c->missed && c->due + i * each < now; i++)
        delays_note(&delays, now - c->due - i * each);
}

/* The model of a probe chooses another upstream than that of the others: attackers do not keep each
 * other's servers busy. */
static void make_request(void)
{
    char body[64];
    int n = snprintf(body, sizeof body, "{\"model\":\"%s\",\"messages\":[]}",
                     options.kind == PROBE ? "good" : "m");

    request_n = (size_t)snprintf(request, sizeof request,
                                 "POST /v1/chat/completions?%s HTTP/1.1\r\nHost: stress\r\n"
                                 "Authorization: Bearer stress-front-key\r\n"
                                 "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                                 options.query, n, body);
}

/* Many connections need several addresses to come from, which no other attack uses. */
static void choose_source(int fd, unsigned index)
{
    uint32_t host = 16u * ((unsigned)getpid() % 100000u) + index / PORTS_EACH;
    struct sockaddr_in from = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + host) };
    int one = 1;

    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from))
        perror("attack: bind");
}

static void open_conn(struct conn *c)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)options.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), small = 4096, one = 1;

    *c = (struct conn){ .fd = fd };
    if (fd < 0) {
        failed++;
        return;
    }
    choose_source(fd, (unsigned)(c - conns));
    if (options.kind == SIP)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) {
        failed++;
        close(fd);
        c->fd = -1;
        return;
    }
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e);
}

static void close_conn(struct conn *c, bool reset)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    closed++;
}

/* The proxy or its kernel has ended the connection. */
static void on_end(struct conn *c)
{
    failed += c->due > 0 || !c->open;
    close_conn(c, false);
    if (options.kind != HOLD)
        open_conn(c);
}

/* Sends n bytes more of the request. */
static void send_some(struct conn *c, size_t n)
{
    ssize_t put;

    if (n > request_n - c->sent)
        n = request_n - c->sent;
    put = c->fd >= 0 && c->open ? send(c->fd, request + c->sent, n, MSG_NOSIGNAL) : 0;
    c->sent += put > 0 ? (size_t)put : 0;
}

/* A probe's response is whole when as many bytes have come as its length says. */
static bool is_whole(struct conn *c)
{
    char *end, *length;

    c->head[c->n < sizeof c->head ? c->n : sizeof c->head - 1] = 0;
    end = strstr(c->head, "\r\n\r\n");
    length = strcasestr(c->head, "content-length:");
    return end && length && c->n >= (size_t)(end + 4 - c->head) + strtoull(length + 15, NULL, 10);
}

static void take_response(struct conn *c)
{
    if (!is_whole(c))
        return;
    if (c->due > 0 && strncmp(c->head, "HTTP/1.1 200 ", 13) == 0)
        note_delays(c);
    else
        failed++;
    c->due = 0;
    c->missed = 0;
    c->n = 0;
}

/* Reads what has come: all of it, or the one sip. */
static void read_some(struct conn *c, size_t max)
{
    static char buf[65536];
    ssize_t n = 0;

    while (c->fd >= 0 && (n = recv(c->fd, buf, max < sizeof buf ? max : sizeof buf, 0)) > 0) {
        if (c->n < sizeof c->head - 1)
            memcpy(c->head + c->n, buf,
                   (size_t)n < sizeof c->head - 1 - c->n ? (size_t)n : sizeof c->head - 1 - c->n);
        c->n += (size_t)n;
        if (options.kind == PROBE)
            take_response(c);
        if (options.kind == SIP)
            return;
    }
    if (c->fd >= 0 && (n == 0 || (n < 0 && errno != EAGAIN)))
        on_end(c);
}

static void on_open(struct conn *c)
{
    int err = 0;
    socklen_t size = sizeof err;

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &size);
    if (err) {
        on_end(c);
        return;
    }
    c->open = true;
    opened++;
    if (options.kind == RESET) {
        close_conn(c, true);
        open_conn(c);
    } else if (options.kind == SIP) {
        send_some(c, request_n);
    }
}

/* The turn of the next connection: a request, a byte, a sip. due: when it was to come. */
static void take_turn(uint64_t due)
{
    struct conn *c = &conns[next_turn++ % options.connections];

    if (c->fd < 0) {
        open_conn(c);
    } else if (options.kind == DRIP) {
        send_some(c, 1);
    } else if (options.kind == SIP && c->open) {
        read_some(c, 1);
    } else if (options.kind == PROBE && c->open && c->due > 0) {
        c->missed++;
    } else if (options.kind == PROBE && c->open) {
        c->due = due;
        c->sent = 0;
        send_some(c, request_n);
    }
}

static void take_turns(void)
{
    uint64_t now = now_ns(), each;

    if (options.kind == HOLD || options.kind == RESET || !started)
        return;
    each = 1000000000u / options.rate;
    while (started + turns * each <= now)
        take_turn(started + turns++ * each);
}

static void open_more(void)
{
    unsigned n = options.kind == HOLD ? (options.rate + 999) / 1000 : OPEN_BATCH;

    for (unsigned i = 0; i < n && next_open < options.connections; i++)
        open_conn(&conns[next_open++]);
}

static void on_event(const struct epoll_event *e)
{
    struct conn *c = e->data.ptr;
    uint64_t ticks;

    if (!c && read(clock_fd, &ticks, sizeof ticks) < 0)
        perror("attack: read");
    if (!c)
        return;
    if (c->fd < 0)
        return;
    if (!c->open && (e->events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
        on_open(c);
    if (c->fd < 0 || !c->open)
        return;
    if (options.kind == SIP && !(e->events & (EPOLLHUP | EPOLLERR)))
        return;
    if (e->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        read_some(c, SIZE_MAX);
}

static void turn(void)
{
    struct epoll_event list[256];
    int n = epoll_wait(loop, list, 256, -1);

    for (int i = 0; i < n; i++)
        on_event(&list[i]);
    open_more();
    take_turns();
}

static void parse(int argc, char **argv)
{
    options.port = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
    for (unsigned k = 0; argc > 2 && k < sizeof kinds / sizeof kinds[0]; k++)
        if (strcmp(argv[2], kinds[k]) == 0)
            options.kind = (enum kind)k;
    for (int i = 3; i < argc; i++) {
        const char *value = strchr(argv[i], '=');

        value = value ? value + 1 : "";
        if (argv[i][0] == 'c')
            options.connections = (unsigned)atoi(value);
        else if (argv[i][0] == 's')
            options.seconds = atof(value);
        else if (argv[i][0] == 'r')
            options.rate = (unsigned)atoi(value);
        else if (argv[i][0] == 'q')
            options.query = value;
    }
}

/* Ticks when a turn is due; while connections are opened, each millisecond. */
static void tick(uint64_t ns)
{
    struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
    struct itimerspec each = { t, t };
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };

    if (clock_fd == 0) {
        clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        epoll_ctl(loop, EPOLL_CTL_ADD, clock_fd, &e);
    }
    timerfd_settime(clock_fd, 0, &each, NULL);
}

int main(int argc, char **argv)
{
    uint64_t end;

    parse(argc, argv);
    make_request();
    loop = epoll_create1(0);
    tick(1000000);
    conns = calloc(options.connections, sizeof *conns);
    for (unsigned i = 0; i < 60000 && opened + failed < options.connections; i++)
        turn();
    puts("started");
    fflush(stdout);
    if (options.kind == PROBE)
        tick(1000000000u / options.rate);
    started = now_ns();
    end = started + (uint64_t)(options.seconds * 1e9);
    while (now_ns() < end)
        turn();
    printf("{\"opened\":%llu,\"closed\":%llu,\"done\":%llu,\"failed\":%llu,\"p50_us\":%.0f,"
           "\"p99_us\":%.0f,\"max_us\":%.0f}\n",
           (unsigned long long)opened, (unsigned long long)closed, (unsigned long long)delays.n,
           (unsigned long long)failed, delays_percentile_us(&delays, 0.5),
           delays_percentile_us(&delays, 0.99), (double)delays.max / 1000);
    return 0;
}
