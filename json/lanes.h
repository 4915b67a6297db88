/* 64 bytes of text at once, in whatever registers the target has, and the masks that comparisons
 * give: bit i stands for byte i. Each instruction set has a header of its own, named by JSON_LANES,
 * with everything below; json/lanes_portable.h is the one that every machine can run.
 *
 * struct json_lanes                    the 64 bytes
 * json_load(p)                         the 64 bytes at p
 * json_store(to, b)                    writes them to `to`
 * json_fold(b)                         every byte with bit 0x20 set: capitals become small letters,
 *                                      square brackets curly ones
 * json_plain(b)                        true if a string may hold every byte as it is: no quote, no
 *                                      backslash, none below 0x20
 * json_equal(b, c)                     the bytes equal to c
 * json_range(b, low, high)             the bytes from low to high, both below 0x80
 * json_short_escapes(b)                the letters of short escapes, b f n r t, and the slash
 * json_white(b)                        space, tab, line feed and carriage return
 * json_punctuation(b)                  brackets and braces, commas, colons and quotes
 * json_squeeze(to, p, keep)            writes those of the 64 bytes at p that keep has bits for to
 *                                      `to`, side by side; what follows them, up to 64 bytes in
 *                                      all, means nothing
 * json_name_starts(starts, p, quotes)  those of the quotes in the 64 bytes at p after which a name
 *                                      may begin (json/names.h); reads JSON_AHEAD bytes more
 * JSON_WORDS                           how many masks one register holds: a power of two, at most
 *                                      JSON_WORDS_MAX
 * JSON_KERNEL, JSON_KERNEL_NAME        the kernel's name, in C and for people */
#ifndef JSON_LANES_H
#define JSON_LANES_H

#include "json/bits.h"
#include "json/names.h"

#ifndef JSON_LANES
#define JSON_LANES "json/lanes_portable.h"
#endif
#include JSON_LANES

#endif
