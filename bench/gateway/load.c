/* Load for the benchmark where wrk does not do: a given rate, event streams with the delay of each
 * event, uploads, streams that are only held. One loop over epoll, Linux only. Prints "started"
 * when the connections stand, and streams have had their first event: what came before is not
 * counted. Prints one line of JSON when it ends.
 * Usage: bench-load PORT [connections=N] [seconds=S] [query=Q] [body=BYTES] [rate=PER_SECOND]
 * [hold=1] hold=1  opens the streams, prints a line of JSON when each has had its first event, and
 * keeps them until standard input ends */
#include "bench/gateway/delays.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
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

#define SETTLE_MAX 30   /* seconds */
#define START_BATCH 100 /* connections opened at once, so that no queue overflows */

enum state { CONNECTING, IDLE, SENDING, HEAD, BODY };

struct conn {
    int fd;
    enum state state;
    size_t sent;         /* of the request */
    bool chunked, first; /* framing of the answer; its first event has come */
    uint64_t left;
    unsigned tail; /* how much of the last chunk's end was seen */
    size_t carry_n;
    char carry[64]; /* the end of the last read, where a time may have been cut */
    struct conn *next_idle;
};

static struct {
    unsigned port, connections, body, rate;
    double seconds;
    const char *query;
    bool hold;
} options = { .connections = 64, .seconds = 5, .query = "", .body = 200 };

static int loop;
static char *request;
static size_t request_n;
static char in[256 * 1024 + 64];
static struct conn *idle;
static uint64_t requests, events, bytes, errors, started, firsts;
static struct delays delays;
static bool stopping;

static void note_delay(const char *digits, uint64_t now)
{
    uint64_t t = strtoull(digits, NULL, 10), d = now - t;

    if (t >= started && t <= now)
        delays_note(&delays, d);
}

static void make_request(void)
{
    char head[512];
    int n = snprintf(
        head, sizeof head,
        "POST /v1/chat/completions?%s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer "
        "front-key-of-the-benchmark\r\nContent-Type: application/json\r\n"
        "User-Agent: OpenAI/Python 1.0\r\nAccept: application/json\r\nContent-Length: %u\r\n\r\n",
        options.query, options.body);
    const char *start = "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"",
               *end = "\"}]}";
    size_t fixed = strlen(start) + strlen(end);

    request_n = (size_t)n + options.body;
    request = malloc(request_n + 1);
    memcpy(request, head, (size_t)n);
    memset(request + n, 'A', options.body);
    if (options.body >= fixed) {
        memcpy(request + n, start, strlen(start));
        memcpy(request + request_n - strlen(end), end, strlen(end));
    } else {
        memset(request + n, ' ', options.body);
        memcpy(request + n, "{}", options.body < 2 ? options.body : 2);
    }
}

static void open_conn(struct conn *c);

static void fail(struct conn *c)
{
    errors += !stopping;
    close(c->fd);
    if (!stopping && errors < 100000)
        open_conn(c);
}

static void send_some(struct conn *c)
{
    while (c->sent < request_n) {
        ssize_t put = send(c->fd, request + c->sent, request_n - c->sent, MSG_NOSIGNAL);

        if (put < 0 && errno != EAGAIN)
            fail(c);
        if (put < 0)
            return;
        c->sent += (size_t)put;
    }
    c->state = HEAD;
}

static void start_request(struct conn *c)
{
    c->state = SENDING;
    c->sent = c->tail = 0;
    c->carry_n = 0;
    send_some(c);
}

static void finished(struct conn *c)
{
    requests++;
    c->state = IDLE;
    if (stopping)
        return;
    if (options.rate) {
        c->next_idle = idle;
        idle = c;
    } else {
        start_request(c);
    }
}

static void open_conn(struct conn *c)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)options.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };
    int one = 1;

    memset(c, 0, sizeof *c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0 || (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)) {
        perror("bench-load");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &e);
}

/* Counts events, and reads their times, in what came; the piece before may have cut one. A
 * contestant that cuts the stream into chunks of its own may put a size line into a time: what is
 * no time of this run is not counted as one. */
static void look(struct conn *c, char *p, size_t n)
{
    uint64_t now = now_ns();
    char *from = p - c->carry_n, *end = p + n, *at;

    memcpy(from, c->carry, c->carry_n);
    for (at = from; (at = memmem(at, (size_t)(end - at), "\"t\":", 4)) && at + 24 <= end;
         at += 24) {
        note_delay(at + 4, now);
        events++;
        if (!c->first) {
            c->first = true;
            firsts++;
        }
    }
    if (at)
        from = at;
    else
        from = end - from > 3 ? end - 3 : from;
    c->carry_n = (size_t)(end - from);
    memcpy(c->carry, from, c->carry_n);
}

static bool take_end(struct conn *c, const char *p, size_t n)
{
    static const char end[] = "0\r\n\r\n";

    for (size_t i = n > 5 ? n - 5 : 0; i < n; i++)
        c->tail = p[i] == end[c->tail] ? c->tail + 1 : p[i] == end[0];
    return c->tail == 5;
}

