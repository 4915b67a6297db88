/* Gathering secrets, and going through a text from one to the next. */
#include "log/secrets.h"
#include "base/out.h"
#include "base/text.h"
#include "log/secrets_table.h"

#include <errno.h>
#include <stdlib.h>

#define ESCAPE_MAX 6 /* "\u002f": the most bytes that one of a secret takes in JSON */
#define KEY_MIN 20   /* bytes after "sk-" that make it a key */
#define WORD_MIN 8   /* "Bearer", a blank, and a token */

struct secrets {
    unsigned refs;
    struct secrets_table table;
};

/* Words */

static bool ends_token(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f || c == '"' || c == '\\' || c == ',';
}

/* The length of the token at `at` that follows "Bearer" and blanks, or 0. */
static size_t token_at(struct span text, size_t at)
{
    size_t word = at, end = at;

    if (at == 0 || !text_is_blank(text.p[at - 1]) || ends_token(text.p[at]))
        return 0;
    while (word > 0 && text_is_blank(text.p[word - 1]))
        word--;
    if (word < 6 || ascii_lower(text.p[word - 1]) != 'r' ||
        !span_eq_nocase((struct span){ text.p + word - 6, 6 }, SPAN("bearer")))
        return 0;
    while (end < text.n && !ends_token(text.p[end]))
        end++;
    return end - at;
}

static bool is_key_byte(char c)
{
    return text_is_digit(c) || text_is_letter(c) || c == '-' || c == '_';
}

/* The length of the key at `at`, told by its looks, or 0. */
static size_t key_at(struct span text, size_t at)
{
    size_t end = at + 3;

    if (text.n - at < 3 + KEY_MIN || memcmp(text.p + at, "sk-", 3) != 0 ||
        (at > 0 && is_key_byte(text.p[at - 1])))
        return 0;
    while (end < text.n && is_key_byte(text.p[end]))
        end++;
    return end - at >= 3 + KEY_MIN ? end - at : 0;
}

static size_t word_at(struct span text, size_t at)
{
    size_t token = token_at(text, at), key = key_at(text, at);

    return token > key ? token : key;
}

/* True if c may stand before the blank that a token follows. */
static bool ends_bearer(char c)
{
    return ascii_lower(c) == 'r' || text_is_blank(c);
}

/* The first byte in [p, last) that a word begins with, or that stands before one; or last. */
static const char *skip(const char *p, const char *last)
{
    while (p < last && *p != 's' && (unsigned char)*p > ' ')
        p++;
    return p;
}

/* The first place from `from` on where a word stands that is a secret; text.n if there is none. */
static size_t next_word(struct span text, size_t from)
{
    const char *p = text.p + from, *last = text.p + text.n - 1;

    if (from < text.n && word_at(text, from))
        return from;
    for (; (p = skip(p, last)) < last; p++) {
        size_t at = (size_t)(p - text.p);

        if (*p == 's' && p[1] == 'k' && key_at(text, at))
            return at;
        if (at > 0 && ends_bearer(p[-1]) && token_at(text, at + 1))
            return at + 1;
    }
    return text.n;
}

/* Searching */

/* Where the longest secret at `at` ends; `at` itself if there is none. */
static size_t end_at(const struct secrets_search *x, size_t at)
{
    size_t longest = word_at(x->text, at);

    for (unsigned i = 0; i < SECRETS_SETS; i++) {
        size_t n = x->sets[i] ? secrets_table_at(&x->sets[i]->table, x->text, at) : 0;

        longest = n > longest ? n : longest;
    }
    return at + longest;
}

/* The length of the shortest secret of a set, or of a word: in a shorter text there is none. */
static size_t shortest_of(const struct secrets_search *x, unsigned source)
{
    if (source == SECRETS_SETS)
        return WORD_MIN;
    return x->sets[source] ? x->sets[source]->table.shortest : SIZE_MAX;
}

static size_t next_of(const struct secrets_search *x, unsigned source)
{
    if (x->text.n < shortest_of(x, source))
        return x->text.n;
    return source == SECRETS_SETS ? next_word(x->text, x->at)
                                  : secrets_table_next(&x->sets[source]->table, x->text, x->at);
}

struct span secrets_next(struct secrets_search *x)
{
    size_t from = x->text.n, end;

    if (x->text.n == 0)
        return x->text;
    for (unsigned i = 0; i <= SECRETS_SETS; i++) {
        if (!x->begun || x->next[i] < x->at)
            x->next[i] = next_of(x, i);
        from = x->next[i] < from ? x->next[i] : from;
    }
    x->begun = true;
    end = from < x->text.n ? end_at(x, from) : from;
    for (size_t at = from + 1; at < end; at++) {
        size_t other = end_at(x, at);

        end = other > end ? other : end;
    }
    x->at = end;
    return (struct span){ x->text.p + from, end - from };
}

size_t secrets_longest(const struct secrets *s)
{
    return s ? ESCAPE_MAX * s->table.longest : 0;
}

/* Gathering */

static void gather_all(struct secrets_table *t, char *const *texts, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        secrets_table_add(t, span_of(texts[i]));
}

/* The proxy's credentials as they are sent (RFC 7617, 2). */
static int gather_credentials(struct secrets_table *t, const struct conf_url *proxy)
{
    struct span user = span_of(proxy->user), password = span_of(proxy->password);
    size_t n = OUT_BASE64_SIZE(user.n + 1 + password.n);
    char *text;
    struct out o;

    if (!proxy->host || !proxy->user)
        return 0;
    text = malloc(n);
    if (!text)
        return -ENOMEM;
    out_init(&o, text, n);
    out_basic(&o, user, password);
    secrets_table_add(t, out_span(&o));
    wipe(text, n);
    free(text);
    return 0;
}

static int gather_upstream(struct secrets_table *t, const struct conf_upstream *u)
{
    gather_all(t, u->api_keys, u->n_api_keys);
    for (unsigned i = 0; i < u->n_headers; i++)
        secrets_table_add(t, span_of(u->headers[i].value));
    secrets_table_add(t, span_of(u->proxy.password));
    return gather_credentials(t, &u->proxy);
}

static int gather(struct secrets_table *t, const struct conf *c)
{
    int err = 0;

    for (unsigned i = 0; i < c->n_keys; i++) {
        secrets_table_add(t, span_of(c->keys[i].client));
        gather_all(t, c->keys[i].upstream_keys, c->keys[i].n_upstream_keys);
    }
    for (unsigned i = 0; i < c->n_upstreams && !err; i++)
        err = gather_upstream(t, &c->upstreams[i]);
    return err;
}

/* Makes what was gathered in s, to which err already happened. */
static int finish(struct secrets **out, struct secrets *s, int err)
{
    if (!err)
        err = secrets_table_make(&s->table);
    s->refs = 1;
    if (err)
        secrets_free(s);
    *out = err ? NULL : s;
    return err;
}

int secrets_make(struct secrets **out, const struct conf *c)
{
    struct secrets *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s)
        return -ENOMEM;
    return finish(out, s, gather(&s->table, c));
}

int secrets_make_one(struct secrets **out, struct span secret)
{
    struct secrets *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s)
        return -ENOMEM;
    secrets_table_add(&s->table, secret);
    return finish(out, s, 0);
}

struct secrets *secrets_hold(struct secrets *s)
{
    if (s)
        s->refs++;
    return s;
}

void secrets_free(struct secrets *s)
{
    if (!s || --s->refs > 0)
        return;
    secrets_table_clear(&s->table);
    free(s);
}
