/* Puts a configuration together: from a file by the table of keys, else from the environment, and from the defaults.
 * Refuses to know what a value may be; that is cfg/values.c. The checks across values come last, in cfg/check.c. */
#include "cfg/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define PATH_HERE "./proxy.ini"
#define PATH_SYSTEM "/etc/openai-chat-proxy/proxy.ini"
#define ENVIRONMENT (-1)

/* Stores one value of a fixed section; line may be ENVIRONMENT, or 0 for a default. */
static void store_fixed(struct conf_loader *l, const struct conf_row *row, int line, struct span raw)
{
    struct conf_value v = {
        .errors = l->errors, .row = row, .line = line > 0 ? line : 0, .section = row->section,
        .name = row->name, .raw = raw, .literal = line == ENVIRONMENT,
    };
    l->c->origin[row - conf_rows] = line;
    conf_value_store(&v, l->c);
}

static void take_fixed(struct conf_loader *l, const struct conf_row *row, const struct conf_entry *e)
{
    int before = l->c->origin[row - conf_rows];
    if (before)
        conf_fault(l->errors, e->line, row->section, "%s: given twice, first on line %d", row->name, before);
    else
        store_fixed(l, row, e->line, e->value);
}

/* Adds an empty key with the given label. Returns it, or NULL if memory ran out. */
static struct conf_key *add_key(struct conf_loader *l, struct span label, int line)
{
    struct conf *c = l->c;
    struct conf_key *keys = conf_grow(c->keys, &l->room_keys, c->n_keys, sizeof(*keys));
    if (keys)
        c->keys = keys;
    struct key_lines *lines = conf_grow(l->key_lines, &l->room_key_lines, c->n_keys, sizeof(*lines));
    if (lines)
        l->key_lines = lines;
    char *copy = conf_dup(label);
    if (!keys || !lines || !copy) {
        l->errors->oom = true;
        free(copy);
        return NULL;
    }
    keys[c->n_keys] = (struct conf_key){ .label = copy, .line = line };
    lines[c->n_keys] = (struct key_lines){ 0 };
    return &keys[c->n_keys++];
}

/* Stores a line of [api_keys] whose left side, client, is fine. v becomes the value of the right side. */
static void store_api_key(struct conf_loader *l, struct conf_value *v, struct span label, struct span client)
{
    struct conf_key *key = add_key(l, label, v->line);
    if (!key)
        return;
    l->key_lines[l->c->n_keys - 1] = (struct key_lines){ v->line, v->line, v->line };
    key->client = conf_dup(client);
    if (!key->client)
        l->errors->oom = true;
    v->name = "the real key";
    conf_value_store(v, key);
}

/* One line of [api_keys]. No message names the key that stands there: it is a secret. */
static void take_api_key(struct conf_loader *l, const struct conf_row *row, const struct conf_entry *e)
{
    struct conf_value v = {
        .errors = l->errors, .row = row, .line = e->line, .section = "api_keys", .name = "the client's key", .raw = e->value,
    };
    char label[24];
    l->n_api_keys++;
    snprintf(label, sizeof(label), "key%u", l->n_api_keys);
    /* "a== = b" is for inih the key "a" with the value "= = b". */
    if (e->value.n && e->value.p[0] == '=') {
        conf_value_fault(&v, "seems to hold a '='; write it in a section of its own: [key LABEL] with key = and upstream_key =");
        return;
    }
    if (e->name.n > row->max)
        conf_value_fault(&v, "is longer than %" PRIu64 " characters", row->max);
    else if (conf_key_check(&v, e->name))
        store_api_key(l, &v, span_of(label), e->name);
}

static void take_key(struct conf_loader *l, const struct conf_row *row, const struct conf_entry *e)
{
    struct key_lines *lines = &l->key_lines[l->key];
    bool client = row->at == offsetof(struct conf_key, client);
    int *line = client ? &lines->client : &lines->upstream;
    char section[64];
    snprintf(section, sizeof(section), "key %s", l->c->keys[l->key].label);
    if (*line) {
        conf_fault(l->errors, e->line, section, "%s: given twice, first on line %d", row->name, *line);
        return;
    }
    *line = e->line;
    if (client)
        l->c->keys[l->key].line = e->line;
    struct conf_value v = {
        .errors = l->errors, .row = row, .line = e->line, .section = section, .name = row->name, .raw = e->value,
    };
    conf_value_store(&v, &l->c->keys[l->key]);
}