static void take_body(struct conn *c, char *p, size_t n)
{
    bytes += n;
    if (c->chunked) {
        look(c, p, n);
        if (take_end(c, p, n))
            finished(c);
        return;
    }
    c->left -= n < c->left ? n : c->left;
    if (c->left == 0)
        finished(c);
}

static void take_head(struct conn *c, char *p, size_t n)
{
    char *end, *length;

    p[n] = 0;
    end = strstr(p, "\r\n\r\n");
    if (!end || strncmp(p, "HTTP/1.1 200", 12) != 0) {
        if (errors == 0)
            fprintf(stderr, "bench-load: %.100s\n", p);
        fail(c);
        return;
    }
    *end = 0;
    length = strcasestr(p, "content-length:");
    c->chunked = !length;
    c->left = length ? strtoull(length + 15, NULL, 10) : 0;
    c->state = BODY;
    take_body(c, end + 4, n - (size_t)(end + 4 - p));
}

static void on_readable(struct conn *c)
{
    char *p = in + 64;

    for (;;) {
        ssize_t n = recv(c->fd, p, sizeof in - 65, 0);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || (c->state != HEAD && c->state != BODY)) {
            fail(c);
            return;
        }
        if (c->state == HEAD)
            take_head(c, p, (size_t)n);
        else
            take_body(c, p, (size_t)n);
        if ((size_t)n < sizeof in - 65 || c->state == CONNECTING)
            return;
    }
}

static void on_event(struct conn *c, uint32_t e)
{
    if (c->state == CONNECTING && (e & EPOLLOUT) && !(e & (EPOLLERR | EPOLLHUP))) {
        c->state = IDLE;
        if (options.rate) {
            c->next_idle = idle;
            idle = c;
        } else {
            start_request(c);
        }
    } else if (c->state == SENDING && (e & EPOLLOUT)) {
        send_some(c);
    }
    if (e & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
        on_readable(c);
}

/* Starts as many requests as the rate has made due. */
static void keep_rate(void)
{
    static uint64_t begun;
    uint64_t due = (uint64_t)((double)(now_ns() - started) / 1e9 * options.rate);

    while (begun < due && idle && !stopping) {
        struct conn *c = idle;

        idle = c->next_idle;
        begun++;
        start_request(c);
    }
}

static void run(double seconds)
{
    struct epoll_event list[256];
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);

    while (now_ns() < end) {
        int n = epoll_wait(loop, list, 256, options.rate ? 1 : 10);

        for (int i = 0; i < n; i++)
            on_event(list[i].data.ptr, list[i].events);
        if (options.rate)
            keep_rate();
    }
}

/* Waits until every stream has had its first event, for at most SETTLE_MAX seconds. */
static void settle(void)
{
    bool streams = strstr(options.query, "events=") || strstr(options.query, "hold");

    for (int i = 0; streams && i < SETTLE_MAX * 10 && firsts < options.connections; i++)
        run(0.1);
}

static void hold_until_told(void)
{
    struct pollfd told = { .fd = 0, .events = POLLIN };

    printf("{\"held\":%llu,\"errors\":%llu}\n", (unsigned long long)firsts,
           (unsigned long long)errors);
    fflush(stdout);
    while (poll(&told, 1, 0) == 0)
        run(0.1);
}

static void parse(int argc, char **argv)
{
    options.port = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    for (int i = 2; i < argc; i++) {
        const char *value = strchr(argv[i], '=');

        value = value ? value + 1 : "";
        switch (argv[i][0]) {
        case 'c':
            options.connections = (unsigned)atoi(value);
            break;
        case 's':
            options.seconds = atof(value);
            break;
        case 'q':
            options.query = value;
            break;
        case 'b':
            options.body = (unsigned)atoi(value);
            break;
        case 'r':
            options.rate = (unsigned)atoi(value);
            break;
        case 'h':
            options.hold = true;
            break;
        }
    }
}

int main(int argc, char **argv)
{
    struct conn *conns;

    parse(argc, argv);
    make_request();
    loop = epoll_create1(0);
    conns = calloc(options.connections, sizeof *conns);
    for (unsigned i = 0; i < options.connections; i++) {
        open_conn(&conns[i]);
        if (i % START_BATCH == START_BATCH - 1)
            run(0.02);
    }
    settle();
    if (options.hold) {
        hold_until_told();
        return 0;
    }
    puts("started");
    fflush(stdout);
    started = now_ns();
    requests = events = bytes = 0;
    memset(&delays, 0, sizeof delays);
    run(options.seconds);
    stopping = true;
    printf("{\"requests\":%llu,\"events\":%llu,\"bytes\":%llu,\"errors\":%llu,\"seconds\":%.3f,"
           "\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f}\n",
           (unsigned long long)requests, (unsigned long long)events, (unsigned long long)bytes,
           (unsigned long long)errors, (double)(now_ns() - started) / 1e9,
           delays_percentile_us(&delays, 0.5), delays_percentile_us(&delays, 0.99),
           (double)delays.max / 1000);
    return 0;
}
