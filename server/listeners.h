/* The addresses where a worker's clients come in, and how they change while it runs. Sockets are
 * opened by server/sockets.h; what happens to a connection begins in proxy/client.h. */
#ifndef SERVER_LISTENERS_H
#define SERVER_LISTENERS_H

#include "net/listen.h"
#include "server/sockets.h"

struct listener;
struct worker;

/* The listeners of one worker. */
struct listeners {
    struct worker *worker;
    bool inherits;          /* a listener has a socket that was inherited */
    struct listener *first; /* one a listening socket */
};

/* Opens a listener for every socket of s, which loses them; c tells how to listen. Returns 0 or a
 * negative errno: the listeners that were opened are closed again. */
int listeners_open(struct listeners *ls, const struct conf *c, struct sockets *s);

/* Opens into s the sockets of c that have no listener. Returns as sockets_open does. */
int listeners_missing(const struct listeners *ls, const struct conf *c, struct sockets *s,
                      FILE *errors);

/* Says in the worker's log where it listens. */
void listeners_tell(const struct listeners *ls);

/* Closes the listeners whose address is not in c, and gives the others what c says of them. */
void listeners_settle(struct listeners *ls, const struct conf *c);

/* Closes the listeners that listeners_open opened since the last listeners_settle. */
void listeners_undo(struct listeners *ls);

/* Closes the listeners that bring requests: those for who looks after the program stay. */
void listeners_drain(struct listeners *ls);

/* Closes all listeners. */
void listeners_close(struct listeners *ls);

#endif
