/* Finds the strings in 64 bytes of JSON at once and checks their escapes, by arithmetic on masks of bits (RFC 8259 section 7).
 * It refuses to know what stands between the strings.
 * Used by json/kernel.c alone, and inline there: it is the inner loop. One escape at a time is read by json/escape.c. */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include "json/lanes.h"

/* What one block leaves to the next. */
struct json_text_carry {
    uint64_t in_string;                 /* all ones if the border lies inside a string, else 0 */
    uint64_t escaped;                   /* 1 if the last byte was the backslash of an escape */
    uint64_t hex;                       /* the bytes, counted from the border, that belong to a \u escape and must be hexadecimal digits */
    uint64_t low;                       /* where the second digit of the low half of a pair must come, counted from the border */
    uint64_t u, d;                      /* 1 if the last byte was the u of such an escape; or the D of \uD, after which half of a pair comes */
};

/* The bytes that the backslashes of a block escape. In a run of backslashes every other one, from the first on, escapes the byte behind it: those at even
 * places if the run begins at one, else those at odd places. Adding its first bit to a run clears all of it. */
static inline uint64_t json_escaped(uint64_t backslash, uint64_t *carry)
{
    const uint64_t even = 0x5555555555555555;
    uint64_t runs = backslash & ~*carry, starts = runs & ~(runs << 1);
    uint64_t from_even = runs & ~(runs + (starts & even)), escaping = runs & (from_even ^ ~even);
    uint64_t escaped = escaping << 1 | *carry;

    *carry = escaping >> 63;
    return escaped;
}

/* mask moved on by one byte; *carry brings the bit from the block before and takes the one for the next. */
static inline uint64_t json_moved_bit(uint64_t mask, uint64_t *carry)
{
    uint64_t moved = mask << 1 | *carry;

    *carry = mask >> 63;
    return moved;
}

/* Bytes that are out of place behind the high half of a pair, and second digits of low halves without one. us are the letters u of the escapes that begin in
 * this block, d the Ds of all \uD. What a low half begins with is looked at on its own: no string may end between a high half and the end of the block. */
static inline uint64_t json_wrong_pairs(struct json_lanes b, uint64_t us, uint64_t d, struct json_text_carry *c)
{
    struct json_lanes small = json_fold(b);
    uint64_t second = json_moved_bit(d, &c->d);
    uint64_t high = second & (json_range(b, '8', '9') | json_range(small, 'a', 'b'));
    uint64_t low = second & json_range(small, 'c', 'f'), due = high << 6 | c->low;

    c->low = high >> 58;
    return (due ^ low) | (high << 3 & ~json_equal(b, '\\')) | (high << 4 & ~us);
}

/* Bytes that break a \u escape; us are the letters u of those that begin in this block. */
static inline uint64_t json_wrong_unicode(struct json_lanes b, uint64_t us, struct json_text_carry *c)
{
    struct json_lanes small = json_fold(b);
    uint64_t digits = json_range(b, '0', '9') | json_range(small, 'a', 'f');
    uint64_t due = us << 1 | us << 2 | us << 3 | us << 4 | c->hex, cut = us >> 60;
    uint64_t d = json_moved_bit(us, &c->u) & json_equal(small, 'd'), wrong = due & ~digits;

    c->hex = cut | cut >> 1 | cut >> 2 | cut >> 3;
    if (d | c->d | c->low)
        wrong |= json_wrong_pairs(b, us, d, c);
    return wrong;
}

/* Takes the quotes that backslashes escape out of *quote. Returns bytes that break the rules of escapes. */
static inline uint64_t json_take_escapes(struct json_lanes b, uint64_t backslash, uint64_t *quote, struct json_text_carry *c)
{
    uint64_t escaped = json_escaped(backslash, &c->escaped), u = json_equal(b, 'u'), us = escaped & u;
    uint64_t wrong = escaped & ~(json_short_escapes(b) | *quote | backslash | u);

    *quote &= ~escaped;
    if (us | c->hex | c->low)
        wrong |= json_wrong_unicode(b, us, c);
    return wrong;
}

/* The strings of a block, each from its opening quote up to but without its closing one; *quote gets the quotes that open or close one. Sets *wrong if an
 * escape is wrong or a control character stands in a string, and leaves it alone otherwise. */
static inline uint64_t json_strings(struct json_lanes b, uint64_t *quote, struct json_text_carry *c, uint64_t *wrong)
{
    uint64_t backslash = json_equal(b, '\\'), strings;

    *quote = json_equal(b, '"');
    if (backslash | c->escaped | c->hex | c->low)
        *wrong |= json_take_escapes(b, backslash, quote, c);
    strings = json_parity(*quote) ^ c->in_string;
    c->in_string = 0 - (strings >> 63);
    *wrong |= strings & json_range(b, 0, 0x1F);
    return strings;
}

/* How many bytes the border behind a block must be drawn back so that it cuts no escape and no pair; p is the border. What lies in front of it is right. */
static inline unsigned json_cut_escape(const struct json_text_carry *c, const char *p)
{
    unsigned back;

    if (c->low)
        return 9 - (unsigned)__builtin_ctzll(c->low);
    if (!c->hex)
        return (unsigned)c->escaped;
    back = 5 - (63 - (unsigned)__builtin_clzll(c->hex));
    return back > 3 && (p[2 - (int)back] | 0x20) == 'd' && (p[3 - (int)back] | 0x20) >= 'c' ? back + 6 : back;
}

#endif
