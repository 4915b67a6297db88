/* A streaming JSON tokenizer (RFC 8259) that renames object keys and adds missing ones while the bytes flow.
 * Knows no HTTP, builds no tree and allocates nothing after the table is made; every byte outside a renamed key goes out as it came.
 * How it works is told from json/machine.h on; who drives it is proxy/rewrite.c.
 *
 * What counts as valid, where the RFC leaves a choice:
 *   - Bytes from 0x80 up pass inside strings as they are; whether they are UTF-8 is left to the upstream. Outside strings they are faults.
 *   - An escaped surrogate must be half of a pair (section 8.2 calls the others unpredictable, and servers refuse them): a high one not
 *     followed by an escaped low one is a fault, and so is a low one on its own.
 *   - A byte order mark (section 8.1 forbids sending one) and any text in UTF-16 or UTF-32 are faults, and the reason says so.
 *   - Arrays and objects nest at most JSON_DEPTH_MAX deep (section 9 allows a limit); the byte that opens one more is the fault.
 *   - Keys may repeat (section 4): each occurrence is renamed. Numbers may have any size and precision. */
#ifndef JSON_RENAME_H
#define JSON_RENAME_H

#include "net/span.h"

#include <stdint.h>
#include <sys/types.h>

#define JSON_DEPTH_MAX 512
#define JSON_KEY_MAX 128                /* the longest old key or default key, in bytes after unescaping */
#define JSON_DEFAULTS_MAX 64

/* One rename: the key from (UTF-8, unescaped) becomes to (UTF-8, unescaped). Looked up once, never chained. */
struct json_alias {
    struct span from, to;
};

/* One default: top-level key (UTF-8, unescaped) and its value, JSON text. */
struct json_default {
    struct span key, value;
};

struct json_rules_spec {
    const struct json_alias *aliases;
    unsigned n_aliases;
    const struct json_default *defaults;
    unsigned n_defaults;
    bool top_only;                      /* alias_scope = top: only keys of the outermost object are renamed */
    unsigned *bad;                      /* NULL, or where -EINVAL stores which entry is wrong: aliases count from 0, defaults from n_aliases */
};

struct json_rules;                      /* immutable once made; may serve any number of renamers at once */

/* Compiles the rules; copies everything it needs. *why (static text that completes "the key ...") says what is wrong on error.
 * Returns 0 with *out, which the caller frees with json_rules_free; -EINVAL if a key is longer than JSON_KEY_MAX, given twice, or not UTF-8, if there are more
 * than JSON_DEFAULTS_MAX defaults, if two defaults would go out under one name, or if a default's value is not one JSON value; -ENOMEM.
 * The values of defaults are stored with the aliases applied inside them (unless top_only) and without the white space around them. */
int json_rules_make(struct json_rules **out, const struct json_rules_spec *spec, const char **why);

/* Frees rules; NULL is fine. */
void json_rules_free(struct json_rules *r);

/* One body on its way through. No pointers into anybody's buffers: it may be moved. Under 2 KiB.
 * The fields belong to json/, but for these two, which tell of a fault:
 *
 * Invariants:
 *   1. depth <= JSON_DEPTH_MAX; of stack the lowest depth bits count, bit i telling whether level i + 1 is an object.
 *   2. While holding, held[0 .. n_held) is what has come of the key after its opening quote, [low, high) are the names that begin with the
 *      matched bytes it unescapes to, and the range is not empty. A name's byte takes at most six to write, so held cannot overflow.
 *   3. While pending is not PENDING_NONE nothing more is taken in: that text goes out first, sent bytes of it are out.
 *   4. why is set once, on the fault, and offset does not move after that. */
struct json_renamer {
    const struct json_rules *rules;
    uint64_t offset;                    /* input bytes consumed; on a fault: the offset of the first byte that cannot belong to a valid text */
    const char *why;                    /* on a fault: what was wrong there, static text */
    /* the rest is private */
    uint64_t stack[JSON_DEPTH_MAX / 64];
    uint64_t seen;                      /* bit i: default i was sent by the client */
    size_t sent;                        /* bytes of the pending text already written */
    uint32_t low, high;                 /* the names a held key can still be */
    uint32_t name;                      /* the name whose new text is pending */
    uint16_t depth;
    uint16_t matched, n_held;           /* unescaped and raw bytes of the key so far */
    uint16_t code, surrogate;           /* the \u escape being read, and the high half before it, 0 if none */
    uint8_t state, progress;            /* progress: hex digits of code, or letters of a literal, already read */
    uint8_t literal;
    uint8_t pending, default_next;
    bool in_key, holding, closing, bare; /* bare: the top-level object has no member */
    char held[6 * JSON_KEY_MAX];
};

/* Starts a body. rules stays the caller's and must outlive the renamer. */
void json_rename_init(struct json_renamer *r, const struct json_rules *rules);

/* Takes bytes from in, writes bytes to out (room for cap bytes), and stores in *written how many were written.
 * Returns how many bytes of in were consumed. It stops early only when out is full (call again with the rest of in and
 * more room; cap >= 1 always makes progress in the end). -EBADMSG: not valid JSON, r->offset and r->why say where and why; nothing more may be fed;
 * *written still counts what went out before the fault. A key that may yet be renamed, and text that found no room, wait inside for the next call.
 * in and out may not overlap.
 *
 * Defaults go in front of the brace that closes the top-level object, with no white space of their own: {"a":1 } becomes {"a":1 ,"t":0.6}.
 * A default is left out if the client sent any key that goes out under the name the default would go out under: with model = model_id and a default for
 * model, a client's "model" counts and so does its "model_id". */
ssize_t json_rename(struct json_renamer *r, struct span in, char *out, size_t cap, size_t *written);

/* Says that the input has ended; writes what was still held back, as json_rename does. Returns 0 when all is written,
 * -EAGAIN if out was too small (call again), -EBADMSG if the text is incomplete (offset: the length of the input). */
int json_rename_end(struct json_renamer *r, char *out, size_t cap, size_t *written);

/* True if value is exactly one valid JSON text (white space around it allowed). */
bool json_valid(struct span value);

#endif
