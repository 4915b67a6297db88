/* Takes text through the kernel batch by batch: passes what the kernel found right, with names
 * replaced, and leaves the rest to the bytewise machine, which finds out whether it is a fault. */
#include "json/kernel.h"
#include "json/machine.h"
#include "json/rules.h"

/* The stack as the kernel has it, the innermost container in the lowest bit. */
static uint64_t levels(const struct json_renamer *r)
{
    uint64_t all = 1;

    for (unsigned i = 0; i < r->depth; i++)
        all = all << 1 | (r->stack[0] >> i & 1);
    return all;
}

static void set_levels(struct json_renamer *r, uint64_t all)
{
    r->depth = 0;
    r->stack[0] = 0;
    for (unsigned i = 63 - (unsigned)__builtin_clzll(all); i > 0; i--)
        json_enter(r, all >> (i - 1) & 1);
}

/* The tokens that may come first in a batch, from the state in which it begins. */
static struct json_expect expected(const struct json_renamer *r)
{
    switch ((enum json_state)r->state) {
    case JSON_FIRST_KEY:
        return (struct json_expect){ .key = 1, .close = 1 };
    case JSON_KEY:
        return (struct json_expect){ .key = 1 };
    case JSON_FIRST_ELEMENT:
        return (struct json_expect){ .value = 1, .close = 1 };
    case JSON_VALUE:
        return (struct json_expect){ .value = 1 };
    case JSON_STRING:
        return (struct json_expect){ .colon = r->in_key };
    case JSON_COLON:
        return (struct json_expect){ .colon = 1 };
    default:
        return (struct json_expect){ 0 };
    }
}

static bool is_key(const struct json_batch *b, size_t n)
{
    return b->keys[n / JSON_BLOCK] >> n % JSON_BLOCK & 1;
}

/* The state between tokens after the first n bytes of the skeleton. */
static uint8_t state_after(const struct json_renamer *r, const struct json_batch *b)
{
    if (b->n == 0)
        return r->state != JSON_STRING ? r->state : r->in_key ? JSON_COLON : JSON_AFTER;
    switch (b->skeleton[b->n - 1]) {
    case '{':
        return JSON_FIRST_KEY;
    case '[':
        return JSON_FIRST_ELEMENT;
    case ',':
        return b->end_levels & 1 ? JSON_KEY : JSON_VALUE;
    case ':':
        return JSON_VALUE;
    case '"':
        return is_key(b, b->n - 1) ? JSON_COLON : JSON_AFTER;
    default:
        return JSON_AFTER;
    }
}

/* Where byte n of the skeleton stands in the text; the end of the batch if it has no byte n. */
static const char *place_in_text(const struct json_batch *b, size_t n)
{
    size_t i = b->n_blocks;
    uint64_t keep;

    if (n == b->n)
        return b->stop;
    do
        i--;
    while (b->before[i] > n);
    keep = b->keep[i];
    for (size_t skip = n - b->before[i]; skip > 0; skip--)
        keep &= keep - 1;
    return b->p + i * JSON_BLOCK + __builtin_ctzll(keep);
}

/* Ends the batch before byte n of the skeleton. */
static void cut_batch(struct json_batch *b, size_t n)
{
    b->stop = place_in_text(b, n);
    b->in_string = false;
    b->n = n;
}

/* Ends the batch where the kernel finds nothing wrong. */
static void check_batch(const struct json_kernel *kernel, struct json_batch *b)
{
    size_t good;

    while ((good = kernel->check(b)) < b->n)
        cut_batch(b, good);
}

/* A key that is a name: byte n of the skeleton, between the quotes open and close. */
struct found_key {
    size_t n;
    const char *open, *close;
    const struct json_name *name;
};

/* Writes the new name in place of the key, if that leaves room for the bytes up to the next
 * token. */
static bool batch_replace_key(struct json_io *io, const struct json_batch *b,
                              const struct found_key *k)
{
    struct span text = k->name->text;
    const char *after = k->close + 1;
    size_t room = (size_t)(io->out_end - io->out), need = (size_t)(k->open - io->run) + text.n;

    if (need + (size_t)(b->stop - after) > room &&
        need + (size_t)(place_in_text(b, k->n + 1) - after) > room)
        return false;
    io->p = k->open;
    json_io_flush(io);
    memcpy(io->out, text.p, text.n);
    io->out += text.n;
    io->p = io->run = after;
    return true;
}

/* Finds out whether candidate number i is a name; n is where it stands in the skeleton. */
static bool batch_find_key(const struct json_rules *rules, const struct json_batch *b, size_t i,
                           struct found_key *k)
{
    size_t block = b->candidates[i] / JSON_BLOCK, bit = b->candidates[i] % JSON_BLOCK;

