/* Follows brackets and strings by masks, 64 bytes at a time, and looks at the keys of the outermost
 * object alone. */
#include "json/model.h"
#include "json/escape.h"
#include "json/kernel.h"

#include <errno.h>

#define KEY_MAX 30 /* "model", every letter escaped */

void json_model_init(struct json_model *m)
{
    m->offset = 0;
    m->depth = 0;
    m->in_string = m->escaped = m->wants_key = m->wants_value = m->reads = m->in_long = false;
    m->raw_n = 0;
}

/* Unescapes raw into out, which has room for as much, without a NUL. Returns the length, or
 * -EBADMSG. */
static int model_unescape(struct span raw, char *out)
{
    int n = 0;

    while (raw.n > 0) {
        uint32_t c;
        unsigned length;

        if (raw.p[0] != '\\') {
            out[n++] = raw.p[0];
            raw = span_skip(raw, 1);
            continue;
        }
        length = json_escape(raw, &c);
        if (length == 0 || c < 0x20 || (c >= 0xD800 && c <= 0xDFFF))
            return -EBADMSG;
        n += (int)json_utf8(c, (uint8_t *)out + n);
        raw = span_skip(raw, length);
    }
    return n;
}

int json_model_text(struct span raw, char *out)
{
    int n = model_unescape(raw, out);

    if (n >= 0)
        out[n] = '\0';
    return n;
}

int json_model_value(const struct json_model *m, char *out)
{
    return json_model_text((struct span){ m->raw, m->raw_n }, out);
}

bool json_is_model(struct span key)
{
    char text[KEY_MAX];

    if (key.n == 5)
        return memcmp(key.p, "model", 5) == 0;
    return key.n > 5 && key.n <= KEY_MAX && (key.p[0] == 'm' || key.p[0] == '\\') &&
        memchr(key.p, '\\', key.n) && model_unescape(key, text) == 5 &&
        memcmp(text, "model", 5) == 0;
}

/* The length of the string at the start of in, without its closing quote; -1 if in has no end of
 * it. */
static int string_length(struct span in)
{
    bool escaped = false;

    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '"' && !escaped)
            return (int)i;
        escaped = in.p[i] == '\\' && !escaped;
    }
    return -1;
}

/* Keeps the bytes of the string that is read, up to its closing quote. Returns how many it took,
 * that quote included. A string that outgrows raw is read on, but raw_n stays at its most. */
static size_t model_read_string(struct json_model *m, struct span in, enum json_model_state *state)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c == '"' && !m->escaped) {
            m->reads = m->in_string = false;
            if (!m->wants_value)
                m->wants_value = json_is_model((struct span){ m->raw, m->raw_n });
            else
                *state = m->raw_n < JSON_MODEL_RAW_MAX ? JSON_MODEL_FOUND : JSON_MODEL_OTHER;
            return i + 1;
        }
        m->escaped = c == '\\' && !m->escaped;
        if (m->raw_n < JSON_MODEL_RAW_MAX)
            m->raw[m->raw_n++] = c;
    }
    return in.n;
}

/* A key begins in the outermost object; rest follows its opening quote. It is looked at where it
 * lies, if it ends there, and else read. */
static void model_open_key(struct json_model *m, struct span rest)
{
    struct span near = { rest.p, rest.n < KEY_MAX + 1 ? rest.n : KEY_MAX + 1 };
    int n;

    m->wants_key = false;
    if (rest.n > 0 && rest.p[0] != 'm' && rest.p[0] != '\\')
        return;
    n = string_length(near);
    if (n < 0)
        m->reads = near.n <= KEY_MAX;
    else
        m->wants_value = json_is_model((struct span){ rest.p, (size_t)n });
}

/* Looks at byte i of in, which the masks point out by bit, in the outermost object. Returns how
 * many bytes of in have been read: those up to it. */
