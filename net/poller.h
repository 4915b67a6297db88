/* The readiness interface of the kernel, reduced to what epoll and kqueue have in common: a
 * descriptor is registered once, and every change of its state is reported. The Makefile picks
 * poller_epoll.c or poller_kqueue.c; the only caller is net/reactor.c. */
#ifndef NET_POLLER_H
#define NET_POLLER_H

#include <stdbool.h>
#include <stdint.h>

struct poller;
struct watch;

struct poller_event {
    struct watch *watch;
    uint8_t ready; /* READY_* of net/reactor.h */
};

/* The name of the backend, which -V prints. */
extern const char *const poller_name;

/* Opens a poller. Returns 0 with *out, to be freed with poller_close, or a negative errno. */
int poller_open(struct poller **out);

/* Closes p; NULL is fine. Registered descriptors stay open. */
void poller_close(struct poller *p);

/* Registers fd for w, which its events name. A watch with w->level set is told for as long as fd is
 * readable (listeners); any other is told of each change in both directions. Returns 0 or a
 * negative errno. */
int poller_add(struct poller *p, int fd, struct watch *w);

/* Gives the registered fd to another watch w of the same w->level, and reports its current state
 * again. Returns 0 or a negative errno. */
int poller_move(struct poller *p, int fd, struct watch *w);

/* Ends the registration of fd, as closing fd does. */
void poller_del(struct poller *p, int fd);

/* Waits up to timeout_ms (-1: for ever, 0: not at all) and stores up to max events. Returns how
 * many, 0 after the time or a signal, or a negative errno. */
int poller_wait(struct poller *p, struct poller_event *events, int max, int timeout_ms);

#endif
