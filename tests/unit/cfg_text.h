/* Loads a configuration from a text, for tests/unit/test_cfg_*.c, and keeps the messages. */
#ifndef TESTS_CFG_TEXT_H
#define TESTS_CFG_TEXT_H

#include "cfg/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct loaded {
    int err;
    struct conf *c; /* NULL unless err is 0 */
    char *errors;
};

/* Loads n bytes as the file "test.ini". Freed with loaded_free. */
static inline struct loaded load_bytes(const char *bytes, size_t n)
{
    struct loaded l = { 0 };
    size_t size = 0;
    FILE *errors = open_memstream(&l.errors, &size);
    struct files *files;

    if (files_make(&files) || !errors)
        abort();
    l.err = conf_load_text(&l.c, (struct span){ bytes, n }, "test.ini", files, errors);
    files_free(files);
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

/* The output of conf_print for c; freed by the caller. */
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

/* Drops the comments after the values that conf_print wrote: the sources of values differ. */
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

/* The machine's environment must not decide a test. */
static inline void clean_environment(void)
{
    static const char *const names[] = { "OPENAI_BASE_URL", "OPENAI_API_KEY", "https_proxy",
                                         "HTTPS_PROXY",     "http_proxy",     "HTTP_PROXY",
                                         "all_proxy",       "ALL_PROXY",      "no_proxy",
                                         "NO_PROXY" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

/* The same as a set-up of cmocka. */
static inline int cfg_clean(void **state)
{
    (void)state;
    clean_environment();
    return 0;
}

#endif
