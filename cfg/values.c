/* What each type accepts and how it is stored, with one way of saying what is wrong per type.
 * Knows no key by name. Lists are in cfg/lists.c, URLs in cfg/url.c, variables and files in cfg/expand.c. */
#include "cfg/values.h"
#include "cfg/memory.h"
#include "cfg/url.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void conf_value_fault(const struct conf_value *v, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0) {
        v->errors->oom = true;
        return;
    }
    conf_fault(v->errors, v->line, v->section, "%s: %s", v->name, text);
    free(text);
}

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit sizes[] = { { "G", 1u << 30 }, { "M", 1u << 20 }, { "k", 1u << 10 }, { "", 1 } };
static const struct unit times[] = { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { "", 1000 } };

const char *conf_size_text(char *out, uint64_t bytes)
{
    const struct unit *u = sizes;
    while (bytes == 0 ? u->name[0] != '\0' : bytes % u->factor != 0)
        u++;
    snprintf(out, 32, "%" PRIu64 "%s", bytes / u->factor, u->name);
    return out;
}

const char *conf_time_text(char *out, uint64_t ms)
{
    if (ms % 1000 == 0)
        snprintf(out, 32, "%" PRIu64, ms / 1000);
    else
        snprintf(out, 32, "%" PRIu64 "ms", ms);
    return out;
}

/* Reads the digits at the front of *s. -EINVAL: there are none; -ERANGE: too many. */
static int take_number(struct span *s, uint64_t *n)
{
    size_t i = 0;
    *n = 0;
    for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
        unsigned digit = (unsigned)(s->p[i] - '0');
        if (*n > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        *n = *n * 10 + digit;
    }
    *s = span_skip(*s, i);
    return i ? 0 : -EINVAL;
}

static int range_fault(const struct conf_value *v, const char *min, const char *max)
{
    struct conf_quoted q;
    conf_value_fault(v, "%s is out of range; allowed is %s to %s", conf_quote(&q, v->raw), min, max);
    return -EINVAL;
}

static int set_count(const struct conf_value *v, void *base)
{
    struct conf_quoted q;
    struct span rest = v->text;
    bool workers = v->row->type == CONF_WORKERS;
    uint64_t n = 0;
    if (workers && span_eq_nocase(rest, SPAN("auto"))) {
        *(unsigned *)((char *)base + v->row->at) = 0;
        return 0;
    }
    int rc = take_number(&rest, &n);
    if (rc == -EINVAL || rest.n > 0) {
        conf_value_fault(v, "%s is not a whole number%s", conf_quote(&q, v->raw), workers ? ", nor the word auto" : "");
        return -EINVAL;
    }
    if (rc < 0 || n < v->row->min || n > v->row->max) {
        char min[24], max[24];
        snprintf(min, sizeof(min), "%" PRIu64, v->row->min);
        snprintf(max, sizeof(max), "%" PRIu64 "%s", v->row->max, workers ? ", or auto" : "");
        return range_fault(v, min, max);
    }
    *(unsigned *)((char *)base + v->row->at) = (unsigned)n;
    return 0;
}

/* A number and a unit. -EINVAL: it is not; -ERANGE: it does not fit 64 bits. */
static int take_scaled(struct span s, const struct unit *units, size_t n_units, uint64_t *out)
{
    int rc = take_number(&s, out);
    for (size_t i = 0; rc == 0 && i < n_units; i++) {
        if (!span_eq_nocase(s, span_of(units[i].name)))
            continue;
        if (*out > UINT64_MAX / units[i].factor)
            return -ERANGE;
        *out *= units[i].factor;
        return 0;
    }
    return rc < 0 ? rc : -EINVAL;
}

static int set_size(const struct conf_value *v, void *base)
{
    struct conf_quoted q;
    uint64_t n;
    int rc = take_scaled(v->text, sizes, sizeof(sizes) / sizeof(sizes[0]), &n);
    if (rc == -EINVAL) {
        conf_value_fault(v, "%s is not a size; write a whole number of bytes, or with k, M or G behind it, such as 64k",
                         conf_quote(&q, v->raw));
        return rc;
    }
    if (rc < 0 || n < v->row->min || n > v->row->max) {
        char min[32], max[32];
        return range_fault(v, conf_size_text(min, v->row->min), conf_size_text(max, v->row->max));
    }
    *(uint64_t *)((char *)base + v->row->at) = n;
    return 0;
}

static int set_time(const struct conf_value *v, void *base)
{
    struct conf_quoted q;
    uint64_t n;
    int rc = take_scaled(v->text, times, sizeof(times) / sizeof(times[0]), &n);
    if (rc == -EINVAL) {
        conf_value_fault(v, "%s is not a time; write a whole number of seconds, or with ms, s, m or h behind it, "
                         "such as 500ms; 0 is off", conf_quote(&q, v->raw));
        return rc;
    }
    if (rc < 0 || n > v->row->max)
        return range_fault(v, "0 (off)", "366 days");
    *(uint64_t *)((char *)base + v->row->at) = n;
    return 0;
}

