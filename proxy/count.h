/* Counting what has become of an exchange, in the tally of its process. Labels are the business of
 * proxy/snapshot.h. */
#ifndef PROXY_COUNT_H
#define PROXY_COUNT_H

#include "proxy/hide.h"
#include "proxy/limits.h"
#include "proxy/state.h"

/* True if somebody should know. A client that leaves within its answer has had enough of it. Who
 * looks at the program is no client of the API. */
static inline bool exchange_has_failed(const struct exchange *x)
{
    bool enough = exchange_ending(x) == END_CLIENT_GONE && x->kind.status < 400 && x->kind.status;

    return !enough && !route_is_probe(TALLY_ROUTE(x->kind.what));
}

/* Counts the exchange, which has ended. It stands in the way of every request. */
static inline void exchange_count(const struct exchange *x, const struct worker *w)
{
    const struct upstream *u = x->attempt.upstream;
    uint64_t tag = tally_low(x->kind);

    if (u) {
        tally_observe(u->counts, TALLY_DURATION, (uint32_t)(*w->now - x->started));
        if (__builtin_expect(x->first != 0, true))
            tally_observe(u->counts, TALLY_FIRST_BYTE, x->first - 1);
        tag |= u->tally_kind;
    }
    if (x->key)
        tag |= x->key->tally;
    if (__builtin_expect(x->kind.status >= 400 || x->kind.what >= TALLY_WHAT(0, 1), false) &&
        exchange_has_failed(x))
        tally_fail(w->tally, tag, x->failure, *w->now);
    counter_add(&w->tally->exchanges, UINT64_MAX);
    tally_count(w->tally, tag);
}

/* Counts the tokens that the response reported, if they were read, and lets go of them. */
static inline void exchange_count_tokens(struct exchange *x, struct worker *w)
{
    const struct upstream *u = x->attempt.upstream;
    uint64_t whose = x->key ? x->key->tally : 0;

    if (!x->tokens)
        return;
    tokens_end(x->tokens);
    limits_charge(x, x->tokens->input, x->tokens->output);
    whose |= u->tally_kind;
    if (x->tokens->input > 0)
        tally_add(w->tally, whose | tally_low((struct tally_kind){ .what = TALLY_INPUT }),
                  x->tokens->input);
    if (x->tokens->output > 0)
        tally_add(w->tally, whose | tally_low((struct tally_kind){ .what = TALLY_OUTPUT }),
                  x->tokens->output);
    hide_free(x->tokens, &w->blocks);
    x->tokens = NULL;
}

#endif
