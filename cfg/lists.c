/* Lists: the loop that takes them apart, and the items that are texts. */
#include "cfg/lists.h"
#include "base/addrset.h"
#include "base/text.h"
#include "cfg/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

int conf_item_fault(const struct conf_value *v, struct span item, const char *what)
{
    bool plain = span_eq(v->text, v->raw);
    struct conf_quoted q;

    if (item.n == 0)
        conf_value_fault(v, "has an empty item; items are separated by one comma");
    else
        conf_value_fault(v, "%s %s", plain ? conf_quote(&q, item) : "an item", what);
    return -EINVAL;
}

/* Stores a copy of text in *item, a char *. */
static int take_text(void *item, struct span text)
{
    char *copy = conf_dup(text);

    memcpy(item, &copy, sizeof copy);
    return copy ? 0 : -ENOMEM;
}

static void clear_text(void *item)
{
    char *text;

    memcpy(&text, item, sizeof text);
    conf_free_text(text);
}

static int take_address(const struct conf_value *v, void *item, struct span text)
{
    int err = addr_block_check(text);

    if (!err || span_eq(text, SPAN("unix:")))
        return take_text(item, text);
    if (err == -ERANGE)
        return conf_item_fault(v, text,
                               span_find(text, ':') == text.n
                                   ? "has a bad prefix length; it is 0 to 32"
                                   : "has a bad prefix length; it is 0 to 128");
    return conf_item_fault(v, text,
                           "is not an address or block, such as 192.168.0.0/16, 10.1.2.3 or "
                           "2001:db8::/32 (or unix:)");
}

/* Why text is no origin, or NULL. An origin is scheme://host[:port] and nothing after it: a browser
 * sends no slash (RFC 6454, 6.2), so that "https://a/" would never match. */
static const char *origin_fault(struct span text)
{
    const char *mark = memmem(text.p, text.n, "://", 3);
    struct span host = mark ? span_skip(text, (size_t)(mark + 3 - text.p)) : SPAN("");
    bool fine = (mark && mark > text.p && host.n > 0) || span_eq(text, SPAN("null"));

    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= ' ' || (unsigned char)text.p[i] >= 0x7f)
            fine = false;
    if (span_find(host, '/') < host.n)
        return "has a '/' after the host; an origin ends with the host or the port";
    if (span_eq(text, SPAN("*")) || span_eq_nocase(text, SPAN("none")))
        return "stands alone or not at all";
    return fine ? NULL : "is not an origin, such as https://chat.example.com (or *, or none)";
}

static int take_origin(const struct conf_value *v, void *item, struct span text)
{
    const char *why = span_eq(v->text, SPAN("*")) ? NULL : origin_fault(text);

    return why ? conf_item_fault(v, text, why) : take_text(item, text);
}

/* True if path has a segment that is "." or "..", or two slashes side by side. */
static bool has_odd_segment(struct span path)
{
    while (path.n > 0) {
        struct span rest = span_skip(path, 1), segment = { rest.p, span_find(rest, '/') };

        path = span_skip(rest, segment.n);
        if (span_eq(segment, SPAN(".")) || span_eq(segment, SPAN("..")) ||
            (segment.n == 0 && path.n > 0))
            return true;
    }
    return false;
}

/* Why text is no path to pass on, or NULL. A path is compared as clients send it. */
static const char *path_fault(struct span text)
{
    static const char *const served[] = { "/v1/chat/completions", "/chat/completions", "/healthz" };

    if (text.n == 0 || text.p[0] != '/')
        return "is no path; it starts with '/'";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c <= ' ' || c >= 0x7f || c == '?' || c == '#')
            return "is more than a path, or not percent-encoded";
    }
    if (span_find(text, '*') + 1 < text.n)
        return "has a '*' elsewhere than at its end";
    if (has_odd_segment(text))
        return "has a segment that is empty, '.' or '..'";
    for (size_t i = 0; i < sizeof served / sizeof *served; i++)
        if (span_eq(text, span_of(served[i])))
            return "is served in any case";
    return NULL;
}

