/* The grammar in bulk: 64 bytes at a time become masks of bits, and arithmetic on whole masks
 * checks strings, numbers, commas and colons together. It works in passes over a batch, each a
 * plain loop, because one wrongly guessed branch costs as much as half a block. The Makefile
 * compiles this file once for each of json/lanes_*.h, named by JSON_LANES. */

/* gcc's -fanalyzer knows no vectors: what it follows in this file are plain words. */
#if defined __GNUC__ && !defined __clang__ && __GNUC__ >= 12
#pragma GCC diagnostic ignored "-Wanalyzer-shift-count-overflow"
#pragma GCC diagnostic ignored "-Wanalyzer-use-of-uninitialized-value"
#endif

#include "json/kernel.h"
#include "json/lanes.h"
#include "json/number.h"
#include "json/text.h"

/* Bytes that end a literal or number: white space, punctuation and quotes. Whether it is the right
 * one is checked with the next token. */
static const bool ends_scalar[256] = {
    [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, [','] = true, [':'] = true,
    ['"'] = true, ['['] = true,  [']'] = true,  ['{'] = true,  ['}'] = true
};

static size_t kernel_copy(char *to, const char *p, size_t n)
{
    struct json_lanes b;
    size_t i;

    for (i = 0; n - i >= JSON_BLOCK; i += JSON_BLOCK) {
        b = json_load(p + i);
        if (!json_plain(b))
            return i;
        json_store(to + i, b);
    }
    if (i == 0 || i == n)
        return i;
    b = json_load(p + n - JSON_BLOCK); /* the rest, with some bytes that are done already */
    if (!json_plain(b))
        return i;
    json_store(to + n - JSON_BLOCK, b);
    return n;
}

/* White space of the block at p that need not be kept; keep are the bytes outside strings.
 * before: the byte before the block was outside too. *wrong gets other bytes below 0x20, if
 * there are any. */
static inline uint64_t needless_white(struct json_lanes b, const char *p, uint64_t keep,
                                      bool before, uint64_t *wrong)
{
    uint64_t white = json_white(b), scalars = keep & ~(white | json_punctuation(b));
    uint64_t after = scalars << 1 | (before && !ends_scalar[(uint8_t)p[-1]]);

    *wrong |= json_range(b, 0, 0x1F) & keep & ~white;
    return white & ~after;
}

/* Takes n blocks into the skeleton, or those before one that is wrong. Returns how many. */
static inline size_t squeeze_blocks(struct json_batch *b, size_t n, struct json_text_carry *c)
{
    size_t length = 0, i;

    b->n_candidates = 0;
    for (i = 0; i < n; i++) {
        const char *p = b->p + i * JSON_BLOCK;
        struct json_lanes block = json_load(p);
        uint64_t quote, wrong = 0, strings = json_strings(block, &quote, c, &wrong),
                        keep = ~(strings ^ quote), names;

        if (json_range(block, 0, 0x20) & keep)
            keep &= ~needless_white(block, p, keep, i > 0 && b->keep[i - 1] >> 63, &wrong);
        if (wrong)
            break;
        names = json_name_starts(b->starts, p, quote & strings);
        if (names)
            b->n_candidates =
                json_append(b->candidates, b->n_candidates, names, (unsigned)(i * JSON_BLOCK));
        b->keep[i] = keep;
        b->before[i] = (uint16_t)length;
        json_squeeze(b->skeleton + length, p, keep);
        length += json_count(keep);
    }
    b->n = length;
    return i;
}

static void kernel_squeeze(struct json_batch *b, const char *end)
{
    const struct json_text_carry first = { .in_string = 0 - (uint64_t)b->in_string };
    struct json_text_carry carry = first;
    size_t most = (size_t)(end - b->p) / JSON_BLOCK, n;

    if (most > JSON_BATCH)
        most = JSON_BATCH;
    n = squeeze_blocks(b, most, &carry);
    if (n < most) { /* once more, for the carry over the border before that block */
        carry = first;
        squeeze_blocks(b, n, &carry);
    }
    b->n_blocks = n;
    b->stop = b->p + n * JSON_BLOCK;
    b->in_string = carry.in_string & 1;
    if (b->in_string)
        b->stop -= json_cut_escape(&carry);
}

/* The brackets of a skeleton, side by side; afterwards for each, whether the innermost container is
 * of another kind after it than before it. */
struct brackets {
    size_t n;
    uint8_t kind[JSON_BATCH_BYTES + JSON_BLOCK];
};

static inline uint64_t find_brackets(struct json_lanes b)
{
    struct json_lanes low = json_fold(b);

    return json_equal(low, '{') | json_equal(low, '}');
}

static void gather_brackets(const struct json_batch *b, struct brackets *k)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i += JSON_BLOCK) {
        uint64_t found = find_brackets(json_load(b->skeleton + i));

        json_squeeze((char *)k->kind + n, b->skeleton + i, found);
        n += json_count(found);
    }
    memset(k->kind + n, 0, JSON_BLOCK);
    k->n = n;
}

