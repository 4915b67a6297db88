/* Counting what has become of an exchange, in the tally of its process. Labels are the business of
 * proxy/snapshot.h. */
#ifndef PROXY_COUNT_H
#define PROXY_COUNT_H

#include "proxy/hide.h"
#include "proxy/state.h"

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
