/* Puts a configuration together: from a file, else from the environment, then from the defaults;
 * and checks the whole. */
#include "cfg/load.h"
#include "cfg/owners.h"

#include <errno.h>
#include <stdlib.h>

#define PATH_HERE "./proxy.ini"
#define PATH_SYSTEM "/etc/openai-chat-proxy/proxy.ini"

void conf_store(struct conf_loader *l, const struct conf_section *section, unsigned index,
                const struct conf_row *row, int origin, struct span raw)
{
    struct conf_owned o = conf_owned(l->c, section, index);
    struct conf_value v = {
        .errors = l->errors,
        .files = l->files,
        .row = row,
        .line = origin > 0 ? origin : 0,
        .section = section->name,
        .name = row->name,
        .raw = raw,
        .literal = origin == CONF_ENVIRONMENT,
    };

    o.lines[row - section->rows] = origin;
    conf_value_store(&v, o.base);
}

/* Gives the owner at index of section what it has by default for a row that it does not set. */
static void take_default(struct conf_loader *l, const struct conf_section *section, unsigned index,
                         const struct conf_row *row)
{
    bool named = section->owner == CONF_UPSTREAM && index > 0;

    /* A socket alone means the server at its other end. */
    if (row->type == CONF_BASE_URL && conf_has_socket(&l->c->upstreams[index]))
        conf_store(l, section, index, row, 0, SPAN("http://localhost"));
    else if (named && row->named == CONF_INHERITS)
        conf_inherit(l, row, index);
    else if (!named || row->named == CONF_OWN)
        conf_store(l, section, index, row, 0, span_of(row->initial));
}

static void take_defaults(struct conf_loader *l)
{
    for (unsigned i = 0; i < conf_n_sections; i++) {
        const struct conf_section *s = &conf_sections[i];

        if (s->form != CONF_SETTINGS || s->owner == CONF_KEY)
            continue;
        for (unsigned j = 0; j < conf_n_owned(l->c, s); j++) {
            struct conf_owned o = conf_owned(l->c, s, j);

            for (unsigned k = 0; k < s->n_rows; k++)
                if (o.lines[k] == 0)
                    take_default(l, s, j, &s->rows[k]);
        }
    }
}

/* Where a configuration comes from. */
struct source {
    const char *name; /* NULL: the environment */
    struct span text;
    struct files *files;
    conf_checker *also;
};

static void fill(struct conf *c, const struct source *from, struct conf_errors *errors)
{
    struct conf_loader l = {
        .taker.take = conf_take, .c = c, .errors = errors, .files = from->files
    };

    if (from->name)
        conf_read(from->text, errors, &l.taker);
    else
        conf_take_environment(&l);
    take_defaults(&l);
    conf_check(&l);
    if (from->also)
        from->also(c, errors);
    seen_free(&l.labels);
}

/* An empty configuration, to be freed with conf_free; NULL if memory ran out. */
static struct conf *make(const char *name)
{
    struct conf *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->lines = calloc(conf_n_lines, sizeof *c->lines);
    c->file = name ? conf_dup(span_of(name)) : NULL;
    if (c->lines && (c->file || !name) && conf_add_upstream(c, SPAN("")) == 0)
        return c;
    conf_free(c);
    return NULL;
}

static int load(struct conf **out, const struct source *from, FILE *to)
{
    struct conf_errors errors = { .file = from->name ? from->name : "environment" };
    struct conf *c = make(from->name);
    int err;

    *out = NULL;
    if (!c)
        return -ENOMEM;
    fill(c, from, &errors);
    err = conf_errors_flush(&errors, to);
    if (err)
        conf_free(c);
    else
        *out = c;
    return err;
}

int conf_load_text(struct conf **out, struct span text, const char *name, struct files *files,
                   FILE *errors)
{
    return load(out, &(struct source){ .name = name, .text = text, .files = files }, errors);
}

/* Loads the file from->name. -ENOENT, with nothing said, if there is no such file. */
static int load_file(struct conf **out, struct source *from, FILE *errors)
{
    int err = files_read(from->files, from->name, &from->text);

    *out = NULL;
    if (err == -ENOENT || err == -ENOTDIR)
        return -ENOENT;
    if (!err || err == -ENOMEM)
        return err ? err : load(out, from, errors);
    fprintf(errors, "%s: cannot be read: %s%s\n", from->name, files_why(err),
            strcmp(from->name, PATH_SYSTEM) == 0 ? "; -c names another file" : "");
    return -EINVAL;
}

int conf_load(struct conf **out, const char *path, struct files *files, conf_checker *also,
              FILE *errors)
{
    struct source from = { .name = path ? path : PATH_HERE, .files = files, .also = also };
    int err = load_file(out, &from, errors);

    if (err == -ENOENT && path) {
        fprintf(errors, "%s: cannot be read: %s\n", path, strerror(ENOENT));
        return -EINVAL;
    }
    from.name = PATH_SYSTEM;
    if (err == -ENOENT)
        err = load_file(out, &from, errors);
    from.name = NULL;
    return err == -ENOENT ? load(out, &from, errors) : err;
}
