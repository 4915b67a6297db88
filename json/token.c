/* The bytewise machine: RFC 8259 as a table of states, resumable after any byte, and the only judge of what is a fault and where.
 * It refuses to know how bytes reach the output, beyond holding back a key that can still be renamed.
 * The same grammar in bulk is json/kernel.c; what is pending after a key is written by json/rename.c. */
#include "json/escape.h"
#include "json/machine.h"
#include "json/rules.h"

static const char not_utf8[] = "a NUL byte, as in UTF-16; JSON is UTF-8";
static const char needs_digit[] = "a digit must come here";

static const struct span literals[] = { { "true", 4 }, { "false", 5 }, { "null", 4 } };

/* Takes one byte inside a string; a held key's bytes go aside instead of to the output. */
static void pass(struct json_renamer *r, struct json_io *io)
{
    if (r->holding) {
        r->held[r->n_held++] = *io->p;
        io->run++;
    }
    io->p++;
}

/* The key being held is no name: what was held goes out as it was written. The byte at io->p is not taken. */
static void release(struct json_renamer *r)
{
    r->holding = false;
    r->pending = JSON_PENDING_HELD;
    r->sent = 0;
}

/* Follows a held key by its next n unescaped bytes. False if it can be no name any more; then it is released. */
static bool still_name(struct json_renamer *r, const uint8_t *bytes, unsigned n)
{
    if (!r->holding)
        return true;
    for (unsigned i = 0; i < n; i++) {
        if (!json_name_narrow(r->rules, &r->low, &r->high, r->matched, bytes[i])) {
            release(r);
            return false;
        }
        r->matched++;
    }
    return true;
}

/* Holding stops at the first byte that is one too many, before an escape is read at length: this keeps held within its bound. */
static bool still_longer(struct json_renamer *r)
{
    if (r->holding && r->rules->names[r->high - 1].key.n == r->matched) {
        release(r);
        return false;
    }
    return true;
}

static void open_string(struct json_renamer *r, struct json_io *io, bool key)
{
    io->p++;
    r->state = JSON_STRING;
    r->in_key = key;
    if (key && (r->depth == 1 ? r->rules->n_names > 0 : r->rules->deep)) {
        json_io_flush(io);
        r->holding = true;
        r->low = 0;
        r->high = r->rules->n_names;
        r->matched = r->n_held = 0;
    }
}

static void end_string(struct json_renamer *r)
{
    r->state = r->in_key ? JSON_COLON : json_after_value(r);
}

/* The closing quote of a held key. A new key replaces it and this quote; otherwise the quote is taken once the held bytes are out. */
static void close_held(struct json_renamer *r, struct json_io *io)
{
    const struct json_name *name = json_name_at_end(r->rules, r->low, r->high, r->matched);

    if (name && r->depth == 1 && name->default_index >= 0)
        r->seen |= (uint64_t)1 << name->default_index;
    if (!name || !name->text.p) {
        release(r);
        return;
    }
    r->holding = false;
    r->name = (uint32_t)(name - r->rules->names);
    r->pending = JSON_PENDING_NAME;
    r->sent = 1;
    io->run = ++io->p;
    end_string(r);
}

static const char *take_string(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    if (c == '"') {
        if (r->holding) {
            close_held(r, io);
        } else {
            io->p++;
            end_string(r);
        }
        return NULL;
    }
    if (c < 0x20)
        return c ? "a control character inside a string must be escaped" : not_utf8;
    if (c == '\\' ? still_longer(r) : still_name(r, &c, 1)) {
        pass(r, io);
        r->state = c == '\\' ? JSON_ESCAPE : JSON_STRING;
    }
    return NULL;
}

static const char *take_escape(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    int plain = json_short_escape(c);
    uint8_t byte = (uint8_t)plain;

    if (c == 'u') {
        r->state = JSON_HEX;
        r->progress = 0;
        r->code = 0;
        pass(r, io);
        return NULL;
    }
    if (plain < 0)
        return "there is no such escape";
    if (still_name(r, &byte, 1)) {
        pass(r, io);
        r->state = JSON_STRING;
    }
    return NULL;
}