/* Where bracket number i stands in the skeleton. */
static size_t place_of_bracket(const struct json_batch *b, size_t i)
{
    size_t at = 0;
    uint64_t found = find_brackets(json_load(b->skeleton));

    for (; i >= json_count(found); found = find_brackets(json_load(b->skeleton + at))) {
        i -= json_count(found);
        at += JSON_BLOCK;
    }
    for (; i > 0; i--)
        found &= found - 1;
    return at + (size_t)__builtin_ctzll(found);
}

/* Follows the brackets. Returns how many of them are right: expected, not ending the outermost
 * container, and not opening one too many. No branch depends on which brackets come: they are hard
 * to guess. In ASCII, bit 2 tells the closing ones and bit 5 those of objects. */
static size_t follow_brackets(struct json_batch *b, struct brackets *k)
{
    uint64_t levels = b->levels;
    size_t i, n = k->n;

    for (i = 0; i < n; i++) {
        uint64_t closes = k->kind[i] >> 2 & 1, braces = k->kind[i] >> 5 & 1,
                 next = (levels << 1 | braces) >> 2 * closes;

        if (closes & (levels ^ braces))
            break;
        if (next - JSON_LEVELS_LEAST > JSON_LEVELS_MOST - JSON_LEVELS_LEAST)
            break;
        k->kind[i] = (uint8_t)((levels ^ next) & 1);
        levels = next;
    }
    b->end_levels = levels;
    return i;
}

/* Blocks of the skeleton that are checked side by side. */
struct tokens {
    uint64_t open[JSON_WORDS], close[JSON_WORDS], comma[JSON_WORDS], colon[JSON_WORDS],
        quote[JSON_WORDS], white[JSON_WORDS];
    uint64_t digit[JSON_WORDS], zero[JSON_WORDS], dot[JSON_WORDS], exponent[JSON_WORDS],
        plus[JSON_WORDS], minus[JSON_WORDS];
    uint64_t object[JSON_WORDS]; /* the innermost container is an object, its bracket included */
};

/* The carry from one block of the skeleton to the next. */
struct skeleton_carry {
    json_words key, value, colon, close; /* as in struct json_expect */
    json_words scalar;                   /* the last byte belonged to a number or literal */
    struct json_number_carry number;
    uint64_t object;         /* 1 if the innermost container is an object */
    const uint8_t *brackets; /* the finding for the next bracket */
};

/* The findings about the blocks checked side by side. */
struct findings {
    uint64_t wrong[JSON_BATCH + JSON_WORDS];    /* bytes that nothing allows where they stand */
    uint64_t literals[JSON_BATCH + JSON_WORDS]; /* where literals begin */
};

/* The bytes whose innermost container is an object: spreads the finding for each bracket over the
 * bytes up to the next. */
