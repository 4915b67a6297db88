/* Finds the strings in 64 bytes of JSON at once and checks their escapes, by arithmetic on masks of
 * bits (RFC 8259, 7). Inline, for the inner loop of json/kernel.c. */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include "json/lanes.h"

/* The carry from one block to the next. */
struct json_text_carry {
    uint64_t in_string; /* all ones if the border lies inside a string, else 0 */
    uint64_t escaped;   /* 1 if the last byte was the backslash of an escape */
    uint64_t hex;       /* the bytes, from the border on, that must be digits of a \u escape */
};

/* The bytes that the backslashes of a block escape. In a run of backslashes every other one, from
 * the first on, escapes the byte after it: those at even places if the run begins at one, else
 * those at odd places. Adding its first bit to a run clears all of it. */
static inline uint64_t json_escaped(uint64_t backslash, uint64_t *carry)
{
    const uint64_t even = 0x5555555555555555;
    uint64_t runs = backslash & ~*carry, starts = runs & ~(runs << 1);
    uint64_t from_even = runs & ~(runs + (starts & even)), escaping = runs & (from_even ^ ~even);
    uint64_t escaped = escaping << 1 | *carry;

    *carry = escaping >> 63;
    return escaped;
}

/* Bytes that break a \u escape; us are the letters u of those that begin in this block. Halves of
 * surrogate pairs need not come in pairs (RFC 8259, 8.2). */
static inline uint64_t json_wrong_unicode(struct json_lanes b, uint64_t us,
                                          struct json_text_carry *c)
{
    uint64_t digits = json_range(b, '0', '9') | json_range(json_fold(b), 'a', 'f');
    uint64_t due = us << 1 | us << 2 | us << 3 | us << 4 | c->hex, cut = us >> 60;

    c->hex = cut | cut >> 1 | cut >> 2 | cut >> 3;
    return due & ~digits;
}

/* Takes the escaped quotes out of *quote. Returns bytes that break the rules of escapes. */
static inline uint64_t json_take_escapes(struct json_lanes b, uint64_t backslash, uint64_t *quote,
                                         struct json_text_carry *c)
{
    uint64_t escaped = json_escaped(backslash, &c->escaped), u = json_equal(b, 'u'),
             us = escaped & u;
    uint64_t wrong = escaped & ~(json_short_escapes(b) | *quote | backslash | u);

    *quote &= ~escaped;
    if (us | c->hex)
        wrong |= json_wrong_unicode(b, us, c);
    return wrong;
}

/* The strings of a block, each from its opening quote up to but without its closing one; *quote
 * gets the quotes that open or close one. Sets *wrong if an escape is wrong or a control character
 * stands in a string, and leaves it alone otherwise. */
static inline uint64_t json_strings(struct json_lanes b, uint64_t *quote, struct json_text_carry *c,
                                    uint64_t *wrong)
{
    uint64_t backslash = json_equal(b, '\\'), strings;

    *quote = json_equal(b, '"');
    if (backslash | c->escaped | c->hex)
        *wrong |= json_take_escapes(b, backslash, quote, c);
    strings = json_parity(*quote) ^ c->in_string;
    c->in_string = 0 - (strings >> 63);
    *wrong |= strings & json_range(b, 0, 0x1F);
    return strings;
}

/* How many bytes the border after a block must be drawn back so that it cuts no escape. The bytes
 * before it are right. */
static inline unsigned json_cut_escape(const struct json_text_carry *c)
{
    return c->hex ? 5 - (63 - (unsigned)__builtin_clzll(c->hex)) : (unsigned)c->escaped;
}

#endif
