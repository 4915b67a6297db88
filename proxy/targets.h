/* The upstreams of one generation of settings, each with what its requests need: rules for bodies,
 * keys, and whom to ask when it fails. */
#ifndef PROXY_TARGETS_H
#define PROXY_TARGETS_H

#include "cfg/conf.h"
#include "json/rename.h"
#include "proxy/keyring.h"
#include "upstream/upstream.h"

#include <stdio.h>

#define TARGET_DEFAULT 0 /* the target of [upstream] */

/* One place in the order of asking. */
struct target_step {
    unsigned target;
    const char *model; /* the name that the model has there; NULL: as the lists say */
};

struct target {
    const struct conf_upstream *conf;
    struct upstream *upstream;
    struct json_rules *rules; /* NULL: nothing is renamed or added */
    struct keyring *keys;     /* several keys; NULL: one, or none */
    struct target_step
        *order; /* itself, its fallbacks in order, then theirs, each once; in steps */
    unsigned n_order;
    bool names_models; /* some step may ask for a model by another name */
};

struct targets {
    struct target *list;
    struct target_step *steps; /* room for the orders of all */
    unsigned n;
    struct json_rules *no_rules; /* for texts that are checked, and may get another model */
    bool reads;                  /* some target rewrites bodies */
    bool by_model;               /* the model chooses, or gets another name */
    bool retries; /* a request may be sent again: some target has several keys or a fallback */
};

/* Makes the targets of c, whose files are read with files. errors gets a line for what is wrong
 * with one. Returns 0, -EINVAL or -ENOMEM; targets_free frees t in any case. */
int targets_make(struct targets *t, const struct conf *c, struct files *files, FILE *errors);

/* Takes what has not changed from the targets before a reload: upstreams with their connections,
 * and which keys rest. */
void targets_inherit(struct targets *t, const struct targets *old);

/* Lets all of them open and keep connections in a loop. */
void targets_open(struct targets *t, const struct upstream_loop *loop);

/* Closes the idle connections of those that are not in kept, which may be NULL, and keeps none of
 * theirs from here on. */
void targets_close(struct targets *t, const struct targets *kept);

/* Drops the upstreams and frees the rest. */
void targets_free(struct targets *t);

/* Tells what of c no rules for bodies can be made of: a conf_checker. */
void targets_check(const struct conf *c, struct conf_errors *e);

#endif
