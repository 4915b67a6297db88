/* Listening sockets: opened by the addresses of the configuration, or inherited by socket
 * activation, and held until a worker takes them. Accepting is server/listeners.h. */
#ifndef SERVER_SOCKETS_H
#define SERVER_SOCKETS_H

#include "cfg/conf.h"

#include <limits.h>
#include <stdio.h>

enum socket_kind {
    SOCKET_OPENED,    /* closed when its address leaves the configuration */
    SOCKET_LOCAL,     /* opened, too; its file is removed with it */
    SOCKET_INHERITED, /* by LISTEN_FDS: stays whatever the configuration says */
};

#define SOCKET_SHARED UINT_MAX /* all workers accept from it */

struct open_socket {
    char *name; /* the text of the address, as in struct conf_listen */
    int fd;
    enum socket_kind kind;
    unsigned worker; /* the one that accepts from it, or SOCKET_SHARED */
};

/* Sockets that belong to the list until they are taken. */
struct sockets {
    struct open_socket *list;
    unsigned n;
};

/* Opens the socket of one address and adds it to s.
 *   worker  as in struct open_socket; a local socket is shared whatever it says
 *   errors  gets a line that names the address and the cause
 * Sockets of s on the same TCP address share it; any other that listens there is an error. Returns
 * 0 or a negative errno. */
int socket_open(struct sockets *s, const struct conf_listen *l, unsigned worker, FILE *errors);

/* Opens the sockets of c that s does not have, and adds them at its end.
 *   n  how many workers there are to be, each with a socket of its own for a TCP address; 0: this
 *      process is the only one
 * Returns 0, or a negative errno after a line in errors: s is as it was. */
int sockets_open(struct sockets *s, const struct conf *c, unsigned n, FILE *errors);

/* Checks that the sockets of c could be opened, but for ports that the running instance has: TCP
 * ports are bound for a moment, and nothing listens. Returns 0, or a negative errno after a line in
 * errors for each address that could not. */
int sockets_try(const struct conf *c, FILE *errors);

/* Adds a copy of o, whose fd belongs to s from now on. On failure (-ENOMEM) fd is closed. */
int sockets_add(struct sockets *s, const struct open_socket *o);

/* Adds the sockets that LISTEN_FDS hands to this process, and removes the variables, so that no
 * child takes them for its own. Returns 0, or a negative errno after a line in errors that names
 * the descriptor that is no listening stream socket. */
int sockets_inherit(struct sockets *s, FILE *errors);

/* Writes the name of the first inherited socket that other machines can reach to name, or "" if
 * there is none. */
#define SOCKET_NAME_MAX 320
void sockets_exposed(const struct sockets *s, char name[SOCKET_NAME_MAX]);

/* Returns -EINVAL, after a line in errors, if clients of the socket that sockets_exposed named
 * could use the key of c; else 0. */
int sockets_check_key(const struct conf *c, const char *exposed, FILE *errors);

/* True if c says where to listen. Inherited sockets take the place of the built-in default. */
bool sockets_named(const struct conf *c);

/* What c says of the address of that name, or NULL if it does not listen there. */
const struct conf_listen *sockets_find_listen(const struct conf *c, const char *name);

/* True if s has an inherited socket. */
bool sockets_inherited(const struct sockets *s);

/* Takes a socket of that worker, or any where worker is SOCKET_SHARED, out of s into *out, which is
 * the caller's then (name is to be freed). Returns false if there is none. */
bool sockets_take(struct sockets *s, unsigned worker, struct open_socket *out);

/* Closes all sockets but the first n. */
void sockets_cut(struct sockets *s, unsigned n);

/* Closes the sockets whose address is not in c, and those of workers from the n-th on. The others
 * stay in their order. */
void sockets_keep(struct sockets *s, const struct conf *c, unsigned n);

/* Closes o, removes the file of a local socket, and frees its name. */
void socket_close(struct open_socket *o);

/* Closes all sockets but the local ones of c that are for who looks after the program: workers
 * still serve them, and their files go with them. */
void sockets_drain(struct sockets *s, const struct conf *c);

/* Closes all sockets. */
void sockets_close(struct sockets *s);

#endif
