/* What clients may use: whether a request keeps within the limits of its key, or of its address
 * where there are no keys, and what the client is told of them. What was used stands in
 * base/quota.h. */
#ifndef PROXY_LIMITS_H
#define PROXY_LIMITS_H

#include "proxy/state.h"

/* Gives each key of s that has limits its place in q. For the process that made q: at the start,
 * and in each reload that nothing can stop any more, before others get the same settings. */
void limits_claim(struct settings *s, struct quotas *q);

/* The same in a process whose parent has done so. Returns 0, or -ENOENT if it has not. */
int limits_find(struct settings *s, struct quotas *q);

/* Counts the client's request, which is as it should be, if it keeps within all limits: else none
 * of them counts it. Returns 0, or -1 after exchange_fault. */
int limits_take(struct client *c);

/* The request was not as it should be after all: it does not count. */
void limits_give_back(struct client *c);

/* The exchange is over: it is not one of those at once any more. */
void limits_leave(struct client *c);

/* True if the tokens of the response are limited. */
static inline bool limits_want_tokens(const struct exchange *x)
{
    return x->key && (x->key->limits.tokens > 0 || x->key->limits.tokens_of_day > 0);
}

/* Charges the client's key, if it has limits, for the tokens of a request and of its response. */
void limits_charge(const struct exchange *x, uint64_t input, uint64_t output);

/* True if the client has limits that it is told of, in the place of those of the upstream's key. */
static inline bool limits_are_told(const struct exchange *x)
{
    return x->key && x->key->quota;
}

/* Writes the fields that tell them: x-ratelimit-limit-requests and its kin. */
void limits_put(struct out *o, const struct exchange *x);

/* Writes a time as those fields have it: "20ms", "1s", "6m0s". */
void limits_put_time(struct out *o, uint64_t ms);

#endif
