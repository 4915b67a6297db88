/* The shape of the table of keys: what a section may hold, of which type, where it is stored and what it is by default.
 * Knows no line of any file. The table is cfg/schema.c; what a type accepts is cfg/values.c. */
#ifndef CFG_SCHEMA_H
#define CFG_SCHEMA_H

#include "cfg/errors.h"

#include <stdint.h>

enum conf_type {
    CONF_LISTEN,                        /* list of struct conf_listen */
    CONF_COUNT,                         /* unsigned */
    CONF_WORKERS,                       /* unsigned, or the word auto for 0 */
    CONF_SIZE,                          /* uint64_t, bytes */
    CONF_TIME,                          /* uint64_t, milliseconds */
    CONF_BOOL,                          /* bool */
    CONF_CHOICE,                        /* one of two words: bool, true for the second */
    CONF_LEVEL,                         /* one of four words: enum conf_log_level */
    CONF_USER,                          /* char *: user or user:group */
    CONF_BASE_URL,                      /* struct conf_url */
    CONF_PROXY,                         /* struct conf_url, or none */
    CONF_TARGET,                        /* char *: a path, maybe with a query */
    CONF_SECRET,                        /* char *: a key; file:PATH is the first line of that file */
    CONF_CA_FILE,                       /* char *: a file that can be read */
    CONF_LOG_FILE,                      /* char *: stderr, syslog or a path */
    CONF_ADDRESSES,                     /* list of char *: addresses and CIDR blocks */
    CONF_ORIGINS,                       /* list of char *: origins, or *, or none */
    CONF_TEXT,                          /* char *: anything */
};

struct conf_row {
    const char *section, *name;         /* name "*": any name (its own offsets are those of struct conf_pair or conf_key) */
    enum conf_type type;
    bool may_be_empty;
    size_t at;                          /* offset in struct conf (in struct conf_key for [key LABEL],
                                                                  struct conf_pair for pairs) */
    size_t count_at;                    /* of a list: offset of its unsigned length */
    const char *initial;                /* the default, as it would be written in the file */
    uint64_t min, max;                  /* of numbers; of texts the longest length is max */
    const char *words[5];               /* of CONF_CHOICE and CONF_LEVEL */
};

extern const struct conf_row conf_rows[];
extern const unsigned conf_n_rows;      /* the rows of struct conf come first and number conf_n_fixed */
extern const unsigned conf_n_fixed;

/* The row of name in section ("key" for any [key LABEL]), or NULL. */
const struct conf_row *conf_row_find(struct span section, struct span name);

/* True if there is a section of that name ("key" counts). */
bool conf_section_known(struct span section);

/* Says in the list of errors that a section or a key is unknown, with the closest name there is.
 * shown is the section as it stands in the file ("key alice"). */
void conf_unknown_section(struct conf_errors *e, int line, struct span section);
void conf_unknown_name(struct conf_errors *e, int line, const char *shown, struct span name);

#endif
