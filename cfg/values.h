/* What each type of value accepts, how it is stored, and how it is written again.
 * Knows types and their messages; which key has which type is the table in cfg/schema.c. */
#ifndef CFG_VALUES_H
#define CFG_VALUES_H

#include "cfg/conf.h"
#include "cfg/schema.h"

/* One value on its way from a line into its place. */
struct conf_value {
    struct conf_errors *errors;
    const struct conf_row *row;
    int line;
    const char *section;                /* as it stands in the file, "key alice" */
    const char *name;                   /* how messages call it */
    struct span raw;                    /* as written: the only form that a message may show */
    struct span text;                   /* with variables and files put in: may hold secrets */
    bool literal;                       /* raw is taken as it is: no ${NAME}, no file: */
};

/* Expands v->raw, checks it by v->row and stores it in base (the struct that row->at counts from). Whatever is wrong goes to
 * v->errors, and the place stays as it was. v->text need not be set. */
void conf_value_store(struct conf_value *v, void *base);

/* Adds to v->errors what is wrong with v, its section and name in front. */
void conf_value_fault(const struct conf_value *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts variables and files into v->raw. Returns the text, wiped and freed by the caller with conf_free_text, or NULL after a
 * message (or with errors->oom set). cfg/expand.c. */
char *conf_expand(const struct conf_value *v);

/* Checks that key may be sent as a key: visible ASCII, no quotes around it. False after a message. */
bool conf_key_check(const struct conf_value *v, struct span key);

/* The setters of lists, in cfg/lists.c: they return 0, -EINVAL after a message, or -ENOMEM. */
int conf_set_listen(const struct conf_value *v, void *base);
int conf_set_addresses(const struct conf_value *v, void *base);
int conf_set_origins(const struct conf_value *v, void *base);

/* Writes the value that row has in c as a file would have it, secrets as ***. cfg/print.c. */
void conf_value_print(FILE *to, const struct conf *c, const struct conf_row *row);

/* Writes bytes or milliseconds as a file would have them ("16k", "1500ms", "30"), in out of 32 bytes. Returns out. */
const char *conf_size_text(char *out, uint64_t bytes);
const char *conf_time_text(char *out, uint64_t ms);

#endif
