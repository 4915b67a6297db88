/* Checks the numbers in some blocks of JSON at once, by arithmetic on masks of bits
 * (RFC 8259, 6). */
#ifndef JSON_NUMBER_H
#define JSON_NUMBER_H

#include "json/words.h"

/* The numbers of the blocks looked at together. */
struct json_number_masks {
    json_words digit, zero;                /* 0 to 9; 0 alone */
    json_words dot, exponent, plus, minus; /* . ; e and E; + ; - */
};

/* The carry from block to block about a number cut by the border. */
struct json_number_carry {
    json_words run; /* inside a number */
    json_words minus, zero, dot, e,
        sign;                     /* the last byte was this one, and what follows depends on it */
    json_words integer, fraction; /* inside these digits */
};

/* Bits where numbers break the grammar; 0 if they are right. scalars are the bytes of all numbers
 * and literals, begins those where a number begins. Each part of a number is a mask made from the
 * part before it; a byte that is in no part is wrong. */
static inline json_words json_wrong_numbers(struct json_number_carry *carry,
                                            const struct json_number_masks *m, json_words scalars,
                                            json_words begins)
{
    json_words lost = begins ^ begins;
    json_words numbers = scalars & ~json_through(begins, scalars, &carry->run, &lost);
    json_words digits = m->digit & numbers;
    json_words minus = begins & m->minus;
    json_words first = (begins & m->digit) | json_moved(minus, &carry->minus);
    json_words after_zero = json_moved(first & m->zero, &carry->zero);
    json_words dot = json_through(first, digits, &carry->integer, &lost) & ~digits;
    json_words e = dot & m->exponent;
    json_words fraction, after_e, sign, power;

    dot &= m->dot;
    fraction = json_moved(dot, &carry->dot);
    e |= json_through(fraction, digits, &carry->fraction, &lost) & ~digits & m->exponent;
    after_e = json_moved(e, &carry->e);
    sign = after_e & (m->plus | m->minus);
    power = (after_e & ~sign) | json_moved(sign, &carry->sign);
    return ((first | fraction | power) & ~digits) | (after_zero & digits) |
        (numbers & ~(digits | minus | dot | e | sign)) | lost;
}

#endif
