/* One request to the running instance, over what its configuration has at an address: TCP or a unix
 * socket, a PROXY header, TLS. It waits instead of being called back. */
#ifndef SERVER_QUESTION_H
#define SERVER_QUESTION_H

#include "cfg/conf.h"
#include "net/tcp.h"
#include "net/tls.h"

/* A socket, and what is on top of it. */
struct question {
    const struct conf_listen *on;
    int seconds;             /* to wait for each step */
    struct reactor *reactor; /* NULL: it has ended */
    struct tls_context *tls;
    struct tcp tcp;
    struct stream *top;
};

/* The first address of c that expects neither a PROXY header nor TLS, or else the first. admin: of
 * those alone that look after the program, NULL if there is none. */
const struct conf_listen *question_choose(const struct conf *c, bool admin);

/* Connects to on, which has to outlive q, and sends request; an address that means every interface
 * is asked on loopback. Returns 0, to be ended by question_end, or a negative errno. */
int question_ask(struct question *q, const struct conf_listen *on, int seconds,
                 struct span request);

/* Reads what there is of the answer, up to n bytes, without waiting. Returns their number, 0 at the
 * end, or a negative errno; -EAGAIN: nothing is there yet. */
ssize_t question_read(struct question *q, char *to, size_t n);

/* Reads until n bytes are there or no more come, waiting for each. Returns their number, or a
 * negative errno. */
ssize_t question_read_all(struct question *q, char *to, size_t n);

/* The descriptor to wait with. */
int question_fd(const struct question *q);

/* Closes the connection. One that has ended is fine. */
void question_end(struct question *q);

#endif
