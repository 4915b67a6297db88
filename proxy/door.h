/* The addresses where a worker's clients come in, and how they change while it runs.
 * Knows nothing of what happens to a connection: that begins in proxy/client.h. Sockets are opened by proxy/sockets.h. */
#ifndef PROXY_DOOR_H
#define PROXY_DOOR_H

#include "net/listen.h"
#include "proxy/sockets.h"

struct worker;

/* 1. fresh: opened by doors_open, and neither kept by doors_settle nor closed by doors_undo yet.
 * 2. A door that was inherited stays, whatever the configuration says. */
struct door {
    struct listener listener;
    struct worker *worker;
    struct door *next;
    bool proxy_protocol;                /* connections begin with a PROXY header */
    bool inherited, fresh;
    bool file;                          /* of a local socket, to be removed with the door */
    char name[];                        /* as in struct conf_listen */
};

/* Opens a door for every socket in handed, which may be NULL, and for every address of c that has none then.
 * Returns 0 or a negative errno after saying in errors what failed; doors that were opened are closed again then, and handed has lost what it gave. */
int doors_open(struct worker *w, const struct conf *c, struct sockets *handed, FILE *errors);

/* Closes the doors whose address is not in c, and gives the others what c says of them. */
void doors_settle(struct worker *w, const struct conf *c);

/* Closes the doors that doors_open opened since the last doors_settle. */
void doors_undo(struct worker *w);

/* Closes all doors. */
void doors_close(struct worker *w);

#endif
