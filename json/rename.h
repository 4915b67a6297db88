/* A streaming JSON tokenizer (RFC 8259) that renames object keys and adds missing ones while the
 * bytes flow. Knows no HTTP, builds no tree and allocates nothing once the rules are made; every
 * byte outside a renamed key goes out as it came. Read json/machine.h for how it works.
 *
 * Where the RFC leaves a choice:
 * 1. Bytes from 0x80 up pass inside strings as they are; whether they are UTF-8 is left to the
 *    upstream. Outside strings they are faults.
 * 2. An escaped surrogate that is not half of a pair passes as it is (RFC 8259, 8.2 calls it
 *    unpredictable, not wrong). A key with one is equal to no other key.
 * 3. A byte order mark (RFC 8259, 8.1 forbids sending one) and any text in UTF-16 or UTF-32 are
 *    faults, and the reason says so.
 * 4. Arrays and objects nest at most JSON_DEPTH_MAX deep (RFC 8259, 9 allows a limit); the byte
 *    that opens one more is the fault.
 * 5. Keys may repeat (RFC 8259, 4): each occurrence is renamed. But different keys of one object
 *    that would have the same name once they are renamed are a fault: the old and the new name of
 *    an alias, or two old ones.
 * 6. Numbers may have any size and precision. */
#ifndef JSON_RENAME_H
#define JSON_RENAME_H

#include "base/span.h"

#include <stdint.h>
#include <sys/types.h>

#define JSON_DEPTH_MAX 512
#define JSON_KEY_MAX 128 /* the longest old key or default key, in bytes after unescaping */
#define JSON_DEFAULTS_MAX 64

/* One rename: the key `from` becomes `to`, both UTF-8, unescaped. Looked up once, never chained. */
struct json_alias {
    struct span from, to;
};

/* One default: a top-level key (UTF-8, unescaped) and its value, JSON text. */
struct json_default {
    struct span key, value;
};

struct json_rules_spec {
    const struct json_alias *aliases;
    unsigned n_aliases;
    const struct json_default *defaults;
    unsigned n_defaults;
    bool top_only;       /* alias_scope = top: rename keys of the outermost object only */
    bool model_if_given; /* a default for "model" is added only with a value of json_rename_model */
    bool usage;          /* the text asks for usage in a stream, see json_rename */
    unsigned *bad; /* NULL, or where -EINVAL stores the number of the wrong entry: aliases count
                      from 0, defaults from n_aliases */
};

struct json_rules; /* immutable once made; may serve any number of renamers at once */

/* Compiles the rules, copying everything it needs. Returns 0 with *out, which the caller frees with
 * json_rules_free; -EINVAL if a key is longer than JSON_KEY_MAX, given twice, or not UTF-8, if
 * there are more than JSON_DEFAULTS_MAX defaults, if two defaults would go out under one name, or
 * if a default's value is not one JSON value; -ENOMEM. On error *why is static text that completes
 * "the key ...". The values of defaults are stored with the aliases applied inside them (unless
 * top_only) and without the white space around them. */
int json_rules_make(struct json_rules **out, const struct json_rules_spec *spec, const char **why);

/* Frees rules; NULL is fine. */
void json_rules_free(struct json_rules *r);

/* How much memory a renamer with these rules needs beside itself, in bytes; 0 without aliases. It
 * grows with the number of aliases, not with bodies. */
size_t json_rename_memory(const struct json_rules *rules);

/* One body on its way through. Holds no pointers into anybody's buffers: it may be moved. Under 2
 * KiB. Only the fields offset, why and twins are public.
 *
 * Invariants:
 * 1. depth <= JSON_DEPTH_MAX; the lowest depth bits of stack count, bit i telling whether level i +
 *    1 is an object.
 * 2. While holding, held[0 .. n_held) are the bytes of the key from its opening quote on, [low,
 *    high) are the names that begin with the matched bytes it unescapes to, and the range is not
 *    empty. A name's byte takes at most six to write, so held cannot overflow.
 * 3. While pending is not JSON_PENDING_NONE no input is taken: the pending text goes out first,
 *    sent bytes of it are out.
 * 4. why is set once, on the fault, and offset does not move after that.
 * 5. memory has a row of bits for each depth, which tells the twins that came in the object
 *    there. It counts where rows has a bit for the depth.
 * 6. While member is JSON_MEMBER_PARKED, DROPPED or LEFT_OUT, taken input is not copied out. */
