/* kqueue's interface for machines that have none, so that net/poller_kqueue.c can be compiled and
 * tested on Linux. Holds only what a poller of sockets needs: the read and the write filter. Never
 * part of a program that is installed. What it does, and where it differs from the real one, is
 * told in tests/kqueue/kqueue.c. */
#ifndef TESTS_KQUEUE_SYS_EVENT_H
#define TESTS_KQUEUE_SYS_EVENT_H

#include <stdint.h>
#include <time.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_CLEAR 0x0020
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned int fflags;
    int64_t data;
    void *udata;
};

#define EV_SET(kev, id, fil, fl, ff, dat, ud)                                                      \
    (*(kev) = (struct kevent){ .ident = (uintptr_t)(id),                                           \
                               .filter = (fil),                                                    \
                               .flags = (unsigned short)(fl),                                      \
                               .fflags = (ff),                                                     \
                               .data = (dat),                                                      \
                               .udata = (ud) })

/* Opens a queue. Returns its descriptor, or -1 with errno. */
int kqueue(void);

/* Makes the changes, then waits for events as kevent(2) says. A change that fails is told as an
 * event with EV_ERROR where there is room, else by -1 with errno. Returns how many events were
 * stored, or -1 with errno. */
int kevent(int kq, const struct kevent *changes, int n_changes, struct kevent *events, int max,
           const struct timespec *timeout);

#endif
