/* Compiles renames and defaults into one sorted list of the keys that matter, and refuses rules
 * that contradict each other. */
#include "base/text.h"
#include "json/escape.h"
#include "json/machine.h"
#include "json/rules.h"

#include <errno.h>
#include <stdlib.h>

/* The rules being made, where the next text goes, and the fault found. */
struct maker {
    const struct json_rules_spec *spec;
    struct json_rules *rules;
    char *end;
    const char *why;
    unsigned bad;
    unsigned n_defaults; /* with one for stream_options, see default_at */
};

/* The members by which usage is asked for, and what each role is about. */
static const struct span usage_names[] = { { "stream", 6 },
                                           { "stream_options", 14 },
                                           { "include_usage", 13 } };

enum { STREAM, OPTIONS, INCLUDE, N_USAGE };

static int compare_keys(const void *a, const void *b)
{
    const struct json_name *left = a, *right = b;

    return json_name_compare(left->key, right->key);
}

static struct span maker_put(struct maker *m, struct span bytes)
{
    struct span stored = { m->end, bytes.n };

    if (bytes.n > 0)
        memcpy(m->end, bytes.p, bytes.n);
    m->end += bytes.n;
    return stored;
}

/* Stores text as a JSON string, quotes included, and returns it. */
static struct span maker_put_quoted(struct maker *m, struct span text)
{
    static const char hex[] = "0123456789abcdef";
    char *start = m->end;

    maker_put(m, SPAN("\""));
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = (uint8_t)text.p[i];
        const char escape[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

        if (c < 0x20)
            maker_put(m, (struct span){ escape, 6 });
        else if (c == '"' || c == '\\')
            maker_put(m, (struct span){ c == '"' ? "\\\"" : "\\\\", 2 });
        else
            *m->end++ = (char)c;
    }
    maker_put(m, SPAN("\""));
    return (struct span){ start, (size_t)(m->end - start) };
}

static struct span trimmed(struct span s)
{
    while (s.n > 0 && memchr(" \t\r\n", s.p[0], 4))
        s = span_skip(s, 1);
    while (s.n > 0 && memchr(" \t\r\n", s.p[s.n - 1], 4))
        s.n--;
    return s;
}

/* Stores a member, with the comma before it, and returns it. */
static struct span maker_put_member(struct maker *m, struct span key, struct span value)
{
    char *start = m->end;

    maker_put(m, SPAN(","));
    maker_put_quoted(m, key);
    maker_put(m, SPAN(":"));
    maker_put(m, value);
    return (struct span){ start, (size_t)(m->end - start) };
}

/* Notes the fault of entry number bad. */
static int maker_refuse(struct maker *m, unsigned bad, const char *why)
{
    m->bad = bad;
    m->why = why;
    return -EINVAL;
}

static int check_key(struct maker *m, struct span key, unsigned entry)
{
    if (key.n > JSON_KEY_MAX)
        return maker_refuse(m, entry, "is longer than 128 bytes");
    return text_utf8_valid(key) ? 0 : maker_refuse(m, entry, "is not UTF-8");
}

/* Room for every text that put and put_quoted will be asked to store. */
static size_t text_size(const struct json_rules_spec *spec)
{
    size_t size = 1;

    for (unsigned i = 0; i < spec->n_aliases; i++)
        size += spec->aliases[i].from.n + 7 * spec->aliases[i].to.n + 2;
    for (unsigned i = 0; i < spec->n_defaults; i++)
        size += spec->defaults[i].key.n;
    if (spec->usage)
        size += 2 * (sizeof ",\"\":null" + 6 * JSON_KEY_MAX);
    return size;
}

