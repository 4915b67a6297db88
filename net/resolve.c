/* A cache of names, and a thread that fills it.
 * Knows nothing of sockets but the pipe by which the thread wakes the loop.
 * The interface is net/resolve.h. */
#include "net/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define CACHE_NAMES 16
#define FRESH_MS 30000                  /* getaddrinfo tells no TTL */
#define STACK_SIZE (256 * 1024)

/* A name of the cache.
 * 1. busy: the thread has it, and nobody else touches `found` or frees the name.
 * 2. waiting: who asked meanwhile; not empty only while busy. */
struct resolve_name {
    struct resolve_name *next;          /* the resolver's list, most recently asked first */
    struct resolve_name *todo;          /* the thread's list */
    struct resolve_query *waiting;
    uint64_t fresh_until;
    bool busy;
    uint16_t port;
    struct resolve_answer answer, found;
    char host[];
};

struct resolver {
    struct reactor *reactor;
    struct watch done;
    int done_pipe[2];
    struct resolve_name *names;
    bool started;
    pthread_t thread;

    /* shared with the thread, under lock */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct resolve_name *todo, *finished;
    bool quit, working;
};

/* Puts the families in turn, the first kind that the C library named going first (RFC 8305, 4). */
static void interleave(struct resolve_answer *a)
{
    struct resolve_answer in = *a;
    unsigned next[2] = { 0, 0 };
    uint8_t families[2] = { in.addrs[0].family, in.addrs[0].family == 4 ? 6 : 4 };

    a->n = 0;
    while (a->n < in.n) {
        for (int k = 0; k < 2; k++) {
            while (next[k] < in.n && in.addrs[next[k]].family != families[k])
                next[k]++;
            if (next[k] < in.n)
                a->addrs[a->n++] = in.addrs[next[k]++];
        }
    }
}

static void look_up(struct resolve_answer *a, const char *host, uint16_t port, int flags)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags }, *list = NULL;

    memset(a, 0, sizeof *a);
    a->error = getaddrinfo(host, NULL, &hints, &list);
    if (a->error)
        return;
    for (struct addrinfo *ai = list; ai && a->n < RESOLVE_ADDRS_MAX; ai = ai->ai_next) {
        struct sockaddr_storage ss;

        if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
            continue;
        memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
        addr_from_sockaddr(&a->addrs[a->n], &ss);
        a->addrs[a->n++].port = port;
    }
    freeaddrinfo(list);
    if (a->n == 0)
        a->error = EAI_NONAME;
    else
        interleave(a);
}

