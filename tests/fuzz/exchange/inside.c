/* A worker as server/service.c makes it, without listeners and signals. */
#include "tests/fuzz/exchange/inside.h"
#include "log/log.h"
#include "log/ring.h"
#include "proxy/client.h"
#include "proxy/limits.h"
#include "proxy/random.h"
#include "proxy/worker.h"

#include <stdio.h>
#include <stdlib.h>

struct inside {
    struct worker *worker;
    struct log *log;
    struct shared shared;
    struct watch watch;
    void (*bell)(void *arg);
    void *arg;
};

#define CHECK(c) ((c) ? (void)0 : abort())

static struct settings *settings_of(const char *ini)
{
    struct settings *s;
    struct files *files;
    struct conf *c;

    CHECK(files_make(&files) == 0);
    CHECK(conf_load_text(&c, span_of(ini), "fuzz.ini", files, stderr) == 0);
    CHECK(settings_make(&s, c, files, stderr) == 0);
    files_free(files);
    return s;
}

struct inside *inside_make(const char *ini)
{
    struct inside *p = calloc(1, sizeof *p);
    struct settings *s = settings_of(ini);

    CHECK(p && log_open(&p->log, s->conf, stderr) == 0);
    log_mask(p->log, s->secrets);
    CHECK(shared_make(&p->shared, 1) == 0);
    limits_claim(s, p->shared.quotas);
    CHECK(worker_make(&p->worker, s, p->log, &p->shared, 0) == 0);
    return p;
}

void inside_accept(struct inside *p, int fd, int last)
{
    struct addr peer = { 0 };
    char text[20];

    snprintf(text, sizeof text, "127.0.0.%d", last);
    addr_parse(&peer, span_of(text));
    client_accept(p->worker, fd, &peer, false);
}

static void on_bell(struct watch *w)
{
    struct inside *p = container_of(w, struct inside, watch);

    w->ready = 0;
    p->bell(p->arg);
}

void inside_run(struct inside *p, int bell_fd, void (*bell)(void *arg), void *arg)
{
    p->bell = bell;
    p->arg = arg;
    p->watch = (struct watch){ .fd = -1, .fn = on_bell, .level = true };
    CHECK(reactor_add(p->worker->reactor, &p->watch, bell_fd) == 0);
    reactor_want(p->worker->reactor, &p->watch, READY_READ);
    CHECK(reactor_run(p->worker->reactor) == 0);
}

void inside_reload(struct inside *p, const char *ini)
{
    struct settings *fresh = settings_of(ini);

    settings_inherit(fresh, p->worker->settings);
    worker_use(p->worker, fresh);
}

void inside_drain(struct inside *p)
{
    worker_drain(p->worker);
}

void inside_stop(struct inside *p)
{
    reactor_stop(p->worker->reactor);
}

struct inside_counts inside_count(const struct inside *p)
{
    const struct worker *w = p->worker;
    struct inside_counts n = { .clients = w->n_clients,
                               .denied = w->n_denied,
                               .kept = w->kept_bytes };

    for (unsigned i = 0; i < w->settings->targets.n; i++)
        n.connections += w->settings->targets.list[i].upstream->pool.n;
    return n;
}

void inside_free(struct inside *p)
{
    worker_free(p->worker);
    shared_free(&p->shared, 1);
    log_close(p->log);
    free(p);
}

/* log/ring.h: no thread, and every line goes to the test. */

struct ring {
    struct sink *sink;
};

int ring_make(struct ring **out, size_t size, struct sink *sink)
{
    struct ring *r = malloc(sizeof *r);

    (void)size;
    *out = r;
    if (!r)
        return -1;
    r->sink = sink;
    return 0;
}

void ring_add(struct ring *r, struct span piece)
{
    (void)r;
    inside_line(piece.p, piece.n);
}

void ring_end(struct ring *r)
{
    (void)r;
}

int ring_start(struct ring *r)
{
    (void)r;
    return 0;
}

void ring_flush(struct ring *r)
{
    (void)r;
}

uint64_t ring_lost(struct ring *r)
{
    (void)r;
    return 0;
}

struct sink *ring_sink(struct ring *r)
{
    return r->sink;
}

void ring_after_fork(struct ring *r)
{
    (void)r;
}

void ring_free(struct ring *r, int wait_ms)
{
    (void)wait_ms;
    if (r)
        sink_close(r->sink);
    free(r);
}

/* proxy/random.h: each response gets the same id, so that two runs can be compared. */
void random_request_id(char out[REQUEST_ID_LEN])
{
    memcpy(out, "req_00000000000000000000000000000000", REQUEST_ID_LEN);
}
