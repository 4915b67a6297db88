/* The terminal: what it is like, how it is taken and given back, keys and signals. */
#ifndef SERVER_TOP_SCREEN_H
#define SERVER_TOP_SCREEN_H

#include "server/top_pen.h"

enum screen_event {
    SCREEN_NOTHING, /* the time is over, or fd is ready */
    SCREEN_DRAW,    /* its size has changed, or it was taken again */
    SCREEN_QUIT,
};

/* What standard output is like: a terminal, or a file if it is none or plain is true. */
void screen_look(struct look *look, bool plain);

/* The size that the terminal has now. */
void screen_measure(struct look *look);

/* Takes the terminal: a screen of its own, no echo, no cursor. Without one nothing is done.
 * Returns 0 or a negative errno. */
int screen_take(const struct look *look);

/* Gives the terminal back as it was. */
void screen_give_back(void);

/* Writes text to standard output. Returns 0 or a negative errno. */
int screen_write(struct span text);

/* Waits up to ms milliseconds for fd (-1: for none), a key or a signal. */
enum screen_event screen_wait(int fd, int ms);

#endif
