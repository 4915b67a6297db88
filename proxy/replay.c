/* Keeping requests within the worker's limit. */
#include "proxy/replay.h"
#include "proxy/worker_state.h"

#include <errno.h>
#include <stdlib.h>

/* n may be less than nothing. */
static void hold(struct worker *w, uint64_t n)
{
    w->kept_bytes += n;
    counter_add(&w->tally->held, n);
}

bool replay_fits(const struct worker *w, uint64_t n)
{
    uint64_t max = w->settings->conf->server.buffer_memory;

    return w->kept_bytes <= max && n <= max - w->kept_bytes;
}

int replay_begin(struct replay **out, struct worker *w, struct span head)
{
    struct replay *r = replay_fits(w, head.n) ? malloc(sizeof *r + head.n) : NULL;

    *out = r;
    if (!r)
        return replay_fits(w, head.n) ? -ENOMEM : -ENOBUFS;
    memset(r, 0, offsetof(struct replay, text));
    memcpy(r->head, head.p, head.n);
    r->head_n = head.n;
    hold(w, head.n);
    return 0;
}

int replay_promise(struct replay *r, struct worker *w, uint64_t n)
{
    if (!replay_fits(w, n))
        return -ENOBUFS;
    r->promised = n;
    hold(w, n);
    return 0;
}

int replay_keep(struct replay *r, struct worker *w, struct span payload)
{
    uint64_t promised = payload.n < r->promised ? payload.n : r->promised;
    uint64_t more = payload.n - promised;
    int err = replay_fits(w, more) ? outq_put(&r->body, &w->blocks, payload) : -ENOBUFS;

    if (!err) {
        r->promised -= promised;
        hold(w, more);
    }
    return err;
}

int replay_name(struct replay *r, const char *model)
{
    r->model = strdup(model);
    return r->model ? 0 : -ENOMEM;
}

void replay_promise_no_more(struct replay *r, struct worker *w)
{
    hold(w, 0 - (uint64_t)r->promised);
    r->promised = 0;
}

void replay_lose(struct replay *r, struct worker *w)
{
    replay_promise_no_more(r, w);
    hold(w, 0 - (uint64_t)r->body.bytes);
    outq_clear(&r->body, &w->blocks);
    r->at = (struct outq_cursor){ 0 };
    r->lost = true;
}

void replay_rewind(struct replay *r)
{
    r->at = (struct outq_cursor){ 0 };
}

bool replay_pending(const struct replay *r)
{
    return r->at.passed < r->body.bytes;
}

void replay_end(struct replay *r, struct worker *w)
{
    if (!r)
        return;
    attempt_drop(&r->declined);
    replay_lose(r, w);
    hold(w, 0 - (uint64_t)r->head_n);
    free(r->model);
    wipe(r->head, r->head_n);
    free(r);
}
