/* Drives a body through the tokenizer: pending text goes out first, then bytes are taken in bulk
 * where they can be and one by one where not. Nothing may be lost when the output is full, and all
 * splits must give the same bytes. */
#include "json/rename.h"
#include "json/kernel.h"
#include "json/machine.h"
#include "json/rules.h"

#include <errno.h>

/* The bulk is not worth trying below this many bytes, and this many go one by one when it does not
 * get far. */
#define STEP 64

_Static_assert(sizeof(struct json_renamer) < 2048, "a renamer must stay below 2 KiB");

void json_rename_init(struct json_renamer *r, const struct json_rules *rules, void *memory)
{
    memset(r, 0, sizeof *r);
    r->rules = rules;
    r->memory = memory;
    r->state = JSON_VALUE;
}

void json_rename_model(struct json_renamer *r, struct span value)
{
    r->model = value;
    r->model_step = JSON_MODEL_AWAITED;
}

/* Writes the rest of piece. True when all of it is out. */
static bool drain_piece(struct json_renamer *r, struct json_io *io, struct span piece)
{
    size_t left = piece.n - r->sent, room = (size_t)(io->out_end - io->out),
           n = left < room ? left : room;

    if (n > 0)
        memcpy(io->out, piece.p + r->sent, n);
    io->out += n;
    r->sent += n;
    return n == left;
}

/* True if "stream" goes out as true. */
static bool streams(const struct json_renamer *r)
{
    return r->stream == JSON_STREAM_TRUE || (r->stream == JSON_STREAM_UNKNOWN && r->rules->streams);
}

/* Writes the rest of a default; the model's may have another value than its own. */
static bool drain_default(struct json_renamer *r, struct json_io *io, unsigned i)
{
    struct span text = r->rules->defaults[i];
    size_t n = r->rules->model_value;
    bool done;

    if (r->rules->usage && i == r->rules->options) {
        r->asked = streams(r) && r->rules->asks;
        return drain_piece(r, io, streams(r) ? text : r->rules->no_options);
    }
    if (i != r->rules->model_default || r->model.n == 0)
        return drain_piece(r, io, text);
    if (r->sent < n && !drain_piece(r, io, (struct span){ text.p, n }))
        return false;
    r->sent -= n;
    done = drain_piece(r, io, r->model);
    r->sent += n;
    return done;
}

/* True if default i is not to be added. */
static bool is_left_out(const struct json_renamer *r, unsigned i)
{
    if (r->rules->usage && i == r->rules->options)
        return r->options == JSON_OPTIONS_SENT || (r->options == JSON_OPTIONS_NONE && !streams(r));
    return (r->seen >> i & 1) ||
        (i == r->rules->model_default && r->rules->model_if_given && r->model.n == 0);
}

/* Writes the defaults that the client did not send; the comma before the first is left out in an
 * object without members. */
static bool drain_defaults(struct json_renamer *r, struct json_io *io)
{
    for (; r->default_next < r->rules->n_defaults; r->default_next++) {
        if (is_left_out(r, r->default_next))
            continue;
        if (r->bare && r->sent == 0)
            r->sent = 1;
        if (!drain_default(r, io, r->default_next))
            return false;
        r->bare = false;
        r->sent = 0;
    }
    return true;
}

/* Writes the pending text. True when nothing is pending any more. No input may be waiting to be
 * copied. */
static bool drain(struct json_renamer *r, struct json_io *io)
{
    bool done = true;

    switch ((enum json_pending)r->pending) {
    case JSON_PENDING_NONE:
        break;
    case JSON_PENDING_HELD:
        done = drain_piece(r, io, (struct span){ r->held, r->n_held });
        break;
    case JSON_PENDING_NAME:
        done = drain_piece(r, io, r->rules->names[r->name].text);
        break;
    case JSON_PENDING_VALUE:
        done = drain_piece(r, io, r->replacement);
        break;
    case JSON_PENDING_INCLUDE:
        done = drain_piece(r, io, r->rules->include);
        break;
    case JSON_PENDING_DEFAULTS:
        done = drain_defaults(r, io);
        break;
    }
    if (done)
        r->pending = JSON_PENDING_NONE;
    return done;
}

/* True if the bulk can take over: inside the outermost container, between tokens or in a string
 * whose bytes need not be looked at one by one. */
static bool bulk_can(const struct json_renamer *r)
{
    return r->depth > 0 && r->depth <= JSON_LEVELS_MAX && r->member == JSON_MEMBER_ANY &&
        (r->state < JSON_DONE || (r->state == JSON_STRING && !r->holding));
}

/* Lets the bulk take what it can. Returns how many bytes should go one by one before it is asked
 * again: none if it got far; *step if not, and more each time, so that bytes looked at in vain stay
 * in proportion to bytes taken; one where only the end of a token has to be waited for. */
static size_t take_in_bulk(struct json_renamer *r, struct json_io *io, size_t *step)
{
    const char *from = io->p;
    size_t n = *step;

    if (json_io_limit(io) - from < STEP || r->depth > JSON_LEVELS_MAX ||
        r->member == JSON_MEMBER_DROPPED || r->in_options ||
        (r->depth == 0 && r->state != JSON_VALUE))
        return STEP;
    if (!bulk_can(r))
        return 1;
    json_bulk(r, io);
    if (io->p - from >= (ptrdiff_t)JSON_BATCH_BYTES / 2) {
        *step = STEP;
        return 0;
    }
    if (n < JSON_BATCH_BYTES)
        *step = 2 * n;
    return n;
}

ssize_t json_rename(struct json_renamer *r, struct span in, char *out, size_t cap, size_t *written)
{
    struct json_io io = { in.p, in.p, in.n ? in.p + in.n : in.p, out, cap ? out + cap : out };
    size_t step = STEP;

    *written = 0;
    while (!r->why && drain(r, &io)) {
        size_t n = take_in_bulk(r, &io, &step), most = (size_t)(json_io_limit(&io) - io.p);

        if (most == 0)
            break;
        r->why = json_take(r, &io, io.p + (n < most ? n : most));
    }
    json_io_flush(&io);
    *written = (size_t)(io.out - out);
    r->offset += (size_t)(io.p - in.p);
    return r->why ? -EBADMSG : io.p - in.p;
}

/* True if the text may end here: after its one value, or in a number that needs no more digits. */
static bool may_end(const struct json_renamer *r)
{
    return r->state == JSON_DONE ||
        (r->depth == 0 &&
         (r->state == JSON_ZERO || r->state == JSON_INTEGER || r->state == JSON_FRACTION ||
          r->state == JSON_EXPONENT));
}

int json_rename_end(struct json_renamer *r, char *out, size_t cap, size_t *written)
{
    struct json_io io = { NULL, NULL, NULL, out, cap ? out + cap : out };
    bool done = r->why || drain(r, &io);

    *written = (size_t)(io.out - out);
    if (!done)
        return -EAGAIN;
    if (!r->why && !may_end(r))
        r->why = r->offset ? "the text ends too early" : "the text is empty";
    return r->why ? -EBADMSG : 0;
}

bool json_rename_asked(const struct json_renamer *r)
{
    return r->asked;
}

bool json_valid(struct span value)
{
    const struct json_rules none = { .kernel = json_kernel_best() };
    struct json_renamer r;
    char out[2048];
    size_t written;

    json_rename_init(&r, &none, NULL);
    while (value.n > 0) {
        ssize_t n = json_rename(&r, value, out, sizeof out, &written);

        if (n < 0)
            return false;
        value = span_skip(value, (size_t)n);
    }
    return json_rename_end(&r, out, sizeof out, &written) == 0;
}
