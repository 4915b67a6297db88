/* The event loop: readiness, a run queue, time-outs by kind, and objects whose memory outlives the
 * callbacks that may still hold them. It reads and writes nothing itself. Sockets on top of it are
 * net/tcp.h and net/listen.h. */
#ifndef NET_REACTOR_H
#define NET_REACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The struct of the given type that embeds ptr as its member. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

enum {
    READY_READ = 1,
    READY_WRITE = 2,
    READY_HUP = 4, /* the peer has ended its direction, or the connection is dead; never cleared */
};

struct reactor;

/* One descriptor, embedded in the struct of its owner.
 * 1. ready holds what the kernel reported and no EAGAIN or short transfer has contradicted since.
 * 2. The watch is in the run queue exactly while queued is set, and enters it whenever ready & want
 *    is not empty. A change of want costs no system call.
 * 3. The loop alone calls fn, no function of the reactor does. fn may remove, close and retire
 *    anything. */
struct watch {
    struct watch *next, *prev;
    void (*fn)(struct watch *w);
    int fd; /* -1: not registered */
    uint8_t ready, want;
    bool queued;
    bool level; /* reported for as long as it is readable, and not at each change */
};

/* One duration for all timers of the kind, so that they expire in the order of arming. */
struct timer;
struct timer_kind {
    struct timer *first, *last;
    struct timer_kind *next; /* the reactor's list of kinds in use */
    uint64_t ms;             /* 0: never expires */
    bool listed;
};

struct timer {
    struct timer *next, *prev;
    struct timer_kind *kind; /* NULL: not armed */
    uint64_t due;
    void (*fn)(struct timer *t);
};

/* An object that is to be freed, embedded in it. */
struct retired {
    struct retired *next;
    void (*free)(struct retired *r);
};

/* Makes a reactor. Returns 0 with *out, to be freed with reactor_free, or a negative errno. */
int reactor_make(struct reactor **out);

/* Frees r and everything retired, and forgets its watches and timers. NULL is fine. */
void reactor_free(struct reactor *r);

/* Milliseconds of a monotonic clock, read once in each turn. Timers run by less: they hardly count
 * the time in which the process stood still. */
uint64_t reactor_now(const struct reactor *r);

/* Where reactor_now is read from. */
const uint64_t *reactor_clock(const struct reactor *r);

/* The milliseconds that this turn has taken so far. */
uint64_t reactor_spent(const struct reactor *r);

/* Registers fd with w, whose fn and level are set. At first w wants nothing and nothing is ready.
 * Returns 0 or a negative errno. */
int reactor_add(struct reactor *r, struct watch *w, int fd);

/* Moves the descriptor and the readiness of one watch to another; from is not registered
 * afterwards. Returns 0 or a negative errno, which leaves from as it was. */
int reactor_move(struct reactor *r, struct watch *from, struct watch *to);

/* Ends the registration of w: fn is not called again. Returns the descriptor, which the caller
 * closes, or -1 if there was none. */
int reactor_remove(struct reactor *r, struct watch *w);

/* Sets the events that w is called for: any of READY_*. */
void reactor_want(struct reactor *r, struct watch *w, unsigned mask);

/* Stops the kernel from reporting w, which keeps its descriptor. */
void reactor_pause(struct reactor *r, struct watch *w);

/* Lets the kernel report a paused w again. Returns 0 or a negative errno: w is still paused. */
int reactor_resume(struct reactor *r, struct watch *w);

/* Starts t, or starts it again, with the time-out of kind; t->fn is set. A kind of 0 ms only
 * disarms. */
void timer_arm(struct reactor *r, struct timer *t, struct timer_kind *kind);

/* Stops t; an unarmed one is fine. */
void timer_disarm(struct timer *t);

/* Arms t for kind, again only if progress is true or t runs for another kind now; NULL stops it. */
void timer_follow(struct reactor *r, struct timer *t, struct timer_kind *kind, bool progress);

/* Takes a kind without armed timers out of the list of the reactor, so that its memory can be
 * freed. */
void timer_kind_forget(struct reactor *r, struct timer_kind *k);

/* Calls free for the object that embeds x at the end of this turn, when no caller can hold it. */
void reactor_retire(struct reactor *r, struct retired *x, void (*free)(struct retired *));

/* Sets a function that is called at the end of every turn, and once before the first one; NULL:
 * none. */
void reactor_at_end(struct reactor *r, void (*fn)(void *arg), void *arg);

/* Waits for events and handles them until reactor_stop is called. Returns 0 or the negative errno
 * of the poller. */
int reactor_run(struct reactor *r);

/* Makes reactor_run return after the current turn. */
void reactor_stop(struct reactor *r);

#endif
