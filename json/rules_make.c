/* Compiles renames and defaults into one sorted list of the keys that matter, and refuses what cannot be meant.
 * It allocates, once, when the configuration is read; nothing here runs while a body flows.
 * Read json/rules.h for the list's invariants, json/rules.c for how it is asked. */
#include "json/escape.h"
#include "json/machine.h"
#include "json/rules.h"

#include <errno.h>
#include <stdlib.h>

/* The rules being made, where the next text goes, and what was wrong. */
struct maker {
    const struct json_rules_spec *spec;
    struct json_rules *rules;
    char *end;
    const char *why;
    unsigned bad;
};

static int compare_names(const void *a, const void *b)
{
    const struct json_name *left = a, *right = b;

    return json_name_compare(left->key, right->key);
}

static struct span put(struct maker *m, struct span bytes)
{
    struct span stored = { m->end, bytes.n };

    if (bytes.n > 0)
        memcpy(m->end, bytes.p, bytes.n);
    m->end += bytes.n;
    return stored;
}

/* Stores text as a JSON string, quotes included, and returns it. */
static struct span put_quoted(struct maker *m, struct span text)
{
    static const char hex[] = "0123456789abcdef";
    char *start = m->end;

    put(m, SPAN("\""));
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = (uint8_t)text.p[i];
        const char escape[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

        if (c < 0x20)
            put(m, (struct span){ escape, 6 });
        else if (c == '"' || c == '\\')
            put(m, (struct span){ c == '"' ? "\\\"" : "\\\\", 2 });
        else
            *m->end++ = (char)c;
    }
    put(m, SPAN("\""));
    return (struct span){ start, (size_t)(m->end - start) };
}

/* Notes what is wrong with entry number bad. */
static int refuse(struct maker *m, unsigned bad, const char *why)
{
    m->bad = bad;
    m->why = why;
    return -EINVAL;
}

static int check_key(struct maker *m, struct span key, unsigned entry)
{
    if (key.n > JSON_KEY_MAX)
        return refuse(m, entry, "is longer than 128 bytes");
    return json_utf8_valid(key) ? 0 : refuse(m, entry, "is not UTF-8");
}

/* Room for every text that put and put_quoted will be asked to store. */
static size_t text_size(const struct json_rules_spec *spec)
{
    size_t size = 1;

    for (unsigned i = 0; i < spec->n_aliases; i++)
        size += spec->aliases[i].from.n + 7 * spec->aliases[i].to.n + 2;
    for (unsigned i = 0; i < spec->n_defaults; i++)
        size += spec->defaults[i].key.n;
    return size;
}

/* The aliases, sorted; while this lasts default_index is the number of the entry. */
static int take_aliases(struct maker *m)
{
    struct json_rules *rules = m->rules;

    for (unsigned i = 0; i < m->spec->n_aliases; i++) {
        const struct json_alias *alias = &m->spec->aliases[i];
        int e = check_key(m, alias->from, i);

        if (e)
            return e;
        if (!json_utf8_valid(alias->to))
            return refuse(m, i, "has a new name that is not UTF-8");
        rules->names[i].key = put(m, alias->from);
        rules->names[i].goes_as = put(m, alias->to);
        rules->names[i].text = put_quoted(m, alias->to);
        rules->names[i].default_index = (int)i;
        if (rules->names[i].text.n > rules->longest_text)
            rules->longest_text = rules->names[i].text.n;
    }
    rules->n_names = m->spec->n_aliases;
    qsort(rules->names, rules->n_names, sizeof(*rules->names), compare_names);
    for (uint32_t i = 1; i < rules->n_names; i++)
        if (span_eq(rules->names[i - 1].key, rules->names[i].key)) {
            int a = rules->names[i - 1].default_index, b = rules->names[i].default_index;

            return refuse(m, (unsigned)(a > b ? a : b), "is given twice");
        }
    return 0;
}

