/* The grammar in bulk: 64 bytes at a time become masks of bits, and arithmetic on whole masks checks strings, numbers, commas and colons together.
 * It works on a batch of blocks in passes, each a plain loop, because one wrongly guessed branch costs as much as half a block. It refuses to judge: a block
 * with anything it does not expect is left, with all after it, to the bytewise machine, which finds out whether that is a fault. Read json/token.c for the
 * same grammar byte by byte, json/number.h for how such arithmetic works. */
#include "json/bits.h"
#include "json/escape.h"
#include "json/machine.h"
#include "json/number.h"
#include "json/rules.h"

/* Blocks in a batch. */
#define BATCH 32

/* What a block finds where it begins. Exactly one of these holds: in_string, in_scalar, or one of the five "after". */
struct border {
    const char *p;
    const char *checked;                /* the end of the last \u escape seen; it may lie beyond p */
    const char *scalar, *key;           /* where the token that the border cuts began; key is NULL if before the first block */
    uint64_t in_string;                 /* all ones inside a string, else 0 */
    uint64_t in_key;                    /* 1 if that string is a key */
    uint64_t escaped;                   /* 1 if the last byte was the backslash of an escape */
    uint64_t in_scalar;                 /* 1 inside a number or literal, or right behind one */
    uint64_t after_comma, after_colon, after_open, after_value, after_key; /* 1 if the next token is the one after this; white space may lie between */
};

struct block {
    struct json_text_masks text;
    struct json_token_masks token;
    uint64_t string;                    /* from every opening quote to in front of the closing one */
    uint64_t changes;                   /* the brackets behind which the innermost container is of the other kind */
    uint64_t keys;                      /* opening quotes of keys */
};

/* A place in a batch: the number of the block times 64, plus the byte. */
typedef uint16_t place;

struct batch {
    struct json_renamer *r;
    struct json_io *io;
    const char *end;                    /* how far blocks may go */
    size_t n;                           /* blocks found good so far; the last border is borders[n] */
    uint64_t levels;                    /* the first word of the stack, and the depth, behind the brackets followed last */
    uint32_t depth;
    const char *key;                    /* where the batch ends, if at a key for which there is no room; otherwise NULL */
    struct json_number_carry number;    /* means something only if a number goes on */
    size_t n_brackets, n_words, n_keys;
    struct block blocks[BATCH];
    struct border borders[BATCH + 1];
    place brackets[BATCH * JSON_BLOCK + JSON_APPEND_SLACK];
    place words[BATCH * JSON_BLOCK + JSON_APPEND_SLACK]; /* where literals begin */
    place keys[BATCH * JSON_BLOCK + JSON_APPEND_SLACK]; /* the closing quotes of keys that may be names */
};

static inline const char *address(const struct batch *b, place at)
{
    return b->borders[at / JSON_BLOCK].p + at % JSON_BLOCK;
}

/* Checks the \u escapes in the block at p whose u the bits of us show. False if one is wrong, or cut by the end of what lies in memory. */
static bool check_unicode(const char *p, const char *end, uint64_t us, const char **checked)
{
    for (; us; us &= us - 1) {
        const char *at = p + __builtin_ctzll(us) - 1;
        uint32_t c;
        unsigned n;

        if (at < *checked)              /* the low half of a pair, checked with the high one */
            continue;
        n = json_escape((struct span){ at, (size_t)(end - at) }, &c);
        if (n == 0)
            return false;
        *checked = at + n;
    }
    return true;
}

/* Takes escaped quotes out of the quotes of block i and checks all escapes. */
static bool take_escapes(struct batch *b, size_t i)
{
    struct block *k = &b->blocks[i];
    struct border *now = &b->borders[i], *next = now + 1;
    uint64_t escaped = json_escaped(k->text.backslash, now->escaped, &next->escaped);
    struct json_escape_masks m;

    k->text.quote &= ~escaped;
    b->r->rules->scan->escapes(now->p, &m);
    return (escaped & ~(m.plain | m.u)) == 0 && check_unicode(now->p, b->end, escaped & m.u, &next->checked);
}

/* The string that block i begins in goes on to its end: nothing to keep of the block, the border moves on, through the whole string if it is long and plain. */
static void skip_string(struct batch *b, size_t i)
{
    struct border *now = &b->borders[i], *next = now + 1;

    now->p += JSON_BLOCK;
    now->escaped = next->escaped;
    now->checked = next->checked;
    if (!b->blocks[i].text.backslash)
        now->p += b->r->rules->scan->string(now->p, (size_t)(b->end - now->p));
}