    k->n = b->before[block] + json_count(b->keep[block] & (((uint64_t)1 << bit) - 1));
    if (k->n >= b->n || !is_key(b, k->n))
        return false;
    k->open = b->p + b->candidates[i];
    k->close = k->open + 1;
    k->name = json_name_read(rules, &k->close);
    return k->name != NULL;
}

/* A place in the skeleton, the depth there, and the least depth since the last key that was
 * noted. */
struct way {
    size_t at;
    int depth, least;
};

static void way_go(struct way *w, const struct json_batch *b, size_t n)
{
    for (; w->at < n; w->at++) {
        char c = b->skeleton[w->at];

        w->depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (w->depth < w->least)
            w->least = w->depth;
    }
}

/* Forgets the twins of the objects that have been closed on the way. */
static void forget_closed(struct json_renamer *r, struct way *w)
{
    r->rows[0] &= ((uint64_t)1 << (w->least & 63)) - 1;
    w->least = w->depth;
}

/* Takes the key at w, which is a name. False if it may not stand there, if its new name finds no
 * room, or if it is one of those that matter, once in a text: the bytewise machine takes them. */
static bool batch_take_key(struct json_renamer *r, struct json_io *io, const struct json_batch *b,
                           const struct found_key *k, struct way *w)
{
    const struct json_name *name = k->name;

    if (w->depth > 1 && !r->rules->deep)
        return true;
    forget_closed(r, w);
    if (w->depth == 1 &&
        (name->roles || (name == r->rules->model && r->model_step != JSON_MODEL_IGNORED)))
        return false;
    if (json_twin(r, name, (unsigned)w->depth) || (name->text.p && !batch_replace_key(io, b, k)))
        return false;
    if (w->depth == 1 && name->default_index >= 0)
        r->seen |= (uint64_t)1 << name->default_index;
    return true;
}

/* Looks up the keys that may be names, and renames them. Returns how much of the skeleton there is
 * room for. */
static size_t batch_take_keys(struct json_renamer *r, struct json_io *io,
                              const struct json_batch *b, struct way *w)
{
    size_t end = b->n;
    struct found_key k;

    for (size_t i = 0; i < b->n_candidates && end == b->n; i++) {
        if (!batch_find_key(r->rules, b, i, &k))
            continue;
        if (k.open > json_io_limit(io))
            break;
        way_go(w, b, k.n);
        if (!batch_take_key(r, io, b, &k, w))
            end = k.n;
    }
    while (place_in_text(b, end) > json_io_limit(io))
        end--;
    return end;
}

/* Takes one batch, up to limit. */
static void take_batch(struct json_renamer *r, struct json_io *io, const char *limit)
{
    const struct json_kernel *kernel = r->rules->kernel;
    struct way way = { 0, r->depth, r->depth };
    struct json_batch b;
    size_t n;

    b.p = io->p;
    b.in_string = r->state == JSON_STRING;
    b.starts = &r->rules->starts;
    b.expect = expected(r);
    b.levels = levels(r);
    kernel->squeeze(&b, limit);
    check_batch(kernel, &b);
    if (b.in_string && b.n > 0 && is_key(&b, b.n - 1))
        cut_batch(&b, b.n - 1);
    n = batch_take_keys(r, io, &b, &way);
    if (n < b.n) {
        cut_batch(&b, n);
        check_batch(kernel, &b);
    }
    if (r->rows[0] > 1) { /* not only that of the outermost object, which goes on */
        way_go(&way, &b, b.n);
        forget_closed(r, &way);
    }
    if (!b.in_string) {
        r->state = state_after(r, &b);
    } else if (b.n > 0) {
        r->state = JSON_STRING;
        r->in_key = false;
    }
    set_levels(r, b.end_levels);
    io->p = b.stop;
    json_io_flush(io);
}

/* Copies a plain stretch of a string as far as there is room for it. */
static void pass_string(struct json_renamer *r, struct json_io *io)
{
    size_t n;

    json_io_flush(io);
    n = r->rules->kernel->copy(io->out, io->p, (size_t)(json_io_limit(io) - io->p));
    io->out += n;
    io->p += n;
    io->run = io->p;
}

void json_bulk(struct json_renamer *r, struct json_io *io)
{
    const char *limit;

    if (r->state == JSON_STRING)
        pass_string(r, io);
    limit = json_io_limit(io);
    if (limit > io->end - JSON_AHEAD)
        limit = io->end - JSON_AHEAD;
    if (limit - io->p >= JSON_BLOCK)
        take_batch(r, io, limit);
}
