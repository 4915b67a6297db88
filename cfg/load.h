/* A configuration while it is put together: the struct being filled and what is remembered only for the checks.
 * Knows the order of things (file, environment, defaults, cross checks); not what a type accepts.
 * The parts are cfg/load.c and cfg/check.c. */
#ifndef CFG_LOAD_H
#define CFG_LOAD_H

#include "cfg/conf.h"
#include "cfg/memory.h"
#include "cfg/reader.h"
#include "cfg/values.h"

/* Where the two keys of a [key LABEL] stood, and, for messages, how the section is written. By index in conf.keys. */
struct key_lines {
    int section, client, upstream;      /* 0: not given */
};

struct conf_loader {
    struct conf_taker taker;
    struct conf *c;
    struct conf_errors *errors;
    bool skipping;                      /* in an unknown section */
    unsigned key;                       /* in [key LABEL]: the index in c->keys */
    struct key_lines *key_lines;
    unsigned room_keys, room_key_lines, room_aliases, room_defaults;
    unsigned n_api_keys;                /* of [api_keys], for their labels */
    struct seen aliases, defaults;      /* names by line */
    struct seen sections;               /* labels of [key LABEL], by index in c->keys plus one */
};

/* All checks that look at more than one value, and what follows from several: upstream.target and the proxy of the
 * environment. Called once, after the defaults are in. Reports to l->errors. */
void conf_check(struct conf_loader *l);

#endif
