/* A sorted table of secrets, a filter before it that most places of a text do not pass, and the word "Bearer".
 * Knows no log.
 * The interface is proxy/secrets.h. */
#include "proxy/secrets.h"
#include "http/emit.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define WINDOW 4                        /* bytes that the filter looks at; shorter secrets have to stand alone */
#define NONE UINT32_MAX

/* One form of a secret. */
struct secret {
    const char *p;
    uint32_t n;
    uint32_t shorter;                   /* the longest other secret that this one begins with, by its place in the table; or NONE */
    bool alone;                         /* counts only if no letter or digit stands beside it */
};

/* With which bytes secrets begin. */
enum start { START_SHORT = 1, START_WINDOW = 2 };

/* 1. The table is sorted and no two entries are equal. So the longest entry that a text begins with is the last one that is not greater
 *    than the text, or that one's `shorter`, or that one's, and so on: whatever sorts between a string and its continuation begins with it.
 * 2. starts and filter have what every entry begins with. */
struct secrets {
    unsigned refs;
    struct secret *table;
    size_t n, longest;
    char *bytes;                        /* of all entries */
    size_t n_bytes;
    uint8_t starts[256];
    uint64_t *filter;                   /* one bit for each hash of a window */
    unsigned shift;
};

/* Finding */

static uint32_t window_hash(const char *p, unsigned shift)
{
    uint32_t window;

    memcpy(&window, p, sizeof window);
    return (uint32_t)(window * UINT32_C(2654435761)) >> shift;
}

static bool may_begin(const struct secrets *s, struct span text)
{
    uint8_t start = s->starts[(unsigned char)text.p[0]];
    uint32_t h;

    if (start & START_SHORT)
        return true;
    if (!(start & START_WINDOW) || text.n < WINDOW)
        return false;
    h = window_hash(text.p, s->shift);
    return s->filter[h / 64] >> (h % 64) & 1;
}

