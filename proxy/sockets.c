/* Opening sockets, and reading what socket activation hands over (sd_listen_fds(3)).
 * Knows nothing of accepting.
 * The interface is proxy/sockets.h, the system's side net/listen.h. */
#include "proxy/sockets.h"
#include "net/addr.h"
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3                      /* SD_LISTEN_FDS_START */

/* No address at all for a local socket. */
static struct addr address_of(const struct conf_listen *l)
{
    struct addr a = { 0 };

    if (addr_parse(&a, span_of(l->host)))
        a.port = l->port;
    return a;
}

/* Returns result, after saying why it is none if it is negative. */
static int told(const struct conf_listen *l, int result, FILE *errors)
{
    if (result < 0)
        fprintf(errors, "openai-chat-proxy: cannot listen on %s: %s\n", l->text, strerror(-result));
    return result;
}

int socket_open(const struct conf_listen *l, bool share, FILE *errors)
{
    struct addr a = address_of(l);

    return told(l, l->is_unix ? listen_unix(l->host, l->mode) : listen_tcp(&a, share), errors);
}

int socket_try(const struct conf_listen *l, FILE *errors)
{
    struct addr a = address_of(l);
    int fd;

    if (!l->is_unix)
        return told(l, listen_try_tcp(&a, true), errors);
    fd = socket_open(l, true, errors);
    if (fd < 0)
        return fd;
    close(fd);
    unlink(l->host);
    return 0;
}

int sockets_try(const struct conf *c, FILE *errors)
{
    int first = 0;

    for (unsigned i = 0; i < c->server.n_listen; i++) {
        const struct conf_listen *l = &c->server.listen[i];
        struct addr a = address_of(l);
        int err;

        a.port = 0;
        err = told(l, l->is_unix ? listen_try_unix(l->host) : listen_try_tcp(&a, false), errors);
        first = first ? first : err;
    }
    return first;
}

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
        if (s->list[i].inherited)
            return true;
    return false;
}

int sockets_open(struct sockets *s, const struct sockets *besides, const struct conf *c, unsigned kinds, FILE *errors)
{
    for (unsigned i = 0; i < c->server.n_listen; i++) {
        const struct conf_listen *l = &c->server.listen[i];
        struct open_socket o = { .name = l->text, .file = l->is_unix };
        int err;

        if (!(kinds & (l->is_unix ? SOCKETS_LOCAL : SOCKETS_TCP)) || sockets_have(s, l->text) || (besides && sockets_have(besides, l->text)))
            continue;
        o.fd = socket_open(l, besides != NULL, errors);
        if (o.fd < 0)
            return o.fd;
        err = told(l, sockets_add(s, &o), errors);
        if (err)
            return err;
    }
    return 0;
}

/* The name that the configuration would have for what fd listens on. Returns false if it is no socket that connections can be accepted from. */
static bool name_socket(int fd, char *name, size_t n)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss, type_n = sizeof(int);
    int type = 0, listens = 0;
    char text[ADDR_TEXT_MAX];
    struct addr a;

    memset(&ss, 0, sizeof ss);
    if (getsockname(fd, (struct sockaddr *)&ss, &len) || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_n) || type != SOCK_STREAM)
        return false;
    type_n = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &type_n) || !listens)
        return false;
    addr_from_sockaddr(&a, &ss);
    if (ss.ss_family == AF_UNIX)
        snprintf(name, n, "unix:%.*s", (int)sizeof ((struct sockaddr_un *)0)->sun_path, ((struct sockaddr_un *)&ss)->sun_path);
    else
        snprintf(name, n, ss.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", addr_text(&a, text), (unsigned)a.port);
    return a.family != 0 || ss.ss_family == AF_UNIX;
}

static int inherit_one(struct sockets *s, int fd, FILE *errors)
{
    char name[SOCKET_NAME_MAX];

    if (!name_socket(fd, name, sizeof name)) {
        fprintf(errors, "openai-chat-proxy: descriptor %d of LISTEN_FDS is no listening stream socket\n", fd);
        return -EINVAL;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return sockets_add(s, &(struct open_socket){ .name = name, .fd = fd, .inherited = true });
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

static bool is_local(const char *name)
{
    return strncmp(name, "unix:", 5) == 0 || strncmp(name, "127.", 4) == 0 || strncmp(name, "[::1]", 5) == 0;
}

void sockets_exposed(const struct sockets *s, char name[SOCKET_NAME_MAX])
{
    name[0] = '\0';
    for (unsigned i = 0; i < s->n && !name[0]; i++)
        if (s->list[i].inherited && !is_local(s->list[i].name))
            snprintf(name, SOCKET_NAME_MAX, "%s", s->list[i].name);
}

/* As check_open_door in cfg/check.c. */
int sockets_check_key(const struct conf *c, const char *exposed, FILE *errors)
{
    if (!exposed[0] || !c->upstream.api_key[0] || c->n_keys > 0 || c->access.n_whitelist > 0)
        return 0;
    return conf_error(errors, c, conf_line_of(c, "upstream", "api_key"), "upstream",
                      "api_key: whoever can reach %s, which LISTEN_FDS hands over, could use this key", exposed);
}

static unsigned find(const struct sockets *s, const char *name)
{
    unsigned i = 0;

    while (i < s->n && name && strcmp(s->list[i].name, name) != 0)
        i++;
    return i;
}

bool sockets_have(const struct sockets *s, const char *name)
{
    return find(s, name) < s->n;
}

bool sockets_take(struct sockets *s, const char *name, struct open_socket *out)
{
    unsigned i = find(s, name);

    if (i == s->n)
        return false;
    *out = s->list[i];
    s->list[i] = s->list[--s->n];
    return true;
}

void socket_close(struct open_socket *o)
{
    close(o->fd);
    if (o->file)
        unlink(o->name + strlen("unix:"));
    free(o->name);
}

void sockets_close(struct sockets *s)
{
    struct open_socket o;

    while (sockets_take(s, NULL, &o))
        socket_close(&o);
    free(s->list);
    *s = (struct sockets){ 0 };
}