/* Refuses the first hex digit that makes half a surrogate pair out of place; code is what has come of the escape, progress digits of it. */
static const char *check_pair(const struct json_renamer *r, unsigned code, unsigned progress)
{
    bool low = code >= 0xDC && code <= 0xDF;

    if (r->surrogate && ((progress == 1 && code != 0xD) || (progress == 2 && !low)))
        return "the low half of a surrogate pair must come here";
    return !r->surrogate && progress == 2 && low ? "the low half of a surrogate pair, without the high half" : NULL;
}

/* The \uXXXX whose value is code is complete but for this byte: tells a held key of the bytes it makes. A high half already fixes the first of four. */
static bool still_name_escaped(struct json_renamer *r, uint16_t code)
{
    uint8_t utf8[4];
    unsigned n;

    if (code >= 0xD800 && code <= 0xDBFF) {
        json_utf8(json_pair(code, 0xDC00), utf8);
        return still_name(r, utf8, 1);
    }
    n = json_utf8(r->surrogate ? json_pair(r->surrogate, code) : code, utf8);
    return r->surrogate ? still_name(r, utf8 + 1, n - 1) : still_name(r, utf8, n);
}

static const char *take_hex(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    int digit = json_hex(c);
    uint16_t code = (uint16_t)(r->code << 4 | digit);
    const char *why = digit < 0 ? "a hexadecimal digit must come here" : check_pair(r, code, r->progress + 1u);

    if (why)
        return why;
    if (r->progress < 3) {
        r->progress++;
        r->code = code;
        pass(r, io);
        return NULL;
    }
    if (!still_name_escaped(r, code))
        return NULL;
    pass(r, io);
    if (code >= 0xD800 && code <= 0xDBFF) {
        r->surrogate = code;
        r->state = JSON_PAIR_BACKSLASH;
    } else {
        r->surrogate = 0;
        r->state = JSON_STRING;
    }
    return NULL;
}

