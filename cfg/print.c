/* Writes a configuration as a file that would give the same, without its secrets. Goes by the
 * tables of cfg/schema.c: a new key is printed without a word here. */
#include "cfg/conf.h"
#include "cfg/lists.h"
#include "cfg/owners.h"
#include "cfg/values.h"

void conf_print_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (text[0] == '$' && text[1] == '{')
            putc('$', to);
        putc(*text, to);
    }
}

static void print_listen(FILE *to, const struct conf_listen *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        fputs(i ? ", " : "", to);
        conf_print_listen(to, &list[i]);
    }
}

static void print_strings(FILE *to, char *const *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        fputs(i ? ", " : "", to);
        conf_print_text(to, list[i]);
    }
}

static void print_models(FILE *to, const struct conf_model *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        fputs(i ? ", " : "", to);
        conf_print_text(to, list[i].name);
        fputs(list[i].prefix ? "*" : "", to);
        fputs(list[i].to ? " -> " : "", to);
        conf_print_text(to, list[i].to ? list[i].to : "");
    }
}

static void print_fallbacks(FILE *to, const struct conf_fallback *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        fprintf(to, "%s%s%s", i ? ", " : "", list[i].name, list[i].model ? " -> " : "");
        conf_print_text(to, list[i].model ? list[i].model : "");
    }
}

/* Writes the list that row has in base. */
static void print_list(FILE *to, const void *base, const struct conf_row *row)
{
    unsigned n = *conf_count(row, (void *)base);
    const void *list;

    memcpy(&list, (const char *)base + row->at, sizeof list);
    if (row->word_at && *((const bool *)((const char *)base + row->word_at)))
        fputs(row->words[0], to);
    else if (n == 0 && row->words[0] && !row->word_at)
        fputs(row->words[0], to);
    else if (row->type == CONF_LISTEN)
        print_listen(to, list, n);
    else if (row->type == CONF_MODELS || row->type == CONF_ALLOWED)
        print_models(to, list, n);
    else if (row->type == CONF_FALLBACKS)
        print_fallbacks(to, list, n);
    else if (row->type == CONF_KEYS)
        for (unsigned i = 0; i < n; i++)
            fputs(i ? ", ***" : "***", to);
    else
        print_strings(to, list, n);
}

static void print_number(FILE *to, enum conf_type type, const void *p)
{
    char number[32];

    if (type == CONF_SIZE)
        fputs(conf_size_text(number, *(const uint64_t *)p), to);
    else if (type == CONF_TIME)
        fputs(conf_time_text(number, *(const uint64_t *)p), to);
    else if (type == CONF_AMOUNT)
        fputs(conf_amount_text(number, *(const unsigned *)p), to);
    else if (type == CONF_DATE)
        fputs(conf_date_text(number, *(const unsigned *)p), to);
    else if (type == CONF_WORKERS && *(const unsigned *)p == 0)
        fputs("auto", to);
    else
        fprintf(to, "%u", *(const unsigned *)p);
}

void conf_value_print(FILE *to, const void *base, const struct conf_row *row)
{
    const char *p = (const char *)base + row->at;
    const struct conf_url *url = (const void *)p;
    const char *text;

    switch (row->type) {
    case CONF_LISTEN:
    case CONF_ADDRESSES:
    case CONF_ORIGINS:
    case CONF_KEYS:
    case CONF_MODELS:
    case CONF_ALLOWED:
    case CONF_FALLBACKS:
    case CONF_PATHS:
    case CONF_FILES:
        print_list(to, base, row);
        break;
    case CONF_WORKERS:
    case CONF_COUNT:
    case CONF_AMOUNT:
    case CONF_DATE:
    case CONF_SIZE:
    case CONF_TIME:
        print_number(to, row->type, p);
        break;
    case CONF_BOOL:
        fputs(*(const bool *)p ? "yes" : "no", to);
        break;
    case CONF_CHOICE:
        fputs(row->words[*(const bool *)p], to);
        break;
    case CONF_LEVEL:
        fputs(row->words[*(const enum conf_log_level *)(const void *)p], to);
        break;
    case CONF_BASE_URL:
    case CONF_PROXY:
        conf_print_text(to, url->host ? url->text : "none");
        break;
    case CONF_CLIENT:
    case CONF_FIELD:
        fputs("***", to);
        break;
    case CONF_USER:
    case CONF_TARGET:
    case CONF_CA_FILE:
    case CONF_LOG_FILE:
    case CONF_SOCKET:
    case CONF_JSON:
    case CONF_TEXT:
        memcpy(&text, p, sizeof text);
        conf_print_text(to, text);
        break;
    }
}

