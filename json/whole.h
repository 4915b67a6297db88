/* One JSON text (RFC 8259) that lies whole in memory: whether it is right, and which model it
 * names. It says neither what is wrong nor where; json/rename.h does, of the same text. Constant
 * memory, no allocation. */
#ifndef JSON_WHOLE_H
#define JSON_WHOLE_H

#include "json/model.h"

/* Reads text. Returns the state of the member "model" of the outermost object, which is not
 * JSON_MODEL_SEEK, with *raw as its value between the quotes if that is JSON_MODEL_FOUND; -EBADMSG
 * if text is not valid by the same rules as in json/rename.h, or has a second such member. */
int json_whole(struct span text, struct span *raw);

#endif