static size_t model_look_at(struct json_model *m, const struct json_marks *k, struct span in,
                            size_t i, enum json_model_state *state)
{
    uint64_t bit = (uint64_t)1 << i;

    if (k->open & bit) {
        m->depth = 2;
        if (m->wants_value)
            *state = JSON_MODEL_OTHER;
    } else if (!(k->begin & bit) && m->wants_value) {
        *state = JSON_MODEL_OTHER; /* a number or literal has ended */
    } else if (k->close & bit) {
        *state = JSON_MODEL_NONE;
    } else if (k->comma & bit) {
        m->wants_key = true;
    } else if (m->wants_key) {
        model_open_key(m, span_skip(in, i + 1));
    } else if (m->wants_value) {
        m->reads = true;
    }
    return i + 1;
}

/* Looks at the bytes of a block at the start of in that the masks point out: deeper than in the
 * outermost object at brackets alone. Returns how many bytes of in have been read: all of the
 * block's, or those that tell *state, or those in front of a string that is to be read. */
static size_t model_look(struct json_model *m, const struct json_marks *k, struct span in,
                         enum json_model_state *state)
{
    uint64_t brackets = k->open | k->close, all = brackets | k->comma | k->begin,
             left = ~(uint64_t)0;

    for (;;) {
        uint64_t bits = (m->depth > 1 ? brackets : all) & left, bit = bits & (0 - bits);
        size_t used;

        if (!bits)
            return JSON_BLOCK;
        left = 0 - (bit << 1);
        if (m->depth > 1) {
            m->depth += k->open & bit ? 1 : -1u;
            continue;
        }
        used = model_look_at(m, k, in, (size_t)__builtin_ctzll(bits), state);
        if (*state != JSON_MODEL_SEEK || m->reads)
            return used;
    }
}

/* How many of the bytes of in come before the first quote or backslash. */
static size_t plain_text(struct span in)
{
    const char *quote = memchr(in.p, '"', in.n), *backslash;
    size_t n = quote ? (size_t)(quote - in.p) : in.n;

    backslash = memchr(in.p, '\\', n);
    return backslash ? (size_t)(backslash - in.p) : n;
}

/* Reads a block of in, or all of it if it has less. Returns how many bytes that was: fewer if they
 * tell *state, more if they are all of one string. */
static size_t model_read_block(struct json_model *m, const struct json_kernel *kernel,
                               struct span in, enum json_model_state *state)
{
    struct json_marks k = { .in_string = 0 - (uint64_t)m->in_string, .escaped = m->escaped };
    size_t n = in.n < JSON_BLOCK ? in.n : JSON_BLOCK, used;
    char padded[JSON_BLOCK];

    if (n < JSON_BLOCK) {
        memset(padded, ' ', sizeof padded);
        memcpy(padded, in.p, n);
    }
    kernel->mark(&k, n < JSON_BLOCK ? padded : in.p);
    used = model_look(m, &k, in, state);
    if (*state != JSON_MODEL_SEEK || m->reads) {
        m->in_string = m->escaped = false;
        m->raw_n = 0;
        return used;
    }
    m->in_string = k.strings >> (n - 1) & 1;
    m->escaped = n < JSON_BLOCK ? k.after_escape >> n & 1 : k.escaped;
    if (k.strings != ~(uint64_t)0 || k.after_escape || k.begin || m->escaped) {
        m->in_long = false;
        return n;
    }
    if (m->in_long)
        return n + plain_text(span_skip(in, n));
    m->in_long = true;
    return n;
}

/* Reads the bytes of in up to the brace that opens the outermost object. Returns how many. */
static size_t model_read_start(struct json_model *m, struct span in, enum json_model_state *state)
{
    size_t n = 0;

    while (n < in.n && memchr(" \t\r\n", in.p[n], 4))
        n++;
    if (n == in.n)
        return n;
    if (in.p[n] != '{')
        *state = JSON_MODEL_NONE;
    m->depth = 1;
    m->wants_key = true;
    return n + 1;
}

enum json_model_state json_model_read(struct json_model *m, struct span in)
{
    const struct json_kernel *kernel = json_kernel_best();
    enum json_model_state state = JSON_MODEL_SEEK;

    while (in.n > 0 && state == JSON_MODEL_SEEK) {
        size_t n = m->depth == 0 ? model_read_start(m, in, &state)
            : m->reads           ? model_read_string(m, in, &state)
                                 : model_read_block(m, kernel, in, &state);

        m->offset += n;
        in = span_skip(in, n);
    }
    return state;
}
