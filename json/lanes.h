/* 64 bytes of text at once, in whatever registers the target has, and the masks that comparisons give: bit i speaks of byte i.
 * It knows bytes, not grammar. Each instruction set has a header of its own, named by JSON_LANES, and each of them offers what stands below; that of
 * json/lanes_portable.h is the twin that every machine can run. The loops over blocks are json/kernel.c.
 *
 * struct json_lanes                     The 64 bytes.
 * json_load(p)                          Reads the 64 bytes at p.
 * json_store(to, b)                     Writes them to `to`.
 * json_fold(b)                          Every byte with 0x20 added by `or`: capitals become small letters, square brackets curly ones.
 * json_plain(b)                         True if each byte may simply be passed in a string: no quote, no backslash, none below 0x20.
 * json_equal(b, c)                      The bytes that are c.
 * json_range(b, low, high)              The bytes from low to high, both below 0x80.
 * json_short_escapes(b)                 The letters of short escapes, b f n r t, and the slash.
 * json_white(b)                         White space: space, tab, line feed and carriage return.
 * json_punctuation(b)                   Brackets and braces, commas, colons and quotes.
 * json_squeeze(to, p, keep)             Writes to `to` those of the 64 bytes at p that keep has bits for, one behind the other. What it writes behind them,
 *                                       up to 64 bytes in all, means nothing.
 * json_name_starts(starts, p, quotes)   Those of the quotes in the 64 bytes at p behind which a name may begin (json/names.h). Reads JSON_AHEAD bytes more.
 * JSON_WORDS                            How many masks go into one register: a power of two, JSON_WORDS_MAX at most.
 * JSON_KERNEL, JSON_KERNEL_NAME         What the kernel is called, in C and for people. */
#ifndef JSON_LANES_H
#define JSON_LANES_H

#include "json/bits.h"
#include "json/names.h"

#ifndef JSON_LANES
#define JSON_LANES "json/lanes_portable.h"
#endif
#include JSON_LANES

#endif
