/* Questions about a parsed head. */
#include "http/head.h"
#include "base/text.h"

static bool has_name(const struct http_head *h, enum http_name id)
{
    return h->names >> id & 1;
}

const struct http_field *http_find(const struct http_head *h, enum http_name id)
{
    for (unsigned i = 0; has_name(h, id) && i < h->n_fields; i++)
        if (h->fields[i].id == id)
            return &h->fields[i];
    return NULL;
}

struct span http_coding(const struct http_head *h)
{
    for (unsigned i = 0; has_name(h, HTTP_CONTENT_ENCODING) && i < h->n_fields; i++) {
        struct span rest, item;

        if (h->fields[i].id != HTTP_CONTENT_ENCODING)
            continue;
        for (rest = h->fields[i].value; http_list_next(&rest, &item);)
            if (!span_eq_nocase(item, SPAN("identity")))
                return item;
    }
    return SPAN("");
}

unsigned http_count(const struct http_head *h, enum http_name id)
{
    unsigned n = 0;

    for (unsigned i = 0; has_name(h, id) && i < h->n_fields; i++)
        n += h->fields[i].id == id;
    return n;
}

bool http_list_next(struct span *rest, struct span *item)
{
    while (rest->n > 0 && text_next_item(rest, item))
        if (item->n > 0)
            return true;
    return false;
}