static int compare(struct span a, struct span b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static struct span span_of_secret(const struct secret *s)
{
    return (struct span){ s->p, s->n };
}

static bool begins_with(struct span text, const struct secret *s)
{
    return text.n >= s->n && memcmp(text.p, s->p, s->n) == 0;
}

/* The place of the last entry that is not greater than text, or NONE. */
static uint32_t last_not_after(const struct secrets *s, struct span text)
{
    size_t low = 0, high = s->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(span_of_secret(&s->table[middle]), text) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low > 0 ? (uint32_t)(low - 1) : NONE;
}

static bool is_alnum(char c)
{
    char lower = ascii_lower(c);

    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
}

static bool stands_alone(struct span text, size_t at, size_t n)
{
    return (at == 0 || !is_alnum(text.p[at - 1])) && (at + n == text.n || !is_alnum(text.p[at + n]));
}

/* The length of the longest entry that stands at `at`, or 0. */
static size_t known_at(const struct secrets *s, struct span text, size_t at)
{
    struct span rest = span_skip(text, at);

    if (!may_begin(s, rest))
        return 0;
    for (uint32_t i = last_not_after(s, rest); i != NONE; i = s->table[i].shorter) {
        const struct secret *entry = &s->table[i];

        if (begins_with(rest, entry) && (!entry->alone || stands_alone(text, at, entry->n)))
            return entry->n;
    }
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool ends_token(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f || c == '"' || c == '\\' || c == ',';
}

/* The length of the token at `at` that follows "Bearer" and blanks, or 0. */
static size_t token_at(struct span text, size_t at)
{
    size_t word = at, end = at;

    if (at == 0 || !is_blank(text.p[at - 1]) || ends_token(text.p[at]))
        return 0;
    while (word > 0 && is_blank(text.p[word - 1]))
        word--;
    if (word < 6 || !span_eq_nocase((struct span){ text.p + word - 6, 6 }, SPAN("bearer")))
        return 0;
    while (end < text.n && !ends_token(text.p[end]))
        end++;
    return end - at;
}

/* Where the longest secret at `at` ends; `at` itself if there is none. */
static size_t end_of_secret(const struct secrets *s, const struct secrets *more, struct span text, size_t at)
{
    size_t longest = token_at(text, at), known = s ? known_at(s, text, at) : 0;

    longest = known > longest ? known : longest;
    known = more && more != s ? known_at(more, text, at) : 0;
    return at + (known > longest ? known : longest);
}

struct span secrets_next(const struct secrets *s, const struct secrets *more, struct span text, size_t from)
{
    size_t end = from;

    while (from < text.n && (end = end_of_secret(s, more, text, from)) == from)
        from++;
    for (size_t at = from + 1; at < end; at++) {
        size_t other = end_of_secret(s, more, text, at);

        end = other > end ? other : end;
    }
    return from < text.n ? (struct span){ text.p + from, end - from } : (struct span){ text.n > 0 ? text.p + text.n : text.p, 0 };
}

size_t secrets_longest(const struct secrets *s)
{
    return s ? s->longest : 0;
}

/* Making */

/* Where the forms of secrets go: at first they are only counted (table is NULL), then written. */
struct sink {
    struct secret *table;
    char *bytes;
    size_t n, n_bytes;
};

/* Writes key with a backslash before each of the bytes `which`; to may be NULL. Returns the length. */
static size_t escape(char *to, struct span key, const char *which)
{
    size_t n = 0;

    for (size_t i = 0; i < key.n; i++) {
        if (strchr(which, key.p[i])) {
            if (to)
                to[n] = '\\';
            n++;
        }
        if (to)
            to[n] = key.p[i];
        n++;
    }
    return n;
}

/* As it is, as JSON has to write it, and as JSON may write it. A form in which there is nothing more to escape is one that was before. */
static void add(struct sink *to, const char *key)
{
    static const char *const escaped[] = { "", "\"\\", "\"\\/" };
    struct span k = span_of(key);
    size_t before = 0;

    for (size_t i = 0; i < sizeof escaped / sizeof *escaped; i++) {
        size_t n = escape(NULL, k, escaped[i]);

        if (n == before)
            continue;
        if (to->table) {
            char *p = to->bytes + to->n_bytes;

            escape(p, k, escaped[i]);
            to->table[to->n] = (struct secret){ .p = p, .n = (uint32_t)n, .alone = k.n < WINDOW };
        }
        to->n++;
        to->n_bytes += n;
        before = n;
    }
}

static void gather(struct sink *to, const struct conf *c, const char *credentials)
{
    for (unsigned i = 0; i < c->n_keys; i++) {
        add(to, c->keys[i].client);
        add(to, c->keys[i].upstream);
    }
    add(to, c->upstream.api_key);
    add(to, c->upstream.proxy.password);
    add(to, credentials);
}

static int by_bytes(const void *a, const void *b)
{
    return compare(span_of_secret(a), span_of_secret(b));
}

/* The same text may be a short key's in one form and a long key's in another: then it counts everywhere. */
static void sort_and_merge(struct secrets *s)
{
    size_t kept = 0;

    if (s->n == 0)
        return;
    qsort(s->table, s->n, sizeof *s->table, by_bytes);
    for (size_t i = 1; i < s->n; i++) {
        if (by_bytes(&s->table[kept], &s->table[i]) == 0)
            s->table[kept].alone &= s->table[i].alone;
        else
            s->table[++kept] = s->table[i];
    }
    s->n = kept + 1;
}

/* What an entry begins with is among the entry before it and what that one begins with. */
static void link_shorter(struct secrets *s)
{
    for (size_t i = 0; i < s->n; i++) {
        uint32_t other = i > 0 ? (uint32_t)(i - 1) : NONE;

        while (other != NONE && !begins_with(span_of_secret(&s->table[i]), &s->table[other]))
            other = s->table[other].shorter;
        s->table[i].shorter = other;
    }
}

/* 32 to 64 bits for each entry. */
static int make_filter(struct secrets *s)
{
    unsigned bits = 10;

    while (bits < 32 && (uint64_t)1 << bits < 32 * (uint64_t)s->n)
        bits++;
    s->shift = 32 - bits;
    s->filter = calloc((size_t)1 << (bits - 6), sizeof *s->filter);
    if (!s->filter)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        const struct secret *entry = &s->table[i];
        unsigned char first = (unsigned char)entry->p[0];

        s->longest = entry->n > s->longest ? entry->n : s->longest;
        if (entry->n < WINDOW) {
            s->starts[first] |= START_SHORT;
        } else {
            uint32_t h = window_hash(entry->p, s->shift);

            s->starts[first] |= START_WINDOW;
            s->filter[h / 64] |= UINT64_C(1) << (h % 64);
        }
    }
    return 0;
}

static int fill(struct secrets *s, const struct conf *c, const char *credentials)
{
    struct sink to = { 0 };

    gather(&to, c, credentials);
    s->n = to.n;
    s->n_bytes = to.n_bytes;
    s->table = calloc(to.n + 1, sizeof *s->table);
    s->bytes = malloc(to.n_bytes + 1);
    if (!s->table || !s->bytes)
        return -ENOMEM;
    to = (struct sink){ .table = s->table, .bytes = s->bytes };
    gather(&to, c, credentials);
    sort_and_merge(s);
    link_shorter(s);
    return make_filter(s);
}

/* The proxy's user:password in base64 and a NUL, followed by what it was made of: n bytes in all, to be wiped. NULL: no memory. */
static char *encode_credentials(const struct conf_url *proxy, size_t *n)
{
    struct span user = span_of(proxy->user), password = span_of(proxy->password);
    size_t n_pair = user.n + 1 + password.n, n_text = (n_pair + 2) / 3 * 4 + 1;
    char *text = calloc(1, n_text + n_pair), *pair = text ? text + n_text : NULL;
    struct http_out o;

    *n = n_text + n_pair;
    if (!text)
        return NULL;
    http_out_init(&o, pair, n_pair);
    http_put(&o, user);
    http_put(&o, SPAN(":"));
    http_put(&o, password);
    http_out_init(&o, text, n_text - 1);
    http_put_base64(&o, (struct span){ pair, n_pair });
    return text;
}

int secrets_make(struct secrets **out, const struct conf *c)
{
    const struct conf_url *proxy = &c->upstream.proxy;
    bool has_user = proxy->host && proxy->user;
    struct secrets *s = calloc(1, sizeof *s);
    size_t n = 0;
    char *credentials = has_user ? encode_credentials(proxy, &n) : NULL;
    int err = s && (credentials || !has_user) ? fill(s, c, credentials) : -ENOMEM;

    if (s)
        s->refs = 1;
    wipe(credentials, credentials ? n : 0);
    free(credentials);
    if (err) {
        secrets_free(s);
        s = NULL;
    }
    *out = s;
    return err;
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
    wipe(s->bytes, s->n_bytes);
    free(s->bytes);
    free(s->table);
    free(s->filter);
    free(s);
}
