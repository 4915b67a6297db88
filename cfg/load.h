/* A configuration while it is put together: the struct that is filled, and what is remembered only
 * for the checks. The parts are cfg/load.c, which begins and ends, cfg/entries.c, which takes what
 * the file says, cfg/environment.c, and cfg/check.c. */
#ifndef CFG_LOAD_H
#define CFG_LOAD_H

#include "cfg/conf.h"
#include "cfg/memory.h"
#include "cfg/reader.h"
#include "cfg/values.h"

struct conf_loader {
    struct conf_taker taker; /* its take is conf_take */
    struct conf *c;
    struct conf_errors *errors;
    struct files *files;
    const struct conf_section *section; /* the one that entries go to; NULL: they are left out */
    unsigned index;                     /* which owner of its kind that is */
    char shown[CONF_SECTION_MAX];       /* how messages name it: "key alice" */
    unsigned n_api_keys;                /* entries of [api_keys], for their labels */
    struct seen labels;                 /* of [key LABEL], by index in c->keys plus one */
};

/* Takes a section or an entry of the file. cfg/entries.c. */
void conf_take(struct conf_taker *t, const struct conf_entry *e);

/* Why name cannot be that of a header field which is set on every request, or NULL.
 * cfg/fields.c. */
const char *conf_field_fault(struct span name);

/* Adds an upstream of that name ("" is default) at the end of the list. Returns 0 or -ENOMEM.
 * cfg/upstreams.c. */
int conf_add_upstream(struct conf *c, struct span name);

/* Stores one value of a section of settings; origin is its line, CONF_ENVIRONMENT or 0 for a
 * default. cfg/load.c. */
void conf_store(struct conf_loader *l, const struct conf_section *section, unsigned index,
                const struct conf_row *row, int origin, struct span raw);

/* Gives the upstream at index what [upstream] has for row. cfg/upstreams.c. */
void conf_inherit(struct conf_loader *l, const struct conf_row *row, unsigned index);

/* Takes what stands in for a file: the two variables that the OpenAI SDKs read.
 * cfg/environment.c. */
void conf_take_environment(struct conf_loader *l);

/* Takes the proxy that the environment names for u, where the configuration names none. */
void conf_take_proxy(struct conf_loader *l, struct conf_upstream *u);

/* Makes what follows from base_url and proxy_url_path of u: the path that chat completions are
 * asked at. cfg/target.c. */
void conf_make_target(struct conf_loader *l, struct conf_upstream *u);

/* Runs the checks of upstreams, and finds those that fallback names. cfg/upstreams.c. */
void conf_check_upstreams(struct conf_loader *l);

/* The index of the upstream called name, which setting of section names on line; -1 after a fault.
 */
int conf_find_named(struct conf_loader *l, int line, const char *section, const char *setting,
                    const char *name);

/* Runs the checks of keys, and finds the upstreams that they name. cfg/clients.c. */
void conf_check_clients(struct conf_loader *l);

/* Runs all checks that look at more than one value, and makes what follows from several. Called
 * once, after the defaults are in. Reports to l->errors. cfg/check.c. */
void conf_check(struct conf_loader *l);

#endif