static bool is_quoted(struct span s)
{
    return s.n > 1 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.n - 1] == s.p[0];
}

/* Names are written bare: a quoted one would be looked for with its quotes, and never found. */
static void check_quotes(struct conf_loader *l, const struct conf_entry *e, bool alias)
{
    struct conf_quoted q;
    if (is_quoted(e->name) || (alias && is_quoted(e->value)))
        conf_fault(l->errors, e->line, e->section.p, "%s: a name of a field stands without quotes here", conf_quote(&q, e->name));
}

/* One line of [field_aliases] or [defaults]. */
static void take_pair(struct conf_loader *l, const struct conf_row *row, const struct conf_entry *e)
{
    bool alias = strcmp(row->section, "field_aliases") == 0;
    struct conf_pair **list = alias ? &l->c->aliases : &l->c->defaults;
    unsigned *n = alias ? &l->c->n_aliases : &l->c->n_defaults;
    struct conf_pair *grown = conf_grow(*list, alias ? &l->room_aliases : &l->room_defaults, *n, sizeof(*grown));
    char *name = conf_dup(e->name);
    struct conf_quoted q;
    int before = 0;
    if (grown)
        *list = grown;
    if (!grown || !name || seen_put(alias ? &l->aliases : &l->defaults, span_of(name), e->line, &before) < 0) {
        l->errors->oom = true;
        free(name);
        return;
    }
    if (before)
        conf_fault(l->errors, e->line, row->section, "%s: given twice, first on line %d", conf_quote(&q, e->name), before);
    check_quotes(l, e, alias);
    grown[*n] = (struct conf_pair){ .name = name, .line = e->line };
    struct conf_value v = {
        .errors = l->errors, .row = row, .line = e->line, .section = row->section, .name = conf_quote(&q, e->name),
            .raw = e->value,
    };
    conf_value_store(&v, &grown[(*n)++]);
}

static void take_entry(struct conf_loader *l, const struct conf_entry *e)
{
    bool in_key = e->section.n > 4 && memcmp(e->section.p, "key ", 4) == 0;
    struct span section = in_key ? SPAN("key") : e->section;
    const struct conf_row *row = conf_row_find(section, e->name);
    if (!row)
        conf_unknown_name(l->errors, e->line, e->section.p, e->name);
    else if (in_key)
        take_key(l, row, e);
    else if (row < conf_rows + conf_n_fixed)
        take_fixed(l, row, e);
    else if (strcmp(row->section, "api_keys") == 0)
        take_api_key(l, row, e);
    else
        take_pair(l, row, e);
}

static bool label_fits(struct span label)
{
    for (size_t i = 0; i < label.n; i++) {
        unsigned char c = (unsigned char)ascii_lower(label.p[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80 || strchr("._-@+", c)))
            return false;
    }
    return true;
}

/* Goes to [key LABEL], whose section name is "key LABEL"; a second section of the same label goes on with the first. */
static bool enter_key(struct conf_loader *l, const struct conf_entry *e)
{
    struct span label = conf_trim(span_skip(e->section, 4));
    if (!label_fits(label)) {
        conf_fault(l->errors, e->line, e->section.p, "a label is made of letters, digits and . _ - @ +");
        return false;
    }
    struct conf_key *key = add_key(l, label, e->line);
    int before = 0;
    if (!key)
        return false;
    l->key = l->c->n_keys - 1;
    if (seen_put(&l->sections, span_of(key->label), (int)l->key + 1, &before) < 0)
        l->errors->oom = true;
    if (before) {
        free(key->label);
        l->c->n_keys--;
        l->key = (unsigned)before - 1;
    } else {
        l->key_lines[l->key].section = e->line;
    }
    return true;
}