/* Says which words there are. */
static int word_fault(const struct conf_value *v, const char *const *words)
{
    struct conf_nearest nearest = { .word = v->raw };
    struct conf_quoted q, hint;
    char list[80];
    size_t n = 0;
    for (unsigned i = 0; words[i]; i++) {
        const char *joint = i == 0 ? "" : words[i + 1] ? ", " : " or ";
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", joint, words[i]);
        conf_nearest_try(&nearest, words[i]);
    }
    conf_value_fault(v, "%s is none of: %s%s", conf_quote(&q, v->raw), list, conf_nearest_hint(&nearest, &hint));
    return -EINVAL;
}

/* The place of v among words, or -EINVAL after a message. */
static int which_word(const struct conf_value *v, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (span_eq_nocase(v->text, span_of(words[i])))
            return i;
    return word_fault(v, words);
}

static int set_bool(const struct conf_value *v, void *base)
{
    static const char *const words[] = { "yes", "no", "on", "off", "true", "false", "1", "0", NULL };
    int i = which_word(v, words);
    if (i >= 0)
        *(bool *)((char *)base + v->row->at) = i % 2 == 0;
    return i < 0 ? i : 0;
}

static int set_choice(const struct conf_value *v, void *base)
{
    int i = which_word(v, v->row->words);
    if (i >= 0)
        *(bool *)((char *)base + v->row->at) = i == 1;
    return i < 0 ? i : 0;
}

static int set_level(const struct conf_value *v, void *base)
{
    int i = which_word(v, v->row->words);
    if (i >= 0)
        *(enum conf_log_level *)((char *)base + v->row->at) = (enum conf_log_level)i;
    return i < 0 ? i : 0;
}

static int set_text(const struct conf_value *v, void *base)
{
    char *copy = conf_dup(v->text);
    if (!copy)
        return -ENOMEM;
    *(char **)((char *)base + v->row->at) = copy;
    return 0;
}

bool conf_key_check(const struct conf_value *v, struct span key)
{
    const char *why = NULL;
    for (size_t i = 0; i < key.n && !why; i++) {
        unsigned char c = (unsigned char)key.p[i];
        if (c <= ' ' || c == 0x7f)
            why = "holds a blank or a control character, which no key can; "
                  "a client's key with '=' in it goes into a section of its own: [key LABEL]";
        else if (c > 0x7f)
            why = "holds a character beyond ASCII, which no key can (a typographic quote or an invisible blank?)";
    }
    if (!why && key.n > 1 && (key.p[0] == '"' || key.p[0] == '\'') && key.p[key.n - 1] == key.p[0])
        why = "stands in quotes, which would become part of the key; leave them out";
    if (why)
        conf_value_fault(v, "%s", why);
    return !why;
}

static int set_secret(const struct conf_value *v, void *base)
{
    return conf_key_check(v, v->text) ? set_text(v, base) : -EINVAL;
}

static int set_base_url(const struct conf_value *v, void *base)
{
    struct conf_url url;
    const char *why = NULL;
    int rc = conf_url_parse(&url, v->text, v->row->type == CONF_PROXY ? URL_PROXY : URL_BASE, &why);
    if (rc < 0) {
        if (rc == -EINVAL)
            conf_value_fault(v, "the URL %s", why);
        conf_url_free(&url);
        return rc;
    }
    *(struct conf_url *)((char *)base + v->row->at) = url;
    return 0;
}

/* Empty leaves text NULL: the environment decides, in cfg/check.c. none leaves host NULL. */
static int set_proxy(const struct conf_value *v, void *base)
{
    struct conf_url *url = (struct conf_url *)(void *)((char *)base + v->row->at);
    if (v->text.n == 0)
        return 0;
    if (!span_eq_nocase(v->text, SPAN("none")))
        return set_base_url(v, base);
    url->text = conf_dup(SPAN("none"));
    return url->text ? 0 : -ENOMEM;
}

static int set_target(const struct conf_value *v, void *base)
{
    const char *why = v->text.p[0] != '/' ? "must start with '/'" : NULL;
    for (size_t i = 0; i < v->text.n && !why; i++) {
        unsigned char c = (unsigned char)v->text.p[i];
        if (c <= ' ' || c >= 0x7f)
            why = "holds a blank, a control character or one beyond ASCII; percent-encode it";
        else if (c == '#')
            why = "holds a '#', which is never sent to a server; percent-encode it as %23";
    }
    if (!why)
        return set_text(v, base);
    conf_value_fault(v, "%s", why);
    return -EINVAL;
}

static bool is_account(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        if (!plain && (i == 0 || (c != '-' && c != '.' && !(c == '$' && i + 1 == s.n))))
            return false;
    }
    return s.n > 0;
}

static int set_user(const struct conf_value *v, void *base)
{
    struct conf_quoted q;
    const char *colon = memchr(v->text.p, ':', v->text.n);
    struct span user = { v->text.p, colon ? (size_t)(colon - v->text.p) : v->text.n };
    if (v->text.n == 0 || (is_account(user) && (!colon || is_account(span_skip(v->text, user.n + 1)))))
        return set_text(v, base);
    conf_value_fault(v, "%s is not a user; write USER or USER:GROUP", conf_quote(&q, v->raw));
    return -EINVAL;
}

