/* One thread for one reading, and a pipe to tell of its end. */
#include "server/loader.h"
#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define STACK_SIZE (256 * 1024)
#define LAST_WAIT_MS 1000

static void *loader_main(void *arg)
{
    struct loader *l = arg;

    reload_read(&l->reading);
    fd_wake(l->pipe[1], 0);
    return NULL;
}

static void loader_join(struct loader *l)
{
    if (l->threaded)
        pthread_join(l->thread, NULL);
    l->busy = l->threaded = false;
}

static void loader_on_ready(struct watch *w)
{
    struct loader *l = container_of(w, struct loader, watch);
    struct reading r;
    char byte;

    w->ready &= (uint8_t)~READY_READ;
    if (fd_woken(w->fd, &byte, 1) != 1)
        return;
    loader_join(l);
    r = l->reading;
    l->done(l, &r);
    files_free(r.files);
    settings_release(r.old, l->reactor);
}

int loader_make(struct loader **out, struct reactor *r,
                void (*done)(struct loader *l, struct reading *r), void *arg)
{
    struct loader *l = calloc(1, sizeof *l);
    int err = l ? fd_pipe(l->pipe) : -ENOMEM;

    *out = NULL;
    if (err) {
        free(l);
        return err;
    }
    l->reactor = r;
    l->done = done;
    l->arg = arg;
    l->watch = (struct watch){ .fd = -1, .fn = loader_on_ready };
    err = reactor_add(r, &l->watch, l->pipe[0]);
    if (err) {
        close(l->pipe[0]);
        close(l->pipe[1]);
        free(l);
        return err;
    }
    reactor_want(r, &l->watch, READY_READ);
    *out = l;
    return 0;
}

/* Without a thread the loop waits: late is better than never. Signals are the loop's. */
void loader_start(struct loader *l, struct settings *old, const struct reload_source *from,
                  struct files *files)
{
    sigset_t all, before;
    pthread_attr_t attr;

    l->reading = (struct reading){ .old = settings_hold(old), .from = from, .files = files };
    l->busy = true;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    l->threaded = pthread_create(&l->thread, &attr, loader_main, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (!l->threaded)
        loader_main(l);
}

void loader_free(struct loader *l)
{
    struct pollfd end = { .events = POLLIN };

    if (!l)
        return;
    reactor_remove(l->reactor, &l->watch);
    end.fd = l->pipe[0];
    if (l->busy && poll(&end, 1, LAST_WAIT_MS) != 1) {
        pthread_detach(l->thread);
        return;
    }
    if (l->busy) {
        loader_join(l);
        report_drop(&l->reading.report);
        files_free(l->reading.files);
        settings_release(l->reading.fresh, NULL);
        settings_release(l->reading.old, l->reactor);
    }
    close(l->pipe[0]);
    close(l->pipe[1]);
    free(l);
}
