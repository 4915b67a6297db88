/* One value on its way from a line into its place: what each type accepts and how it is stored,
 * written again and freed. It knows types and their messages; which key has which type is in
 * cfg/schema.c. */
#ifndef CFG_VALUES_H
#define CFG_VALUES_H

#include "base/files.h"
#include "cfg/conf.h"
#include "cfg/schema.h"

struct conf_value {
    struct conf_errors *errors;
    struct files *files; /* for file: */
    const struct conf_row *row;
    int line;
    const char *section; /* as it stands in the file, "key alice" */
    const char *name;    /* how messages call it */
    struct span raw;     /* as written: the only form that a message may show */
    struct span text;    /* with variables and files put in: may hold secrets */
    bool literal;        /* raw is taken as it is: no ${NAME}, no file: */
};

/* Expands v->raw, checks it by v->row and stores it in base, the struct that v->row counts from.
 * Faults go to v->errors, and the place stays as it was. v->text need not be set. */
void conf_value_store(struct conf_value *v, void *base);

/* Adds to v->errors what is wrong with v, its section and name in front. */
void conf_value_fault(const struct conf_value *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes the value that row has in base as a file would have it, secrets as ***. cfg/print.c. */
void conf_value_print(FILE *to, const void *base, const struct conf_row *row);

/* Writes text so that the reader gets the same again: "${" would be a variable. cfg/print.c. */
void conf_print_text(FILE *to, const char *text);

/* Wipes and frees what row has in base. cfg/free.c. */
void conf_value_free(void *base, const struct conf_row *row);

/* Puts variables and files into v->raw. Returns the text, the caller's to free with conf_free_text,
 * or NULL after a message (or with errors->oom set). cfg/expand.c. */
char *conf_expand(const struct conf_value *v);

/* Checks that key may be sent as a key: visible ASCII, no quotes around it. False after a message.
 */
bool conf_key_check(const struct conf_value *v, struct span key);

/* True if s stands in quotes of either kind. */
bool conf_is_quoted(struct span s);

/* Where the length of the list that row has in base is. */
static inline unsigned *conf_count(const struct conf_row *row, void *base)
{
    return (unsigned *)(void *)((char *)base + row->count_at);
}

/* The place of v->row in base. */
static inline void *conf_place(const struct conf_value *v, void *base)
{
    return (char *)base + v->row->at;
}

/* Stores v by its type in base. They return 0, after a message too, or -ENOMEM, and never leave the
 * place half filled. The first are in cfg/numbers.c, then cfg/dates.c, cfg/texts.c and
 * cfg/lists.c. */
int conf_set_count(const struct conf_value *v, void *base);
int conf_set_amount(const struct conf_value *v, void *base);
int conf_set_date(const struct conf_value *v, void *base);
int conf_set_size(const struct conf_value *v, void *base);
int conf_set_time(const struct conf_value *v, void *base);
int conf_set_bool(const struct conf_value *v, void *base);
int conf_set_choice(const struct conf_value *v, void *base);
int conf_set_level(const struct conf_value *v, void *base);
int conf_set_text(const struct conf_value *v, void *base);
int conf_set_client(const struct conf_value *v, void *base);
int conf_set_user(const struct conf_value *v, void *base);
int conf_set_url(const struct conf_value *v, void *base);
int conf_set_proxy(const struct conf_value *v, void *base);
int conf_set_target(const struct conf_value *v, void *base);
int conf_set_ca_file(const struct conf_value *v, void *base);
int conf_set_socket(const struct conf_value *v, void *base);
int conf_set_json(const struct conf_value *v, void *base);
int conf_set_log_file(const struct conf_value *v, void *base);
int conf_set_list(const struct conf_value *v, void *base);
int conf_set_words(const struct conf_value *v, void *base); /* a list, or the word of the row */

/* Writes bytes, milliseconds, an amount or a day as a file would have them ("16k", "1500ms", "2M",
 * "2027-01-31"), in out of 32 bytes. Returns out. cfg/numbers.c and cfg/dates.c. */
const char *conf_size_text(char *out, uint64_t bytes);
const char *conf_time_text(char *out, uint64_t ms);
const char *conf_amount_text(char *out, unsigned n);
const char *conf_date_text(char *out, unsigned day);

#endif
