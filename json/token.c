/* The bytewise machine: RFC 8259 as a table of states, resumable after any byte, and the only judge
 * of faults and their places. */
#include "base/text.h"
#include "json/escape.h"
#include "json/machine.h"
#include "json/rules.h"

static const char not_utf8[] = "a NUL byte, as in UTF-16; JSON is UTF-8";
static const char needs_digit[] = "a digit must come here";

static const struct span literals[] = { { "true", 4 }, { "false", 5 }, { "null", 4 } };

/* Takes one byte inside a string; a held key's bytes go aside instead of to the output. */
static void pass_byte(struct json_renamer *r, struct json_io *io)
{
    if (r->holding) {
        r->held[r->n_held++] = *io->p;
        io->run++;
    }
    io->p++;
}

/* The held key is no name: its bytes go out as they came. The byte at io->p is not taken. */
static void release_key(struct json_renamer *r)
{
    r->holding = false;
    r->pending = JSON_PENDING_HELD;
    r->sent = 0;
}

/* Follows a held key by its next n unescaped bytes. False, after releasing it, if it can be no name
 * any more. */
static bool still_name(struct json_renamer *r, const uint8_t *bytes, unsigned n)
{
    if (!r->holding)
        return true;
    for (unsigned i = 0; i < n; i++) {
        if (!json_name_narrow(r->rules, &r->low, &r->high, r->matched, bytes[i])) {
            release_key(r);
            return false;
        }
        r->matched++;
    }
    return true;
}

/* The same for a byte that is no escape, which cannot follow half of a pair. */
static bool still_name_plain(struct json_renamer *r, uint8_t c)
{
    if (!r->holding)
        return true;
    if (r->surrogate) {
        release_key(r);
        return false;
    }
    return still_name(r, &c, 1);
}

/* Stops holding at the first byte that is one too many, before an escape is read at length: this
 * keeps held within its bound. */
static bool still_longer(struct json_renamer *r)
{
    if (r->holding && r->rules->names[r->high - 1].key.n == r->matched) {
        release_key(r);
        return false;
    }
    return true;
}

static void open_text(struct json_renamer *r, struct json_io *io)
{
    io->p++;
    r->state = JSON_STRING;
    r->in_key = false;
}

static void open_key(struct json_renamer *r, struct json_io *io)
{
    bool all = r->rules->deep || r->in_options;
    bool may_be_name =
        r->member != JSON_MEMBER_DROPPED && (r->depth == 1 ? r->rules->n_names > 0 : all);

    if (may_be_name)
        json_io_flush(io);
    open_text(r, io);
    r->in_key = true;
    if (!may_be_name)
        return;
    io->run = io->p;
    r->holding = true;
    r->low = 0;
    r->high = r->rules->n_names;
    r->matched = r->surrogate = 0;
    r->held[0] = '"';
    r->n_held = 1;
}

static void end_string(struct json_renamer *r)
{
    r->state = r->in_key ? JSON_COLON : json_after_value(r);
}

/* Takes the closing quote of a held key. A new key replaces it and this quote; otherwise the
 * quote is taken once the held bytes are out. */
static const char *close_held(struct json_renamer *r, struct json_io *io)
{
    const struct json_name *name = json_name_at_end(r->rules, r->low, r->high, r->matched);
    const char *why = name ? json_member_note(r, name) : NULL;
    bool renamed = name && name->text.p && (r->depth == 1 || r->rules->deep);

    if (why)
        return why;
    if (!renamed && r->member != JSON_MEMBER_PARKED) {
        release_key(r);
        return NULL;
    }
    r->holding = false;
    io->run = ++io->p;
    end_string(r);
    if (r->member == JSON_MEMBER_PARKED) {
        json_member_park(r, renamed ? name->text : SPAN(""));
        return NULL;
    }
    r->name = (uint32_t)(name - r->rules->names);
    r->pending = JSON_PENDING_NAME;
    r->sent = 0;
    return NULL;
}

static const char *take_string(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    if (c == '"') {
        if (r->holding)
            return close_held(r, io);
        io->p++;
        end_string(r);
        return NULL;
    }
    if (c < 0x20)
        return c ? "a control character inside a string must be escaped" : not_utf8;
    if (c == '\\' ? still_longer(r) : still_name_plain(r, c)) {
        pass_byte(r, io);
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
        pass_byte(r, io);
        return NULL;
    }
    if (plain < 0)
        return "there is no such escape";
    if (still_name(r, &byte, 1)) {
        pass_byte(r, io);
        r->state = JSON_STRING;
    }
    return NULL;
}

