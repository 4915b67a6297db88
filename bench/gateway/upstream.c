/* The upstream of the benchmark: answers as fast as one loop over epoll can, so that it is never
 * the limit. A request's query says what it gets; its head and body are read only as far as their
 * framing asks. Linux only. size=N             a JSON answer of N bytes (default 400) events=N an
 * event stream of N events instead, as fast as they are taken, 16 KiB written at once pause=US with
 * US microseconds between two events; each carries the moment it was written, in nanoseconds of the
 * monotonic clock hold               an event stream that sends one event and then nothing Usage:
 * bench-upstream PORT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
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

#define IN_SIZE (256 * 1024)
#define EVENT_TEXT 250                   /* bytes of an event, its blank line included */
#define EVENT_CHUNK (4 + EVENT_TEXT + 2) /* "fa\r\n", the event, CRLF */
#define FLOOD_EVENTS 64                  /* written at once */
#define FILLER (4 * 1024 * 1024)
#define SLOTS 4096 /* a pause is shorter than so many milliseconds */

enum state { READ_HEAD, READ_BODY, READ_CHUNKS, SEND_BODY, FLOOD, PACED, HELD };

struct conn {
    int fd;
    enum state state;
    bool close;
    uint64_t left; /* of the request's body, or of what is to be sent */
    uint64_t events, pause;
    uint64_t due;      /* when the next event is, in ns; before that, the size asked for */
    unsigned tail;     /* how much of the last chunk's end was seen */
    struct conn *next; /* of those that wait for their time */
    size_t n;
    size_t out_at, out_n;
    char out[FLOOD_EVENTS * EVENT_CHUNK + 512];
    char in[16 * 1024];
};

static int loop;
static char scratch[IN_SIZE];
static char *filler;
static struct conn *slots[SLOTS]; /* paced streams, by the millisecond when the next event is due */
static uint64_t pace_ms;          /* the next slot to look at */

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct conn **slot_of(uint64_t due)
{
    return &slots[due / 1000000 % SLOTS];
}

static void drop(struct conn *c)
{
    for (struct conn **at = slot_of(c->due); c->state == PACED && *at; at = &(*at)->next) {
        if (*at != c)
            continue;
        *at = c->next;
        break;
    }
    close(c->fd);
    free(c);
}

static uint64_t knob(const char *head, const char *name, uint64_t otherwise)
{
    const char *at = strstr(head, name);

    return at ? strtoull(at + strlen(name), NULL, 10) : otherwise;
}

/* An event as a chunk, with the moment in it. */
static void put_event(char *to, uint64_t t, bool last)
{
    int n = snprintf(to, EVENT_CHUNK + 1,
                     "%x\r\ndata: "
                     "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"t\":%020llu,"
                     "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"",
                     EVENT_TEXT, (unsigned long long)t);
    const char *end = last ? "\"},\"finish_reason\":\"stop\"}]}\n\n\r\n"
                           : "\"},\"finish_reason\":null}]}\n\n\r\n";
    size_t fill = EVENT_CHUNK - (size_t)n - strlen(end);

    memset(to + n, 'x', fill);
    memcpy(to + (size_t)n + fill, end, strlen(end));
}

static void put_out(struct conn *c, const char *text)
{
    size_t n = strlen(text);

    memcpy(c->out + c->out_n, text, n);
    c->out_n += n;
}

static void begin_answer(struct conn *c)
{
    char head[256];

    c->out_at = c->out_n = 0;
    if (c->state == SEND_BODY) {
        snprintf(
            head, sizeof head,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %llu\r\n\r\n",
            (unsigned long long)c->left);
        put_out(c, head);
        return;
    }
    put_out(
        c,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
}

/* Decides the response; the request's head is in c->in, NUL-terminated. */
static void plan(struct conn *c)
{
    char *line_end = strstr(c->in, "\r\n");

    *line_end = 0;
    c->events = knob(c->in, "events=", 0);
    c->pause = knob(c->in, "pause=", 0) * 1000;
    c->due = knob(c->in, "size=", 400);
    if (strstr(c->in, "hold"))
        c->events = c->pause = UINT64_MAX;
    *line_end = '\r';
}

/* Streams begin evenly out of step: each one golden section of the pause after the one before. */
static uint64_t first_pause(uint64_t pause)
{
    static double part;

    part += 0.6180339887;
    part -= part >= 1;
    return pause + (uint64_t)(part * (double)pause);
}

static void wait_for_due(struct conn *c)
{
    struct conn **slot;

    if (c->due / 1000000 < pace_ms)
        c->due = pace_ms * 1000000;
    slot = slot_of(c->due);
    c->next = *slot;
    *slot = c;
}

static void answer(struct conn *c)
{
    c->state = c->events == 0    ? SEND_BODY
        : c->pause == UINT64_MAX ? HELD
        : c->pause               ? PACED
                                 : FLOOD;
    c->left = c->due;
    begin_answer(c);
    if (c->state == HELD) {
        put_event(c->out + c->out_n, now_ns(), false);
        c->out_n += EVENT_CHUNK;
    }
    if (c->state == PACED) {
        c->due = now_ns() + first_pause(c->pause);
        wait_for_due(c);
    }
}

/* Sends the bytes in out. Returns false if the peer did not take all of them. */
static bool flush(struct conn *c)
{
    while (c->out_at < c->out_n) {
        ssize_t put = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL);

        if (put <= 0)
            return false;
        c->out_at += (size_t)put;
    }
    c->out_at = c->out_n = 0;
    return true;
}

static void end_stream(struct conn *c)
{
    put_out(c, "0\r\n\r\n");
    c->state = READ_HEAD;
}

