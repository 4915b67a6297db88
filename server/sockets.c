/* Opening sockets, and reading what socket activation hands over (sd_listen_fds(3)). */
#include "server/sockets.h"
#include "base/kept.h"
#include "base/addr.h"
#include "base/fd.h"
#include "net/listen.h"
#include "server/healthcheck.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

/* The family is 0 for a local socket. */
static struct addr address_of(const struct conf_listen *l)
{
    struct addr a = { 0 };

    if (addr_parse(&a, span_of(l->host)))
        a.port = l->port;
    return a;
}

/* Says why result is negative, if it is, and returns it. */
static int told(const struct conf_listen *l, int result, FILE *errors)
{
    if (result < 0)
        fprintf(errors, "openai-chat-proxy: cannot listen on %s: %s\n", l->text, strerror(-result));
    return result;
}

/* What a socket of that name is among those of s. */
static enum listen_claim claim_of(const struct sockets *s, const char *name)
{
    for (unsigned i = 0; i < s->n; i++)
        if (strcmp(s->list[i].name, name) == 0)
            return LISTEN_JOIN;
    return LISTEN_FIRST;
}

int socket_open(struct sockets *s, const struct conf_listen *l, unsigned worker, FILE *errors)
{
    struct addr a = address_of(l);
    struct open_socket o = { .name = l->text,
                             .kind = l->is_unix ? SOCKET_LOCAL : SOCKET_OPENED,
                             .worker = l->is_unix ? SOCKET_SHARED : worker };

    o.fd = l->is_unix ? listen_unix(l->host, l->mode) : listen_tcp(&a, claim_of(s, l->text));
    return told(l, o.fd < 0 ? o.fd : sockets_add(s, &o), errors);
}

/* True if s has a socket of that name that the worker accepts from. */
static bool sockets_have(const struct sockets *s, const char *name, unsigned worker)
{
    for (unsigned i = 0; i < s->n; i++) {
        const struct open_socket *o = &s->list[i];

        if (strcmp(o->name, name) == 0 && (o->worker == worker || o->worker == SOCKET_SHARED))
            return true;
    }
    return false;
}

void sockets_cut(struct sockets *s, unsigned n)
{
    while (s->n > n)
        socket_close(&s->list[--s->n]);
}

int sockets_open(struct sockets *s, const struct conf *c, unsigned n, FILE *errors)
{
    unsigned before = s->n;
    int err = 0;

    if (sockets_inherited(s) && !sockets_named(c))
        return 0;
    for (unsigned i = 0; i < c->server.n_listen; i++) {
        const struct conf_listen *l = &c->server.listen[i];

        for (unsigned worker = 0; worker < (n ? n : 1) && !err; worker++)
            if (!sockets_have(s, l->text, worker))
                err = socket_open(s, l, worker, errors);
    }
    if (err)
        sockets_cut(s, before);
    return err;
}

/* A port that is taken is fine if it is by the running instance, which started as this user, or
 * answers as this program does. Another privilege than this process has may be needed to take
 * it. */
static int try_port(const struct conf_listen *l)
{
    struct addr a = address_of(l);
    int err = listen_try_tcp(&a, LISTEN_FIRST);

    if (err != -EADDRINUSE || listen_try_tcp(&a, LISTEN_JOIN) == 0 || healthcheck_recognises(l))
        return 0;
    return err;
}

/* The address is tried with any port, and then the port. */
static int try_tcp(const struct conf_listen *l)
{
    struct addr a = address_of(l);
    int err;

    a.port = 0;
    err = listen_try_tcp(&a, LISTEN_FIRST);
    return err ? err : try_port(l);
}

int sockets_try(const struct conf *c, FILE *errors)
{
    int first = 0;

    for (unsigned i = 0; i < c->server.n_listen; i++) {
        const struct conf_listen *l = &c->server.listen[i];
        int err = told(l, l->is_unix ? listen_try_unix(l->host) : try_tcp(l), errors);

        first = first ? first : err;
    }
    return first;
}

KEPT_BEGIN /* in the list */
int sockets_add(struct sockets *s, const struct open_socket *o)
{
    struct open_socket *list = realloc(s->list, (s->n + 1) * sizeof *list);
    char *copy = strdup(o->name);

    if (list)
        s->list = list;
    if (!list || !copy) {
        free(copy);
        close(o->fd);
        return -ENOMEM;
    }
    list[s->n] = *o;
    list[s->n++].name = copy;
    return 0;
}
KEPT_END

const struct conf_listen *sockets_find_listen(const struct conf *c, const char *name)
{
    for (unsigned i = 0; i < c->server.n_listen; i++)
        if (strcmp(c->server.listen[i].text, name) == 0)
            return &c->server.listen[i];
    return NULL;
}

bool sockets_named(const struct conf *c)
{
    return conf_line_of(c, "server", "listen") > 0;
}

bool sockets_inherited(const struct sockets *s)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->list[i].kind == SOCKET_INHERITED)
            return true;
    return false;
}

