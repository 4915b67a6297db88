/* The event loop: readiness, a run queue, time-outs by kind, and objects that are freed only when nobody can hold them any more.
 * Knows no protocol and does no input or output itself. Interest is a mask in user space: changing it costs no system call.
 * The kernel's side is net/poller.h; sockets on top of it are net/tcp.h and net/listen.h. */
#ifndef NET_REACTOR_H
#define NET_REACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The struct of the given type that embeds ptr as its member. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

enum {
    READY_READ = 1,
    READY_WRITE = 2,
    READY_HUP = 4,                      /* the peer has ended its direction, or the connection is dead; it stays set */
};

struct reactor;

/* One descriptor, embedded in its owner's struct.
 * 1. ready is what the kernel said and no call has yet taken back by EAGAIN or a short transfer.
 * 2. The watch stands in the run queue exactly when queued is set; it is put there whenever ready & want is not empty.
 * 3. fn is called from the loop only, never from within a call to the reactor. It may remove, close and retire anything. */
struct watch {
    struct watch *next, *prev;
    void (*fn)(struct watch *w);
    int fd;                             /* -1: not registered */
    uint8_t ready, want;
    bool queued;
    bool level;
};

/* A time-out that is the same for all timers of the kind, so that they expire in the order in which they were armed. */
struct timer;
struct timer_kind {
    struct timer *first, *last;
    struct timer_kind *next;            /* the reactor's list of kinds in use */
    uint64_t ms;                        /* 0: never expires */
    bool listed;
};

struct timer {
    struct timer *next, *prev;
    struct timer_kind *kind;            /* NULL: not armed */
    uint64_t due;
    void (*fn)(struct timer *t);
};

/* An object on its way out. */
struct retired {
    struct retired *next;
    void (*free)(struct retired *r);
};

/* Makes a reactor. Returns 0 with *out, to be freed with reactor_free, or a negative errno. */
int reactor_make(struct reactor **out);

/* Frees r and everything retired; watches and timers that are still there are forgotten. NULL is fine. */
void reactor_free(struct reactor *r);

/* Milliseconds of a clock that never goes back, read once a turn. */
uint64_t reactor_now(const struct reactor *r);

/* Registers fd with w, whose fn is set. Nothing is wanted at first and nothing known to be ready. level: see poller_add. Returns 0 or a negative errno. */
int reactor_add(struct reactor *r, struct watch *w, int fd, bool level);

/* Hands the descriptor of one watch over to another; from is no longer registered then. Returns 0 or a negative errno (from is as before). */
int reactor_move(struct reactor *r, struct watch *from, struct watch *to);

/* Forgets w: fn is not called again. The caller closes the descriptor, which is returned (-1 if there was none). */
int reactor_remove(struct reactor *r, struct watch *w);

/* Sets what w is called for: any of READY_*. */
void reactor_want(struct reactor *r, struct watch *w, unsigned mask);

/* Stops the kernel from reporting a level-triggered watch, or lets it report again. Returns 0, or a negative errno: then it does not report yet. */
int reactor_pause(struct reactor *r, struct watch *w, bool pause);

/* (Re)starts t with the time-out of kind; t->fn is set. A kind of 0 ms only disarms. */
void timer_arm(struct reactor *r, struct timer *t, struct timer_kind *kind);

/* Stops t; an unarmed one is fine. */
void timer_disarm(struct timer *t);

/* Takes a kind without armed timers out of the reactor's list, so that its memory may go. */
void timer_kind_forget(struct reactor *r, struct timer_kind *k);

/* Has free called for the object around x once nothing on the stack can hold it. */
void reactor_retire(struct reactor *r, struct retired *x, void (*free)(struct retired *));

/* Sets a function that is called at the end of every turn, and once before the first (flushing logs); NULL: none. */
void reactor_at_end(struct reactor *r, void (*fn)(void *arg), void *arg);

/* Waits for events and handles them until reactor_stop is called. Returns 0, or the negative errno that the poller failed with. */
int reactor_run(struct reactor *r);

/* Lets reactor_run return after the current turn. */
void reactor_stop(struct reactor *r);

#endif