static inline uint64_t objects(struct skeleton_carry *c, uint64_t brackets)
{
    uint64_t changes = json_deposit(json_equal(json_load((const char *)c->brackets), 1), brackets);
    uint64_t object = json_parity(changes) ^ (0 - c->object);

    c->object = object >> 63;
    c->brackets += json_count(brackets);
    return object;
}

static inline void sort_block(struct tokens *t, size_t i, const char *p, struct skeleton_carry *c)
{
    struct json_lanes b = json_load(p), low = json_fold(b);

    t->open[i] = json_equal(low, '{');
    t->close[i] = json_equal(low, '}');
    t->comma[i] = json_equal(b, ',');
    t->colon[i] = json_equal(b, ':');
    t->quote[i] = json_equal(b, '"');
    t->white[i] = json_range(b, 0, ' ');
    t->digit[i] = json_range(b, '0', '9');
    t->zero[i] = json_equal(b, '0');
    t->dot[i] = json_equal(b, '.');
    t->exponent[i] = json_equal(low, 'e');
    t->plus[i] = json_equal(b, '+');
    t->minus[i] = json_equal(b, '-');
    t->object[i] = objects(c, t->open[i] | t->close[i]);
}

/* Bytes that nothing allows where they stand, as far as the order of tokens goes. scalar are the
 * bytes of numbers and literals, after the places right after one. *keys gets the quotes of
 * keys. */
static inline json_words wrong_order(const struct tokens *t, json_words scalar, json_words after,
                                     struct skeleton_carry *c, json_words *keys)
{
    json_words open = json_words_load(t->open), close = json_words_load(t->close),
               comma = json_words_load(t->comma), colon = json_words_load(t->colon);
    json_words quote = json_words_load(t->quote), object = json_words_load(t->object),
               lists = open | comma;
    json_words key = json_moved(lists & object, &c->key),
               value = json_moved((lists & ~object) | colon, &c->value);
    json_words right, colons;

    *keys = quote & key;
    colons = json_moved(*keys, &c->colon);
    right = *keys | (colon & colons) | (close & json_moved(open, &c->close)) | (scalar & after) |
        json_words_load(t->white);
    right |= (quote | open | (scalar & ~after)) & value;
    right |= (comma | close) & ~(key | value | colons);
    return ~right;
}

/* Checks JSON_WORDS blocks of the skeleton, from number i on. */
static inline void check_blocks(struct json_batch *b, size_t i, const struct tokens *t,
                                struct skeleton_carry *c, struct findings *f)
{
    const struct json_number_masks m = { json_words_load(t->digit), json_words_load(t->zero),
                                         json_words_load(t->dot),   json_words_load(t->exponent),
                                         json_words_load(t->plus),  json_words_load(t->minus) };
    json_words scalar =
        ~(json_words_load(t->open) | json_words_load(t->close) | json_words_load(t->comma) |
          json_words_load(t->colon) | json_words_load(t->quote) | json_words_load(t->white));
    json_words after = json_moved(scalar, &c->scalar), starts = scalar & ~after,
               numbers = starts & (m.digit | m.minus), keys, wrong;

    wrong = wrong_order(t, scalar, after, c, &keys) |
        json_wrong_numbers(&c->number, &m, scalar, numbers);
    json_words_store(b->keys + i, keys);
    json_words_store(f->literals + i, starts & ~numbers);
    json_words_store(f->wrong + i, wrong);
}

/* The literals, by the lower five bits of the letter that they begin with. */
static const struct {
    char text[8], mask[8];
    uint8_t length;
} literals[32] = {
    ['t' & 31] = { "true", "\xFF\xFF\xFF\xFF", 4 },
    ['f' & 31] = { "false", "\xFF\xFF\xFF\xFF\xFF", 5 },
    ['n' & 31] = { "null", "\xFF\xFF\xFF\xFF", 4 },
};

/* True if true, false or null stands at p, where eight bytes can be read, and ends there. Which one
 * is hard to guess, so no branch depends on it. */