/* Writes the name that the configuration has for the address of fd. Returns false if fd is no
 * listening stream socket. */
static bool name_socket(int fd, char *name, size_t n)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss, type_n = sizeof(int);
    int type = 0, listens = 0;
    char text[ADDR_TEXT_MAX];
    struct addr a;

    memset(&ss, 0, sizeof ss);
    if (getsockname(fd, (struct sockaddr *)&ss, &len) ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_n) || type != SOCK_STREAM)
        return false;
    type_n = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &type_n) || !listens)
        return false;
    addr_from_sockaddr(&a, &ss);
    if (ss.ss_family == AF_UNIX)
        snprintf(name, n, "unix:%.*s", (int)sizeof((struct sockaddr_un *)0)->sun_path,
                 ((struct sockaddr_un *)&ss)->sun_path);
    else
        snprintf(name, n, ss.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", addr_text(&a, text),
                 (unsigned)a.port);
    return a.family != 0 || ss.ss_family == AF_UNIX;
}

static int inherit_one(struct sockets *s, int fd, FILE *errors)
{
    char name[SOCKET_NAME_MAX];

    if (!name_socket(fd, name, sizeof name)) {
        fprintf(errors,
                "openai-chat-proxy: descriptor %d of LISTEN_FDS is no listening stream socket\n",
                fd);
        return -EINVAL;
    }
    fd_unblock(fd);
    return sockets_add(
        s,
        &(struct open_socket){
            .name = name, .fd = fd, .kind = SOCKET_INHERITED, .worker = SOCKET_SHARED });
}

int sockets_inherit(struct sockets *s, FILE *errors)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    bool ours = pid && count && strtol(pid, NULL, 10) == (long)getpid();
    long n = ours ? strtol(count, NULL, 10) : 0;
    int err = 0;

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (int i = 0; i < n && !err; i++)
        err = inherit_one(s, FIRST_FD + i, errors);
    return err;
}

/* Takes a name as sockets_exposed gives it. */
static bool is_local(const char *name)
{
    struct span host = span_of(name);
    struct addr a;

    if (span_starts(host, SPAN("unix:")))
        return true;
    host.n = span_find_last(host, ':');
    if (span_starts(host, SPAN("[")))
        host = (struct span){ host.p + 1, host.n - 2 };
    return addr_parse(&a, host) && addr_is_loopback(&a);
}

void sockets_exposed(const struct sockets *s, char name[SOCKET_NAME_MAX])
{
    name[0] = '\0';
    for (unsigned i = 0; i < s->n && !name[0]; i++)
        if (s->list[i].kind == SOCKET_INHERITED && !is_local(s->list[i].name))
            snprintf(name, SOCKET_NAME_MAX, "%s", s->list[i].name);
}

int sockets_check_key(const struct conf *c, const char *exposed, FILE *errors)
{
    const struct conf_upstream *u = conf_gives_key(c);
    char section[CONF_SECTION_MAX];

    if (!exposed[0] || !u)
        return 0;
    conf_upstream_section(section, u);
    return conf_error(
        errors, c, conf_line_of(c, section, "api_key"), section,
        "api_key: whoever can reach %s, which LISTEN_FDS hands over, could use this key", exposed);
}

bool sockets_take(struct sockets *s, unsigned worker, struct open_socket *out)
{
    for (unsigned i = 0; i < s->n; i++) {
        struct open_socket *o = &s->list[i];

        if (worker != SOCKET_SHARED && o->worker != SOCKET_SHARED && o->worker != worker)
            continue;
        *out = *o;
        *o = s->list[--s->n];
        return true;
    }
    return false;
}

void sockets_keep(struct sockets *s, const struct conf *c, unsigned n)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < s->n; i++) {
        struct open_socket *o = &s->list[i];
        bool wanted = o->kind == SOCKET_INHERITED || sockets_find_listen(c, o->name);

        if (wanted && (o->worker == SOCKET_SHARED || o->worker < n))
            s->list[kept++] = *o;
        else
            socket_close(o);
    }
    s->n = kept;
}

void socket_close(struct open_socket *o)
{
    close(o->fd);
    if (o->kind == SOCKET_LOCAL)
        unlink(o->name + strlen("unix:"));
    free(o->name);
}

void sockets_drain(struct sockets *s, const struct conf *c)
{
    struct sockets kept = { 0 };
    struct open_socket o;

    while (sockets_take(s, SOCKET_SHARED, &o)) {
        const struct conf_listen *on = sockets_find_listen(c, o.name);

        if (!on || !on->admin || o.kind != SOCKET_LOCAL || sockets_add(&kept, &o))
            socket_close(&o);
        else
            free(o.name);
    }
    sockets_close(s);
    *s = kept;
}

void sockets_close(struct sockets *s)
{
    struct open_socket o;

    while (sockets_take(s, SOCKET_SHARED, &o))
        socket_close(&o);
    free(s->list);
    *s = (struct sockets){ 0 };
}
