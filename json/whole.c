/* A loop over the tokens. It is short because it need not stop in the middle of one. */
#include "json/whole.h"
#include "base/vec16.h"
#include "json/escape.h"
#include "json/rename.h"

#include <errno.h>

/* The open containers, and the model. objects has a bit for each level of nesting, set for an
 * object. Each function below takes the next byte p and returns where it has got to, or NULL if the
 * text is wrong there. */
struct walk {
    const char *end;
    unsigned depth;
    bool in_object;
    uint64_t objects[JSON_DEPTH_MAX / 64];
    const char *model;     /* where its value begins; NULL: it has not come */
    const char *model_end; /* NULL: the value has not ended */
};

static inline const char *skip_space(const char *p, const char *end)
{
    while (p < end && (uint8_t)*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* The byte at p; at the end NUL, which is never right. */
static inline char byte_at(const char *p, const char *end)
{
    return p < end ? *p : '\0';
}

#ifdef VEC16
/* The bytes that are no plain text of a string. */
static inline vec16 special(vec16 v)
{
    return vec16_either(vec16_either(vec16_equal(v, '"'), vec16_equal(v, '\\')),
                        vec16_at_most(v, 0x1F));
}
#endif

/* The first byte from p on that is not plain text of a string; end if there is none. */
static inline const char *plain_end(const char *p, const char *end)
{
#ifdef VEC16
    for (uint64_t hits; end - p >= 16; p += 16) {
        hits = vec16_hits(special(vec16_load(p)));
        if (hits)
            return p + vec16_first(hits);
        while (end - p >= 64 &&
               !vec16_hits(vec16_either(special(vec16_load(p + 16)), special(vec16_load(p + 32)))))
            p += 32;
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && (uint8_t)*p >= 0x20)
        p++;
    return p;
}

/* Goes on with a string at p, where its plain text ends. */
static const char *take_escapes(const char *p, const char *end)
{
    while (byte_at(p, end) == '\\') {
        uint32_t c;
        unsigned n = json_escape((struct span){ p, (size_t)(end - p) }, &c);

        if (n == 0)
            return NULL;
        p = plain_end(p + n, end);
    }
    return byte_at(p, end) == '"' ? p + 1 : NULL;
}

/* Takes a string, whose opening quote is in front of p. */
static const char *take_string(const char *p, const char *end)
{
    p = plain_end(p, end);
    return byte_at(p, end) == '"' ? p + 1 : take_escapes(p, end);
}

/* Takes digits, of which there must be one. */
static const char *take_digits(const char *p, const char *end)
{
    const char *from = p;

    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p > from ? p : NULL;
}

static const char *take_number(const char *p, const char *end)
{
    const char *from = p + (*p == '-');

    p = take_digits(from, end);
    if (!p || (*from == '0' && p > from + 1))
        return NULL;
    if (byte_at(p, end) == '.')
        p = take_digits(p + 1, end);
    if (!p || (byte_at(p, end) != 'e' && byte_at(p, end) != 'E'))
        return p;
    p++;
    p += byte_at(p, end) == '+' || byte_at(p, end) == '-';
    return take_digits(p, end);
}

static const char *take_word(const char *p, const char *end, struct span word)
{
    return span_starts((struct span){ p, (size_t)(end - p) }, word) ? p + word.n : NULL;
}

static const char *take_scalar(const char *p, const char *end)
{
    switch (byte_at(p, end)) {
    case '"':
        return take_string(p + 1, end);
    case 't':
        return take_word(p, end, SPAN("true"));
    case 'f':
        return take_word(p, end, SPAN("false"));
    case 'n':
        return take_word(p, end, SPAN("null"));
    case '\0':
        return NULL;
    default:
        return take_number(p, end);
    }
}

static inline bool enter(struct walk *w, bool object)
{
    uint64_t bit = (uint64_t)1 << w->depth % 64, *word = &w->objects[w->depth / 64];

    if (w->depth == JSON_DEPTH_MAX)
        return false;
    *word = object ? *word | bit : *word & ~bit;
    w->depth++;
    w->in_object = object;
    return true;
}

static inline void leave(struct walk *w)
{
    unsigned level = --w->depth - 1;

    w->in_object = w->depth > 0 && w->objects[level / 64] >> level % 64 & 1;
}

/* Takes a key, its colon, and the space around them. */
static inline const char *take_key(struct walk *w, const char *p)
{
    const char *key = skip_space(p, w->end) + 1;
    bool is_model;

    p = byte_at(key - 1, w->end) == '"' ? take_string(key, w->end) : NULL;
    if (!p)
        return NULL;
    is_model = w->depth == 1 && json_is_model((struct span){ key, (size_t)(p - 1 - key) });
    p = skip_space(p, w->end);
    if (byte_at(p, w->end) != ':' || (is_model && w->model))
        return NULL;
    p = skip_space(p + 1, w->end);
    if (is_model)
        w->model = p;
    return p;
}

/* Takes a value, or the beginning of one up to its first scalar. */
static const char *take_value(struct walk *w, const char *p)
{
    char c;

    while (p) {
        p = skip_space(p, w->end);
        c = byte_at(p, w->end);
        if (c != '{' && c != '[')
            return take_scalar(p, w->end);
        if (!enter(w, c == '{'))
            return NULL;
        p = skip_space(p + 1, w->end);
        if (byte_at(p, w->end) == c + 2) { /* the closing counterpart of both */
            leave(w);
            return p + 1;
        }
        p = w->in_object ? take_key(w, p) : p;
    }
    return NULL;
}

/* Takes what follows a value: closing brackets, and a comma if another value has to come. */
static const char *take_after(struct walk *w, const char *p)
{
    for (; p && w->depth > 0; p++) {
        char c;

        if (w->depth == 1 && w->model && !w->model_end)
            w->model_end = p;
        p = skip_space(p, w->end);
        c = byte_at(p, w->end);
        if (c == ',')
            return w->in_object ? take_key(w, p + 1) : p + 1;
        if (c != (w->in_object ? '}' : ']'))
            return NULL;
        leave(w);
    }
    return p;
}

int json_whole(struct span text, struct span *raw)
{
    struct walk w = { .end = text.p + text.n };
    const char *p = text.p;
    size_t n;

    do
        p = take_after(&w, take_value(&w, p));
    while (p && w.depth > 0);
    if (!p || skip_space(p, w.end) < w.end)
        return -EBADMSG;
    if (!w.model)
        return JSON_MODEL_NONE;
    n = (size_t)(w.model_end - w.model);
    if (*w.model != '"' || n - 2 >= JSON_MODEL_RAW_MAX)
        return JSON_MODEL_OTHER;
    *raw = (struct span){ w.model + 1, n - 2 };
    return JSON_MODEL_FOUND;
}
