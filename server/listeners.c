/* Opening and closing listeners by difference. */
#include "server/listeners.h"
#include "proxy/client.h"
#include "proxy/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* 1. fresh: opened by listeners_open, and neither kept by listeners_settle nor closed by
 *    listeners_undo yet.
 * 2. The file of a local socket is removed with its listener. */
struct listener {
    struct acceptor acceptor;
    struct worker *worker;
    struct listener *next;
    unsigned entry; /* how connections begin: ENTRY_* */
    bool fresh;
    enum socket_kind kind;
    char name[]; /* as in struct conf_listen */
};

static void listener_on_accepted(struct acceptor *a, int fd, const struct addr *peer)
{
    struct listener *l = container_of(a, struct listener, acceptor);

    client_accept(l->worker, fd, peer, l->entry);
}

static void listener_on_paused(struct acceptor *a, int err)
{
    struct listener *l = container_of(a, struct listener, acceptor);

    log_say(l->worker->log, LOG_ERROR_LEVEL, "accepting connections on %s pauses: %s", l->name,
            strerror(-err));
}

static unsigned entry_of(const struct conf_listen *on)
{
    return (on->proxy_protocol ? ENTRY_PROXY_HEADER : 0) | (on->tls ? ENTRY_TLS : 0) |
        (on->admin ? ENTRY_ADMIN : 0);
}

static bool listeners_have(const struct listeners *ls, const char *name)
{
    const struct listener *l = ls->first;

    while (l && strcmp(l->name, name) != 0)
        l = l->next;
    return l != NULL;
}

/* Takes over the socket. Returns 0 or a negative errno; the socket is closed then. */
static int listener_make(struct listeners *ls, const struct open_socket *o, const struct conf *c)
{
    size_t n = strlen(o->name) + 1;
    const struct conf_listen *on = sockets_find_listen(c, o->name);
    struct listener *l = calloc(1, sizeof *l + n);
    int err;

    if (!l) {
        close(o->fd);
        return -ENOMEM;
    }
    memcpy(l->name, o->name, n);
    l->worker = ls->worker;
    l->kind = o->kind;
    l->fresh = true;
    l->entry = on ? entry_of(on) : 0;
    l->acceptor.accepted = listener_on_accepted;
    l->acceptor.paused = listener_on_paused;
    l->acceptor.unacked_max = c->server.body_timeout;
    err = acceptor_start(&l->acceptor, ls->worker->reactor, o->fd);
    if (err) {
        free(l);
        return err;
    }
    l->next = ls->first;
    ls->first = l;
    ls->inherits |= o->kind == SOCKET_INHERITED;
    return 0;
}

int listeners_open(struct listeners *ls, const struct conf *c, struct sockets *s)
{
    struct open_socket o;
    int err = 0;

    while (!err && sockets_take(s, SOCKET_SHARED, &o)) {
        err = listener_make(ls, &o, c);
        if (err && o.kind == SOCKET_LOCAL)
            unlink(o.name + strlen("unix:"));
        free(o.name);
    }
    if (err)
        listeners_undo(ls);
    return err;
}

int listeners_missing(const struct listeners *ls, const struct conf *c, struct sockets *s,
                      FILE *errors)
{
    int err = 0;

    for (unsigned i = 0; i < c->server.n_listen && (!ls->inherits || sockets_named(c)); i++)
        if (!err && !listeners_have(ls, c->server.listen[i].text))
            err = socket_open(s, &c->server.listen[i], 0, errors);
    return err;
}

void listeners_tell(const struct listeners *ls)
{
    for (const struct listener *l = ls->first; l; l = l->next)
        log_say(ls->worker->log, LOG_INFO_LEVEL, "listening on %s", l->name);
}

/* Closes the listeners for which gone is true. */
static void listeners_close_if(struct listeners *ls,
                               bool (*gone)(const struct listener *l, const struct conf *c),
                               const struct conf *c)
{
    for (struct listener **at = &ls->first; *at;) {
        struct listener *l = *at;

        if (!gone(l, c)) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        acceptor_stop(&l->acceptor);
        if (l->kind == SOCKET_LOCAL)
            unlink(l->name + strlen("unix:"));
        free(l);
    }
}

static bool is_not_in(const struct listener *l, const struct conf *c)
{
    return l->kind != SOCKET_INHERITED && !sockets_find_listen(c, l->name);
}

static bool is_fresh(const struct listener *l, const struct conf *c)
{
    (void)c;
    return l->fresh;
}

static bool is_any(const struct listener *l, const struct conf *c)
{
    (void)l;
    (void)c;
    return true;
}

void listeners_settle(struct listeners *ls, const struct conf *c)
{
    listeners_close_if(ls, is_not_in, c);
    for (struct listener *l = ls->first; l; l = l->next) {
        const struct conf_listen *on = sockets_find_listen(c, l->name);

        l->fresh = false;
        l->acceptor.unacked_max = c->server.body_timeout;
        if (on)
            l->entry = entry_of(on);
    }
}

static bool is_no_admin(const struct listener *l, const struct conf *c)
{
    (void)c;
    return !(l->entry & ENTRY_ADMIN);
}

void listeners_drain(struct listeners *ls)
{
    listeners_close_if(ls, is_no_admin, NULL);
}

void listeners_undo(struct listeners *ls)
{
    listeners_close_if(ls, is_fresh, NULL);
}

void listeners_close(struct listeners *ls)
{
    listeners_close_if(ls, is_any, NULL);
}
