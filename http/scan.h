/* The loops that look at every byte of a head: where a field name, a field value or a request
 * target ends. Each exists in 16-byte vectors that every x86-64 and arm64 has, and in portable
 * C. */
#ifndef HTTP_SCAN_H
#define HTTP_SCAN_H

#include "base/vec16.h"

#include <stdbool.h>

enum {
    HTTP_CLASS_TOKEN = 1, /* tchar (RFC 9110, 5.6.2) */
    HTTP_CLASS_HOST =
        2, /* a host name: visible ASCII but for : [ ] / \ @ , ? #, which delimit it */
};

extern const uint8_t http_class[256];

/* True if c may stand in a method or a field name. */
static inline bool http_is_token(char c)
{
    return http_class[(uint8_t)c] & HTTP_CLASS_TOKEN;
}

/* True if c may stand in a field value, a reason phrase or a chunk extension: no control but HTAB
 * (RFC 9110, 5.5). */
static inline bool http_is_text(char c)
{
    return ((uint8_t)c >= 0x20 && c != 0x7F) || c == '\t';
}

/* True if c may stand in a request target: visible ASCII, and no fragment. */
static inline bool http_is_target(char c)
{
    return c > 0x20 && c < 0x7F && c != '#';
}

/* The first byte from p on that may not stand in a name, a value or a target; end if there is
 * none. */
static inline const char *http_name_end_portable(const char *p, const char *end)
{
    while (p < end && http_is_token(*p))
        p++;
    return p;
}

static inline const char *http_value_end_portable(const char *p, const char *end)
{
    while (p < end && http_is_text(*p))
        p++;
    return p;
}

static inline const char *http_target_end_portable(const char *p, const char *end)
{
    while (p < end && http_is_target(*p))
        p++;
    return p;
}

#ifdef VEC16
/* Letters, digits and hyphens are skipped by sixteens; rarer bytes of a name are looked up one by
 * one. */
static inline const char *http_name_end(const char *p, const char *end)
{
    while (end - p >= 16) {
        vec16 v = vec16_load(p);
        vec16 letter = vec16_at_most(vec16_less(vec16_lower(v), 'a'), 25);
        vec16 digit = vec16_at_most(vec16_less(v, '0'), 9);
        vec16 plain = vec16_either(vec16_either(letter, digit), vec16_equal(v, '-'));
        uint64_t others = vec16_hits(plain) ^ VEC16_ALL;

        p += others ? vec16_first(others) : 16;
        if (others && !http_is_token(*p))
            return p;
        p += others != 0;
    }
    return http_name_end_portable(p, end);
}

static inline const char *http_value_end(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        vec16 v = vec16_load(p);
        vec16 control = vec16_but_not(vec16_at_most(v, 0x1F), vec16_equal(v, '\t'));
        uint64_t hits = vec16_hits(vec16_either(control, vec16_equal(v, 0x7F)));

        if (hits)
            return p + vec16_first(hits);
    }
    return http_value_end_portable(p, end);
}

static inline const char *http_target_end(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        vec16 v = vec16_load(p);
        vec16 low = vec16_at_most(v, 0x20);
        vec16 high = vec16_at_most(vec16_less(v, 0x7F), (char)0x80);
        uint64_t hits = vec16_hits(vec16_either(vec16_either(low, high), vec16_equal(v, '#')));

        if (hits)
            return p + vec16_first(hits);
    }
    return http_target_end_portable(p, end);
}
#else

static inline const char *http_name_end(const char *p, const char *end)
{
    return http_name_end_portable(p, end);
}

static inline const char *http_value_end(const char *p, const char *end)
{
    return http_value_end_portable(p, end);
}

static inline const char *http_target_end(const char *p, const char *end)
{
    return http_target_end_portable(p, end);
}
#endif

#endif
