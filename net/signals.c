/* The handler, its pipe, and the watch that reads it. */
#include "net/signals.h"
#include "base/fd.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* A handler gets no argument but the number. */
static volatile sig_atomic_t pipe_end = -1;

static void signals_handler(int number)
{
    int saved = errno;

    fd_wake(pipe_end, (char)number);
    errno = saved;
}

static void signals_on_ready(struct watch *w)
{
    struct signals *s = container_of(w, struct signals, watch);
    char bytes[64];
    ssize_t n = fd_woken(w->fd, bytes, sizeof bytes);

    if (n < (ssize_t)sizeof bytes)
        w->ready &= (uint8_t)~READY_READ;
    for (ssize_t i = 0; i < n && w->fd >= 0; i++)
        s->fn(s, bytes[i]);
}

int signals_open(struct signals *s, struct reactor *r, const int *numbers)
{
    struct sigaction action = { .sa_handler = signals_handler, .sa_flags = SA_RESTART };
    int fds[2], err = fd_pipe(fds);

    s->reactor = r;
    s->watch = (struct watch){ .fd = -1, .fn = signals_on_ready };
    if (err)
        return err;
    err = reactor_add(r, &s->watch, fds[0]);
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
