/* Driving the renamer, and lending its state from a list of spare ones. */
#include "proxy/rewrite.h"
#include "proxy/worker_state.h"

#include <errno.h>
#include <stdlib.h>

#define SPARE_MAX 32

/* A spare one if it has room enough for the renamer's memory, else a new one. */
static struct rewrite *lend(struct worker *w, size_t room)
{
    struct rewrite *r = w->spare_rewrites;

    if (r) {
        w->spare_rewrites = r->next;
        w->n_spare_rewrites--;
    }
    if (r && r->room < room) {
        free(r);
        r = NULL;
    }
    if (r)
        return r;
    r = malloc(sizeof *r + room);
    if (r)
        r->room = room;
    return r;
}

int rewrite_begin(struct rewrite **out, struct worker *w, const struct json_rules *rules,
                  struct span head)
{
    struct rewrite *r = lend(w, json_rename_memory(rules));

    *out = r;
    if (!r)
        return -ENOMEM;
    r->next = NULL;
    r->framed = false;
    r->head = r->body = (struct outq){ 0 };
    json_rename_init(&r->renamer, rules, r->memory);
    return outq_put(&r->head, &w->blocks, head);
}

void rewrite_sent(struct rewrite *r, struct worker *w)
{
    outq_clear(&r->head, &w->blocks);
    outq_clear(&r->body, &w->blocks);
}

void rewrite_end(struct rewrite *r, struct worker *w)
{
    if (!r)
        return;
    rewrite_sent(r, w);
    if (w->n_spare_rewrites >= SPARE_MAX) {
        free(r);
        return;
    }
    r->next = w->spare_rewrites;
    w->spare_rewrites = r;
    w->n_spare_rewrites++;
}

void rewrite_free_spares(struct rewrite *r)
{
    while (r) {
        struct rewrite *next = r->next;

        free(r);
        r = next;
    }
}

ssize_t rewrite_take(struct rewrite *r, struct span payload, struct out *out)
{
    size_t written;
    ssize_t n = json_rename(&r->renamer, payload, out->p + out->n, out->cap - out->n, &written);

    out->n += written;
    return n;
}

int rewrite_finish(struct rewrite *r, struct out *out)
{
    size_t written;
    int err = json_rename_end(&r->renamer, out->p + out->n, out->cap - out->n, &written);

    out->n += written;
    return err;
}