static const char *take_pair(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    if (c != (r->state == JSON_PAIR_U ? 'u' : '\\'))
        return "the low half of a surrogate pair must come here";
    pass(r, io);
    if (r->state == JSON_PAIR_BACKSLASH) {
        r->state = JSON_PAIR_U;
    } else {
        r->state = JSON_HEX;
        r->progress = 0;
        r->code = 0;
    }
    return NULL;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* The state after byte c of a number; JSON_AFTER if c does not belong to it, JSON_VALUE if one is missing, JSON_KEY after a leading zero. */
static enum json_state next_in_number(enum json_state state, uint8_t c)
{
    bool digit = is_digit(c), e = c == 'e' || c == 'E';

    switch (state) {
    case JSON_MINUS:
        return digit ? c == '0' ? JSON_ZERO : JSON_INTEGER : JSON_VALUE;
    case JSON_ZERO:
        return digit ? JSON_KEY : c == '.' ? JSON_DOT : e ? JSON_E : JSON_AFTER;
    case JSON_INTEGER:
        return digit ? JSON_INTEGER : c == '.' ? JSON_DOT : e ? JSON_E : JSON_AFTER;
    case JSON_DOT:
        return digit ? JSON_FRACTION : JSON_VALUE;
    case JSON_FRACTION:
        return digit ? JSON_FRACTION : e ? JSON_E : JSON_AFTER;
    case JSON_E:
        return digit ? JSON_EXPONENT : c == '+' || c == '-' ? JSON_SIGN : JSON_VALUE;
    case JSON_SIGN:
        return digit ? JSON_EXPONENT : JSON_VALUE;
    default:
        return digit ? JSON_EXPONENT : JSON_AFTER;
    }
}

static const char *take_number(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    enum json_state next = next_in_number((enum json_state)r->state, c);

    if (next == JSON_VALUE)
        return needs_digit;
    if (next == JSON_KEY)
        return "a number may not begin with 0 and another digit";
    if (next == JSON_AFTER) {
        r->state = json_after_value(r); /* c is looked at again from there */
    } else {
        r->state = next;
        io->p++;
    }
    return NULL;
}

static const char *take_literal(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    struct span word = literals[r->literal];

    if (c != (uint8_t)word.p[r->progress])
        return "only true, false and null may be written without quotes";
    io->p++;
    if (++r->progress == word.n)
        r->state = json_after_value(r);
    return NULL;
}

static const char *open_container(struct json_renamer *r, struct json_io *io, bool object)
{
    if (r->depth == JSON_DEPTH_MAX)
        return "arrays and objects are nested more than 512 deep";
    json_enter(r, object);
    r->state = object ? JSON_FIRST_KEY : JSON_FIRST_ELEMENT;
    io->p++;
    return NULL;
}

/* A closing bracket in its right place. In front of the one that ends the outermost object the defaults go out first. */
static const char *close_container(struct json_renamer *r, struct json_io *io)
{
    if (r->depth == 1 && r->rules->n_defaults > 0 && json_in_object(r) && !r->closing) {
        json_io_flush(io);
        r->closing = true;
        r->bare = r->state == JSON_FIRST_KEY;
        r->pending = JSON_PENDING_DEFAULTS;
        r->default_next = 0;
        r->sent = 0;
        return NULL;
    }
    r->depth--;
    r->state = json_after_value(r);
    io->p++;
    return NULL;
}

static const char *take_value(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    if (c == '"') {
        open_string(r, io, false);
        return NULL;
    }
    if (c == '{' || c == '[')
        return open_container(r, io, c == '{');
    if (c == '-' || is_digit(c)) {
        r->state = c == '-' ? JSON_MINUS : c == '0' ? JSON_ZERO : JSON_INTEGER;
        io->p++;
        return NULL;
    }
    if (c == 't' || c == 'f' || c == 'n') {
        r->literal = c == 't' ? 0 : c == 'f' ? 1 : 2;
        r->progress = 1;
        r->state = JSON_LITERAL;
        io->p++;
        return NULL;
    }
    if (r->depth == 0 && c >= 0xEF)
        return c == 0xEF ? "a byte order mark may not come first" : "not UTF-8, which JSON must be; is it UTF-16?";
    return r->depth == 0 ? "a JSON value must come first" : "a value must come here";
}

static const char *take_after(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    bool object = json_in_object(r);

    if (c == ',') {
        r->state = object ? JSON_KEY : JSON_VALUE;
        io->p++;
        return NULL;
    }
    if (c == (object ? '}' : ']'))
        return close_container(r, io);
    return object ? "a comma or } must come here" : "a comma or ] must come here";
}

static const char *take_between(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        io->p++;
        return NULL;
    }
    if (c == 0)
        return not_utf8;
    switch ((enum json_state)r->state) {
    case JSON_FIRST_ELEMENT:
        return c == ']' ? close_container(r, io) : take_value(r, io, c);
    case JSON_VALUE:
        return take_value(r, io, c);
    case JSON_FIRST_KEY:
    case JSON_KEY:
        if (c == '}' && r->state == JSON_FIRST_KEY)
            return close_container(r, io);
        if (c != '"')
            return "a key in quotes must come here";
        open_string(r, io, true);
        return NULL;
    case JSON_COLON:
        if (c != ':')
            return "a colon must come here";
        r->state = JSON_VALUE;
        io->p++;
        return NULL;
    case JSON_AFTER:
        return take_after(r, io, c);
    default:
        return "only one value may be sent, and this comes after its end";
    }
}

const char *json_take(struct json_renamer *r, struct json_io *io, const char *stop)
{
    const char *why = NULL;

    while (!why && io->p < stop && r->pending == JSON_PENDING_NONE) {
        uint8_t c = (uint8_t)*io->p;

        switch ((enum json_state)r->state) {
        case JSON_STRING:
            why = take_string(r, io, c);
            break;
        case JSON_ESCAPE:
            why = take_escape(r, io, c);
            break;
        case JSON_HEX:
            why = take_hex(r, io, c);
            break;
        case JSON_PAIR_BACKSLASH:
        case JSON_PAIR_U:
            why = take_pair(r, io, c);
            break;
        case JSON_LITERAL:
            why = take_literal(r, io, c);
            break;
        default:
            why = r->state <= JSON_DONE ? take_between(r, io, c) : take_number(r, io, c);
            break;
        }
    }
    return why;
}