static int set_ca_file(const struct conf_value *v, void *base)
{
    struct stat st;
    const char *why = NULL;
    int fd = v->text.n ? open(v->text.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    if (v->text.n && (fd < 0 || fstat(fd, &st) < 0))
        why = strerror(errno);
    else if (v->text.n && S_ISDIR(st.st_mode))
        why = "it is a directory; one file with certificates in PEM form is needed";
    if (fd >= 0)
        close(fd);
    if (!why)
        return set_text(v, base);
    conf_value_fault(v, "the file %.*s cannot be read: %s", (int)v->raw.n, v->raw.p, why);
    return -EINVAL;
}

/* Why the log cannot be written at path, or NULL. Nothing is opened: a check may not leave a file behind. */
static const char *log_path_fault(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? "it is a directory" : NULL;
    const char *slash = strrchr(path, '/');
    if (errno != ENOENT || !slash || slash == path)
        return errno == ENOENT ? NULL : strerror(errno);
    char *folder = conf_dup((struct span){ path, (size_t)(slash - path) });
    const char *why = folder && stat(folder, &st) < 0 ? "the folder it is to lie in does not exist" : NULL;
    free(folder);
    return why;
}

static int set_log_file(const struct conf_value *v, void *base)
{
    struct conf_nearest nearest = { .word = v->raw };
    struct conf_quoted q, hint;
    bool special = span_eq(v->text, SPAN("stderr")) || span_eq(v->text, SPAN("syslog"));
    if (!special && !memchr(v->text.p, '/', v->text.n)) {
        conf_nearest_try(&nearest, "stderr");
        conf_nearest_try(&nearest, "syslog");
    }
    if (nearest.best) {
        conf_value_fault(v, "%s is neither stderr nor syslog nor a path%s (a file of that name here is ./NAME)",
                         conf_quote(&q, v->raw), conf_nearest_hint(&nearest, &hint));
        return -EINVAL;
    }
    const char *why = special ? NULL : log_path_fault(v->text.p);
    if (!why)
        return set_text(v, base);
    conf_value_fault(v, "no log can be written to %.*s: %s", (int)v->raw.n, v->raw.p, why);
    return -EINVAL;
}

static int (*const setters[])(const struct conf_value *v, void *base) = {
    [CONF_LISTEN] = conf_set_listen,
    [CONF_COUNT] = set_count,
    [CONF_WORKERS] = set_count,
    [CONF_SIZE] = set_size,
    [CONF_TIME] = set_time,
    [CONF_BOOL] = set_bool,
    [CONF_CHOICE] = set_choice,
    [CONF_LEVEL] = set_level,
    [CONF_USER] = set_user,
    [CONF_BASE_URL] = set_base_url,
    [CONF_PROXY] = set_proxy,
    [CONF_TARGET] = set_target,
    [CONF_SECRET] = set_secret,
    [CONF_CA_FILE] = set_ca_file,
    [CONF_LOG_FILE] = set_log_file,
    [CONF_ADDRESSES] = conf_set_addresses,
    [CONF_ORIGINS] = conf_set_origins,
    [CONF_TEXT] = set_text,
};

/* What is wrong with the text of v whatever its type, said in v->errors. */
static bool form_fault(const struct conf_value *v)
{
    const struct conf_row *row = v->row;
    bool numeric = row->type >= CONF_COUNT && row->type <= CONF_LEVEL;
    if (v->text.n == 0 && !row->may_be_empty) {
        bool has = row->initial && row->initial[0];
        conf_value_fault(v, "needs a value%s%s", has ? "; leave the line out for the default, " : "", has ? row->initial : "");
        return true;
    }
    if (!numeric && v->text.n > row->max) {
        conf_value_fault(v, "is longer than %" PRIu64 " characters", row->max);
        return true;
    }
    for (size_t i = 0; i < v->text.n; i++) {
        unsigned char c = (unsigned char)v->text.p[i];
        if ((c >= ' ' || c == '\t') && c != 0x7f)
            continue;
        conf_value_fault(v, "holds a control character (byte 0x%02x)", c);
        return true;
    }
    return false;
}

void conf_value_store(struct conf_value *v, void *base)
{
    char *expanded = conf_expand(v);
    if (!expanded)
        return;
    /* A variable often carries the line end of the file it was filled from. */
    size_t n = strlen(expanded), start = 0;
    while (n && strchr(" \t\r\n", expanded[n - 1]))
        expanded[--n] = '\0';
    while (expanded[start] && strchr(" \t\r\n", expanded[start]))
        start++;
    v->text = (struct span){ expanded + start, n - start };
    if (!form_fault(v) && setters[v->row->type](v, base) == -ENOMEM)
        v->errors->oom = true;
    v->text = (struct span){ 0 };
    wipe(expanded, n);
    free(expanded);
}
