/* The handler, the pipe behind it, and the watch at its other end.
 * Knows nothing of what a signal asks for.
 * The interface is net/signals.h. */
#include "net/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* Handlers have no argument of their own. */
static volatile sig_atomic_t pipe_end = -1;

static void on_signal(int number)
{
    int saved = errno;
    char byte = (char)number;

    if (write(pipe_end, &byte, 1) < 0) {
        /* full: the loop has enough to do already */
    }
    errno = saved;
}

static void on_ready(struct watch *w)
{
    struct signals *s = container_of(w, struct signals, watch);
    char bytes[64];
    ssize_t n = read(w->fd, bytes, sizeof bytes);

    if (n < (ssize_t)sizeof bytes)
        w->ready &= (uint8_t)~READY_READ;
    for (ssize_t i = 0; i < n && w->fd >= 0; i++)
        s->fn(s, bytes[i]);
}

int signals_open(struct signals *s, struct reactor *r, const int *numbers)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    int fds[2], err;

    s->reactor = r;
    s->watch = (struct watch){ .fd = -1, .fn = on_ready };
    if (pipe(fds))
        return -errno;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    }
    err = reactor_add(r, &s->watch, fds[0], false);
    if (err) {
        close(fds[0]);
        close(fds[1]);
        return err;
    }
    reactor_want(r, &s->watch, READY_READ);
    pipe_end = fds[1];
    for (; *numbers; numbers++)
        sigaction(*numbers, &action, NULL);
    return 0;
}

void signals_close(struct signals *s)
{
    int fd = s->reactor ? reactor_remove(s->reactor, &s->watch) : -1;

    if (fd < 0)
        return;
    close(fd);
    close(pipe_end);
    pipe_end = -1;
}

void signals_hold(bool hold)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &all, NULL);
}
