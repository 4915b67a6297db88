/* Checks the numbers in 64 bytes of JSON at once, by arithmetic on masks of bits (RFC 8259 section 6).
 * It is told where tokens lie and refuses to know anything else about them.
 * Used by json/bulk.c alone, and inline there: it is the inner loop. */
#ifndef JSON_NUMBER_H
#define JSON_NUMBER_H

#include "json/bits.h"
#include "json/scan.h"

/* What one block leaves to the next about a number cut by the border: one bit each, 0 or 1. */
struct json_number_carry {
    uint64_t run;                       /* the border lies inside a number */
    uint64_t minus, zero, dot, e, sign; /* the last byte was this one, and what follows depends on it */
    uint64_t integer, fraction;         /* the border lies inside these digits */
};

/* Bits where the numbers of a block break the grammar; 0 if they are right. scalars are the bytes of all tokens outside strings but punctuation, begins
 * those where a number begins. Each part of a number is a mask made from the one before it; a byte that is in no part has no business there. */
static inline uint64_t json_wrong_numbers(struct json_number_carry *carry, const struct json_token_masks *m, uint64_t scalars, uint64_t begins)
{
    uint64_t numbers = scalars & ~json_through(begins, scalars, &carry->run);
    uint64_t digits = m->digit & numbers;
    uint64_t minus = begins & m->minus;
    uint64_t first = (begins & m->digit) | json_moved(minus, &carry->minus);
    uint64_t after_zero = json_moved(first & m->zero, &carry->zero);
    uint64_t dot = json_through(first, digits, &carry->integer) & ~digits;
    uint64_t e = dot & m->exponent;
    uint64_t fraction, after_e, sign, power;

    dot &= m->dot;
    fraction = json_moved(dot, &carry->dot);
    e |= json_through(fraction, digits, &carry->fraction) & ~digits & m->exponent;
    after_e = json_moved(e, &carry->e);
    sign = after_e & (m->plus | m->minus);
    power = (after_e & ~sign) | json_moved(sign, &carry->sign);
    return ((first | fraction | power) & ~digits) | (after_zero & digits) | (numbers & ~(digits | minus | dot | e | sign));
}

#endif
