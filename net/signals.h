/* Signals as events of the loop: a handler writes a byte into a pipe that the loop reads. A process
 * has one set of handlers, so at most one of these is open. */
#ifndef NET_SIGNALS_H
#define NET_SIGNALS_H

#include "net/reactor.h"

struct signals {
    struct watch watch;
    struct reactor *reactor;
    void (*fn)(struct signals *s, int number);
};

/* Makes the loop call s->fn, which is set, for each signal in numbers, a list that ends with 0.
 * Several signals of one number may cause one call. Returns 0 or a negative errno. */
int signals_open(struct signals *s, struct reactor *r, const int *numbers);

/* Ends the calls; the signals stay caught and have no effect. A forked process may call it without
 * disturbing its parent. */
void signals_close(struct signals *s);

/* Blocks all signals, or unblocks them: before a loop handles them, and around a fork, so that none
 * reaches the wrong process. */
void signals_hold(bool hold);

#endif
