/* splice(2), and a list of pipes for it. */
#include "net/splice.h"
#include "base/fd.h"

#include <errno.h>

#ifdef __linux__

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PIPES_MAX 128    /* of a worker; each takes two descriptors */
#define PIPES_PAUSE 1000 /* requests refused after the system has refused one */

/* A user with many pipes gets small ones (pipe(7), pipe-user-pages-soft), which cost more than they
 * save. */
static int open_pipe(int fds[2])
{
    if (fd_pipe(fds))
        return -1;
    if (fcntl(fds[1], F_SETPIPE_SZ, SPLICE_MAX) >= 0 || fcntl(fds[1], F_GETPIPE_SZ) >= SPLICE_LEAST)
        return 0;
    close(fds[0]);
    close(fds[1]);
    return -1;
}

struct pipe_pair *pipes_get(struct pipes *p)
{
    struct pipe_pair *pair = p->empty;

    if (pair) {
        p->empty = pair->next;
        return pair;
    }
    if (p->pause > 0) {
        p->pause--;
        return NULL;
    }
    pair = p->n < PIPES_MAX ? calloc(1, sizeof *pair) : NULL;
    if (pair && open_pipe(pair->fds)) {
        p->pause = PIPES_PAUSE;
        free(pair);
        pair = NULL;
    }
    p->n += pair != NULL;
    return pair;
}

static void pair_free(struct pipes *p, struct pipe_pair *pair)
{
    close(pair->fds[0]);
    close(pair->fds[1]);
    free(pair);
    p->n--;
}

void pipes_put(struct pipes *p, struct pipe_pair *pair)
{
    if (pair->bytes > 0) {
        pair_free(p, pair);
        return;
    }
    pair->next = p->empty;
    p->empty = pair;
}

void pipes_free(struct pipes *p)
{
    while (p->empty) {
        struct pipe_pair *pair = p->empty;

        p->empty = pair->next;
        pair_free(p, pair);
    }
}

ssize_t splice_in(struct pipe_pair *pair, int fd, size_t max)
{
    ssize_t n;

    do
        n = splice(fd, NULL, pair->fds[1], NULL, max < SPLICE_MAX ? max : SPLICE_MAX,
                   SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    pair->bytes += (size_t)n;
    return n;
}

ssize_t splice_out(struct pipe_pair *pair, int fd)
{
    ssize_t n;

    do
        n = splice(pair->fds[0], NULL, fd, NULL, pair->bytes, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    pair->bytes -= (size_t)n;
    return n;
}

#else

struct pipe_pair *pipes_get(struct pipes *p)
{
    (void)p;
    return NULL;
}

void pipes_put(struct pipes *p, struct pipe_pair *pair)
{
    (void)p;
    (void)pair;
}

void pipes_free(struct pipes *p)
{
    (void)p;
}

ssize_t splice_in(struct pipe_pair *pair, int fd, size_t max)
{
    (void)pair;
    (void)fd;
    (void)max;
    return -ENOSYS;
}

ssize_t splice_out(struct pipe_pair *pair, int fd)
{
    (void)pair;
    (void)fd;
    return -ENOSYS;
}

#endif
