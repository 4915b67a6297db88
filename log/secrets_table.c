/* Making the table, and a filter before it that most places of a text do not pass. */
#include "log/secrets_table.h"
#include "base/grow.h"
#include "base/out.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>

#define WINDOW 4 /* bytes that the filter looks at; shorter secrets have to stand alone */
#define BASE64_MIN 8

enum start { START_SHORT = 1, START_WINDOW = 2 };

/* Finding */

static struct span secret_span(const struct secrets_table *t, const struct secret *s)
{
    return (struct span){ t->bytes + s->at, s->n };
}

/* The byte that p, of left bytes, begins with, and in *n how many bytes it takes: one, unless it is
 * an escape of JSON. */
static unsigned unescape(const char *p, size_t left, size_t *n)
{
    int high, low;

    *n = 1;
    if (*p != '\\' || left < 2)
        return (unsigned char)*p;
    if (p[1] == '"' || p[1] == '\\' || p[1] == '/') {
        *n = 2;
        return (unsigned char)p[1];
    }
    if (left < 6 || memcmp(p, "\\u00", 4) != 0)
        return '\\';
    high = text_hex(p[4]);
    low = text_hex(p[5]);
    if (high < 0 || low < 0)
        return '\\';
    *n = 6;
    return (unsigned)(high << 4 | low);
}

/* Orders secret and text as bytes, or with the escapes of text undone. 0: text begins with secret,
 * in its first *used bytes. */
static int compare(struct span secret, struct span text, bool escaped, size_t *used)
{
    size_t n = secret.n < text.n ? secret.n : text.n, at = 0, step;

    *used = secret.n;
    if (!escaped) {
        int order = memcmp(secret.p, text.p, n);

        return order ? order : secret.n > text.n;
    }
    for (size_t i = 0; i < secret.n; i++, at += step) {
        unsigned c;

        if (at == text.n)
            return 1;
        c = unescape(text.p + at, text.n - at, &step);
        if ((unsigned char)secret.p[i] != c)
            return (unsigned char)secret.p[i] < c ? -1 : 1;
    }
    *used = at;
    return 0;
}

/* The index of the last secret that is not greater than text, or SECRET_NONE. */
static uint32_t last_not_after(const struct secrets_table *t, struct span text, bool escaped)
{
    size_t low = 0, high = t->n, used;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(secret_span(t, &t->list[middle]), text, escaped, &used) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low > 0 ? (uint32_t)(low - 1) : SECRET_NONE;
}

static bool is_alnum(char c)
{
    return text_is_digit(c) || text_is_letter(c);
}

static bool stands_alone(struct span text, size_t at, size_t n)
{
    return (at == 0 || !is_alnum(text.p[at - 1])) &&
        (at + n == text.n || !is_alnum(text.p[at + n]));
}

/* The longest at `at`, read with or without escapes. */
static size_t longest_at(const struct secrets_table *t, struct span text, size_t at, bool escaped)
{
    struct span rest = span_skip(text, at);

    for (uint32_t i = last_not_after(t, rest, escaped); i != SECRET_NONE;) {
        const struct secret *s = &t->list[i];
        size_t n;

        if (compare(secret_span(t, s), rest, escaped, &n) == 0 &&
            (!s->alone || stands_alone(text, at, n)))
            return n;
        i = s->shorter;
    }
    return 0;
}

/* Each window has two bits in the filter: a stray one seldom has both. */
static uint32_t window_hash(uint32_t window, unsigned shift)
{
    return (uint32_t)(window * UINT32_C(2654435761)) >> shift;
}

static uint32_t other_hash(uint32_t window, unsigned shift)
{
    return (uint32_t)((window ^ window >> 15) * UINT32_C(2246822519)) >> shift;
}

static uint32_t window_of(const char *p)
{
    uint32_t window;

    memcpy(&window, p, sizeof window);
    return window;
}

static bool filter_bit(const struct secrets_table *t, uint32_t h)
{
    return t->filter[h / 64] >> (h % 64) & 1;
}

static bool filter_has(const struct secrets_table *t, uint32_t window)
{
    return filter_bit(t, window_hash(window, t->shift)) &&
        filter_bit(t, other_hash(window, t->shift));
}

/* True if a secret may begin at the start of text. */
static bool may_begin(const struct secrets_table *t, struct span text)
{
    uint8_t start = t->starts[(unsigned char)text.p[0]];

    return (start & START_SHORT) ||
        ((start & START_WINDOW) && text.n >= WINDOW && filter_has(t, window_of(text.p)));
}

