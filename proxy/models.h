/* Which upstream serves a model, under which name, and who may ask for it. */
#ifndef PROXY_MODELS_H
#define PROXY_MODELS_H

#include "base/out.h"
#include "cfg/conf.h"

struct models;

/* Makes the lists of c, which must outlive them. Returns 0 with *out, to be freed with models_free,
 * or -ENOMEM. */
int models_make(struct models **out, const struct conf *c);

/* Frees m; NULL is fine. */
void models_free(struct models *m);

/* The upstream of a model: the one whose list has its name, else the longest prefix of it; -1: none
 * has. */
int models_upstream(const struct models *m, struct span model);

/* The name that the model has at an upstream by its list; the model itself where that is silent. */
struct span models_name_at(const struct conf_upstream *u, struct span model);

/* True if the client with key may ask for the model; an empty one is none. key may be NULL. */
bool models_allowed(const struct conf_key *key, struct span model);

/* Writes the response to GET /v1/models, or to one of a model where only is not empty: the exact
 * names of all lists, as far as key may ask for them, and the exact names of its own list. Returns
 * false where only is not among them. */
bool models_put(struct out *o, const struct conf *c, const struct models *m,
                const struct conf_key *key, struct span only);

#endif