static void print_origin(FILE *to, const struct conf *c, int line)
{
    if (line > 0)
        fprintf(to, "    ; %s:%d\n", c->file, line);
    else if (line == CONF_INHERITED)
        fputs("    ; as [upstream]\n", to);
    else
        fprintf(to, "    ; %s\n", line == CONF_ENVIRONMENT ? "environment" : "default");
}

/* What is not given in a [key LABEL] is not there; pass_paths are those of [upstream]. */
static bool is_shown(const struct conf_section *section, unsigned index, const struct conf_row *row,
                     int line)
{
    if (section->owner == CONF_KEY)
        return line != 0;
    return index == 0 || row->named != CONF_REFUSED;
}

/* Masks of clients' keys are numbered: no two may be the same. */
static void print_settings(FILE *to, const struct conf *c, const struct conf_section *section,
                           unsigned index)
{
    struct conf_owned o = conf_owned(c, section, index);

    for (unsigned i = 0; i < section->n_rows; i++) {
        const struct conf_row *row = &section->rows[i];
        int line = conf_owned_line(&o, section, row);

        if (!is_shown(section, index, row, line))
            continue;
        fprintf(to, "%s = ", row->name);
        conf_value_print(to, o.base, row);
        if (row->type == CONF_CLIENT)
            fprintf(to, "%u", index + 1);
        print_origin(to, c, line);
    }
}

static void print_pairs(FILE *to, const struct conf *c, const struct conf_section *section,
                        const struct conf_owned *o)
{
    unsigned n;
    const struct conf_pair *list = conf_owned_pairs(o, section, &n);

    for (unsigned i = 0; i < n; i++) {
        fprintf(to, "%s = ", list[i].name);
        conf_value_print(to, &list[i], section->rows);
        print_origin(to, c, list[i].line);
    }
}

/* True if there is something to write of the section of the owner at index. */
static bool has_entries(const struct conf *c, const struct conf_section *section, unsigned index)
{
    struct conf_owned o = conf_owned(c, section, index);
    unsigned n;

    if (section->form == CONF_PAIRS && index > 0)
        return conf_owned_pairs(&o, section, &n) != NULL && n > 0;
    return section->form != CONF_CLIENTS;
}

/* Says where requests go. */
static void print_way(FILE *to, const struct conf_upstream *u)
{
    fprintf(to, "; requests go to %s%s%s\n", u->url, conf_has_socket(u) ? " by " : "", u->socket);
}

static void print_section(FILE *to, const struct conf *c, const struct conf_section *section,
                          unsigned index)
{
    struct conf_owned o = conf_owned(c, section, index);

    if (!has_entries(c, section, index))
        return;
    fprintf(to, "\n[%s%s%s]\n", section->name, o.label ? " " : "", o.label ? o.label : "");
    if (section->owner == CONF_UPSTREAM && section->form == CONF_SETTINGS)
        print_way(to, &c->upstreams[index]);
    if (section->form == CONF_PAIRS)
        print_pairs(to, c, section, &o);
    else
        print_settings(to, c, section, index);
}

void conf_print(const struct conf *c, FILE *to)
{
    fprintf(to, "; the configuration in force, from %s\n",
            c->file ? c->file : "the environment and the built-in defaults");
    for (unsigned i = 0; i < c->n_upstreams; i++)
        if (!c->upstreams[i].tls_verify)
            fprintf(to, "; WARNING: " CONF_UNVERIFIED "\n", c->upstreams[i].base_url.text);
    for (unsigned i = 0; i < conf_n_sections; i++)
        for (unsigned j = 0; j < conf_n_owned(c, &conf_sections[i]); j++)
            print_section(to, c, &conf_sections[i], j);
}