/* The \uXXXX with the value code is complete but for this byte: follows a held key by the bytes it
 * makes. A high half already fixes the first of four. No name has half of a pair. */
static bool still_name_escaped(struct json_renamer *r, uint16_t code)
{
    bool high = code >= 0xD800 && code <= 0xDBFF, low = code >= 0xDC00 && code <= 0xDFFF;
    uint16_t before = r->surrogate;
    uint8_t utf8[4];
    unsigned n;

    if (!r->holding)
        return true;
    if ((before != 0) != low) {
        release_key(r);
        return false;
    }
    r->surrogate = high ? code : 0;
    n = json_utf8(high ? json_pair(code, 0xDC00) : low ? json_pair(before, code) : code, utf8);
    return high ? still_name(r, utf8, 1)
        : low   ? still_name(r, utf8 + 1, n - 1)
                : still_name(r, utf8, n);
}

static const char *take_hex(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    int digit = text_hex((char)c);
    uint16_t code = (uint16_t)(r->code << 4 | digit);

    if (digit < 0)
        return "a hexadecimal digit must come here";
    if (r->progress == 3 && !still_name_escaped(r, code))
        return NULL;
    pass_byte(r, io);
    r->code = code;
    if (r->progress++ == 3)
        r->state = JSON_STRING;
    return NULL;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* The state after byte c of a number; JSON_AFTER if c does not belong to it, JSON_VALUE if one is
 * missing, JSON_KEY after a leading zero. */
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

static const char *take_digit(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    enum json_state next = next_in_number((enum json_state)r->state, c);

    if (next == JSON_VALUE)
        return needs_digit;
    if (next == JSON_KEY)
        return "a number may not begin with 0 and another digit";
    if (next == JSON_AFTER) {
        r->state = json_after_value(r); /* c is looked at again from there */
    } else {
        r->state = (uint8_t)next;
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
    json_twins_forget(r, r->depth);
    r->state = object ? JSON_FIRST_KEY : JSON_FIRST_ELEMENT;
    io->p++;
    return NULL;
}

/* True if something may have to go out before the bracket that closes the innermost container. */
static bool may_add(const struct json_renamer *r)
{
    if (r->depth == 1)
        return r->rules->n_defaults > 0 && json_in_object(r);
    return r->depth == 2 && r->in_options && !r->included;
}

/* A closing bracket in its right place. Defaults go out before the one that ends the outermost
 * object. */
static const char *close_container(struct json_renamer *r, struct json_io *io)
{
    if (!r->closing && may_add(r)) {
        json_io_flush(io);
        r->closing = true;
        r->bare = r->state == JSON_FIRST_KEY || r->member == JSON_MEMBER_MOVED;
        r->member = JSON_MEMBER_ANY;
        r->pending = r->depth == 1 ? JSON_PENDING_DEFAULTS : JSON_PENDING_INCLUDE;
        r->default_next = 0;
        r->sent = r->depth == 2 && r->bare;
        return NULL;
    }
    if (r->depth == 2)
        r->closing = r->in_options = false;
    r->depth--;
    r->state = json_after_value(r);
    io->p++;
    return NULL;
}

static const char *take_value(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    if (r->member != JSON_MEMBER_ANY && json_member_begin(r, io, c))
        return NULL;
    if (c == '"') {
        open_text(r, io);
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
        return c == 0xEF ? "a byte order mark may not come first"
                         : "not UTF-8, which JSON must be; is it UTF-16?";
    return r->depth == 0 ? "a JSON value must come first" : "a value must come here";
}

static const char *take_after(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    bool object = json_in_object(r);

    if (c == ',') {
        r->state = object ? JSON_KEY : JSON_VALUE;
        json_member_comma(r, io);
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
        open_key(r, io);
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

static const char *take_byte(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    switch ((enum json_state)r->state) {
    case JSON_STRING:
        return take_string(r, io, c);
    case JSON_ESCAPE:
        return take_escape(r, io, c);
    case JSON_HEX:
        return take_hex(r, io, c);
    case JSON_LITERAL:
        return take_literal(r, io, c);
    default:
        return r->state <= JSON_DONE ? take_between(r, io, c) : take_digit(r, io, c);
    }
}

const char *json_take(struct json_renamer *r, struct json_io *io, const char *stop)
{
    const char *why = NULL;

    while (!why && io->p < stop && r->pending == JSON_PENDING_NONE) {
        why = take_byte(r, io, (uint8_t)*io->p);
        if (r->member != JSON_MEMBER_ANY)
            json_member_follow(r, io);
    }
    return why;
}