/* Undoes the escapes at the start of text, for up to n bytes. Returns how many there are. */
static size_t unescape_some(struct span text, char *to, size_t n)
{
    size_t i = 0, at = 0, step;

    for (; i < n && at < text.n; i++, at += step)
        to[i] = (char)unescape(text.p + at, text.n - at, &step);
    return i;
}

static bool may_begin_escaped(const struct secrets_table *t, struct span text)
{
    char window[WINDOW] = "";

    return may_begin(t, (struct span){ window, unescape_some(text, window, WINDOW) });
}

size_t secrets_table_at(const struct secrets_table *t, struct span text, size_t at)
{
    struct span rest = span_skip(text, at);
    size_t near = rest.n < t->longest ? rest.n : t->longest, n = 0, other = 0;

    if (t->n == 0)
        return 0;
    if (may_begin(t, rest))
        n = longest_at(t, text, at, false);
    if (memchr(rest.p, '\\', near) && may_begin_escaped(t, rest))
        other = longest_at(t, text, at, true);
    return n > other ? n : other;
}

/* The first place in [p, stop) where a secret may begin, or stop. Most places are passed by at the
 * cost of a look into a table, a multiplication and a bit. */
static const char *skip(const struct secrets_table *t, const char *p, const char *stop)
{
    const uint64_t *filter = t->filter;
    const uint8_t *starts = t->starts;
    unsigned shift = t->shift;

    for (; p < stop; p++) {
        uint8_t start = starts[(unsigned char)*p];
        uint32_t window, h;

        if (!start)
            continue;
        if (start & START_SHORT)
            break;
        window = window_of(p);
        h = window_hash(window, shift);
        if ((filter[h / 64] >> (h % 64) & 1) && filter_bit(t, other_hash(window, shift)))
            break;
    }
    return p;
}

/* The first escape from p on that may stand for a byte of a secret, or end. Those of line feeds and
 * the like, which are the most, do not. */
static const char *next_escape(const char *p, const char *end)
{
    while ((p = memchr(p, '\\', (size_t)(end - p))) && p + 1 < end && p[1] != 'u' && p[1] != '"' &&
           p[1] != '/' && p[1] != '\\')
        p++;
    return p ? p : end;
}

/* The first place in [p, escape] where a secret stands, or NULL: the places whose window has an
 * escape in it, or goes beyond the end of the text. */
static const char *find_near(const struct secrets_table *t, struct span text, const char *p,
                             const char *escape)
{
    const char *end = text.p + text.n;
    char plain[2 * WINDOW];
    size_t n = unescape_some((struct span){ p, (size_t)(end - p) }, plain, sizeof plain);

    for (size_t i = 0; p <= escape && p < end; p++, i++) {
        struct span raw = { p, (size_t)(end - p) };
        bool may = may_begin(t, raw) || (i < n && may_begin(t, (struct span){ plain + i, n - i }));

        if (may && secrets_table_at(t, text, (size_t)(p - text.p)))
            return p;
    }
    return NULL;
}

size_t secrets_table_next(const struct secrets_table *t, struct span text, size_t from)
{
    const char *end = text.p + text.n, *p = text.p + from, *found;

    while (t->n > 0 && p < end) {
        const char *escape = next_escape(p, end), *stop;

        stop = escape - p >= WINDOW ? escape - (WINDOW - 1) : p;
        for (; (p = skip(t, p, stop)) < stop; p++)
            if (secrets_table_at(t, text, (size_t)(p - text.p)))
                return (size_t)(p - text.p);
        found = find_near(t, text, p, escape);
        if (found)
            return (size_t)(found - text.p);
        p = escape < end ? escape + 1 : end;
    }
    return text.n;
}

/* Making */

/* Makes room for n more of size bytes each behind have. */
static void *grow(void *old, size_t *room, size_t have, size_t n, size_t size)
{
    if (have + n <= *room)
        return old;
    *room = *room ? *room : 64;
    while (*room < have + n)
        *room *= 2;
    return grow_wiped(old, have * size, *room * size);
}

static void add_form(struct secrets_table *t, struct span form, bool alone)
{
    if (t->failed)
        return;
    t->list = grow(t->list, &t->room, t->n, 1, sizeof *t->list);
    t->bytes = grow(t->bytes, &t->room_bytes, t->n_bytes, form.n, 1);
    if (!t->list || !t->bytes) {
        t->failed = true;
        return;
    }
    memcpy(t->bytes + t->n_bytes, form.p, form.n);
    t->list[t->n++] = (struct secret){
        .at = (uint32_t)t->n_bytes, .n = (uint32_t)form.n, .shorter = SECRET_NONE, .alone = alone
    };
    t->n_bytes += form.n;
}

