/* Any bytes as proxy.ini: they load or are refused, and a configuration that loads is printed and
 * loads again. proxy.ini.example and tests/unit/test_cfg_keys.c have words for a dictionary. */
#include "cfg/conf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* False if the text may name files or variables, or if a value may contain what only a variable can
 * bring in. */
static bool harmless(const uint8_t *data, size_t n)
{
    return !memmem(data, n, "file:", 5) && !memmem(data, n, "${", 2) &&
        !memmem(data, n, "ca_file", 7);
}

static struct conf *load(const void *data, size_t n, FILE *errors)
{
    struct conf *c = NULL;
    struct files *files;
    int err;

    if (files_make(&files))
        return NULL;
    err = conf_load_text(&c, (struct span){ (const char *)data, n }, "fuzz.ini", files, errors);
    files_free(files);
    if ((err == 0) != (c != NULL))
        abort();
    return c;
}

/* What conf_print says of c, without the comments that name the source of each value. */
static char *printed(const struct conf *c)
{
    char *text = NULL, *out, *end;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    if (!to)
        abort();
    conf_print(c, to);
    fclose(to);
    out = text;
    for (char *line = text; *line; line = end + 1) {
        char *comment = strstr(line, "    ; ");
        size_t n;

        end = strchr(line, '\n');
        n = (size_t)((comment && comment < end ? comment : end) - line);
        if (*line != ';') {
            memmove(out, line, n);
            out += n;
            *out++ = '\n';
        }
    }
    *out = 0;
    return text;
}

/* A printed configuration must load again, and print the same. */
static void print_and_reload(const struct conf *c, FILE *errors)
{
    char *text = printed(c), *second;
    struct conf *again = load(text, strlen(text), errors);

    if (!again)
        abort();
    second = printed(again);
    if (strcmp(text, second) != 0)
        abort();
    free(second);
    free(text);
    conf_free(again);
}

/* A name that is listed leads to its list. */
static void choose_all(const struct conf *c)
{
    for (unsigned i = 0; i < c->n_upstreams; i++)
        for (unsigned j = 0; j < c->upstreams[i].n_models; j++) {
            const struct conf_model *m = &c->upstreams[i].models[j], *match;

            if (!m->prefix && (conf_choose(c, span_of(m->name), &match) != (int)i || match != m))
                abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *said = NULL;
    size_t size = 0;
    FILE *errors;
    struct conf *c;

    if (n == 0 || !harmless(data, n))
        return 0;
    errors = open_memstream(&said, &size);
    if (!errors)
        return 0;
    c = load(data, n, errors);
    fflush(errors);
    if (!c && size == 0)
        abort();
    if (c) {
        print_and_reload(c, errors);
        choose_all(c);
    }
    conf_free(c);
    fclose(errors);
    free(said);
    return 0;
}
