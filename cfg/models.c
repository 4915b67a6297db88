/* Lists of models, "gpt-4o, deepseek-*, fast -> llama-3.3", and of the upstreams to ask next. */
#include "base/text.h"
#include "cfg/lists.h"
#include "cfg/memory.h"

#include <errno.h>
#include <stdlib.h>

/* Splits item at the first arrow. False if there is none: *to is empty then. */
static bool split_arrow(struct span item, struct span *from, struct span *to)
{
    const char *arrow = memmem(item.p, item.n, "->", 2);
    size_t n = arrow ? (size_t)(arrow - item.p) : item.n;

    *from = text_trim((struct span){ item.p, n });
    *to = arrow ? text_trim(span_skip(item, n + 2)) : (struct span){ item.p + n, 0 };
    return arrow != NULL;
}

/* Why s cannot be the name of a model, or NULL. */
static const char *model_fault(struct span s)
{
    if (s.n == 0)
        return "lacks a name beside its arrow";
    if (s.n > CONF_MODEL_MAX)
        return "has a name longer than 256 bytes";
    if (conf_is_quoted(s))
        return "stands in quotes; leave them out";
    if (s.p[0] == ';')
        return "starts with a ';', which begins a comment after a blank";
    if (span_find(s, '>') < s.n)
        return "has a '>' that is part of no arrow; it is written NAME -> NAME, once";
    if (span_find(s, '*') < s.n)
        return "has a '*' elsewhere than at the end of the left side";
    return text_utf8_valid(s) ? NULL : "is not UTF-8";
}

int conf_take_model(const struct conf_value *v, void *item, struct span text)
{
    struct conf_model *m = item;
    struct span name, to;
    bool renames = split_arrow(text, &name, &to);
    const char *why = NULL;

    m->prefix = name.n > 0 && name.p[name.n - 1] == '*';
    name.n -= m->prefix;
    if (renames && v->row->type == CONF_ALLOWED)
        why = "has an arrow; models are renamed in [upstream]";
    else if (name.n > 0 || !m->prefix)
        why = model_fault(name);
    if (!why && renames)
        why = model_fault(to);
    if (why)
        return conf_item_fault(v, text, why);
    m->name = conf_dup(name);
    m->to = renames ? conf_dup(to) : NULL;
    return m->name && (m->to || !renames) ? 0 : -ENOMEM;
}

void conf_clear_model(void *item)
{
    struct conf_model *m = item;

    free(m->name);
    free(m->to);
}

/* The upstream is looked for when all are known, in cfg/upstreams.c. */
int conf_take_fallback(const struct conf_value *v, void *item, struct span text)
{
    struct conf_fallback *f = item;
    struct span name, model;
    bool renames = split_arrow(text, &name, &model);
    const char *why = renames ? model_fault(model) : NULL;

    if (name.n == 0)
        why = "names no upstream in front of its arrow";
    if (why)
        return conf_item_fault(v, text, why);
    f->name = conf_dup(name);
    f->model = renames ? conf_dup(model) : NULL;
    return f->name && (f->model || !renames) ? 0 : -ENOMEM;
}

void conf_clear_fallback(void *item)
{
    struct conf_fallback *f = item;

    free(f->name);
    free(f->model);
}