/* Whatever stands before a secret in what is encoded, it begins at one of three places of a group.
 * The characters that depend on the secret alone are the same then. */
static void add_base64(struct secrets_table *t, struct span secret)
{
    size_t n = secret.n + 2, room = OUT_BASE64_SIZE(n);
    char *shifted = calloc(1, n), *text = malloc(room);

    t->failed |= !shifted || !text;
    for (size_t before = 0; before < 3 && !t->failed; before++) {
        size_t first = (8 * before + 5) / 6, end = 8 * (before + secret.n) / 6;
        struct out o;

        memcpy(shifted + before, secret.p, secret.n);
        out_init(&o, text, room);
        out_base64(&o, (struct span){ shifted, before + secret.n });
        if (end - first >= BASE64_MIN)
            add_form(t, (struct span){ text + first, end - first }, false);
        shifted[before] = 0;
    }
    wipe(shifted, shifted ? n : 0);
    wipe(text, text ? room : 0);
    free(shifted);
    free(text);
}

void secrets_table_add(struct secrets_table *t, struct span secret)
{
    if (secret.n == 0)
        return;
    add_form(t, secret, secret.n < WINDOW);
    if (secret.n >= WINDOW)
        add_base64(t, secret);
}

/* qsort gives no place for the table. */
struct sorted {
    const char *p;
    struct secret secret;
};

static int by_bytes(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    uint32_t n = x->secret.n < y->secret.n ? x->secret.n : y->secret.n;
    int order = memcmp(x->p, y->p, n);

    return order ? order : (x->secret.n > y->secret.n) - (x->secret.n < y->secret.n);
}

/* A text may be a short secret and a form of a long one: then it counts everywhere. */
static int sort_secrets(struct secrets_table *t)
{
    struct sorted *sorted = malloc((t->n + 1) * sizeof *sorted);
    size_t kept = 0;

    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < t->n; i++)
        sorted[i] = (struct sorted){ t->bytes + t->list[i].at, t->list[i] };
    qsort(sorted, t->n, sizeof *sorted, by_bytes);
    for (size_t i = 0; i < t->n; i++) {
        if (i > 0 && by_bytes(&sorted[i - 1], &sorted[i]) == 0)
            t->list[kept - 1].alone &= sorted[i].secret.alone;
        else
            t->list[kept++] = sorted[i].secret;
    }
    t->n = kept;
    free(sorted);
    return 0;
}

/* What a secret begins with is among the one before it and what that one begins with. */
static void link_shorter(struct secrets_table *t)
{
    for (size_t i = 1; i < t->n; i++) {
        uint32_t other = (uint32_t)(i - 1);
        size_t n;

        while (other != SECRET_NONE &&
               compare(secret_span(t, &t->list[other]), secret_span(t, &t->list[i]), false, &n))
            other = t->list[other].shorter;
        t->list[i].shorter = other & SECRET_NONE;
    }
}

/* 32 to 64 bits for each secret. */
static int make_filter(struct secrets_table *t)
{
    unsigned bits = 10;

    while (bits < 31 && (uint64_t)1 << bits < 32 * (uint64_t)t->n)
        bits++;
    t->shift = 32 - bits;
    t->shortest = SIZE_MAX;
    t->filter = calloc((size_t)1 << (bits - 6), sizeof *t->filter);
    if (!t->filter)
        return -ENOMEM;
    for (size_t i = 0; i < t->n; i++) {
        const char *p = t->bytes + t->list[i].at;
        uint32_t n = t->list[i].n, h;

        t->longest = n > t->longest ? n : t->longest;
        t->shortest = n < t->shortest ? n : t->shortest;
        t->starts[(unsigned char)*p] |= n < WINDOW ? START_SHORT : START_WINDOW;
        if (n < WINDOW)
            continue;
        h = window_hash(window_of(p), t->shift);
        t->filter[h / 64] |= UINT64_C(1) << (h % 64);
        h = other_hash(window_of(p), t->shift);
        t->filter[h / 64] |= UINT64_C(1) << (h % 64);
    }
    return 0;
}

int secrets_table_make(struct secrets_table *t)
{
    int err = t->failed ? -ENOMEM : sort_secrets(t);

    if (err)
        return err;
    link_shorter(t);
    return make_filter(t);
}

void secrets_table_clear(struct secrets_table *t)
{
    wipe(t->bytes, t->bytes ? t->n_bytes : 0);
    free(t->bytes);
    free(t->list);
    free(t->filter);
    *t = (struct secrets_table){ 0 };
}
