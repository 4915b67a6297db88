/* Puts the environment and files into values: ${NAME}, $${ for a plain ${, and file:PATH as the
 * whole of a secret. Messages name variables and files, never what they hold. */
#include "cfg/memory.h"
#include "cfg/values.h"
#include "base/grow.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME_MAX_VARIABLE 255

/* A text that grows; wiped when it moves. */
struct growing {
    char *p;
    size_t n, room;
};

static int append(struct growing *g, struct span s)
{
    if (g->n + s.n + 1 > g->room) {
        g->room = (g->n + s.n + 1) * 2;
        g->p = grow_wiped(g->p, g->n, g->room);
        if (!g->p)
            return -ENOMEM;
    }
    if (s.n > 0)
        memcpy(g->p + g->n, s.p, s.n);
    g->n += s.n;
    g->p[g->n] = '\0';
    return 0;
}

/* True if s may be the name of a variable (POSIX.1, 8.1). */
static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!text_is_letter(s.p[i]) && s.p[i] != '_' && (i == 0 || !text_is_digit(s.p[i])))
            return false;
    return s.n > 0 && s.n <= NAME_MAX_VARIABLE;
}

/* Appends what the variable at the start of *rest ("${NAME}...") holds, and takes it off. */
static int append_variable(const struct conf_value *v, struct growing *g, struct span *rest)
{
    struct span after = span_skip(*rest, 2), name = { after.p, span_find(after, '}') };
    char text[NAME_MAX_VARIABLE + 1];
    const char *value;

    if (name.n == after.n || !is_name(name)) {
        conf_value_fault(
            v, "'${' starts the name of a variable, as in ${NAME}; write $${ for '${' itself");
        return -EINVAL;
    }
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    value = getenv(text);
    if (!value) {
        conf_value_fault(v, "the environment has no variable %s", text);
        return -EINVAL;
    }
    *rest = span_skip(after, name.n + 1);
    return append(g, span_of(value));
}

/* Appends what the '$' at the start of *rest means, and takes it off. */
static int append_dollar(const struct conf_value *v, struct growing *g, struct span *rest)
{
    struct span plain = SPAN("$");

    if (!v->literal && span_starts(*rest, SPAN("${")))
        return append_variable(v, g, rest);
    if (!v->literal && span_starts(*rest, SPAN("$${")))
        plain = SPAN("${");
    *rest = span_skip(*rest, plain.n == 2 ? 3 : 1);
    return append(g, plain);
}

static int append_all(const struct conf_value *v, struct growing *g)
{
    struct span rest = v->raw;
    int err = append(g, SPAN(""));

    while (rest.n > 0 && !err) {
        struct span plain = { rest.p, span_find(rest, '$') };

        err = append(g, plain);
        rest = span_skip(rest, plain.n);
        if (!err && rest.n > 0)
            err = append_dollar(v, g, &rest);
    }
    return err;
}

/* The text up to the end of its first line. */
static struct span line_of(struct span text)
{
    struct span line = { text.p, span_find(text, '\n') };

    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

/* The first line of the file, the caller's, or NULL after a message. */
static char *first_line(const struct conf_value *v, const char *path)
{
    struct span text, line;
    int err = files_read(v->files, path, &text);
    char *copy = NULL;

    line = line_of(text);
    if (err && err != -ENOMEM)
        conf_value_fault(v, "the file of %.*s cannot be read: %s", (int)v->raw.n, v->raw.p,
                         files_why(err));
    else if (!err && line.n > v->row->max)
        conf_value_fault(v, "the first line of %.*s is longer than %" PRIu64 " bytes",
                         (int)v->raw.n, v->raw.p, v->row->max);
    else if (!err && (line.n == 0 || span_find(line, '\0') < line.n))
        conf_value_fault(v, "the first line of %.*s is empty or holds a NUL byte", (int)v->raw.n,
                         v->raw.p);
    else if (err || !(copy = conf_dup(line)))
        v->errors->oom = true;
    return copy;
}

/* True if v is written as file:PATH. Only the text of the configuration counts: a variable that
 * holds "file:..." is a key. */
static bool names_file(const struct conf_value *v)
{
    enum conf_type type = v->row->type;
    bool secret = type == CONF_CLIENT || type == CONF_KEYS || type == CONF_FIELD;

    return secret && !v->literal && span_starts(v->raw, SPAN("file:"));
}

static char *expand_one(const struct conf_value *v)
{
    struct growing g = { 0 };
    int err = append_all(v, &g);
    char *line;

    if (err) {
        v->errors->oom |= err == -ENOMEM;
        conf_free_text(g.p);
        return NULL;
    }
    if (!names_file(v))
        return g.p;
    line = first_line(v, g.p + 5);
    conf_free_text(g.p);
    return line;
}

/* Expands each key of a list, so that each may be in a file of its own. */
static char *expand_keys(const struct conf_value *v)
{
    struct conf_value one = *v;
    struct span rest = v->raw;
    struct growing g = { 0 };
    int err = append(&g, SPAN(""));
    bool fine = true;

    while (!err && text_next_item(&rest, &one.raw)) {
        char *text = expand_one(&one);

        fine &= text != NULL;
        err = append(&g, span_of(text));
        if (!err && rest.p)
            err = append(&g, SPAN(","));
        conf_free_text(text);
    }
    v->errors->oom |= err == -ENOMEM;
    if (!err && fine)
        return g.p;
    conf_free_text(g.p);
    return NULL;
}

char *conf_expand(const struct conf_value *v)
{
    bool list = v->row->type == CONF_KEYS && !v->row->single;

    return list && span_find(v->raw, ',') < v->raw.n ? expand_keys(v) : expand_one(v);
}
