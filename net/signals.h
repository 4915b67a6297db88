/* Signals as events of the loop: a handler writes a byte into a pipe, and the loop reads it like everything else.
 * Knows nothing of what a signal asks for. A process has one set of handlers, so there is one of these at a time. */
#ifndef NET_SIGNALS_H
#define NET_SIGNALS_H

#include "net/reactor.h"

struct signals {
    struct watch watch;
    struct reactor *reactor;
    void (*fn)(struct signals *s, int number);
};

/* Has s->fn, which is set, called from the loop for each of the signals in numbers, which ends with a 0. Several of a kind that come at once may be
 * told as one. Returns 0 or a negative errno. */
int signals_open(struct signals *s, struct reactor *r, const int *numbers);

/* Ends it. The signals stay caught, and nobody hears of them. Also for a process that has just been forked: nothing of the parent's is disturbed. */
void signals_close(struct signals *s);

/* Holds back all signals, or lets them come: before there is a loop that hears them, and around a fork, so that none is told to the wrong process. */
void signals_hold(bool hold);

#endif