/* Takes the aliases, sorted. Until take_defaults, default_index is the number of the entry. */
static int maker_take_aliases(struct maker *m)
{
    struct json_rules *rules = m->rules;

    for (unsigned i = 0; i < m->spec->n_aliases; i++) {
        const struct json_alias *alias = &m->spec->aliases[i];
        int err = check_key(m, alias->from, i);

        if (err)
            return err;
        if (!text_utf8_valid(alias->to))
            return maker_refuse(m, i, "has a new name that is not UTF-8");
        if (alias->to.n > JSON_KEY_MAX)
            return maker_refuse(m, i, "has a new name that is longer than 128 bytes");
        rules->names[i].key = maker_put(m, alias->from);
        rules->names[i].goes_as = maker_put(m, alias->to);
        rules->names[i].text = maker_put_quoted(m, alias->to);
        rules->names[i].default_index = (int)i;
    }
    rules->n_names = m->spec->n_aliases;
    qsort(rules->names, rules->n_names, sizeof *rules->names, compare_keys);
    for (uint32_t i = 1; i < rules->n_names; i++)
        if (span_eq(rules->names[i - 1].key, rules->names[i].key)) {
            int a = rules->names[i - 1].default_index, b = rules->names[i].default_index;

            return maker_refuse(m, (unsigned)(a > b ? a : b), "is given twice");
        }
    return 0;
}

/* Adds the new names of the aliases, which the list holds alone, unless they are old names too, and
 * the name that may choose the upstream. */
static void maker_add_new_names(struct maker *m)
{
    struct json_rules *rules = m->rules;
    uint32_t n = rules->n_names, kept = 0;

    if (!json_name_find(rules, SPAN("model")))
        rules->names[n++] = (struct json_name){ .key = SPAN("model"),
                                                .goes_as = SPAN("model"),
                                                .default_index = -1 };
    for (uint32_t i = 0; i < m->spec->n_aliases; i++) {
        struct span key = rules->names[i].goes_as;

        if (!json_name_find(rules, key))
            rules->names[n++] =
                (struct json_name){ .key = key, .goes_as = key, .default_index = -1 };
    }
    qsort(rules->names, n, sizeof *rules->names, compare_keys);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || !span_eq(rules->names[i].key, rules->names[kept - 1].key))
            rules->names[kept++] = rules->names[i];
    rules->n_names = kept;
}

/* The name under which a default goes out; valid while the list holds the aliases alone, or when it
 * is complete. */
static struct span goes_as(const struct json_rules *rules, struct span key)
{
    const struct json_name *name = json_name_find(rules, key);

    return name ? name->goes_as : key;
}

/* Default i. The last may be one of our own: it is not the spec's. */
static struct json_default default_at(const struct maker *m, unsigned i)
{
    return i < m->spec->n_defaults ? m->spec->defaults[i]
                                   : (struct json_default){ usage_names[OPTIONS], SPAN("{}") };
}

/* Finds the default for stream_options, or has one of our own added. */
static void maker_find_options(struct maker *m)
{
    struct span key = goes_as(m->rules, usage_names[OPTIONS]);
    unsigned i = 0;

    while (i < m->spec->n_defaults && !span_eq(goes_as(m->rules, m->spec->defaults[i].key), key))
        i++;
    m->rules->options = i;
    m->n_defaults += i == m->spec->n_defaults;
}

static int check_default(struct maker *m, unsigned i)
{
    const struct json_default *d = m->spec->defaults;
    unsigned entry = m->spec->n_aliases + i;
    struct span out = goes_as(m->rules, d[i].key);
    int err = check_key(m, d[i].key, entry);

    if (err)
        return err;
    if (i >= JSON_DEFAULTS_MAX)
        return maker_refuse(m, entry, "is one default more than the 64 there may be");
    if (!json_valid(d[i].value))
        return maker_refuse(m, entry, "has a default that is not one JSON value");
    for (unsigned j = 0; j < i; j++) {
        if (span_eq(d[j].key, d[i].key))
            return maker_refuse(m, entry, "is given twice");
        if (span_eq(goes_as(m->rules, d[j].key), out))
            return maker_refuse(m, entry,
                                "has a default that would go out under the same name as another");
    }
    return 0;
}

