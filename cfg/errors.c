/* Gathers faults, sorts them by line, writes them, and finds the word that was meant. */
#include "cfg/errors.h"
#include "cfg/conf.h"
#include "cfg/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>

static char *fault_text(const char *section, const char *fmt, va_list args)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    if (*section)
        fprintf(f, "[%s] ", section);
    vfprintf(f, fmt, args);
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

void conf_fault(struct conf_errors *e, int line, const char *section, const char *fmt, ...)
{
    struct conf_fault *list = conf_grow(e->list, e->n, sizeof *list);
    char *text;
    va_list args;

    if (list)
        e->list = list;
    va_start(args, fmt);
    text = list ? fault_text(section, fmt, args) : NULL;
    va_end(args);
    if (!text) {
        e->oom = true;
        return;
    }
    e->list[e->n] = (struct conf_fault){ line, e->n, text };
    e->n++;
}

static int by_line(const void *left, const void *right)
{
    const struct conf_fault *a = left, *b = right;
    int la = a->line ? a->line : INT_MAX, lb = b->line ? b->line : INT_MAX;

    if (la != lb)
        return la < lb ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static void write_fault(FILE *to, const char *file, int line, const char *text)
{
    if (line > 0)
        fprintf(to, "%s:%d: %s\n", file, line, text);
    else
        fprintf(to, "%s: %s\n", file, text);
}

int conf_errors_flush(struct conf_errors *e, FILE *to)
{
    int err = e->oom ? -ENOMEM : e->n ? -EINVAL : 0;

    if (e->n > 0)
        qsort(e->list, e->n, sizeof *e->list, by_line);
    for (unsigned i = 0; i < e->n; i++) {
        write_fault(to, e->file, e->list[i].line, e->list[i].text);
        free(e->list[i].text);
    }
    free(e->list);
    e->list = NULL;
    e->n = 0;
    return err;
}

int conf_error(FILE *errors, const struct conf *c, int line, const char *section, const char *fmt,
               ...)
{
    char *text;
    va_list args;

    va_start(args, fmt);
    text = fault_text(section, fmt, args);
    va_end(args);
    write_fault(errors, c->file ? c->file : "environment", line, text ? text : "out of memory");
    free(text);
    return -EINVAL;
}

static bool looks_secret(struct span s)
{
    static const char *const starts[] = { "sk-", "key-", "bearer", "eyj" }; /* eyJ: a JWT */

    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct span start = span_of(starts[i]);

        if (s.n >= start.n && span_eq_nocase((struct span){ s.p, start.n }, start))
            return true;
    }
    return false;
}

const char *conf_quote(struct conf_quoted *q, struct span s)
{
    const int most = 32;

    if (looks_secret(s))
        snprintf(q->text, sizeof q->text, "'***'");
    else if (s.n > (size_t)most)
        snprintf(q->text, sizeof q->text, "'%.*s...'", most, s.p);
    else
        snprintf(q->text, sizeof q->text, "'%.*s'", (int)s.n, s.n ? s.p : "");
    return q->text;
}

#define WORD_MAX 32

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many edits (insert, drop, replace, swap two neighbours) make b of a, upper and lower case
 * alike. Both are at most WORD_MAX long. */
static unsigned edit_distance(struct span a, struct span b)
{
    unsigned d[WORD_MAX + 1][WORD_MAX + 1];

    for (unsigned i = 0; i <= a.n; i++)
        d[i][0] = i;
    for (unsigned j = 0; j <= b.n; j++)
        d[0][j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        for (unsigned j = 1; j <= b.n; j++) {
            char x = ascii_lower(a.p[i - 1]), y = ascii_lower(b.p[j - 1]);

            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (x != y));
            if (i > 1 && j > 1 && x == ascii_lower(b.p[j - 2]) && y == ascii_lower(a.p[i - 2]))
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.n][b.n];
}

void conf_nearest_try(struct conf_nearest *n, const char *candidate)
{
    struct span c = span_of(candidate);
    unsigned limit = c.n < 3 ? 0 : c.n < 5 ? 1 : c.n < 9 ? 2 : 3, distance;

    if (n->word.n == 0 || n->word.n > WORD_MAX || c.n > WORD_MAX)
        return;
    distance = edit_distance(n->word, c);
    if (distance > limit || (n->best && distance >= n->distance))
        return;
    n->best = candidate;
    n->distance = distance;
}

const char *conf_nearest_hint(const struct conf_nearest *n, struct conf_quoted *q)
{
    q->text[0] = '\0';
    if (n->best)
        snprintf(q->text, sizeof q->text, "; did you mean '%s'?", n->best);
    return q->text;
}
