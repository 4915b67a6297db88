/* The members of an object that are not only passed on: one whose value is replaced, "stream" and
 * "stream_options", by which usage is asked for. What there is to be known of a value its first
 * byte tells. */
#include "json/machine.h"
#include "json/rules.h"

static void note_model(struct json_renamer *r)
{
    r->model_step = JSON_MODEL_PASSED;
    if (r->model.n == 0)
        return;
    r->member = JSON_MEMBER_REPLACED;
    r->replacement = r->model;
}

/* Notes a member of the outermost object. A null as stream_options is as good as none; before
 * stream has come nobody knows what is to stand in its place. */
static const char *note_outermost(struct json_renamer *r, const struct json_name *name)
{
    if (name->default_index >= 0)
        r->seen |= (uint64_t)1 << name->default_index;
    if (name->roles & JSON_ROLE_STREAM)
        r->member = JSON_MEMBER_STREAM;
    if (name->roles & JSON_ROLE_OPTIONS)
        r->member = r->stream == JSON_STREAM_UNKNOWN ? JSON_MEMBER_PARKED : JSON_MEMBER_OPTIONS;
    if (name != r->rules->model || r->model_step == JSON_MODEL_IGNORED)
        return NULL;
    if (r->model_step != JSON_MODEL_AWAITED)
        return "a second \"model\"";
    note_model(r);
    return NULL;
}

const char *json_member_note(struct json_renamer *r, const struct json_name *name)
{
    const struct json_name *twin =
        r->depth == 1 || r->rules->deep ? json_twin(r, name, r->depth) : NULL;

    if (twin) {
        r->twins[0] = twin->key;
        r->twins[1] = name->key;
        return "both would go out under one name";
    }
    if (r->depth == 1)
        return note_outermost(r, name);
    if (r->depth == 2 && r->in_options && (name->roles & JSON_ROLE_INCLUDE)) {
        r->included = true;
        r->member = JSON_MEMBER_INCLUDE;
    }
    return NULL;
}

/* The value that begins here goes out as text. */
static void replace(struct json_renamer *r, struct json_io *io, struct span text)
{
    json_io_flush(io);
    r->member = JSON_MEMBER_DROPPED;
    r->dropped_at = r->depth;
    r->replacement = text;
    r->pending = JSON_PENDING_VALUE;
    r->sent = 0;
}

/* The value of stream_options begins with c. A null where nothing is streamed so far stays, and is
 * followed by options of our own if stream comes once more. Returns as json_member_begin. */
static bool begin_options(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    const struct json_rules *rules = r->rules;
    bool parked = r->member == JSON_MEMBER_PARKED;

    r->member = JSON_MEMBER_ANY;
    r->options = c == 'n' && r->stream == JSON_STREAM_FALSE ? JSON_OPTIONS_NONE : JSON_OPTIONS_SENT;
    r->asked = false;
    if (c == 'n' && parked) {
        r->member = JSON_MEMBER_LEFT_OUT;
        r->dropped_at = r->depth;
        r->options = JSON_OPTIONS_MOVED;
        return false;
    }
    if (c == 'n' && r->stream == JSON_STREAM_TRUE) {
        r->asked = rules->asks;
        replace(r, io, span_skip(rules->defaults[rules->options], rules->options_value));
        return true;
    }
    r->in_options = c == '{';
    r->included = false;
    if (parked) {
        r->pending = JSON_PENDING_HELD;
        r->sent = 0;
    }
    return parked;
}

bool json_member_begin(struct json_renamer *r, struct json_io *io, uint8_t c)
{
    switch ((enum json_member)r->member) {
    case JSON_MEMBER_REPLACED:
        replace(r, io, r->replacement);
        return true;
    case JSON_MEMBER_STREAM:
        r->stream = c == 't' ? JSON_STREAM_TRUE : JSON_STREAM_FALSE;
        r->member = JSON_MEMBER_ANY;
        return false;
    case JSON_MEMBER_OPTIONS:
    case JSON_MEMBER_PARKED:
        return begin_options(r, io, c);
    case JSON_MEMBER_INCLUDE:
        r->asked = c == 't';
        replace(r, io, SPAN("true"));
        return true;
    default:
        return false;
    }
}

void json_member_park(struct json_renamer *r, struct span text)
{
    if (text.n > 0) {
        memcpy(r->held, text.p, text.n);
        r->n_held = (uint16_t)text.n;
    } else {
        r->held[r->n_held++] = '"';
    }
}

/* Keeps white space and the colon behind a parked key. Of white space that no one would write there
 * is room for the beginning; the last byte is the colon's. */
static void park_byte(struct json_renamer *r, struct json_io *io)
{
    if (io->p == io->run)
        return;
    if (*io->run == ':' || r->n_held < sizeof r->held - 1)
        r->held[r->n_held++] = *io->run;
    io->run = io->p;
}

/* Leaves out what was taken of a value, and notes where that ends. */
static void drop_byte(struct json_renamer *r, struct json_io *io)
{
    io->run = io->p;
    if (r->depth == r->dropped_at && r->state == JSON_AFTER)
        r->member = r->member == JSON_MEMBER_LEFT_OUT ? JSON_MEMBER_MOVED : JSON_MEMBER_ANY;
}

void json_member_follow(struct json_renamer *r, struct json_io *io)
{
    if (r->member == JSON_MEMBER_PARKED)
        park_byte(r, io);
    else if (r->member == JSON_MEMBER_DROPPED || r->member == JSON_MEMBER_LEFT_OUT)
        drop_byte(r, io);
}

void json_member_comma(struct json_renamer *r, struct json_io *io)
{
    if (r->member != JSON_MEMBER_MOVED)
        return;
    json_io_flush(io);
    io->run++;
    r->member = JSON_MEMBER_ANY;
}
