/* Loads a configuration from a text, for the tests of cfg/, and keeps what was said about it.
 * Knows nothing of what is right or wrong in it. Used by tests/unit/test_cfg_*.c. */
#ifndef TESTS_CFG_TEXT_H
#define TESTS_CFG_TEXT_H

#include "cfg/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct loaded {
    int rc;
    struct conf *c;                     /* NULL unless rc is 0 */
    char *errors;
};

/* Loads n bytes as the file "test.ini". Freed with loaded_free. */
static inline struct loaded load_bytes(const char *bytes, size_t n)
{
    struct loaded l = { 0 };
    size_t size = 0;
    FILE *in = n ? fmemopen((void *)(size_t)bytes, n, "r") : fopen("/dev/null", "r");
    FILE *errors = open_memstream(&l.errors, &size);
    if (!in || !errors)
        abort();
    l.rc = conf_load_stream(&l.c, in, "test.ini", errors);
    fclose(in);
    fclose(errors);
    return l;
}

static inline struct loaded load_text(const char *text)
{
    return load_bytes(text, strlen(text));
}

static inline void loaded_free(struct loaded *l)
{
    conf_free(l->c);
    free(l->errors);
}

/* What conf_print says of c; freed by the caller. */
static __attribute__((noinline, unused)) char *printed(const struct conf *c)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        abort();
    conf_print(c, to);
    fclose(to);
    return text;
}

/* Drops the comments behind the values that conf_print wrote: where a value came from differs. */
static inline void drop_comments(char *text)
{
    char *to = text;
    for (char *p = text; *p; p++) {
        if (strncmp(p, "    ; ", 6) == 0)
            p = strchr(p, '\n');
        *to++ = *p;
    }
    *to = '\0';
}

/* Nothing of the machine's own environment may decide a test. */
static inline void clean_environment(void)
{
    static const char *const names[] = { "OPENAI_BASE_URL", "OPENAI_API_KEY", "https_proxy", "HTTPS_PROXY", "http_proxy",
                                         "HTTP_PROXY",
                                         "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

#endif