static void *thread_main(void *arg)
{
    struct resolver *r = arg;

    pthread_mutex_lock(&r->lock);
    while (!r->quit) {
        struct resolve_name *name = r->todo;

        if (!name) {
            pthread_cond_wait(&r->wake, &r->lock);
            continue;
        }
        r->todo = name->todo;
        r->working = true;
        pthread_mutex_unlock(&r->lock);
        look_up(&name->found, name->host, name->port, AI_ADDRCONFIG);
        if (name->found.error == EAI_NONAME || name->found.error == EAI_ADDRFAMILY)
            look_up(&name->found, name->host, name->port, 0);
        pthread_mutex_lock(&r->lock);
        r->working = false;
        name->todo = r->finished;
        r->finished = name;
        if (write(r->done_pipe[1], "", 1) < 0) {
            /* full: the loop has been told already */
        }
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Tells everybody who waits. A name that was once known stays known when asking again fails. It counts as busy until all are told, so
 * that nobody's callback can evict it. */
static void finish(struct resolver *r, struct resolve_name *name)
{
    struct resolve_query *q;

    if (!name->found.error || name->answer.n == 0)
        name->answer = name->found;
    name->fresh_until = name->answer.error ? 0 : reactor_now(r->reactor) + FRESH_MS;
    while ((q = name->waiting)) {
        resolver_cancel(q);
        q->fn(q, &name->answer);
    }
    name->busy = false;
}

static void on_done(struct watch *w)
{
    struct resolver *r = container_of(w, struct resolver, done);
    struct resolve_name *name;
    char bytes[64];

    while (read(w->fd, bytes, sizeof bytes) > 0)
        ;
    w->ready &= (uint8_t)~READY_READ;
    pthread_mutex_lock(&r->lock);
    name = r->finished;
    r->finished = NULL;
    pthread_mutex_unlock(&r->lock);
    while (name) {
        struct resolve_name *next = name->todo;

        finish(r, name);
        name = next;
    }
}

int resolver_make(struct resolver **out, struct reactor *reactor)
{
    struct resolver *r = calloc(1, sizeof *r);
    int err;

    *out = NULL;
    if (!r)
        return -ENOMEM;
    r->reactor = reactor;
    r->done = (struct watch){ .fd = -1, .fn = on_done };
    if (pipe(r->done_pipe)) {
        err = -errno;
        free(r);
        return err;
    }
    for (int i = 0; i < 2; i++) {
        fcntl(r->done_pipe[i], F_SETFL, O_NONBLOCK);
        fcntl(r->done_pipe[i], F_SETFD, FD_CLOEXEC);
    }
    err = reactor_add(reactor, &r->done, r->done_pipe[0], false);
    if (err) {
        close(r->done_pipe[0]);
        close(r->done_pipe[1]);
        free(r);
        return err;
    }
    reactor_want(reactor, &r->done, READY_READ);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wake, NULL);
    *out = r;
    return 0;
}

/* Ends the thread. Returns false if it sits in getaddrinfo, where it may stay for many seconds: it is not waited for then. */
static bool end_thread(struct resolver *r)
{
    bool working;

    if (!r->started)
        return true;
    pthread_mutex_lock(&r->lock);
    r->quit = true;
    working = r->working;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    if (working)
        pthread_detach(r->thread);
    else
        pthread_join(r->thread, NULL);
    return !working;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    reactor_remove(r->reactor, &r->done);
    if (!end_thread(r))
        return;
    while (r->names) {
        struct resolve_name *name = r->names;

        r->names = name->next;
        free(name);
    }
    close(r->done_pipe[0]);
    close(r->done_pipe[1]);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static int start_thread(struct resolver *r)
{
    pthread_attr_t attr;
    int err;

    if (r->started)
        return 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    err = pthread_create(&r->thread, &attr, thread_main, r);
    pthread_attr_destroy(&attr);
    r->started = err == 0;
    return err == EAGAIN ? -ENOMEM : -err;      /* -EAGAIN is what is said of a look-up under way */
}

/* Drops the name that was asked for longest ago and that nobody waits for, if there are too many. */
static void evict(struct resolver *r)
{
    struct resolve_name **victim = NULL;
    unsigned n = 0;

    for (struct resolve_name **at = &r->names; *at; at = &(*at)->next, n++)
        if (!(*at)->busy)
            victim = at;
    if (n >= CACHE_NAMES && victim) {
        struct resolve_name *gone = *victim;

        *victim = gone->next;
        free(gone);
    }
}

/* The cache's entry, moved to the front, or a new one; NULL if there is no memory. */
static struct resolve_name *name_of(struct resolver *r, const char *host, uint16_t port)
{
    size_t n = strlen(host) + 1;
    struct resolve_name *name;

    for (struct resolve_name **at = &r->names; (name = *at); at = &name->next) {
        if (name->port == port && strcmp(name->host, host) == 0) {
            *at = name->next;
            name->next = r->names;
            r->names = name;
            return name;
        }
    }
    evict(r);
    name = calloc(1, sizeof *name + n);
    if (!name)
        return NULL;
    memcpy(name->host, host, n);
    name->port = port;
    name->next = r->names;
    r->names = name;
    return name;
}

static int ask_thread(struct resolver *r, struct resolve_name *name)
{
    int err = start_thread(r);

    if (err)
        return err;
    name->busy = true;
    pthread_mutex_lock(&r->lock);
    name->todo = r->todo;
    r->todo = name;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    return 0;
}

int resolver_ask(struct resolver *r, struct resolve_query *q, const char *host, uint16_t port, struct resolve_answer *now)
{
    struct resolve_name *name;
    int err;

    q->name = NULL;
    memset(now, 0, sizeof *now);
    if (addr_parse(&now->addrs[0], span_of(host))) {
        now->addrs[0].port = port;
        now->n = 1;
        return 0;
    }
    name = name_of(r, host, port);
    if (!name)
        return -ENOMEM;
    if (name->answer.n > 0 && reactor_now(r->reactor) < name->fresh_until) {
        *now = name->answer;
        return 0;
    }
    err = name->busy ? 0 : ask_thread(r, name);
    if (err)
        return err;
    q->name = name;
    q->prev = NULL;
    q->next = name->waiting;
    if (q->next)
        q->next->prev = q;
    name->waiting = q;
    return -EAGAIN;
}

void resolver_cancel(struct resolve_query *q)
{
    if (!q->name)
        return;
    *(q->prev ? &q->prev->next : &q->name->waiting) = q->next;
    if (q->next)
        q->next->prev = q->prev;
    q->name = NULL;
}