struct json_renamer {
    const struct json_rules *rules;
    uint64_t offset; /* input bytes consumed; on a fault: of the first byte that cannot belong */
    const char *why; /* on a fault: what was wrong there, static text */
    struct span twins[2]; /* on a fault for two keys: the earlier and the later, of the rules */
    /* private */
    struct span model;       /* the value that takes the place of the model's; empty: none does */
    struct span replacement; /* of the value that comes, or is dropped */
    uint8_t *memory;
    uint64_t rows[JSON_DEPTH_MAX / 64];
    uint64_t stack[JSON_DEPTH_MAX / 64];
    uint64_t seen;      /* bit i: the client sent default i */
    size_t sent;        /* bytes of the pending text already written */
    uint32_t low, high; /* the names that a held key can still be */
    uint32_t name;      /* the name whose new text is pending */
    uint16_t depth;
    uint16_t matched, n_held; /* unescaped and raw bytes of the key so far */
    uint16_t code, surrogate; /* the \u escape being read, and the high half before it, 0 if none */
    uint8_t state;
    uint8_t progress; /* hex digits of code, or letters of a literal, already read */
    uint8_t literal;
    uint8_t pending, default_next;
    uint8_t model_step;        /* how far the top-level "model" has come, if it matters */
    uint8_t member;            /* the one that has begun, if it matters */
    uint8_t stream, options;   /* what came as "stream", "stream_options" */
    uint16_t dropped_at;       /* the depth of the member whose value is dropped */
    bool in_options, included; /* within the object of stream_options; it has "include_usage" */
    bool asked;                /* json_rename_asked, as far as it is known */
    bool in_key, holding, closing;
    bool bare;                        /* no comma stands before what is added to the object */
    char held[6 * JSON_KEY_MAX + 64]; /* with quotes, white space and a colon */
};

/* Starts a body. rules stays the caller's and must outlive the renamer, and so does memory, of
 * json_rename_memory(rules) bytes that need no value. */
void json_rename_init(struct json_renamer *r, const struct json_rules *rules, void *memory);

/* To be called before the first byte: the top-level member "model", as the client names it, may
 * come only once; a second one is a fault. Unless value is empty it takes the place of the
 * member's value, of whatever type that is, and of the value of a default for "model". value is
 * JSON text; it stays the caller's and must outlive the renamer. */
void json_rename_model(struct json_renamer *r, struct span value);

/* Takes bytes from in, writes bytes to out (room for cap bytes), and stores in *written how many it
 * wrote. Returns how many bytes of in it consumed. It stops early only when out is full: call it
 * again with the rest of in and more room; cap >= 1 always makes progress in the end. -EBADMSG: not
 * valid JSON; r->offset and r->why say where and why, nothing more may be fed, and *written still
 * counts the bytes before the fault. A key that may yet be renamed, and text that found no room,
 * wait inside for the next call. in and out may not overlap.
 *
 * Defaults go in front of the brace that closes the top-level object, with no white space of their
 * own: {"a":1 } becomes {"a":1 ,"t":0.6}. A default is left out if the client sent any key that
 * goes out under the default's outgoing name: with model = model_id and a default for model, a
 * client's "model" counts and so does its "model_id".
 *
 * With rules for usage, "stream_options":{"include_usage":true} is added like a default where the
 * top-level "stream" goes out as true, and a default for "stream_options" goes out in its place
 * then and only then. In an object that the client sent as "stream_options", include_usage is added
 * or made true. A null counts as none: before "stream" has come it moves to the end. Other values
 * stay. All names are those under which the members go out. Of members with the same name the last
 * one counts. */
ssize_t json_rename(struct json_renamer *r, struct span in, char *out, size_t cap, size_t *written);

/* Ends the input; writes the bytes held back, as json_rename does. Returns 0 when all is written,
 * -EAGAIN if out was too small (call again), -EBADMSG if the text is incomplete (offset: the length
 * of the input). */
int json_rename_end(struct json_renamer *r, char *out, size_t cap, size_t *written);

/* True if the text asks for usage without being made to: by the client or by a default. To be
 * called when the text has ended. */
bool json_rename_asked(const struct json_renamer *r);

/* True if value is exactly one valid JSON text (white space around it allowed). */
bool json_valid(struct span value);

#endif
