/* Finds what was meant: a name with a slip in it, or the section that has it. */
#include "cfg/unknown.h"
#include "base/text.h"

#define HARMLESS_MAX 32 /* of a name that is shown */
#define NUMBERED_MAX 12 /* of one with a digit in it */

/* How a section is written, in out of 64 bytes: "server", "key LABEL". Returns out. */
static const char *section_form(char *out, const struct conf_section *s, bool labelled)
{
    if (s->label && (labelled || s->needs_label))
        snprintf(out, 64, "%s %s", s->name, s->label);
    else
        snprintf(out, 64, "%s", s->name);
    return out;
}

void conf_unknown_section(struct conf_errors *e, int line, struct span text)
{
    size_t blank = span_find(text, ' ');
    struct conf_nearest nearest = { .word = { text.p, blank } };
    const struct conf_section *best = NULL;
    struct conf_quoted hint;
    char shown[64], form[64];

    snprintf(shown, sizeof shown, "%.*s", (int)text.n, text.p);
    for (unsigned i = 0; i < conf_n_sections; i++) {
        conf_nearest_try(&nearest, conf_sections[i].name);
        if (nearest.best == conf_sections[i].name)
            best = &conf_sections[i];
    }
    if (best)
        nearest.best = section_form(form, best, blank < text.n);
    conf_fault(e, line, shown, "unknown section%s", conf_nearest_hint(&nearest, &hint));
}

/* The section, other than section itself, that has a key called name; NULL if there is none. */
static const struct conf_section *home_of(const struct conf_section *section, struct span name)
{
    for (unsigned i = 0; i < conf_n_sections; i++) {
        const struct conf_section *s = &conf_sections[i];

        if (s != section && s->form == CONF_SETTINGS && conf_row_find(s, name))
            return s;
    }
    return NULL;
}

/* True if a name that is no key's may be shown: a client's key that strayed into the wrong section
 * is long or has digits. */
static bool looks_harmless(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (text_is_digit(name.p[i]) && name.n > NUMBERED_MAX)
            return false;
    return name.n <= HARMLESS_MAX;
}

/* Names that other programs have for what is called otherwise here; the first row that fits counts.
 */
static const struct {
    const char *section; /* NULL: wherever it stands */
    const char *name, *mend;
} elsewhere[] = {
    { "upstream", "host", "the server that answers is base_url = https://HOST" },
    { "upstream", "port", "the server that answers is base_url = https://HOST:PORT" },
    { "upstream", "url", "the server that answers is base_url = https://HOST" },
    { "upstream", "model", "a model for requests that name none is [defaults] model = \"NAME\"" },
    { NULL, "port", "the port stands behind the address: [server] listen = 127.0.0.1:8000" },
    { NULL, "host", "the address to listen on is [server] listen = 127.0.0.1:8000" },
    { NULL, "address", "the address to listen on is [server] listen = 127.0.0.1:8000" },
    { NULL, "bind", "the address to listen on is [server] listen = 127.0.0.1:8000" },
    { NULL, "api_base", "the server that answers is [upstream] base_url" },
    { NULL, "openai_base_url", "the server that answers is [upstream] base_url" },
    { NULL, "openai_api_key", "the key for it is [upstream] api_key" },
    { NULL, "log_level", "that is [log] level" },
    { NULL, "log_file", "that is [log] file" },
};

static const char *mend_of(const struct conf_section *section, struct span name)
{
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (span_eq_nocase(name, span_of(elsewhere[i].name)) &&
            (!elsewhere[i].section || strcmp(elsewhere[i].section, section->name) == 0))
            return elsewhere[i].mend;
    return NULL;
}

void conf_unknown_name(struct conf_errors *e, int line, const struct conf_section *section,
                       const char *shown, struct span name)
{
    const struct conf_section *home = home_of(section, name);
    struct conf_nearest nearest = { .word = name };
    const char *mend = mend_of(section, name);
    struct conf_quoted quoted, hint;
    char form[64];
    bool show;

    if (mend) {
        conf_fault(e, line, shown, "unknown key %s; %s", conf_quote(&quoted, name), mend);
        return;
    }
    if (home) {
        conf_fault(e, line, shown, "unknown key %s here; did you mean it for [%s]?",
                   conf_quote(&quoted, name), section_form(form, home, false));
        return;
    }
    for (unsigned i = 0; i < section->n_rows; i++)
        conf_nearest_try(&nearest, section->rows[i].name);
    show = nearest.best || looks_harmless(name);
    conf_fault(e, line, shown, "unknown key %s%s",
               show ? conf_quote(&quoted, name) : "(not shown: it may be a secret)",
               conf_nearest_hint(&nearest, &hint));
}