/* First pass: sorts the bytes of as many blocks as there are, finds the strings and the brackets. */
static void read_blocks(struct batch *b)
{
    const struct json_scan *scan = b->r->rules->scan;
    size_t i = 0;

    while (i < BATCH && b->end - b->borders[i].p >= JSON_BLOCK) {
        struct block *k = &b->blocks[i];
        struct border *now = &b->borders[i], *next = now + 1;

        scan->text(now->p, &k->text);
        next->p = now->p + JSON_BLOCK;
        next->checked = now->checked;
        next->escaped = 0;
        if ((k->text.backslash | now->escaped) && !take_escapes(b, i))
            break;
        k->string = json_parity(k->text.quote) ^ now->in_string;
        if (k->text.control & k->string)
            break;
        if (!k->text.quote && now->in_string) {
            skip_string(b, i);
            continue;
        }
        scan->tokens(now->p, &k->token);
        k->changes = 0;
        next->in_string = 0 - (k->string >> 63);
        b->n_brackets = json_append(b->brackets, b->n_brackets, (k->token.open | k->token.close) & ~k->string, (unsigned)i * JSON_BLOCK, 8);
        i++;
    }
    b->n = i;
}

/* Second pass: follows the brackets that lie before the place stop and notes where the kind of the innermost container changes. If one is unexpected, ends
 * the outermost container, or opens one too many, its block is not good. No branch depends on which brackets come: they are hard to guess. In ASCII, bit 1
 * tells the opening ones and bit 5 those of objects. */
static void follow_brackets(struct batch *b, size_t stop)
{
    struct json_renamer *r = b->r;
    uint64_t levels = r->stack[0], object = levels >> (r->depth - 1) & 1;
    uint32_t depth = r->depth;

    for (size_t i = 0; i < b->n_brackets && b->brackets[i] < stop; i++) {
        place at = b->brackets[i];
        uint64_t c = (uint8_t)*address(b, at), opens = c >> 1 & 1, braces = c >> 5 & 1, was = object;
        uint64_t bad = ~opens & (object ^ braces);

        levels = (levels & ~((uint64_t)1 << depth)) | braces << depth; /* where it closes, this is above the top */
        depth += 2 * (uint32_t)opens - 1;
        if ((bad & 1) || depth - 1 >= JSON_BULK_DEPTH - 1) {
            b->n = at / JSON_BLOCK;
            break;
        }
        object = levels >> (depth - 1) & 1;
        b->blocks[at / JSON_BLOCK].changes |= (object ^ was) << at % JSON_BLOCK;
    }
    b->levels = levels;
    b->depth = depth;
}

/* Where the first token after each of the bytes in `ends` begins; `marks` are places already known to lie right behind one. */
static inline uint64_t next_tokens(uint64_t ends, uint64_t marks, uint64_t white, uint64_t was, uint64_t *carry)
{
    uint64_t sum;
    bool over = __builtin_add_overflow(ends << 1 | marks | was, white, &sum);

    *carry = ends >> 63 | over;
    return sum & ~white;
}

/* Lists those keys that end in block i and may be names: they begin with a byte that some name begins with, with a backslash, or in the block before. */
static inline void list_keys(struct batch *b, size_t i, uint64_t key_ends)
{
    const struct json_rules *rules = b->r->rules;
    struct block *k = &b->blocks[i];
    uint64_t first, likely, carry = b->borders[i].in_key;

    if (rules->n_names == 0 || !key_ends)
        return;
    first = rules->any_first ? ~(uint64_t)0 : rules->scan->any(b->borders[i].p, rules->first) | k->text.backslash;
    likely = k->keys & (first >> 1 | (uint64_t)1 << 63);
    likely = json_through(likely, k->string, &carry) & ~k->string & key_ends;
    b->n_keys = json_append(b->keys, b->n_keys, likely, (unsigned)i * JSON_BLOCK, 4);
}

