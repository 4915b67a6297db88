/* Listening sockets from the configuration's addresses to descriptors: opened here, or taken over from who started the program (systemd's socket
 * activation), and held until a worker accepts from them.
 * Knows nothing of accepting: that is proxy/door.h. */
#ifndef PROXY_SOCKETS_H
#define PROXY_SOCKETS_H

#include "cfg/conf.h"

#include <stdio.h>

struct open_socket {
    char *name;                         /* the text of the address, as in struct conf_listen */
    int fd;
    bool inherited;                     /* by LISTEN_FDS: it stays whatever the configuration says */
    bool file;                          /* a local socket whose file is to be removed by who closes it */
};

/* A list of sockets that belong to it until they are taken. */
struct sockets {
    struct open_socket *list;
    unsigned n;
};

/* Opens the socket of one address. share: other processes will open the same (SO_REUSEPORT). Returns the descriptor, or a negative errno after naming the
 * address and the cause in errors. */
int socket_open(const struct conf_listen *l, bool share, FILE *errors);

/* Checks that several processes could open a socket of that address, beside those that they may have. Returns 0 or a negative errno, as socket_open. */
int socket_try(const struct conf_listen *l, FILE *errors);

/* Checks that the sockets of c could be opened, but for addresses that are in use: opens none of them. Returns 0 or a negative errno after saying in errors what could not. */
int sockets_try(const struct conf *c, FILE *errors);

/* Adds a copy of o, whose fd belongs to s from now on. On failure (-ENOMEM) fd is closed. */
int sockets_add(struct sockets *s, const struct open_socket *o);

/* Opens the sockets of c that s does not have, of the kinds wanted (SOCKETS_*). besides: what all processes have together, while each opens its own of the rest; NULL:
 * there is one process. Returns 0 or a negative errno, errors having said which failed. */
enum { SOCKETS_TCP = 1, SOCKETS_LOCAL = 2 };
int sockets_open(struct sockets *s, const struct sockets *besides, const struct conf *c, unsigned kinds, FILE *errors);

/* Adds the sockets that LISTEN_FDS hands to this process, and forgets the variables, so that no child believes them to be its own. Returns 0; a negative errno
 * after saying in errors which descriptor is no listening stream socket. */
int sockets_inherit(struct sockets *s, FILE *errors);

/* Writes the name of the first inherited socket that not only this machine reaches to name, or "" if there is none. */
#define SOCKET_NAME_MAX 320
void sockets_exposed(const struct sockets *s, char name[SOCKET_NAME_MAX]);

/* An inherited socket is an open door like any other: returns -EINVAL, errors having said so, if whoever reaches the one that sockets_exposed named could use the
 * key of c. */
int sockets_check_key(const struct conf *c, const char *exposed, FILE *errors);

/* True if c says where to listen, and not just the built-in default, which gives way to inherited sockets. */
bool sockets_named(const struct conf *c);

/* What c says of the address of that name, or NULL if it does not listen there. */
const struct conf_listen *sockets_find_listen(const struct conf *c, const char *name);

/* True if there are inherited ones. */
bool sockets_inherited(const struct sockets *s);

/* True if there is one of that name. */
bool sockets_have(const struct sockets *s, const char *name);

/* Takes the socket of that name, or any where name is NULL, out of s into *out, which belongs to the caller then (name is to be freed). False if there is none. */
bool sockets_take(struct sockets *s, const char *name, struct open_socket *out);

/* Closes o, removes its file where that is to be, and frees its name. */
void socket_close(struct open_socket *o);

/* Closes all sockets. */
void sockets_close(struct sockets *s);

#endif
