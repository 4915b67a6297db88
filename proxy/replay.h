/* What is kept of a request: its head and the body so far, as they came in, so that its upstream
 * can be chosen when its model is known, or that it can be sent again. The memory of all of them
 * has one limit, [server] buffer_memory. */
#ifndef PROXY_REPLAY_H
#define PROXY_REPLAY_H

#include "json/model.h"
#include "net/outq.h"
#include "upstream/attempt.h"

#define REPLAY_TEXT_MAX 2048 /* the longest name of a model, quoted */

struct worker;

/* 1. head and body count towards the worker's kept bytes while they are here, and so does what is
 *    promised to the rest of the body.
 * 2. at is the place in body up to which the try under way has been fed.
 * 3. lost: the body was too large to be kept; what is not here was sent, and the request cannot be
 *    sent again. */
struct replay {
    struct outq body;
    struct outq_cursor at;
    uint64_t promised;
    bool lost;
    uint64_t tried_keys;        /* one bit a key, for the target of the try under way */
    struct attempt declined;    /* set aside by plan_next, until another response begins */
    uint16_t declined_position; /* of that try, in the order of its target */
    uint8_t declined_key;
    char *model;                /* that the request asks for, where it chooses; NULL: none */
    bool model_added;           /* it is the one of [defaults]: the body has none */
    struct json_model scan;     /* the search for it */
    char text[REPLAY_TEXT_MAX]; /* the model as JSON, for the try under way */
    size_t head_n;
    char head[];
};

/* True if n more bytes can be kept. */
bool replay_fits(const struct worker *w, uint64_t n);

/* Keeps a copy of a request's head. Returns 0 with *out, to be freed with replay_end; -ENOBUFS
 * where that would be more than buffer_memory; -ENOMEM. */
int replay_begin(struct replay **out, struct worker *w, struct span head);

/* Promises room for n bytes of the body, so that those that have begun to be kept can be kept
 * whole. Returns 0, or -ENOBUFS where there is no room for them. */
int replay_promise(struct replay *r, struct worker *w, uint64_t n);

/* Keeps payload, too. Returns as replay_begin does; r is as before on error. */
int replay_keep(struct replay *r, struct worker *w, struct span payload);

/* Notes the model, once. Returns 0 or -ENOMEM. */
int replay_name(struct replay *r, const char *model);

/* Takes back what is still promised. */
void replay_promise_no_more(struct replay *r, struct worker *w);

/* Forgets the body: it cannot be sent again. */
void replay_lose(struct replay *r, struct worker *w);

/* Begins at the first byte of the body again, for the next try. */
void replay_rewind(struct replay *r);

/* True while the try under way has not been fed with all that is kept. */
bool replay_pending(const struct replay *r);

/* Frees r; NULL is fine. */
void replay_end(struct replay *r, struct worker *w);

#endif
