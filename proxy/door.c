/* Opening and closing doors by difference.
 * Knows nothing of what happens to a connection.
 * The interface is proxy/door.h. */
#include "proxy/door.h"
#include "proxy/client.h"
#include "proxy/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void accepted(struct listener *l, int fd, const struct addr *peer)
{
    struct door *d = container_of(l, struct door, listener);

    client_accept(d->worker, fd, peer, d->proxy_protocol);
}

static void resting(struct listener *l, int err)
{
    struct door *d = container_of(l, struct door, listener);

    log_say(d->worker->log, LOG_ERROR_LEVEL, "accepting connections on %s pauses: %s", d->name, strerror(-err));
}

static bool has_door(const struct worker *w, const char *name)
{
    const struct door *d = w->doors;

    while (d && strcmp(d->name, name) != 0)
        d = d->next;
    return d != NULL;
}

/* Takes over the socket. Returns 0 or a negative errno; the socket is closed then. */
static int open_door(struct worker *w, const struct open_socket *o, const struct conf *c)
{
    size_t n = strlen(o->name) + 1;
    const struct conf_listen *l = sockets_find_listen(c, o->name);
    struct door *d = calloc(1, sizeof *d + n);
    int err;

    if (!d) {
        close(o->fd);
        return -ENOMEM;
    }
    memcpy(d->name, o->name, n);
    d->worker = w;
    d->inherited = o->inherited;
    d->file = o->file;
    d->fresh = true;
    d->proxy_protocol = l && l->proxy_protocol;
    d->listener.accepted = accepted;
    d->listener.resting = resting;
    err = listener_start(&d->listener, w->reactor, o->fd);
    if (err) {
        free(d);
        return err;
    }
    d->next = w->doors;
    w->doors = d;
    w->inherits |= o->inherited;
    return 0;
}

static int open_handed(struct worker *w, const struct conf *c, struct sockets *handed)
{
    struct open_socket o;
    int err = sockets_take(handed, NULL, &o) ? open_door(w, &o, c) : -ENOENT;

    if (err != -ENOENT)
        free(o.name);
    return err;
}

/* A local socket is opened by one worker only: it cannot be shared like the others. */
static int open_new(struct worker *w, const struct conf *c, const struct conf_listen *l, FILE *errors)
{
    struct open_socket o = { .name = l->text, .file = l->is_unix };

    if (l->is_unix && !w->opens_local)
        return 0;
    o.fd = socket_open(l, w->of_many, errors);
    return o.fd < 0 ? o.fd : open_door(w, &o, c);
}

int doors_open(struct worker *w, const struct conf *c, struct sockets *handed, FILE *errors)
{
    int err = 0;

    while (!err && handed && handed->n > 0)
        err = open_handed(w, c, handed);
    for (unsigned i = 0; i < c->server.n_listen && !err && (!w->inherits || sockets_named(c)); i++)
        if (!has_door(w, c->server.listen[i].text))
            err = open_new(w, c, &c->server.listen[i], errors);
    if (err)
        doors_undo(w);
    return err;
}

/* Closes the doors for which gone is true. */
static void close_doors(struct worker *w, bool (*gone)(const struct door *d, const struct conf *c), const struct conf *c)
{
    for (struct door **at = &w->doors; *at;) {
        struct door *d = *at;

        if (!gone(d, c)) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        listener_stop(&d->listener);
        if (d->file)
            unlink(d->name + strlen("unix:"));
        free(d);
    }
}

static bool is_not_in(const struct door *d, const struct conf *c)
{
    return !d->inherited && !sockets_find_listen(c, d->name);
}

static bool is_fresh(const struct door *d, const struct conf *c)
{
    (void)c;
    return d->fresh;
}

static bool is_any(const struct door *d, const struct conf *c)
{
    (void)d;
    (void)c;
    return true;
}

void doors_settle(struct worker *w, const struct conf *c)
{
    close_doors(w, is_not_in, c);
    for (struct door *d = w->doors; d; d = d->next) {
        const struct conf_listen *l = sockets_find_listen(c, d->name);

        d->fresh = false;
        if (l)
            d->proxy_protocol = l->proxy_protocol;
    }
}

void doors_undo(struct worker *w)
{
    close_doors(w, is_fresh, NULL);
}

void doors_close(struct worker *w)
{
    close_doors(w, is_any, NULL);
}
