/* Writes a configuration as a file that would give the same, without its secrets; answers where a value stood; frees.
 * Goes by the table in cfg/schema.c, so that a new key is printed and freed without a word here.
 * How values are read is cfg/values.c. */
#include "cfg/conf.h"
#include "cfg/memory.h"
#include "cfg/url.h"
#include "cfg/values.h"

#include <stdlib.h>

static const void *place(const struct conf *c, size_t at)
{
    return (const char *)c + at;
}

static const char *string_at(const struct conf *c, size_t at)
{
    return *(char *const *)place(c, at);
}

/* Writes text so that the reader gets the same again: "${" would be a variable. */
static void print_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (text[0] == '$' && text[1] == '{')
            putc('$', to);
        putc(*text, to);
    }
}

static void print_listen(FILE *to, const struct conf *c)
{
    for (unsigned i = 0; i < c->server.n_listen; i++) {
        const struct conf_listen *l = &c->server.listen[i];
        fputs(i ? ", " : "", to);
        print_text(to, l->text);
        fputs(l->proxy_protocol ? " proxy_protocol" : "", to);
        if (l->is_unix)
            fprintf(to, " mode=%04o", l->mode);
    }
}

static void print_strings(FILE *to, const struct conf *c, const struct conf_row *row)
{
    char *const *list = *(char **const *)place(c, row->at);
    unsigned n = *(const unsigned *)place(c, row->count_at);
    for (unsigned i = 0; i < n; i++) {
        fputs(i ? ", " : "", to);
        print_text(to, list[i]);
    }
    if (n == 0 && row->type == CONF_ORIGINS)
        fputs("none", to);
}

static void print_url(FILE *to, const struct conf_url *url)
{
    print_text(to, url->host ? url->text : "none");
}

void conf_value_print(FILE *to, const struct conf *c, const struct conf_row *row)
{
    const void *p = place(c, row->at);
    char number[32];
    switch (row->type) {
    case CONF_LISTEN:
        print_listen(to, c);
        break;
    case CONF_WORKERS:
    case CONF_COUNT:
        if (row->type == CONF_WORKERS && *(const unsigned *)p == 0)
            fputs("auto", to);
        else
            fprintf(to, "%u", *(const unsigned *)p);
        break;
    case CONF_SIZE:
        fputs(conf_size_text(number, *(const uint64_t *)p), to);
        break;
    case CONF_TIME:
        fputs(conf_time_text(number, *(const uint64_t *)p), to);
        break;
    case CONF_BOOL:
        fputs(*(const bool *)p ? "yes" : "no", to);
        break;
    case CONF_CHOICE:
        fputs(row->words[*(const bool *)p], to);
        break;
    case CONF_LEVEL:
        fputs(row->words[*(const enum conf_log_level *)p], to);
        break;
    case CONF_BASE_URL:
    case CONF_PROXY:
        print_url(to, p);
        break;
    case CONF_ADDRESSES:
    case CONF_ORIGINS:
        print_strings(to, c, row);
        break;
    case CONF_SECRET:
        fputs(string_at(c, row->at)[0] ? "***" : "", to);
        break;
    case CONF_USER:
    case CONF_TARGET:
    case CONF_CA_FILE:
    case CONF_LOG_FILE:
    case CONF_TEXT:
        print_text(to, string_at(c, row->at));
        break;
    }
}

static void print_origin(FILE *to, const struct conf *c, int line)
{
    if (line > 0)
        fprintf(to, "    ; %s:%d\n", c->file, line);
    else
        fprintf(to, "    ; %s\n", line < 0 ? "environment" : "default");
}

/* The rows of one section, with its name above the first. */
static void print_section(FILE *to, const struct conf *c, const char *section)
{
    fprintf(to, "[%s]\n", section);
    for (unsigned i = 0; i < conf_n_fixed; i++) {
        if (strcmp(conf_rows[i].section, section) != 0)
            continue;
        fprintf(to, "%s = ", conf_rows[i].name);
        conf_value_print(to, c, &conf_rows[i]);
        print_origin(to, c, c->origin[i]);
    }
}