/* Checks that every token of block i follows one it may follow, and its numbers. Lists the literals, and the keys that may be names. */
static bool take_tokens(struct batch *b, size_t i, bool *in_object)
{
    struct block *k = &b->blocks[i];
    const struct border *now = &b->borders[i];
    struct border *next = &b->borders[i + 1];
    const struct json_token_masks *m = &k->token;
    uint64_t outside = ~k->string, white = m->white & outside, open = m->open & outside, close = m->close & outside;
    uint64_t comma = m->comma & outside, colon = m->colon & outside, quote = k->text.quote & k->string;
    uint64_t scalars = outside & ~(white | open | close | comma | colon | k->text.quote);
    uint64_t behind = scalars << 1 | now->in_scalar, starts = scalars & ~behind, values = starts | quote | open;
    uint64_t numbers = starts & (m->digit | m->minus);
    uint64_t object = json_parity(k->changes) ^ (0 - (uint64_t)*in_object);
    uint64_t after_comma, after_colon, after_open, after_value, after_key, keys, key_ends, wrong;

    next->in_scalar = scalars >> 63;
    after_comma = next_tokens(comma, 0, white, now->after_comma, &next->after_comma);
    after_colon = next_tokens(colon, 0, white, now->after_colon, &next->after_colon);
    after_open = next_tokens(open, 0, white, now->after_open, &next->after_open);
    wrong = object >> 63;
    object = object << 1 | *in_object;  /* a bracket lies in what it ends or stands in */
    *in_object = wrong;
    keys = quote & object & (after_comma | after_open);
    next->in_key = now->in_key;
    key_ends = json_through(keys, k->string, &next->in_key) & outside;
    after_key = next_tokens(key_ends, 0, white, now->after_key, &next->after_key);
    after_value = next_tokens((k->text.quote & outside & ~key_ends) | close, behind & ~scalars, white, now->after_value, &next->after_value);
    wrong = (after_comma | after_colon) & ~values;
    wrong |= after_open & ~(values | close);
    wrong |= (after_comma | after_open) & object & ~(quote | close);
    wrong |= after_value & ~(comma | close);
    wrong |= after_key & ~colon;
    wrong |= (values | comma | colon | close) & ~(after_comma | after_colon | after_open | after_value | after_key);
    if (numbers | b->number.run)
        wrong |= json_wrong_numbers(&b->number, m, scalars, numbers);
    next->scalar = starts ? now->p + 63 - __builtin_clzll(starts | 1) : now->scalar;
    next->key = keys ? now->p + 63 - __builtin_clzll(keys | 1) : now->key;
    b->n_words = json_append(b->words, b->n_words, starts & ~numbers, (unsigned)i * JSON_BLOCK, 4);
    k->keys = keys;
    list_keys(b, i, key_ends);
    return wrong == 0;
}
/* Bytes that may follow a literal: white space, punctuation and quotes. Whether it is the right one is the next token's affair. */
static const bool ends_word[256] = { [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, [','] = true, [':'] = true,
                                     ['"'] = true, ['['] = true,  [']'] = true,  ['{'] = true,  ['}'] = true };

/* True if true, false or null stands at p, where n bytes can be read, and ends there. */
static inline bool is_word(const char *p, size_t n)
{
    bool four, five;

    if (n < 6)
        return false;
    four = (memcmp(p, "true", 4) == 0) | (memcmp(p, "null", 4) == 0);
    five = (memcmp(p, "fals", 4) == 0) & (p[4] == 'e');
    return (four & ends_word[(uint8_t)p[4]]) | (five & ends_word[(uint8_t)p[5]]);
}

/* Third pass: the order of the tokens, and the numbers. */
static void check_tokens(struct batch *b)
{
    bool in_object = json_in_object(b->r);

    for (size_t i = 0; i < b->n; i++)
        if (!take_tokens(b, i, &in_object))
            b->n = i;
}

/* Fourth pass: true, false and null. */
static void check_words(struct batch *b)
{
    for (size_t i = 0; i < b->n_words; i++) {
        const char *word = address(b, b->words[i]);

        if (!is_word(word, (size_t)(b->end - word))) {
            if (b->words[i] / JSON_BLOCK < b->n)
                b->n = b->words[i] / JSON_BLOCK;
            return;
        }
    }
}

/* Writes the new name in place of the key between the quotes open and close. The caller has seen that there is room. */
static void replace(struct json_io *io, const struct json_name *name, const char *open, const char *close)
{
    io->p = open;
    json_io_flush(io);
    memcpy(io->out, name->text.p, name->text.n);
    io->out += name->text.n;
    io->p = io->run = close + 1;
}

/* The name that the key between the quotes open and close is; NULL if it is none. */
static const struct json_name *find_name(const struct json_rules *rules, const char *open, const char *close)
{
    struct span key = { open + 1, (size_t)(close - open - 1) };

    if (memchr(key.p, '\\', key.n))
        return json_name_find_raw(rules, key);
    return json_name_likely(rules, key.p, key.n) ? json_name_find(rules, key) : NULL;
}

/* Where the key ending at a place began; NULL if before the first block. */
static const char *key_start(const struct batch *b, place end)
{
    const struct border *border = &b->borders[end / JSON_BLOCK];
    uint64_t before = b->blocks[end / JSON_BLOCK].keys & (((uint64_t)1 << end % JSON_BLOCK) - 1);

    return before ? border->p + 63 - __builtin_clzll(before) : border->key;
}

/* Renames the key ending at a place, and gives up blocks at the end of the batch for which this leaves no room. False if there would be none for its own. */
static bool rename_key(struct batch *b, const struct json_name *name, const char *open, place end)
{
    struct json_io *io = b->io;
    const char *close = address(b, end);
    size_t used = (size_t)(open - io->run) + name->text.n, room = (size_t)(io->out_end - io->out), i = end / JSON_BLOCK + 1u;

    if (used > room || (size_t)(b->borders[i].p - close) > room - used)
        return false;
    replace(io, name, open, close);
    b->end = json_io_limit(io);
    while (b->borders[b->n].p > b->end)
        b->n--;
    return true;
}

/* Fifth pass: looks up keys and renames them. Returns the place where the batch ends: behind its last good block, or a key for which there is no room. */
static size_t take_keys(struct batch *b)
{
    uint32_t depth = b->r->depth;
    size_t bracket = 0;

    for (size_t i = 0; i < b->n_keys && b->keys[i] / JSON_BLOCK < b->n; i++) {
        place end = b->keys[i];
        const char *open = key_start(b, end);
        const struct json_name *name = open ? find_name(b->r->rules, open, address(b, end)) : NULL;

        if (!name)
            continue;
        for (; bracket < b->n_brackets && b->brackets[bracket] < end; bracket++)
            depth += *address(b, b->brackets[bracket]) & 2 ? 1 : -1u;
        if (name->text.p && (depth == 1 || b->r->rules->deep) && !rename_key(b, name, open, end)) {
            b->key = open;
            return end;
        }
        if (depth == 1 && name->default_index >= 0)
            b->r->seen |= (uint64_t)1 << name->default_index;
    }
    return b->n * JSON_BLOCK;
}

/* Takes a batch that begins at borders[0]. True if all of it was good and more may follow. */
static bool take_batch(struct batch *b)
{
    size_t read, stop;

    b->n_brackets = b->n_words = b->n_keys = 0;
    b->key = NULL;
    read_blocks(b);
    read = b->n;
    follow_brackets(b, read * JSON_BLOCK);
    check_tokens(b);
    check_words(b);
    stop = take_keys(b);
    if (stop < read * JSON_BLOCK)
        follow_brackets(b, stop);
    b->r->stack[0] = b->levels;
    b->r->depth = (uint16_t)b->depth;
    return stop == BATCH * JSON_BLOCK;
}

/* Turns the state between bytes into what a block expects. */
static void enter(struct border *now, const struct json_renamer *r, const char *p)
{
    *now = (struct border){ .p = p, .checked = p };
    switch ((enum json_state)r->state) {
    case JSON_STRING:
        now->in_string = ~(uint64_t)0;
        now->in_key = r->in_key;
        break;
    case JSON_FIRST_ELEMENT:
    case JSON_FIRST_KEY:
        now->after_open = 1;
        break;
    case JSON_KEY:
        now->after_comma = 1;
        break;
    case JSON_COLON:
        now->after_key = 1;
        break;
    case JSON_AFTER:
        now->after_value = 1;
        break;
    default:
        now->after_colon = 1;
        break;
    }
}

/* The state inside a string: behind what is known to be right of it, or in front of it if it is a key that is yet to be looked up. */
static enum json_state leave_string(struct json_renamer *r, const struct border *now, const char **p)
{
    if (now->in_key && now->key) {
        *p = now->key;
        return JSON_KEY;
    }
    if (now->checked > *p)
        *p = now->checked;
    else if (now->escaped)
        --*p;
    r->in_key = now->in_key;
    return JSON_STRING;
}

/* Turns a border into a state between bytes, which may lie before or behind it. */
static enum json_state leave(struct json_renamer *r, const struct border *now, const char **p)
{
    bool object = json_in_object(r);

    *p = now->p;
    if (now->in_string)
        return leave_string(r, now, p);
    if (now->in_scalar) {
        *p = now->scalar;
        return JSON_VALUE;
    }
    if (now->after_comma)
        return object ? JSON_KEY : JSON_VALUE;
    if (now->after_open)
        return object ? JSON_FIRST_KEY : JSON_FIRST_ELEMENT;
    return now->after_colon ? JSON_VALUE : now->after_key ? JSON_COLON : JSON_AFTER;
}

void json_bulk(struct json_renamer *r, struct json_io *io)
{
    struct batch b;

    b.r = r;
    b.io = io;
    b.end = json_io_limit(io);
    b.number = (struct json_number_carry){ 0 };
    enter(&b.borders[0], r, io->p);
    while (take_batch(&b))
        b.borders[0] = b.borders[BATCH];
    if (b.key) {
        io->p = b.key;
        r->state = JSON_KEY;
    } else {
        r->state = leave(r, &b.borders[b.n], &io->p);
    }
}
