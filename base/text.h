/* What several rooms read in text: decimal numbers, hex digits, UTF-8, blanks, lists.
 * Bytes in, bytes out: no locale and no allocation. A grammar of its own stays in its room. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/span.h"

#include <errno.h>
#include <stdint.h>

/* True if c is an ASCII digit. */
static inline bool text_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* True if c is an ASCII letter. */
static inline bool text_is_letter(char c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

/* True if c is a blank or a tab. */
static inline bool text_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The value of a hex digit in either case, or -1. */
static inline int text_hex(char c)
{
    unsigned digit = (unsigned char)c - (unsigned)'0', letter = ((unsigned char)c | 0x20u) - 'a';

    return digit < 10 ? (int)digit : letter < 6 ? (int)letter + 10 : -1;
}

#define TEXT_DIGITS_SAFE 19 /* so many decimal digits always fit 64 bits */

/* Takes the decimal digits at the front off *s and stores their value in *n. Returns 0; -EINVAL if
 * there is no digit, -ERANGE if the value exceeds max. *s and *n stay as they were then. */
static inline int text_take_uint(struct span *s, uint64_t max, uint64_t *n)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < s->n && text_is_digit(s->p[i]); i++) {
        unsigned digit = (unsigned)(s->p[i] - '0');

        if (i >= TEXT_DIGITS_SAFE && value > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        value = value * 10 + digit;
    }
    if (i == 0)
        return -EINVAL;
    if (value > max)
        return -ERANGE;
    *s = span_skip(*s, i);
    *n = value;
    return 0;
}

/* Reads s, decimal digits and nothing else, into *n. False, with *n as it was, if s is anything
 * else or the value exceeds max. */
static inline bool text_uint(struct span s, uint64_t max, uint64_t *n)
{
    uint64_t value;

    if (text_take_uint(&s, max, &value) || s.n > 0)
        return false;
    *n = value;
    return true;
}

/* The length, 1 to 4, of the character at the start of s in UTF-8 (RFC 3629, 4: no surrogates,
 * nothing overlong, nothing past U+10FFFF); 0 if there is none. */
size_t text_utf8(struct span s);

/* The character at the start of s, n bytes in UTF-8, if it is one beyond ASCII that changes how
 * what follows it is shown: a control, a line or paragraph separator, an override of the writing
 * direction. Else 0. */
unsigned text_invisible(struct span s, size_t n);

/* True if all of s is UTF-8, as text_utf8 has it. */
bool text_utf8_valid(struct span s);

/* s without the blanks and tabs around it. */
struct span text_trim(struct span s);

/* Takes the first item of a list separated by commas off *rest, and trims it; an item may be empty.
 * After the last one rest->p is NULL. False if it was NULL already: there is no item left. */
bool text_next_item(struct span *rest, struct span *item);

#endif
