/* The states of the tokenizer and the cursor from its input to its output, for json/ alone. The
 * bytewise machine (json/token.c) can take every byte and alone finds faults; where more than 64
 * bytes lie in memory json/bulk.c does the same work in bulk and leaves anything unusual to it.
 * json/renamer.c drives both. */
#ifndef JSON_MACHINE_H
#define JSON_MACHINE_H

#include "json/rename.h"

struct json_name;

enum json_state {
    /* between tokens */
    JSON_VALUE,         /* a value must come */
    JSON_FIRST_ELEMENT, /* after [: a value or ] */
    JSON_FIRST_KEY,     /* after {: a key or } */
    JSON_KEY,           /* after a comma in an object: a key */
    JSON_COLON,
    JSON_AFTER, /* after a value inside an array or object: , or the closing bracket */
    JSON_DONE,  /* after the outermost value: white space only */
    /* inside a string */
    JSON_STRING,
    JSON_ESCAPE, /* after a backslash */
    JSON_HEX,    /* after \u */
    /* inside another scalar */
    JSON_LITERAL,
    JSON_MINUS, /* after -: a digit must come */
    JSON_ZERO,  /* after a leading 0 */
    JSON_INTEGER,
    JSON_DOT, /* after .: a digit must come */
    JSON_FRACTION,
    JSON_E,    /* after e: a sign or digit must come */
    JSON_SIGN, /* after the sign of an exponent: a digit must come */
    JSON_EXPONENT
};

enum json_pending {
    JSON_PENDING_NONE,
    JSON_PENDING_HELD,    /* the held bytes of a key that is no name after all */
    JSON_PENDING_NAME,    /* the rest of a new key, after its opening quote */
    JSON_PENDING_VALUE,   /* the replacement of a value */
    JSON_PENDING_INCLUDE, /* "include_usage", which was not sent */
    JSON_PENDING_DEFAULTS /* the defaults that were not sent */
};

enum json_model_step {
    JSON_MODEL_IGNORED, /* "model" is a key like others */
    JSON_MODEL_AWAITED,
    JSON_MODEL_PASSED
};

/* The member whose key has come, where it is more than passed on. All but JSON_MEMBER_ANY are for
 * the bytewise machine alone. */
enum json_member {
    JSON_MEMBER_ANY,
    JSON_MEMBER_REPLACED, /* its value is to be replaced */
    JSON_MEMBER_DROPPED,  /* within that value */
    JSON_MEMBER_STREAM,
    JSON_MEMBER_OPTIONS,
    JSON_MEMBER_PARKED, /* those options: key and colon are held until their value begins */
    JSON_MEMBER_INCLUDE,
    JSON_MEMBER_LEFT_OUT, /* within a null, whose key was held and is dropped */
    JSON_MEMBER_MOVED     /* after that: of two commas one is dropped */
};

enum json_stream { JSON_STREAM_UNKNOWN, JSON_STREAM_FALSE, JSON_STREAM_TRUE };

enum json_options {
    JSON_OPTIONS_NONE,
    JSON_OPTIONS_SENT,
    JSON_OPTIONS_MOVED /* a null, to the end of the object */
};

/* The input from run to p has been taken and still has to be copied out. Invariant: p - run <=
 * out_end - out; p stays before run + (out_end - out), so that copying never fails. */
struct json_io {
    const char *p, *run, *end;
    char *out, *out_end;
};

/* How far p may go before the output could be too small. */
static inline const char *json_io_limit(const struct json_io *io)
{
    size_t room = (size_t)(io->out_end - io->out);

    return (size_t)(io->end - io->run) < room ? io->end : io->run + room;
}

/* Copies out the input taken so far. */
static inline void json_io_flush(struct json_io *io)
{
    size_t n = (size_t)(io->p - io->run);

    if (n > 0)
        memcpy(io->out, io->run, n);
    io->out += n;
    io->run = io->p;
}

/* Notes that an object (or array) was opened; the caller has seen that depth allows it. */
static inline void json_enter(struct json_renamer *r, bool object)
{
    uint64_t *word = &r->stack[r->depth / 64];
    unsigned bit = r->depth % 64;

    *word = (*word & ~((uint64_t)1 << bit)) | (uint64_t)object << bit;
    r->depth++;
}

/* True if the innermost open container is an object. */
static inline bool json_in_object(const struct json_renamer *r)
{
    unsigned level = r->depth - 1u;

    return r->depth > 0 && r->stack[level / 64] >> level % 64 & 1;
}

/* The state in which a value leaves the machine when it ends. */
static inline uint8_t json_after_value(const struct json_renamer *r)
{
    return r->depth ? JSON_AFTER : JSON_DONE;
}

/* Takes bytes one by one until io->p is stop, or something is pending. Returns NULL, or why the
 * byte at io->p is a fault. */
const char *json_take(struct json_renamer *r, struct json_io *io, const char *stop);

/* Notes that name has come as a key. Returns NULL, or why it may not come here. */
const char *json_member_note(struct json_renamer *r, const struct json_name *name);

/* The value of a member begins with the byte c at io->p. Returns true if something is pending now:
 * then c is not taken yet. */
bool json_member_begin(struct json_renamer *r, struct json_io *io, uint8_t c);

/* Holds a key that has ended, and goes out as text; empty: as it is held, with a quote. */
void json_member_park(struct json_renamer *r, struct span text);

/* Keeps back or drops what was taken, a byte at the most. */
void json_member_follow(struct json_renamer *r, struct json_io *io);

/* A comma at io->p, behind a member of an object, is about to be taken. */
void json_member_comma(struct json_renamer *r, struct json_io *io);

/* Takes as much as it safely can before the limit of io, inside the outermost container and from a
 * state between tokens or inside a string that is not held. May take nothing; never finds a fault.
 * Nothing is pending when it returns. */
void json_bulk(struct json_renamer *r, struct json_io *io);

#endif
