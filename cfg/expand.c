/* Puts the environment and files into values: ${NAME}, $${ for a plain ${, and file:PATH as the whole of a secret.
 * Knows nothing of types beyond "is it a secret"; its messages name variables and files, never what they hold.
 * The text goes on to cfg/values.c. */
#include "cfg/values.h"
#include "cfg/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

/* A text that grows; wiped when it moves. */
struct growing {
    char *p;
    size_t n, room;
};

static int append(struct growing *g, struct span s)
{
    if (g->n + s.n + 1 > g->room) {
        size_t room = (g->n + s.n + 1) * 2;
        char *p = malloc(room);
        if (!p)
            return -ENOMEM;
        if (g->n)
            memcpy(p, g->p, g->n);
        wipe(g->p, g->n);
        free(g->p);
        g->p = p;
        g->room = room;
    }
    if (s.n)
        memcpy(g->p + g->n, s.p, s.n);
    g->n += s.n;
    g->p[g->n] = '\0';
    return 0;
}

static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        if (!((c >= 'a' && c <= 'z') || c == '_' || (i && c >= '0' && c <= '9')))
            return false;
    }
    return s.n > 0;
}

/* Appends what the variable at the start of *rest ("${NAME}…") holds, and takes it off. */
static int append_variable(const struct conf_value *v, struct growing *g, struct span *rest)
{
    const char *end = memchr(rest->p, '}', rest->n);
    struct span name = { rest->p + 2, end ? (size_t)(end - rest->p) - 2 : 0 };
    if (!end || !is_name(name) || name.n > 255) {
        conf_value_fault(v, "'${' starts the name of a variable, as in ${NAME}; write $${ for '${' itself");
        return -EINVAL;
    }
    char text[256];
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    const char *value = getenv(text);
    if (!value) {
        conf_value_fault(v, "the environment has no variable %s", text);
        return -EINVAL;
    }
    *rest = span_skip(*rest, name.n + 3);
    return append(g, span_of(value));
}

static int append_all(const struct conf_value *v, struct growing *g)
{
    struct span rest = v->raw;
    int rc = append(g, SPAN(""));
    while (rest.n && rc == 0) {
        const char *dollar = memchr(rest.p, '$', rest.n);
        struct span plain = { rest.p, dollar ? (size_t)(dollar - rest.p) : rest.n };
        rc = append(g, plain);
        rest = span_skip(rest, plain.n);
        if (rc < 0 || !rest.n)
            break;
        if (v->literal || rest.n < 2 || (rest.p[1] != '{' && !(rest.p[1] == '$' && rest.n > 2 && rest.p[2] == '{'))) {
            rc = append(g, SPAN("$"));
            rest = span_skip(rest, 1);
        } else if (rest.p[1] == '$') {
            rc = append(g, SPAN("${"));
            rest = span_skip(rest, 3);
        } else {
            rc = append_variable(v, g, &rest);
        }
    }
    return rc;
}

/* Reads up to n bytes of a file. -1: errno says why. */
static ssize_t read_file(const char *path, char *to, size_t n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -1;
    size_t have = 0;
    ssize_t got = 0;
    while (have < n && (got = read(fd, to + have, n - have)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        have += (size_t)got;
    }
    int saved = have < n && got < 0 ? errno : 0;
    close(fd);
    errno = saved;
    return saved ? -1 : (ssize_t)have;
}

/* The first line of the file, or NULL after a message. */
static char *first_line(const struct conf_value *v, const char *path)
{
    size_t room = (size_t)v->row->max + 2;
    char *text = malloc(room);
    if (!text) {
        v->errors->oom = true;
        return NULL;
    }
    ssize_t n = read_file(path, text, room);
    if (n < 0) {
        conf_value_fault(v, "the file of %.*s cannot be read: %s", (int)v->raw.n, v->raw.p, strerror(errno));
        free(text);
        return NULL;
    }
    struct span line = { text, 0 };
    while (line.n < (size_t)n && text[line.n] != '\n')
        line.n++;
    if (line.n && text[line.n - 1] == '\r')
        line.n--;
    char *copy = NULL;
    if (line.n > v->row->max)
        conf_value_fault(v, "the first line of %.*s is longer than %" PRIu64 " bytes", (int)v->raw.n, v->raw.p, v->row->max);
    else if (line.n == 0 || memchr(text, '\0', line.n))
        conf_value_fault(v, "the first line of %.*s is empty or holds a NUL byte", (int)v->raw.n, v->raw.p);
    else if (!(copy = conf_dup(line)))
        v->errors->oom = true;
    wipe(text, (size_t)n);
    free(text);
    return copy;
}

/* True if v is written as file:PATH. Only the text of the configuration counts: a variable that holds "file:…" is a key. */
static bool names_file(const struct conf_value *v)
{
    return v->row->type == CONF_SECRET && !v->literal && v->raw.n >= 5 && memcmp(v->raw.p, "file:", 5) == 0;
}

char *conf_expand(const struct conf_value *v)
{
    struct growing g = { 0 };
    int rc = append_all(v, &g);
    if (rc == 0 && names_file(v)) {
        char *line = first_line(v, g.p + 5);
        conf_free_text(g.p);
        return line;
    }
    if (rc == 0)
        return g.p;
    if (rc == -ENOMEM)
        v->errors->oom = true;
    conf_free_text(g.p);
    return NULL;
}
