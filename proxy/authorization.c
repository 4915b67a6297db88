/* Deciding by the table of keys. */
#include "proxy/authorization.h"

#include <time.h>

#define SECONDS_OF_DAY 86400

/* The one field that carries a key. Returns how many there are. */
static unsigned find_key(const struct http_head *h, const struct http_field **field)
{
    unsigned n = 0;

    for (unsigned i = 0; i < h->n_fields; i++) {
        if (h->fields[i].id != HTTP_AUTHORIZATION && h->fields[i].id != HTTP_API_KEY)
            continue;
        *field = &h->fields[i];
        n++;
    }
    return n;
}

static struct span token_of(const struct http_field *field)
{
    return field->id == HTTP_API_KEY ? field->value : bearer_token(field->value);
}

struct span authorization_sent(const struct http_head *h)
{
    const struct http_field *field = NULL;

    return find_key(h, &field) == 1 ? token_of(field) : (struct span){ NULL, 0 };
}

const char *authorize(struct authorization *a, const struct settings *s, const struct http_head *h)
{
    const struct http_field *field = NULL;
    unsigned n = find_key(h, &field);

    *a = (struct authorization){ 0 };
    if (n > 1)
        return "more than one API key: send one Authorization, api-key or x-api-key field";
    if (field) {
        a->as_sent = field->id == HTTP_AUTHORIZATION;
        a->token = token_of(field);
    }
    if (!s->keys)
        return NULL;
    if (a->token.n == 0)
        return "no API key: send 'Authorization: Bearer KEY'";
    a->key = key_map_find(s->keys, a->token);
    a->expired = a->key && a->key->expires > 0 && time(NULL) / SECONDS_OF_DAY >= a->key->expires;
    if (a->expired)
        return "this API key has expired";
    return a->key || s->conf->access.pass_unknown_keys ? NULL : "incorrect API key";
}
