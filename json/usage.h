/* Finding the tokens that a response reports: the numbers in the top-level member "usage" of a JSON
 * text (RFC 8259) that streams by; and whether the text is a chunk of usage, which reports nothing
 * else. It validates nothing, and what it cannot read counts nothing. Constant memory, no
 * allocation. */
#ifndef JSON_USAGE_H
#define JSON_USAGE_H

#include "base/span.h"

#include <stdint.h>

#define JSON_USAGE_KEY_MAX 17 /* "completion_tokens" */

struct json_usage {
    uint64_t input, output; /* of the text's usage, what has been read of it */
    bool found;             /* the text has a usage that is an object */
    bool stops;             /* set by the owner: a text that is no chunk of usage is not read on */
    /* The others belong to json/usage.c. */
    bool in_string, escaped, in_key, in_usage, wants_key, over;
    bool in_choices, empty, other; /* it has a list of choices; it is surely no chunk of usage */
    uint8_t member; /* of the innermost object that is looked at, the one whose value comes */
    uint8_t key_n;
    uint32_t depth; /* open objects and arrays */
    char key[JSON_USAGE_KEY_MAX];
};

/* Starts a text. */
void json_usage_init(struct json_usage *u);

/* Reads the next bytes of the text. */
void json_usage_read(struct json_usage *u, struct span in);

/* True if the text is a chunk of usage, and complete: an object with an empty list of choices and a
 * usage, but no error. */
bool json_usage_is_chunk(const struct json_usage *u);

/* True if it is none, whatever follows. */
bool json_usage_is_other(const struct json_usage *u);

#endif
