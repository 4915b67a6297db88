/* The shape of the tables of proxy.ini: which sections there are, what each holds, of which type,
 * where it is stored and what it is by default. It knows no line of any file. The tables are in
 * cfg/schema.c; what a type accepts begins in cfg/values.c. */
#ifndef CFG_SCHEMA_H
#define CFG_SCHEMA_H

#include "cfg/errors.h"

#include <stdint.h>

enum conf_type {
    CONF_LISTEN,    /* list of struct conf_listen */
    CONF_COUNT,     /* unsigned */
    CONF_WORKERS,   /* unsigned, or the word auto for 0 */
    CONF_AMOUNT,    /* unsigned, with k and M for 1000 and 1000000; empty: 0 */
    CONF_DATE,      /* unsigned, days since 1970-01-01 */
    CONF_SIZE,      /* uint64_t, bytes */
    CONF_TIME,      /* uint64_t, milliseconds */
    CONF_BOOL,      /* bool */
    CONF_CHOICE,    /* one of two words: bool, true for the second */
    CONF_LEVEL,     /* one of four words: enum conf_log_level */
    CONF_USER,      /* char *: user or user:group */
    CONF_BASE_URL,  /* struct conf_url */
    CONF_PROXY,     /* struct conf_url, or none */
    CONF_TARGET,    /* char *: a path, maybe with a query */
    CONF_CLIENT,    /* char *: a key; file:PATH is the first line of that file */
    CONF_KEYS,      /* list of char *: keys, each as above; or the one word that the row has */
    CONF_CA_FILE,   /* char *: a file that can be read */
    CONF_FILES,     /* list of char *: files that can be read */
    CONF_LOG_FILE,  /* char *: stderr, stdout, syslog or a path */
    CONF_ADDRESSES, /* list of char *: addresses and CIDR blocks */
    CONF_ORIGINS,   /* list of char *: origins, or *, or none */
    CONF_JSON,      /* char *: a JSON value; whether it is one is seen by another room */
    CONF_FIELD,     /* char *: the value of a header field, as secret as a key */
    CONF_MODELS,    /* list of struct conf_model */
    CONF_ALLOWED,   /* the same without "->" */
    CONF_FALLBACKS, /* list of struct conf_fallback */
    CONF_PATHS,     /* list of char *: paths, or none */
    CONF_SOCKET,    /* char *: the path of a unix socket */
    CONF_TEXT,      /* char *: anything */
};

/* What an [upstream NAME] has that does not set a row. */
enum conf_named {
    CONF_OWN,      /* the default */
    CONF_INHERITS, /* what [upstream] has */
    CONF_NEEDED,   /* nothing: it must be given */
    CONF_REFUSED,  /* nothing: the row stands in [upstream] alone */
};

/* One setting. Its place is an offset in the struct that its section belongs to, see enum
 * conf_owner. */
struct conf_row {
    const char *name; /* "*": any name */
    enum conf_type type;
    enum conf_named named;
    bool may_be_empty;
    bool single; /* of CONF_KEYS: a comma is part of the one key */
    size_t at;
    size_t count_at;      /* of a list: where its unsigned length is */
    size_t word_at;       /* of CONF_KEYS with a word: where a bool is that says so */
    const char *initial;  /* the default, as it would be written in the file; NULL: none */
    uint64_t min, max;    /* of numbers; of texts the longest length is max, of keys that of each */
    const char *words[5]; /* of CONF_CHOICE, CONF_LEVEL and CONF_KEYS */
};

/* Whose settings a section holds. */
enum conf_owner {
    CONF_ITSELF,   /* struct conf */
    CONF_UPSTREAM, /* struct conf_upstream */
    CONF_KEY,      /* struct conf_key */
};

/* What becomes of a section's lines. */
enum conf_form {
    CONF_SETTINGS, /* each is a setting of its owner, by rows */
    CONF_PAIRS,    /* each is a struct conf_pair of a list of its owner; any name */
    CONF_CLIENTS,  /* each is a struct conf_key; any name, which is the client's key */
};

/* What the names in a section of CONF_PAIRS are. */
enum conf_names {
    CONF_JSON_NAMES,  /* keys of JSON */
    CONF_FIELD_NAMES, /* names of header fields, which are the same in either case */
};

struct conf_section {
    const char *name;
    const char *label; /* what messages call the label of [name LABEL]; NULL: it takes none */
    bool needs_label;  /* there is no [name] alone */
    enum conf_owner owner;
    enum conf_form form;
    enum conf_names names;
    const struct conf_row *rows; /* of CONF_PAIRS and CONF_CLIENTS: one, for the right side */
    unsigned n_rows;
    unsigned first;      /* of CONF_ITSELF: the place of its first row in conf.lines */
    size_t at, count_at; /* of CONF_PAIRS: where in the owner the list and its length are */
};

/* In the order of the manual page, which conf_print keeps. */
extern const struct conf_section conf_sections[];
extern const unsigned conf_n_sections;

/* How many rows the sections of CONF_ITSELF have together. */
extern const unsigned conf_n_lines;

/* Finds the section that a text between brackets means: "server", "key alice". *label gets the
 * label, empty if it has none. NULL if there is no such section, or not with a label, or not
 * without one. */
const struct conf_section *conf_section_find(struct span text, struct span *label);

/* The section of that name, which is in the table, with or without a label. */
const struct conf_section *conf_section_named(const char *name);

/* The row of name in section, or NULL. */
const struct conf_row *conf_row_find(const struct conf_section *section, struct span name);

#endif