/* Adds key to the list unless it is there; it goes out as it is. */
static void add_name(struct json_rules *rules, struct span key)
{
    for (uint32_t i = 0; i < rules->n_names; i++)
        if (span_eq(rules->names[i].key, key))
            return;
    rules->names[rules->n_names++] =
        (struct json_name){ .key = key, .goes_as = key, .default_index = -1 };
}

/* Adds the keys by which usage is asked for, and tells who has which role. include_usage is renamed
 * only where all keys are. */
static void maker_add_roles(struct maker *m)
{
    struct json_rules *rules = m->rules;
    struct span out[N_USAGE];

    for (unsigned i = 0; i < N_USAGE; i++)
        out[i] = i < INCLUDE || rules->deep ? goes_as(rules, usage_names[i]) : usage_names[i];
    for (unsigned i = 0; i < m->spec->n_defaults; i++)
        if (span_eq(goes_as(rules, m->spec->defaults[i].key), out[STREAM]))
            rules->streams = span_eq(trimmed(m->spec->defaults[i].value), SPAN("true"));
    for (unsigned i = 0; i < N_USAGE; i++)
        add_name(rules, out[i]);
    for (uint32_t i = 0; i < rules->n_names; i++) {
        struct json_name *name = &rules->names[i];

        for (unsigned k = 0; k < N_USAGE; k++)
            if (span_eq(k < INCLUDE || rules->deep ? name->goes_as : name->key, out[k]))
                name->roles |= (uint8_t)(1u << k);
    }
    rules->no_options = maker_put_member(m, out[OPTIONS], SPAN("null"));
    rules->include = maker_put_member(m, out[INCLUDE], SPAN("true"));
}

/* Checks the defaults and adds the keys that make them unnecessary. */
static int maker_take_defaults(struct maker *m)
{
    struct json_rules *rules = m->rules;
    struct span out[JSON_DEFAULTS_MAX] = { { 0 } };
    unsigned n = m->spec->n_defaults;

    for (unsigned i = 0; i < n; i++) {
        int err = check_default(m, i);

        if (err)
            return err;
        out[i] = goes_as(rules, m->spec->defaults[i].key);
    }
    for (uint32_t i = 0; i < rules->n_names; i++)
        rules->names[i].default_index = -1;
    if (rules->usage)
        maker_add_roles(m);
    for (unsigned i = 0; i < n; i++) {
        bool aliased = out[i].p != m->spec->defaults[i].key.p;

        add_name(rules, aliased ? out[i] : maker_put(m, out[i]));
    }
    qsort(rules->names, rules->n_names, sizeof *rules->names, compare_keys);
    for (uint32_t i = 0; i < rules->n_names; i++)
        for (unsigned d = 0; d < n; d++)
            if (span_eq(rules->names[i].goes_as, out[d]))
                rules->names[i].default_index = (int)d;
    return 0;
}

/* Text that grows. */
struct value_text {
    char *p;
    size_t n, cap;
};

static int text_grow(struct value_text *t, size_t room)
{
    size_t cap = 2 * t->cap + room;
    char *grown;

    if (t->p && t->cap - t->n >= room)
        return 0;
    grown = realloc(t->p, cap);
    if (!grown)
        return -ENOMEM;
    t->p = grown;
    t->cap = cap;
    return 0;
}

/* Runs value through r as it will stand in the body, one level deep, appending to t. The caller has
 * seen that it is one value. -EINVAL if it cannot stand there: r->why says why. */
static int append_renamed(struct json_renamer *r, struct span value, struct value_text *t)
{
    json_enter(r, true);
    while (value.n > 0) {
        size_t written;
        ssize_t taken;

        if (text_grow(t, JSON_KEY_MAX + value.n))
            return -ENOMEM;
        taken = json_rename(r, value, t->p + t->n, t->cap - t->n, &written);
        if (taken < 0)
            return -EINVAL;
        t->n += written;
        value = span_skip(value, (size_t)taken);
    }
    return 0;
}

