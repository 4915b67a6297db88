/* Where the values of a section are in a configuration, and on which lines they stand. */
#ifndef CFG_OWNERS_H
#define CFG_OWNERS_H

#include "cfg/conf.h"
#include "cfg/schema.h"

/* What a row's line is when it is no line of the file; 0 is the default. */
#define CONF_ENVIRONMENT (-1)
#define CONF_INHERITED (-2) /* from [upstream] */

/* The struct that the rows of a section count from, a part of the configuration. */
struct conf_owned {
    char *base;
    int *lines;        /* by row; NULL: memory ran out */
    const char *label; /* NULL: none */
};

/* How many structs of the kind that section belongs to c has. */
unsigned conf_n_owned(const struct conf *c, const struct conf_section *section);

/* The struct of that kind at index. */
struct conf_owned conf_owned(const struct conf *c, const struct conf_section *section,
                             unsigned index);

/* The line of row in o, or one of the above. */
int conf_owned_line(const struct conf_owned *o, const struct conf_section *section,
                    const struct conf_row *row);

/* The line of a setting of u, or one of the above. */
int conf_upstream_line(const struct conf_upstream *u, const char *name);

/* The line of a setting of key, 0 if it is not given. */
int conf_key_line(const struct conf_key *key, const char *name);

/* The list that a section of CONF_PAIRS has in o, and its length in *n. */
struct conf_pair *conf_owned_pairs(const struct conf_owned *o, const struct conf_section *section,
                                   unsigned *n);

/* The index of the upstream of that name, or -1. */
int conf_upstream_find(const struct conf *c, struct span name);

#endif
