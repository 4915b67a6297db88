/* Values that are one text: keys, accounts, URLs, paths and files. */
#include "cfg/values.h"
#include "base/text.h"
#include "cfg/memory.h"
#include "cfg/url.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>

int conf_set_text(const struct conf_value *v, void *base)
{
    char *copy = conf_dup(v->text);

    if (!copy)
        return -ENOMEM;
    *(char **)conf_place(v, base) = copy;
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
            why = "holds a character beyond ASCII, which no key can (a typographic quote or an "
                  "invisible blank?)";
    }
    if (!why && conf_is_quoted(key))
        why = "stands in quotes, which would become part of the key; leave them out";
    if (why)
        conf_value_fault(v, "%s", why);
    return !why;
}

int conf_set_client(const struct conf_value *v, void *base)
{
    return conf_key_check(v, v->text) ? conf_set_text(v, base) : 0;
}

/* Finds what is no JSON at first sight, and says the mend. What is JSON is for another room to say.
 */
int conf_set_json(const struct conf_value *v, void *base)
{
    static const char *const words[] = { "true", "false", "null" };
    bool fine = !text_is_letter(v->text.p[0]) && v->text.p[0] != '\'';

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        fine |= span_eq(v->text, span_of(words[i]));
        if (!fine && span_eq_nocase(v->text, span_of(words[i]))) {
            conf_value_fault(v, "is no JSON; write %s", words[i]);
            return 0;
        }
    }
    if (fine)
        return conf_set_text(v, base);
    conf_value_fault(v, "is no JSON; a text stands in double quotes: NAME = \"TEXT\"");
    return 0;
}

int conf_set_url(const struct conf_value *v, void *base)
{
    enum conf_url_kind kind = v->row->type == CONF_PROXY ? URL_PROXY : URL_BASE;
    struct conf_url url;
    const char *why = NULL;
    int err = conf_url_parse(&url, v->text, kind, &why);

    if (!err) {
        *(struct conf_url *)conf_place(v, base) = url;
        return 0;
    }
    if (err == -EINVAL)
        conf_value_fault(v, "the URL %s", why);
    conf_url_free(&url);
    return err == -ENOMEM ? err : 0;
}

/* An empty one leaves text NULL: the environment decides, in cfg/environment.c. none leaves host
 * NULL. */
int conf_set_proxy(const struct conf_value *v, void *base)
{
    struct conf_url *url = conf_place(v, base);

    if (v->text.n == 0)
        return 0;
    if (!span_eq_nocase(v->text, SPAN("none")))
        return conf_set_url(v, base);
    url->text = conf_dup(SPAN("none"));
    return url->text ? 0 : -ENOMEM;
}

int conf_set_target(const struct conf_value *v, void *base)
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
        return conf_set_text(v, base);
    conf_value_fault(v, "%s", why);
    return 0;
}

int conf_set_socket(const struct conf_value *v, void *base)
{
    const char *why = NULL;

    if (span_starts(v->text, SPAN("unix:")))
        why = "is a path alone, without unix:";
    else if (v->text.n > 0 && v->text.p[0] != '/')
        why = "is no path from the root, such as /run/NAME.sock";
    else if (v->text.n >= sizeof((struct sockaddr_un *)0)->sun_path)
        why = "has a path too long for a unix socket";
    if (!why)
        return conf_set_text(v, base);
    conf_value_fault(v, "%s", why);
    return 0;
}

/* True if s may be the name of a user or group, as useradd(8) has it, or a number. */
static bool is_account(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool plain = text_is_letter(s.p[i]) || text_is_digit(s.p[i]) || s.p[i] == '_';
        bool inside = s.p[i] == '-' || s.p[i] == '.' || (s.p[i] == '$' && i + 1 == s.n);

        if (!plain && (i == 0 || !inside))
            return false;
    }
    return s.n > 0;
}

int conf_set_user(const struct conf_value *v, void *base)
{
    struct span user = { v->text.p, span_find(v->text, ':') };
    bool grouped = user.n < v->text.n;
    struct conf_quoted q;

    if (v->text.n == 0 ||
        (is_account(user) && (!grouped || is_account(span_skip(v->text, user.n + 1)))))
        return conf_set_text(v, base);
    conf_value_fault(v, "%s is not a user; write USER or USER:GROUP", conf_quote(&q, v->raw));
    return 0;
}

int conf_set_ca_file(const struct conf_value *v, void *base)
{
    struct span contents;
    int err = v->text.n > 0 ? files_read(v->files, v->text.p, &contents) : 0;

    if (err == 0)
        return conf_set_text(v, base);
    if (err == -ENOMEM)
        return err;
    conf_value_fault(v, "the file %.*s cannot be read: %s", (int)v->raw.n, v->raw.p,
                     err == -EISDIR
                         ? "it is a directory; one file with certificates in PEM form is needed"
                         : files_why(err));
    return 0;
}

/* Why the log cannot be written at the path in v, or NULL. Opens nothing: a check may not leave a
 * file. */
static const char *log_path_fault(const struct conf_value *v)
{
    const char *path = v->text.p, *slash = strrchr(path, '/'), *why;
    struct stat st;
    char *folder;

    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? "it is a directory" : NULL;
    if (errno != ENOENT || !slash || slash == path)
        return errno == ENOENT ? NULL : strerror(errno);
    folder = conf_dup((struct span){ path, (size_t)(slash - path) });
    v->errors->oom |= !folder;
    why = folder && stat(folder, &st) < 0 ? "the folder it is to lie in does not exist" : NULL;
    free(folder);
    return why;
}

int conf_set_log_file(const struct conf_value *v, void *base)
{
    static const char *const words[] = { "stderr", "stdout", "syslog" };
    struct conf_nearest nearest = { .word = v->raw };
    struct conf_quoted q, hint;
    bool path = span_find(v->text, '/') < v->text.n;
    const char *why;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (span_eq(v->text, span_of(words[i])))
            return conf_set_text(v, base);
        if (!path)
            conf_nearest_try(&nearest, words[i]);
    }
    if (nearest.best) {
        conf_value_fault(v,
                         "%s is neither stderr, stdout nor syslog nor a path%s (a file of that "
                         "name here is ./NAME)",
                         conf_quote(&q, v->raw), conf_nearest_hint(&nearest, &hint));
        return 0;
    }
    why = files_are_here(v->files) ? log_path_fault(v) : NULL;
    if (!why)
        return conf_set_text(v, base);
    conf_value_fault(v, "no log can be written to %.*s: %s", (int)v->raw.n, v->raw.p, why);
    return 0;
}