static void take(struct conf_taker *t, const struct conf_entry *e)
{
    struct conf_loader *l = (struct conf_loader *)(void *)((char *)t - offsetof(struct conf_loader, taker));
    if (e->name.p) {
        if (!l->skipping)
            take_entry(l, e);
        return;
    }
    if (e->section.n > 4 && memcmp(e->section.p, "key ", 4) == 0) {
        l->skipping = !enter_key(l, e);
        return;
    }
    l->skipping = !conf_section_known(e->section) || span_eq(e->section, SPAN("key"));
    if (l->skipping)
        conf_unknown_section(l->errors, e->line, e->section);
}

static void take_variable(struct conf_loader *l, const char *variable, const char *section, const char *name)
{
    const char *value = getenv(variable);
    if (value && *value)
        store_fixed(l, conf_row_find(span_of(section), span_of(name)), ENVIRONMENT, span_of(value));
}

/* What stands in for a file: the two variables that the OpenAI SDKs read. A key from there is for this machine alone. */
static void take_environment(struct conf_loader *l)
{
    take_variable(l, "OPENAI_BASE_URL", "upstream", "base_url");
    take_variable(l, "OPENAI_API_KEY", "upstream", "api_key");
    if (l->c->upstream.api_key)
        store_fixed(l, conf_row_find(SPAN("server"), SPAN("listen")), ENVIRONMENT, SPAN("127.0.0.1:8000"));
}

static void take_defaults(struct conf_loader *l)
{
    for (unsigned i = 0; i < conf_n_fixed; i++)
        if (l->c->origin[i] == 0)
            store_fixed(l, &conf_rows[i], 0, span_of(conf_rows[i].initial));
}

static void free_loader(struct conf_loader *l)
{
    seen_free(&l->aliases);
    seen_free(&l->defaults);
    seen_free(&l->sections);
    free(l->key_lines);
}

/* Fills c from in (NULL: the environment), reporting to errors. */
static void fill(struct conf *c, FILE *in, conf_checker *also, struct conf_errors *errors)
{
    struct conf_loader l = { .taker.take = take, .c = c, .errors = errors };
    if (in)
        conf_read(in, errors, &l.taker);
    else
        take_environment(&l);
    take_defaults(&l);
    conf_check(&l);
    if (also)
        also(c, errors);
    free_loader(&l);
}

static int load(struct conf **out, FILE *in, const char *name, conf_checker *also, FILE *to)
{
    struct conf_errors errors = { .file = name ? name : "environment" };
    struct conf *c = calloc(1, sizeof(*c));
    *out = NULL;
    if (!c)
        return -ENOMEM;
    c->origin = calloc(conf_n_fixed, sizeof(*c->origin));
    c->file = name ? conf_dup(span_of(name)) : NULL;
    if (!c->origin || (name && !c->file)) {
        conf_free(c);
        return -ENOMEM;
    }
    fill(c, in, also, &errors);
    int rc = conf_errors_flush(&errors, to);
    if (rc == 0)
        *out = c;
    else
        conf_free(c);
    return rc;
}

int conf_load_stream(struct conf **out, FILE *in, const char *name, FILE *errors)
{
    return load(out, in, name, NULL, errors);
}

/* Loads path. -ENOENT, with nothing said, if there is no such file. */
static int load_file(struct conf **out, const char *path, conf_checker *also, FILE *errors)
{
    char buffer[8192];                  /* ours, so that it can be wiped: it holds keys */
    *out = NULL;
    FILE *in = fopen(path, "re");
    if (!in && (errno == ENOENT || errno == ENOTDIR))
        return -ENOENT;
    if (!in) {
        fprintf(errors, "%s: cannot be read: %s\n", path, strerror(errno));
        return -EINVAL;
    }
    setvbuf(in, buffer, _IOFBF, sizeof(buffer));
    int rc = load(out, in, path, also, errors);
    fclose(in);
    wipe(buffer, sizeof(buffer));
    return rc;
}

int conf_load(struct conf **out, const char *path, conf_checker *also, FILE *errors)
{
    int rc = load_file(out, path ? path : PATH_HERE, also, errors);
    if (rc == -ENOENT && path) {
        fprintf(errors, "%s: cannot be read: %s\n", path, strerror(ENOENT));
        return -EINVAL;
    }
    if (rc == -ENOENT)
        rc = load_file(out, PATH_SYSTEM, also, errors);
    return rc == -ENOENT ? load(out, NULL, NULL, also, errors) : rc;
}
