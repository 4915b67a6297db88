/* The kernel's readiness interface, as few functions as epoll and kqueue have in common.
 * Knows nothing of interest, run queues or time: a descriptor is registered once, and every change of its state is reported.
 * The Makefile picks poller_epoll.c or poller_kqueue.c; the only caller is reactor.c. */
#ifndef NET_POLLER_H
#define NET_POLLER_H

#include <stdbool.h>
#include <stdint.h>

struct poller;
struct watch;

struct poller_event {
    struct watch *watch;
    uint8_t ready;                      /* READY_* of net/reactor.h */
};

/* The name of the backend, for -V. */
extern const char *const poller_name;

/* Opens a poller. Returns 0 with *out, to be freed with poller_close, or a negative errno. */
int poller_open(struct poller **out);

/* Closes p; NULL is fine. The descriptors registered with it stay open. */
void poller_close(struct poller *p);

/* Registers fd for every direction, events to name w. level: report for as long as fd is readable, and reading only (for listeners);
 * else edge-triggered. again: fd is registered already, and from now on belongs to w; its current state is reported anew. Returns 0 or a negative errno. */
int poller_add(struct poller *p, int fd, struct watch *w, bool level, bool again);

/* Takes fd out, as closing it does. */
void poller_del(struct poller *p, int fd);

/* Waits up to timeout_ms (-1: for ever, 0: not at all). Returns how many events were stored, 0 when the time is up or a signal came, or a
 * negative errno. */
int poller_wait(struct poller *p, struct poller_event *events, int max, int timeout_ms);

#endif