/* The value of default i, without white space; of a null as stream_options, which is as good as
 * none, what stands for it. */
static struct span default_value(const struct maker *m, unsigned i)
{
    struct span value = trimmed(default_at(m, i).value);

    if (m->rules->usage && i == m->rules->options && span_eq(value, SPAN("null")))
        return SPAN("{}");
    return value;
}

/* Makes the text of default i: a comma, its outgoing key, a colon and its value. */
static int make_default(struct maker *m, unsigned i, struct value_text *t, void *memory)
{
    struct json_rules *rules = m->rules;
    struct json_default d = default_at(m, i);
    struct span key = goes_as(rules, d.key);
    struct json_renamer r;
    char *end = m->end;
    int err = text_grow(t, 6 * key.n + sizeof ",\"\":");

    if (err)
        return err;
    m->end = t->p;
    t->n = maker_put_member(m, key, SPAN("")).n;
    m->end = end;
    if (span_eq(d.key, SPAN("model"))) {
        rules->model_default = i;
        rules->model_value = t->n;
    }
    json_rename_init(&r, rules, memory);
    if (rules->usage && i == rules->options) {
        rules->options_value = t->n;
        r.member = JSON_MEMBER_OPTIONS;
    }
    err = append_renamed(&r, default_value(m, i), t);
    rules->asks |= r.asked;
    if (err != -EINVAL)
        return err;
    return maker_refuse(m, m->spec->n_aliases + i,
                        r.twins[0].p ? "has a default with two fields that go out under one name"
                                     : "has a default that is nested too deep");
}

static int store_default(struct maker *m, unsigned i)
{
    void *memory = malloc(json_rename_memory(m->rules) + 1);
    struct value_text t = { 0 };
    int err = memory ? make_default(m, i, &t, memory) : -ENOMEM;

    free(memory);
    m->rules->defaults[i] = (struct span){ t.p, t.n };
    return err;
}

static int store_defaults(struct maker *m)
{
    unsigned n = m->n_defaults;

    m->rules->model_default = n;
    for (unsigned i = 0; i < n; i++) {
        int err = store_default(m, i);

        if (err)
            return err;
    }
    m->rules->n_defaults = n; /* not before: the values themselves get no defaults */
    return 0;
}

static int rules_fill(struct maker *m)
{
    struct json_rules *rules = m->rules;
    const struct json_rules_spec *spec = m->spec;
    int err;

    rules->kernel = json_kernel_best();
    rules->text = m->end = malloc(text_size(spec));
    rules->names =
        calloc((size_t)2 * spec->n_aliases + spec->n_defaults + 2 + N_USAGE, sizeof *rules->names);
    if (!rules->text || !rules->names)
        return -ENOMEM;
    rules->deep = spec->n_aliases > 0 && !spec->top_only;
    rules->model_if_given = spec->model_if_given;
    rules->usage = spec->usage;
    err = maker_take_aliases(m);
    if (!err)
        maker_add_new_names(m);
    if (!err && rules->usage)
        maker_find_options(m);
    err = err ? err : maker_take_defaults(m);
    err = err ? err : json_twins_link(rules);
    rules->model = json_name_find(rules, SPAN("model"));
    json_names_filter(rules);
    return err ? err : store_defaults(m);
}

int json_rules_make(struct json_rules **out, const struct json_rules_spec *spec, const char **why)
{
    struct maker m = { .spec = spec,
                       .rules = calloc(1, sizeof(struct json_rules)),
                       .why = "out of memory",
                       .n_defaults = spec->n_defaults };
    int err = m.rules ? rules_fill(&m) : -ENOMEM;

    if (err) {
        json_rules_free(m.rules);
        *why = m.why;
        if (err == -EINVAL && spec->bad)
            *spec->bad = m.bad;
        return err;
    }
    *out = m.rules;
    return 0;
}