/* The name under which a default goes out; to be asked while the list holds the aliases alone, or when it is complete. */
static struct span goes_as(const struct json_rules *rules, struct span key)
{
    const struct json_name *name = json_name_find(rules, key);

    return name ? name->goes_as : key;
}

static int check_default(struct maker *m, unsigned i)
{
    const struct json_default *d = m->spec->defaults;
    unsigned entry = m->spec->n_aliases + i;
    struct span out = goes_as(m->rules, d[i].key);
    int e = check_key(m, d[i].key, entry);

    if (e)
        return e;
    if (i >= JSON_DEFAULTS_MAX)
        return refuse(m, entry, "is one default more than the 64 there may be");
    if (!json_valid(d[i].value))
        return refuse(m, entry, "has a default that is not one JSON value");
    if (out.n > JSON_KEY_MAX)
        return refuse(m, entry, "has a default, but its new name is longer than 128 bytes");
    for (unsigned j = 0; j < i; j++) {
        if (span_eq(d[j].key, d[i].key))
            return refuse(m, entry, "is given twice");
        if (span_eq(goes_as(m->rules, d[j].key), out))
            return refuse(m, entry, "has a default that would go out under the same name as another");
    }
    return 0;
}

/* Adds key to the list, behind the first `sorted` names, unless it is there; it goes out as it is. */
static void add_name(struct json_rules *rules, struct span key)
{
    for (uint32_t i = 0; i < rules->n_names; i++)
        if (span_eq(rules->names[i].key, key))
            return;
    rules->names[rules->n_names++] = (struct json_name){ .key = key, .goes_as = key, .default_index = -1 };
}

/* Checks the defaults and adds the keys that make them unnecessary. */
static int take_defaults(struct maker *m)
{
    struct json_rules *rules = m->rules;
    struct span out[JSON_DEFAULTS_MAX] = { { 0 } };
    unsigned n = m->spec->n_defaults;

    for (unsigned i = 0; i < n; i++) {
        int e = check_default(m, i);

        if (e)
            return e;
        out[i] = goes_as(rules, m->spec->defaults[i].key);
    }
    for (uint32_t i = 0; i < rules->n_names; i++)
        rules->names[i].default_index = -1;
    for (unsigned i = 0; i < n; i++) {
        bool aliased = out[i].p != m->spec->defaults[i].key.p;

        add_name(rules, aliased ? out[i] : put(m, out[i]));
    }
    qsort(rules->names, rules->n_names, sizeof(*rules->names), compare_names);
    for (uint32_t i = 0; i < rules->n_names; i++)
        for (unsigned d = 0; d < n; d++)
            if (span_eq(rules->names[i].goes_as, out[d]))
                rules->names[i].default_index = (int)d;
    return 0;
}

/* Runs value through the renamer as it will stand in the body, one level deep, writing to the *cap bytes at *out, which grow as needed and of which *n are
 * in use. The caller has seen that it is one value. -EINVAL if it nests too deep for that place. */
static int append_renamed(const struct json_rules *rules, struct span value, char **out, size_t *n, size_t *cap)
{
    struct json_renamer r;

    json_rename_init(&r, rules);
    json_enter(&r, false);
    while (value.n > 0) {
        size_t written;
        ssize_t taken;

        if (*cap - *n < JSON_KEY_MAX + value.n) {
            size_t more = 2 * *cap + 2 * JSON_KEY_MAX + value.n;
            char *grown = realloc(*out, more);

            if (!grown)
                return -ENOMEM;
            *out = grown;
            *cap = more;
        }
        taken = json_rename(&r, value, *out + *n, *cap - *n, &written);
        if (taken < 0)
            return -EINVAL;
        *n += written;
        value = span_skip(value, (size_t)taken);
    }
    return 0;
}

static struct span trimmed(struct span s)
{
    while (s.n > 0 && memchr(" \t\r\n", s.p[0], 4))
        s = span_skip(s, 1);
    while (s.n > 0 && memchr(" \t\r\n", s.p[s.n - 1], 4))
        s.n--;
    return s;
}