static int take_path(const struct conf_value *v, void *item, struct span text)
{
    const char *why = path_fault(text);

    return why ? conf_item_fault(v, text, why) : take_text(item, text);
}

static int take_file(const struct conf_value *v, void *item, struct span text)
{
    struct span contents;
    char *path, why[120];
    int err = take_text(item, text);

    memcpy(&path, item, sizeof path);
    if (!err)
        err = files_read(v->files, path, &contents);
    if (!err || err == -ENOMEM)
        return err;
    snprintf(why, sizeof why, "cannot be read: %s", files_why(err));
    return conf_item_fault(v, text, why);
}

static int take_key(const struct conf_value *v, void *item, struct span text)
{
    const char *word = v->row->words[0];

    if (word && span_eq_nocase(text, span_of(word)))
        conf_value_fault(v, "%s stands alone or not at all", word);
    else if (text.n > v->row->max)
        conf_value_fault(v, "is longer than %" PRIu64 " characters", v->row->max);
    else if (conf_key_check(v, text))
        return take_text(item, text);
    return -EINVAL;
}

static const struct conf_list lists[] = {
    [CONF_LISTEN] = { sizeof(struct conf_listen), conf_take_listen, conf_clear_listen },
    [CONF_ADDRESSES] = { sizeof(char *), take_address, clear_text },
    [CONF_ORIGINS] = { sizeof(char *), take_origin, clear_text },
    [CONF_PATHS] = { sizeof(char *), take_path, clear_text },
    [CONF_FILES] = { sizeof(char *), take_file, clear_text },
    [CONF_KEYS] = { sizeof(char *), take_key, clear_text },
    [CONF_MODELS] = { sizeof(struct conf_model), conf_take_model, conf_clear_model },
    [CONF_ALLOWED] = { sizeof(struct conf_model), conf_take_model, conf_clear_model },
    [CONF_FALLBACKS] = { sizeof(struct conf_fallback), conf_take_fallback, conf_clear_fallback },
};

const struct conf_list *conf_list_of(enum conf_type type)
{
    return type < sizeof lists / sizeof *lists && lists[type].size > 0 ? &lists[type] : NULL;
}

void conf_list_free(const struct conf_list *kind, void *list, unsigned n)
{
    for (unsigned i = 0; list && i < n; i++)
        kind->clear((char *)list + i * kind->size);
    free(list);
}

/* Takes the next item off *rest; all of it where a comma is part of the item. */
static bool next_item(const struct conf_value *v, struct span *rest, struct span *item)
{
    if (!v->row->single)
        return text_next_item(rest, item);
    *item = *rest;
    *rest = (struct span){ NULL, 0 };
    return item->p != NULL;
}

int conf_set_list(const struct conf_value *v, void *base)
{
    const struct conf_list *kind = &lists[v->row->type];
    struct span rest = v->text, item;
    char *list = NULL, *grown;
    unsigned n = 0;
    int err = 0, one;

    while (v->text.n > 0 && err != -ENOMEM && next_item(v, &rest, &item)) {
        grown = conf_grow(list, n, kind->size);
        if (!grown) {
            err = -ENOMEM;
            break;
        }
        list = grown;
        memset(list + n * kind->size, 0, kind->size);
        one =
            item.n > 0 ? kind->take(v, list + n * kind->size, item) : conf_item_fault(v, item, "");
        n++;
        err = one ? one : err;
    }
    if (err) {
        conf_list_free(kind, list, n);
        return err == -ENOMEM ? err : 0;
    }
    memcpy(conf_place(v, base), &list, sizeof list);
    *conf_count(v->row, base) = n;
    return 0;
}

int conf_set_words(const struct conf_value *v, void *base)
{
    const char *word = v->row->words[0];

    if (!word || !span_eq_nocase(v->text, span_of(word)))
        return conf_set_list(v, base);
    if (v->row->word_at)
        *(bool *)((char *)base + v->row->word_at) = true;
    return 0;
}
