/* Expands a value, checks its form, and hands it to the setter of its type. */
#include "cfg/values.h"
#include "cfg/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

void conf_value_fault(const struct conf_value *v, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0) {
        v->errors->oom = true;
        return;
    }
    conf_fault(v->errors, v->line, v->section, "%s: %s", v->name, text);
    free(text);
}

bool conf_is_quoted(struct span s)
{
    return s.n > 1 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.n - 1] == s.p[0];
}

static int (*const setters[])(const struct conf_value *v, void *base) = {
    [CONF_LISTEN] = conf_set_list,     [CONF_COUNT] = conf_set_count,
    [CONF_WORKERS] = conf_set_count,   [CONF_AMOUNT] = conf_set_amount,
    [CONF_DATE] = conf_set_date,       [CONF_SIZE] = conf_set_size,
    [CONF_TIME] = conf_set_time,       [CONF_BOOL] = conf_set_bool,
    [CONF_CHOICE] = conf_set_choice,   [CONF_LEVEL] = conf_set_level,
    [CONF_USER] = conf_set_user,       [CONF_BASE_URL] = conf_set_url,
    [CONF_PROXY] = conf_set_proxy,     [CONF_TARGET] = conf_set_target,
    [CONF_CLIENT] = conf_set_client,   [CONF_KEYS] = conf_set_words,
    [CONF_CA_FILE] = conf_set_ca_file, [CONF_LOG_FILE] = conf_set_log_file,
    [CONF_FILES] = conf_set_list,      [CONF_ADDRESSES] = conf_set_list,
    [CONF_ORIGINS] = conf_set_words,   [CONF_JSON] = conf_set_json,
    [CONF_FIELD] = conf_set_text,      [CONF_MODELS] = conf_set_list,
    [CONF_ALLOWED] = conf_set_list,    [CONF_FALLBACKS] = conf_set_list,
    [CONF_PATHS] = conf_set_words,     [CONF_SOCKET] = conf_set_socket,
    [CONF_TEXT] = conf_set_text,
};

/* Says in v->errors what is wrong with the text of v whatever its type. True if something is. */
static bool form_fault(const struct conf_value *v)
{
    const struct conf_row *row = v->row;
    bool numeric = row->type >= CONF_COUNT && row->type <= CONF_LEVEL;

    if (v->text.n == 0 && !row->may_be_empty) {
        bool has = row->initial && row->initial[0];

        conf_value_fault(v, "needs a value%s%s",
                         has ? "; leave the line out for the default, " : "",
                         has ? row->initial : "");
        return true;
    }
    if (!numeric && row->type != CONF_KEYS && v->text.n > row->max) {
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
    static const char blanks[] = " \t\r\n"; /* a variable often holds the line end of a file */
    char *expanded = conf_expand(v);
    size_t start = 0, n;

    if (!expanded)
        return;
    n = strlen(expanded);
    while (n > 0 && strchr(blanks, expanded[n - 1]))
        expanded[--n] = '\0';
    while (start < n && strchr(blanks, expanded[start]))
        start++;
    v->text = (struct span){ expanded + start, n - start };
    if (!form_fault(v) && setters[v->row->type](v, base) == -ENOMEM)
        v->errors->oom = true;
    v->text = (struct span){ 0 };
    conf_free_text(expanded);
}