static void flood(struct conn *c)
{
    while (flush(c) && c->state == FLOOD) {
        for (unsigned i = 0; i < FLOOD_EVENTS && c->events > 0; i++, c->events--) {
            put_event(c->out + c->out_n, 0, c->events == 1);
            c->out_n += EVENT_CHUNK;
        }
        if (c->events == 0)
            end_stream(c);
    }
}

static void send_body(struct conn *c)
{
    struct iovec iov[2];

    while (c->out_at < c->out_n || c->left > 0) {
        struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
        size_t head = c->out_n - c->out_at;
        ssize_t put;

        iov[0] = (struct iovec){ c->out + c->out_at, head };
        iov[1] = (struct iovec){ filler, c->left < FILLER ? (size_t)c->left : FILLER };
        put = sendmsg(c->fd, &m, MSG_NOSIGNAL);
        if (put <= 0)
            return;
        c->out_at += (size_t)put < head ? (size_t)put : head;
        c->left -= (size_t)put < head ? 0 : (size_t)put - head;
    }
    c->state = READ_HEAD;
}

static void go_on(struct conn *c)
{
    if (c->state == SEND_BODY)
        send_body(c);
    else if (c->state == FLOOD)
        flood(c);
    else
        flush(c);
}

/* Looks for the end of a chunked body by its last five bytes: the benchmark's bodies hold no such
 * bytes elsewhere. */
static bool chunks_end(struct conn *c, const char *p, size_t n)
{
    static const char end[] = "0\r\n\r\n";

    for (size_t i = 0; i < n; i++) {
        c->tail = p[i] == end[c->tail] ? c->tail + 1 : p[i] == end[0];
        if (c->tail == 5)
            return true;
    }
    return false;
}

static void take_body(struct conn *c, const char *p, size_t n)
{
    if (c->state == READ_BODY)
        c->left -= n < c->left ? n : c->left;
    if ((c->state == READ_BODY && c->left == 0) ||
        (c->state == READ_CHUNKS && chunks_end(c, p, n))) {
        answer(c);
        go_on(c);
    }
}

/* Takes the head in c->in if it is complete. */
static void take_head(struct conn *c)
{
    char *end;
    size_t rest;

    c->in[c->n] = 0;
    end = strstr(c->in, "\r\n\r\n");
    if (!end)
        return;
    rest = c->n - (size_t)(end + 4 - c->in);
    end[2] = 0;
    plan(c);
    c->n = 0;
    c->tail = 0;
    c->left = 0;
    for (char *line = c->in; (line = strstr(line, "\r\n")); line += 2) {
        if (strncasecmp(line + 2, "content-length:", 15) == 0)
            c->left = strtoull(line + 17, NULL, 10);
        if (strncasecmp(line + 2, "transfer-encoding:", 18) == 0)
            c->left = UINT64_MAX;
    }
    c->state = c->left == UINT64_MAX ? READ_CHUNKS : READ_BODY;
    take_body(c, end + 4, rest);
}

static void on_readable(struct conn *c)
{
    for (;;) {
        bool head = c->state == READ_HEAD;
        ssize_t n = recv(c->fd, head ? c->in + c->n : scratch,
                         head ? sizeof c->in - c->n - 1 : sizeof scratch, 0);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            drop(c);
            return;
        }
        if (head) {
            c->n += (size_t)n;
            take_head(c);
        } else if (c->state == READ_BODY || c->state == READ_CHUNKS) {
            take_body(c, scratch, (size_t)n);
        }
        if ((size_t)n < (head ? sizeof c->in - c->n - 1 : sizeof scratch) && !head)
            return;
    }
}

/* Writes the next event of a stream, with one call. */
static void write_event(struct conn *c)
{
    put_event(c->out + c->out_n, now_ns(), c->events == 1);
    c->out_n += EVENT_CHUNK;
    if (--c->events == 0) {
        end_stream(c);
    } else {
        c->due += c->pause;
        wait_for_due(c);
    }
    flush(c);
}

/* The events whose time has come. */
static void pace(void)
{
    uint64_t now_ms = now_ns() / 1000000;

    while (pace_ms <= now_ms) {
        struct conn **slot = &slots[pace_ms++ % SLOTS], *c = *slot, *next;

        *slot = NULL;
        for (; c; c = next) {
            next = c->next;
            write_event(c);
        }
    }
}

static void accept_all(int listener)
{
    int fd, one = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = calloc(1, sizeof *c);
        struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.ptr = c };

        if (!c)
            abort();
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e);
    }
}

static int listen_on(const char *port)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)atoi(port)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&in, sizeof in) || listen(fd, 4096)) {
        perror("bench-upstream");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    int listener = listen_on(argc > 1 ? argv[1] : "9000"),
        clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec tick = { .it_interval = { 0, 1000000 }, .it_value = { 0, 1000000 } };
    struct epoll_event listening = { .events = EPOLLIN, .data.ptr = &listener },
                       ticking = { .events = EPOLLIN, .data.ptr = &clock }, events[256];

    pace_ms = now_ns() / 1000000;
    filler = malloc(FILLER);
    memset(filler, 'y', FILLER);
    loop = epoll_create1(0);
    timerfd_settime(clock, 0, &tick, NULL);
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &listening);
    epoll_ctl(loop, EPOLL_CTL_ADD, clock, &ticking);
    for (;;) {
        int n = epoll_wait(loop, events, 256, -1);

        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            uint64_t ticks;

            if (events[i].data.ptr == &listener) {
                accept_all(listener);
            } else if (events[i].data.ptr == &clock) {
                if (read(clock, &ticks, sizeof ticks) > 0)
                    pace();
            } else {
                if (events[i].events & EPOLLOUT)
                    go_on(c);
                if (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                    on_readable(c);
            }
        }
    }
}
