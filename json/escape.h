/* Escapes in JSON strings (RFC 8259, 7): their length, the character they stand for, and that
 * character in UTF-8. For escapes that lie whole in memory; json/token.c reads them byte by byte,
 * json/text.h checks whole blocks of them. */
#ifndef JSON_ESCAPE_H
#define JSON_ESCAPE_H

#include "base/span.h"

#include <stdint.h>

#define JSON_ESCAPE_MAX 12 /* the longest escape: a pair */

/* The character that a one-letter escape stands for ('n' gives a line feed); -1 if there is no such
 * escape. */
int json_short_escape(uint8_t c);

/* The character that the two halves of a surrogate pair stand for. */
static inline uint32_t json_pair(uint32_t high, uint32_t low)
{
    return 0x10000 + ((high & 0x3FF) << 10 | (low & 0x3FF));
}

/* Reads the escape at the start of text (its first byte is the backslash); a surrogate pair
 * counts as one. Returns its length, 2, 6 or 12, and stores the character in *c, which is a
 * surrogate where half of a pair stands alone; 0 if it is wrong or text ends before it does. */
unsigned json_escape(struct span text, uint32_t *c);

/* Writes character c as UTF-8; returns how many bytes, 1 to 4. */
unsigned json_utf8(uint32_t c, uint8_t to[4]);

#endif