/* Makes the text of default i: a comma, the key it goes out as, a colon and its value. */
static int store_default(struct maker *m, unsigned i)
{
    const struct json_default *d = &m->spec->defaults[i];
    struct span key = goes_as(m->rules, d->key);
    size_t n = 0, cap = 6 * key.n + d->value.n + 2 * JSON_KEY_MAX;
    char *text = malloc(cap), *end = m->end;
    int e;

    if (!text)
        return -ENOMEM;
    m->end = text;
    put(m, SPAN(","));
    put_quoted(m, key);
    put(m, SPAN(":"));
    n = (size_t)(m->end - text);
    m->end = end;
    e = append_renamed(m->rules, trimmed(d->value), &text, &n, &cap);
    m->rules->defaults[i] = (struct span){ text, n };
    return e == -EINVAL ? refuse(m, m->spec->n_aliases + i, "has a default that is nested too deep") : e;
}

static int store_defaults(struct maker *m)
{
    unsigned n = m->spec->n_defaults;

    for (unsigned i = 0; i < n; i++) {
        int e = store_default(m, i);

        if (e)
            return e;
    }
    m->rules->n_defaults = n;           /* not before: the values themselves get no defaults */
    return 0;
}

/* Lets byte c pass at its place in the groups named. */
static void allow(struct json_name_byte *b, uint8_t c, uint8_t groups)
{
    b->at[c & 63] |= groups;
    b->low[c & 15] |= groups;
    b->high[c >> 4] |= groups;
}

static void allow_any(struct json_name_byte *b, uint8_t groups)
{
    for (unsigned c = 0; c < 256; c++)
        allow(b, (uint8_t)c, groups);
}

/* Fills the filter. The groups take turns; each may also go on with an escape. */
static void note_starts(struct json_rules *rules)
{
    const uint8_t escaped = 1u << 7;

    if (rules->n_names == 0)
        return;
    allow(&rules->starts.first, '\\', escaped);
    allow_any(&rules->starts.second, escaped);
    allow(&rules->starts.second, '\\', 0xFF);
    for (uint32_t i = 0; i < rules->n_names; i++) {
        struct span key = rules->names[i].key;
        uint8_t group = (uint8_t)(1u << i % 7);

        allow(&rules->starts.first, key.n > 0 ? (uint8_t)key.p[0] : '"', group);
        if (key.n == 0)
            allow_any(&rules->starts.second, group);
        else
            allow(&rules->starts.second, key.n > 1 ? (uint8_t)key.p[1] : '"', group);
    }
}

static int fill(struct maker *m)
{
    struct json_rules *rules = m->rules;
    const struct json_rules_spec *spec = m->spec;
    int e;

    rules->kernel = json_kernel_best();
    rules->text = m->end = malloc(text_size(spec));
    rules->names = calloc((size_t)spec->n_aliases + spec->n_defaults + 1, sizeof(*rules->names));
    if (!rules->text || !rules->names)
        return -ENOMEM;
    rules->deep = spec->n_aliases > 0 && !spec->top_only;
    e = take_aliases(m);
    e = e ? e : take_defaults(m);
    note_starts(rules);
    return e ? e : store_defaults(m);
}

int json_rules_make(struct json_rules **out, const struct json_rules_spec *spec, const char **why)
{
    struct maker m = { .spec = spec, .rules = calloc(1, sizeof(struct json_rules)), .why = "out of memory" };
    int e = m.rules ? fill(&m) : -ENOMEM;

    if (e) {
        json_rules_free(m.rules);
        *why = m.why;
        if (e == -EINVAL && spec->bad)
            *spec->bad = m.bad;
        return e;
    }
    *out = m.rules;
    return 0;
}

void json_rules_free(struct json_rules *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < JSON_DEFAULTS_MAX; i++)
        free((char *)r->defaults[i].p);
    free(r->names);
    free(r->text);
    free(r);
}