static void print_pairs(FILE *to, const struct conf *c, const char *section, const struct conf_pair *list, unsigned n)
{
    fprintf(to, "\n[%s]\n", section);
    for (unsigned i = 0; i < n; i++) {
        fprintf(to, "%s = ", list[i].name);
        print_text(to, list[i].value);
        print_origin(to, c, list[i].line);
    }
}

static void print_keys(FILE *to, const struct conf *c)
{
    for (unsigned i = 0; i < c->n_keys; i++) {
        fprintf(to, "\n[key %s]\nkey = ***", c->keys[i].label);
        print_origin(to, c, c->keys[i].line);
        fputs("upstream_key = ***\n", to);
    }
}

void conf_print(const struct conf *c, FILE *to)
{
    fprintf(to, "; the configuration in force, from %s\n", c->file ? c->file : "the environment and the built-in defaults");
    if (!c->upstream.tls_verify)
        fprintf(to, "; WARNING: " CONF_UNVERIFIED "\n", c->upstream.base_url.text);
    putc('\n', to);
    print_section(to, c, "server");
    putc('\n', to);
    print_section(to, c, "upstream");
    print_pairs(to, c, "field_aliases", c->aliases, c->n_aliases);
    print_pairs(to, c, "defaults", c->defaults, c->n_defaults);
    print_keys(to, c);
    putc('\n', to);
    print_section(to, c, "access");
    putc('\n', to);
    print_section(to, c, "log");
}

int conf_line_of(const struct conf *c, const char *section, const char *name)
{
    const struct conf_row *row = conf_row_find(span_of(section), span_of(name));
    if (!row || row >= conf_rows + conf_n_fixed)
        return 0;
    int line = c->origin[row - conf_rows];
    return line > 0 ? line : 0;
}

static void free_strings(char **list, unsigned n)
{
    for (unsigned i = 0; list && i < n; i++)
        free(list[i]);
    free(list);
}

static void free_row(struct conf *c, const struct conf_row *row)
{
    void *p = (char *)c + row->at;
    switch (row->type) {
    case CONF_LISTEN:
        for (unsigned i = 0; i < c->server.n_listen; i++) {
            free(c->server.listen[i].text);
            free(c->server.listen[i].host);
        }
        free(c->server.listen);
        break;
    case CONF_BASE_URL:
    case CONF_PROXY:
        conf_url_free(p);
        break;
    case CONF_ADDRESSES:
    case CONF_ORIGINS:
        free_strings(*(char ***)p, *(unsigned *)(void *)((char *)c + row->count_at));
        break;
    case CONF_SECRET:
    case CONF_USER:
    case CONF_TARGET:
    case CONF_CA_FILE:
    case CONF_LOG_FILE:
    case CONF_TEXT:
        conf_free_text(*(char **)p);
        break;
    case CONF_COUNT:
    case CONF_WORKERS:
    case CONF_SIZE:
    case CONF_TIME:
    case CONF_BOOL:
    case CONF_CHOICE:
    case CONF_LEVEL:
        break;
    }
}

static void free_pairs(struct conf_pair *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        free(list[i].name);
        conf_free_text(list[i].value);
    }
    free(list);
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < conf_n_fixed; i++)
        free_row(c, &conf_rows[i]);
    for (unsigned i = 0; i < c->n_keys; i++) {
        free(c->keys[i].label);
        conf_free_text(c->keys[i].client);
        conf_free_text(c->keys[i].upstream);
    }
    free(c->keys);
    free_pairs(c->aliases, c->n_aliases);
    free_pairs(c->defaults, c->n_defaults);
    free(c->upstream.target);
    free(c->origin);
    free(c->file);
    free(c);
}