static inline bool is_literal(const char *p)
{
    unsigned i = (unsigned char)*p & 31;
    uint64_t bytes, text, mask;

    memcpy(&bytes, p, sizeof bytes);
    memcpy(&text, literals[i].text, sizeof text);
    memcpy(&mask, literals[i].mask, sizeof mask);
    return (bytes & mask) == text && ends_scalar[(uint8_t)p[literals[i].length]];
}

/* Where in the skeleton the first wrong byte stands; n if there is none. */
static size_t first_wrong(const struct json_batch *b, const struct findings *f)
{
    for (size_t i = 0; i * JSON_BLOCK < b->n; i++)
        if (f->wrong[i])
            return i * JSON_BLOCK + (size_t)__builtin_ctzll(f->wrong[i]);
    return b->n;
}

/* Where the first wrong literal stands; n if all are right. */
static size_t check_literals(const struct json_batch *b, const struct findings *f)
{
    uint16_t at[JSON_BATCH_BYTES / 2 + JSON_APPEND_SLACK];
    size_t n = 0;

    for (size_t i = 0; i * JSON_BLOCK < b->n; i++)
        n = json_append(at, n, f->literals[i], (unsigned)(i * JSON_BLOCK));
    for (size_t i = 0; i < n; i++)
        if (!is_literal(b->skeleton + at[i]))
            return at[i];
    return b->n;
}

/* Where the token begins that byte n of the skeleton belongs to or follows directly. */
static size_t token_start(const struct json_batch *b, size_t n)
{
    while (n > 0 && !ends_scalar[(uint8_t)b->skeleton[n - 1]])
        n--;
    return n;
}

static void check_skeleton(struct json_batch *b, const struct brackets *k, struct findings *f)
{
    struct skeleton_carry c = { .key = json_words_first(b->expect.key),
                                .value = json_words_first(b->expect.value),
                                .colon = json_words_first(b->expect.colon),
                                .close = json_words_first(b->expect.close),
                                .object = b->levels & 1,
                                .brackets = k->kind };
    struct tokens t;

    for (size_t i = 0; i * JSON_BLOCK < b->n; i += JSON_WORDS) {
        for (size_t j = 0; j < JSON_WORDS; j++)
            sort_block(&t, j, b->skeleton + (i + j) * JSON_BLOCK, &c);
        check_blocks(b, i, &t, &c, f);
    }
}

static size_t kernel_check(struct json_batch *b)
{
    struct brackets brackets;
    struct findings found;
    size_t n = token_start(b, b->n), good, wrong, literal;

    if (n < b->n)
        return n;
    memset(b->skeleton + n, ' ', JSON_WORDS * JSON_BLOCK);
    gather_brackets(b, &brackets);
    good = follow_brackets(b, &brackets);
    if (good < brackets.n)
        return place_of_bracket(b, good);
    check_skeleton(b, &brackets, &found);
    wrong = first_wrong(b, &found);
    literal = check_literals(b, &found);
    return token_start(b, literal < wrong ? literal : wrong);
}

static void kernel_mark(struct json_marks *m, const char *p)
{
    struct json_lanes b = json_load(p), low = json_fold(b);
    uint64_t backslash = json_equal(b, '\\'), quote, outside;

    m->after_escape = backslash | m->escaped ? json_escaped(backslash, &m->escaped) : 0;
    quote = json_equal(b, '"') & ~m->after_escape;
    m->strings = json_parity(quote) ^ m->in_string;
    m->in_string = 0 - (m->strings >> 63);
    m->begin = quote & m->strings;
    outside = ~m->strings;
    m->open = json_equal(low, '{') & outside;
    m->close = json_equal(low, '}') & outside;
    m->comma = json_equal(b, ',') & outside;
}

const struct json_kernel JSON_KERNEL = { JSON_KERNEL_NAME, kernel_copy, kernel_squeeze,
                                         kernel_check, kernel_mark };
