/* A queue of look-ups, and the threads that take from it. */
#include "net/lookup.h"
#include "base/fd.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 4
#define STACK_SIZE (256 * 1024)

struct lookup_thread {
    struct lookups *all;
    pthread_t id;
    bool busy; /* it is inside the C library; under lock */
};

/* 1. There are enough threads for all look-ups of the queue, or THREADS_MAX of them.
 * 2. The members from lock on are shared with the threads, under lock. */
struct lookups {
    struct watch watch;
    struct reactor *reactor;
    void (*done)(struct lookup *l);
    int pipe[2]; /* wakes the loop */
    unsigned n_threads;
    struct lookup_thread threads[THREADS_MAX];

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct lookup *first, *last; /* the queue */
    unsigned queued, idle;       /* look-ups of the queue, threads that wait for one */
    struct lookup *finished;
    bool quit;
};

static void get_addresses(struct lookup *l, int flags)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags }, *list = NULL;
    struct lookup_answer *a = &l->answer;

    memset(a, 0, sizeof *a);
    a->error = getaddrinfo(l->host, NULL, &hints, &list);
    if (a->error)
        return;
    for (struct addrinfo *ai = list; ai && a->n < LOOKUP_ADDRS_MAX; ai = ai->ai_next) {
        struct sockaddr_storage ss;

        if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
            continue;
        memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
        addr_from_sockaddr(&a->addrs[a->n], &ss);
        a->addrs[a->n++].port = l->port;
    }
    freeaddrinfo(list);
    if (a->n == 0)
        a->error = EAI_NONAME;
}

/* Only the families that this machine has addresses of, unless that leaves nothing. */
static void look_up(struct lookup *l)
{
    get_addresses(l, AI_ADDRCONFIG);
    if (l->answer.error == EAI_NONAME || l->answer.error == EAI_ADDRFAMILY)
        get_addresses(l, 0);
}

/* Takes the oldest look-up of the queue, under lock. NULL: there is none. */
static struct lookup *queue_take(struct lookups *ls)
{
    struct lookup *l = ls->first;

    if (!l)
        return NULL;
    ls->first = l->next;
    if (!ls->first)
        ls->last = NULL;
    ls->queued--;
    return l;
}

static void *lookup_thread(void *arg)
{
    struct lookup_thread *t = arg;
    struct lookups *ls = t->all;

    pthread_mutex_lock(&ls->lock);
    while (!ls->quit) {
        struct lookup *l = queue_take(ls);

        if (!l) {
            ls->idle++;
            pthread_cond_wait(&ls->wake, &ls->lock);
            ls->idle--;
            continue;
        }
        t->busy = true;
        pthread_mutex_unlock(&ls->lock);
        look_up(l);
        pthread_mutex_lock(&ls->lock);
        t->busy = false;
        l->next = ls->finished;
        ls->finished = l;
        fd_wake(ls->pipe[1], 0);
    }
    pthread_mutex_unlock(&ls->lock);
    return NULL;
}

static void lookups_on_ready(struct watch *w)
{
    struct lookups *ls = container_of(w, struct lookups, watch);
    struct lookup *l;
    char bytes[64];

    while (fd_woken(w->fd, bytes, sizeof bytes) > 0)
        ;
    w->ready &= (uint8_t)~READY_READ;
    pthread_mutex_lock(&ls->lock);
    l = ls->finished;
    ls->finished = NULL;
    pthread_mutex_unlock(&ls->lock);
    while (l) {
        struct lookup *next = l->next;

        ls->done(l);
        l = next;
    }
}

int lookups_make(struct lookups **out, struct reactor *r, void (*done)(struct lookup *l))
{
    struct lookups *ls = calloc(1, sizeof *ls);
    int err;

    *out = NULL;
    if (!ls)
        return -ENOMEM;
    ls->reactor = r;
    ls->done = done;
    ls->watch = (struct watch){ .fd = -1, .fn = lookups_on_ready };
    err = fd_pipe(ls->pipe);
    if (err)
        goto free;
    err = reactor_add(r, &ls->watch, ls->pipe[0]);
    if (err)
        goto close;
    reactor_want(r, &ls->watch, READY_READ);
    pthread_mutex_init(&ls->lock, NULL);
    pthread_cond_init(&ls->wake, NULL);
    *out = ls;
    return 0;
close:
    close(ls->pipe[0]);
    close(ls->pipe[1]);
free:
    free(ls);
    return err;
}

bool lookups_free(struct lookups *ls)
{
    bool busy[THREADS_MAX] = { false }, any = false;

    reactor_remove(ls->reactor, &ls->watch);
    pthread_mutex_lock(&ls->lock);
    ls->quit = true;
    for (unsigned i = 0; i < ls->n_threads; i++)
        any |= busy[i] = ls->threads[i].busy;
    pthread_cond_broadcast(&ls->wake);
    pthread_mutex_unlock(&ls->lock);
    for (unsigned i = 0; i < ls->n_threads; i++) {
        if (busy[i])
            pthread_detach(ls->threads[i].id);
        else
            pthread_join(ls->threads[i].id, NULL);
    }
    if (any)
        return false;
    close(ls->pipe[0]);
    close(ls->pipe[1]);
    pthread_cond_destroy(&ls->wake);
    pthread_mutex_destroy(&ls->lock);
    free(ls);
    return true;
}

/* Returns 0 or -ENOMEM. */
static int add_thread(struct lookups *ls)
{
    struct lookup_thread *t = &ls->threads[ls->n_threads];
    pthread_attr_t attr;
    int err;

    *t = (struct lookup_thread){ .all = ls };
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    err = pthread_create(&t->id, &attr, lookup_thread, t);
    pthread_attr_destroy(&attr);
    if (err)
        return -ENOMEM;
    ls->n_threads++;
    return 0;
}

int lookup_start(struct lookups *ls, struct lookup *l)
{
    int err = 0;

    pthread_mutex_lock(&ls->lock);
    if (ls->queued >= ls->idle && ls->n_threads < THREADS_MAX)
        err = add_thread(ls);
    if (err && ls->n_threads == 0) {
        pthread_mutex_unlock(&ls->lock);
        return err;
    }
    l->next = NULL;
    *(ls->last ? &ls->last->next : &ls->first) = l;
    ls->last = l;
    ls->queued++;
    pthread_cond_signal(&ls->wake);
    pthread_mutex_unlock(&ls->lock);
    return 0;
}
