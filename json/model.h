/* Finding the value of the top-level member "model" while a JSON text (RFC 8259) streams by. It
 * validates nothing: json/rename.h does, of the same bytes. Constant memory, no allocation. */
#ifndef JSON_MODEL_H
#define JSON_MODEL_H

#include "base/span.h"

#include <stdint.h>

#define JSON_MODEL_RAW_MAX 512 /* the longest key or value that is read, as it is written */

enum json_model_state {
    JSON_MODEL_SEEK,  /* more has to be read */
    JSON_MODEL_FOUND, /* raw holds the value, between its quotes */
    JSON_MODEL_NONE,  /* the text has no such member, or is no object */
    JSON_MODEL_OTHER, /* the value is no string, or one that is too long */
};

/* The fields belong to json/model.c, but for offset. */
struct json_model {
    uint64_t offset;         /* bytes read */
    uint32_t depth;          /* open objects and arrays */
    bool in_string, escaped; /* the next byte is within a string, after an escaping backslash */
    bool wants_key, wants_value;
    bool in_long; /* the last block was plain text of one string, and the next may be */
    bool reads;   /* the string that has begun is kept in raw */
    uint16_t raw_n;
    char raw[JSON_MODEL_RAW_MAX];
};

/* Starts a text. */
void json_model_init(struct json_model *m);

/* Reads the next bytes of the text, up to offset at the most that tells the state. Not to be called
 * again after any state but JSON_MODEL_SEEK. A second member is not looked for: json_rename_model
 * does. */
enum json_model_state json_model_read(struct json_model *m, struct span in);

/* Writes a value, as it stands between its quotes, unescaped and with a NUL into out, which has
 * room for JSON_MODEL_RAW_MAX + 1 bytes. Returns its length; -EBADMSG if an escape is wrong or
 * stands for a control character. */
int json_model_text(struct span raw, char *out);

/* The same for the value that m has found. */
int json_model_value(const struct json_model *m, char *out);

/* True if key, as it stands between its quotes, is "model". */
bool json_is_model(struct span key);

#endif
