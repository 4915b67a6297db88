/* Choosing the upstream of a request by the model that its body names. */
#ifndef PROXY_CHOICE_H
#define PROXY_CHOICE_H

#include "base/span.h"

struct client;
struct conf_key;
struct exchange;
struct settings;

/* True if the body of a client's chat completion has to be read to know its upstream, or whether
 * the client may ask for it. key may be NULL. */
bool choice_is_needed(const struct settings *s, const struct conf_key *key);

/* Prepares for reading the body of c's request, which has a replay. */
void choice_begin(struct client *c);

/* Reads what is kept. Returns 1 when the upstream is chosen and the plan begun,
 * 0 while more has to be read, or -1 after exchange_fault. */
int choice_read(struct client *c);

/* Does the same at once with body, which is all of the request's body and lies whole in memory; c
 * may have no replay. Returns 0 if that cannot be: what is wrong with body, choice_read finds
 * out. */
int choice_at_once(struct client *c, struct span body);

/* True if the upstream of the try under way knows the model by another name than the body. */
bool choice_renames(const struct exchange *x);

/* Tells the renamer of c's request, which has just begun, how the model goes to the upstream of the
 * try under way, and that the body may name one only. */
void choice_rename(struct client *c);

#endif
