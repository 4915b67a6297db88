/* Settings from the text of a proxy.ini and heads from their bytes, for the tests of proxy/. */
#ifndef TESTS_PROXY_TEXT_H
#define TESTS_PROXY_TEXT_H

#include "cfg_text.h"
#include "http/head.h"
#include "proxy/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

/* The settings that ini gives; to be released by the caller. */
static inline struct settings *settings_of(const char *ini)
{
    struct loaded l = load_text(ini);
    struct settings *s;
    struct files *files;

    if (l.err != 0)
        fail_msg("%s", l.errors);
    assert_int_equal(files_make(&files), 0);
    assert_int_equal(settings_make(&s, l.c, files, stderr), 0);
    files_free(files);
    free(l.errors);
    return s;
}

/* Parses a whole request head, which h points into from then on. */
static inline void request_of(struct http_head *h, const char *text)
{
    assert_int_equal(http_request_parse(h, span_of(text), 1 << 14, 0), strlen(text));
}

/* The same for a response. */
static inline __attribute__((unused)) void response_of(struct http_head *h, const char *text)
{
    assert_int_equal(http_response_parse(h, span_of(text), 1 << 14, 0), strlen(text));
}

/* True if s is the text. */
static inline bool span_is(struct span s, const char *text)
{
    return span_eq(s, span_of(text));
}

static int clean_setup(void **state)
{
    (void)state;
    clean_environment();
    return 0;
}

#endif
