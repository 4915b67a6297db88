/* Escapes in JSON strings (RFC 8259 section 7): how long one is, which character it stands for, and that character in UTF-8.
 * Knows nothing of where the string lies or what it means.
 * Used where an escape lies whole in memory (json/rules.c) and piece by piece (json/token.c); whole blocks of them are checked by json/text.h. */
#ifndef JSON_ESCAPE_H
#define JSON_ESCAPE_H

#include "net/span.h"

#include <stdint.h>

#define JSON_ESCAPE_MAX 12              /* the longest escape: a pair */

/* The value of a hex digit; -1 if c is none. */
int json_hex(uint8_t c);

/* The character that a one-letter escape stands for ('n' gives a line feed); -1 if there is no such escape. */
int json_short_escape(uint8_t c);

/* The character that two halves of a surrogate pair stand for. */
static inline uint32_t json_pair(uint32_t high, uint32_t low)
{
    return 0x10000 + ((high & 0x3FF) << 10 | (low & 0x3FF));
}

/* Reads the escape at the start of text (its first byte is the backslash), a surrogate pair counting as one. Returns its length, 2, 6 or 12, and stores the
 * character in *c; 0 if it is wrong or text ends before it does. */
unsigned json_escape(struct span text, uint32_t *c);

/* Writes character c as UTF-8; returns how many bytes, 1 to 4. */
unsigned json_utf8(uint32_t c, uint8_t to[4]);

/* True if text is UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing past U+10FFFF). */
bool json_utf8_valid(struct span text);

#endif
