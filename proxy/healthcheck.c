/* A blocking client for one request.
 * Knows nothing of the running instance but where it listens.
 * The interface is proxy/healthcheck.h. */
#include "proxy/healthcheck.h"
#include "net/addr.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t address_of(const struct conf_listen *l, struct sockaddr_storage *ss)
{
    struct addr a;
    bool any = true;

    if (l->is_unix) {
        struct sockaddr_un *un = (struct sockaddr_un *)ss;

        memset(ss, 0, sizeof *ss);
        un->sun_family = AF_UNIX;
        strncpy(un->sun_path, l->host, sizeof un->sun_path - 1);
        return sizeof *un;
    }
    addr_parse(&a, span_of(l->host));
    a.port = l->port;
    for (size_t i = 0; i < sizeof a.ip; i++)
        any &= a.ip[i] == 0;
    if (any && a.family == 4)
        memcpy(a.ip, (uint8_t[]){ 127, 0, 0, 1 }, 4);
    else if (any)
        a.ip[15] = 1;
    return addr_to_sockaddr(&a, ss);
}

/* A listener that wants a PROXY header gets one that names nobody. */
#define REQUEST "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

static int ask(int fd, const struct sockaddr_storage *ss, socklen_t len, bool preface)
{
    struct span request = preface ? SPAN("PROXY UNKNOWN\r\n" REQUEST) : SPAN(REQUEST);
    struct timeval limit = { .tv_sec = 5 };
    char answer[16];
    size_t have = 0;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (const struct sockaddr *)ss, len) || send(fd, request.p, request.n, 0) != (ssize_t)request.n)
        return -errno;
    while (have < 12) {
        ssize_t n = recv(fd, answer + have, sizeof answer - have, 0);

        if (n <= 0)
            return n == 0 ? -ECONNRESET : -errno;
        have += (size_t)n;
    }
    return memcmp(answer, "HTTP/1.1 200", 12) == 0 ? 0 : -EPROTO;
}

/* The first address that anybody may speak to as he is, or just the first one. */
static const struct conf_listen *choose(const struct conf *c)
{
    for (unsigned i = 0; i < c->server.n_listen; i++)
        if (!c->server.listen[i].proxy_protocol)
            return &c->server.listen[i];
    return &c->server.listen[0];
}

int healthcheck(const struct conf *c)
{
    const struct conf_listen *l = choose(c);
    struct sockaddr_storage ss;
    socklen_t len = address_of(l, &ss);
    int fd = socket(ss.ss_family, SOCK_STREAM, 0);
    int err;

    if (fd < 0)
        return -errno;
    err = ask(fd, &ss, len, l->proxy_protocol);
    close(fd);
    return err;
}
