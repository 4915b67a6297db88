/* Writing text into a buffer of the caller's, with one sticky overflow flag instead of a check per
 * call. */
#include "base/out.h"
#include "base/text.h"

#include <limits.h>

void out_init(struct out *o, char *buf, size_t cap)
{
    *o = (struct out){ .p = buf, .cap = cap };
}

/* Where words have 32 bits, dividing longer ones takes long. */
void out_uint(struct out *o, uint64_t v)
{
    char text[20], *p = text + sizeof text;
    unsigned long small;

    for (; v > ULONG_MAX; v /= 10)
        *--p = (char)('0' + v % 10);
    small = (unsigned long)v;
    do
        *--p = (char)('0' + small % 10);
    while ((small /= 10) > 0);
    out_put(o, (struct span){ p, (size_t)(text + sizeof text - p) });
}

static void put_escaped(struct out *o, unsigned c)
{
    static const char digits[] = "0123456789abcdef";
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = c < 0x80 ? memchr(plain, (int)c, sizeof plain - 1) : NULL;
    char text[6] = {
        '\\', 'u', digits[c >> 12 & 15], digits[c >> 8 & 15], digits[c >> 4 & 15], digits[c & 15]
    };

    if (at) {
        text[1] = letters[at - plain];
        out_put(o, (struct span){ text, 2 });
    } else {
        out_put(o, (struct span){ text, 6 });
    }
}

void out_json(struct out *o, struct span s)
{
    while (s.n > 0 && !o->overflow) {
        size_t n = 0, more;

        while (n < s.n && s.p[n] >= ' ' && s.p[n] <= '~' && s.p[n] != '"' && s.p[n] != '\\')
            n++;
        while (n < s.n && (more = text_utf8(span_skip(s, n))) > 1 &&
               !text_invisible(span_skip(s, n), more))
            n += more;
        out_put(o, (struct span){ s.p, n });
        s = span_skip(s, n);
        if (n > 0)
            continue;
        more = text_utf8(s);
        if (more > 1)
            put_escaped(o, text_invisible(s, more));
        else if ((uint8_t)s.p[0] >= 0x80)
            out_put(o, SPAN("\xEF\xBF\xBD"));
        else
            put_escaped(o, (uint8_t)s.p[0]);
        s = span_skip(s, more ? more : 1);
    }
}

/* Base64 while it is written: n bytes of a group of three, which bits holds. */
struct base64 {
    uint32_t bits;
    unsigned n;
};

/* Writes the group, its missing bytes as padding. */
static void put_group(struct out *o, struct base64 *b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = b->bits << (24 - 8 * b->n);
    char text[4];

    for (unsigned i = 0; i < 4; i++)
        text[i] = i <= b->n ? digits[bits >> (18 - 6 * i) & 63] : '=';
    out_put(o, (struct span){ text, 4 });
    *b = (struct base64){ 0 };
}

static void put_base64(struct out *o, struct base64 *b, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        b->bits = b->bits << 8 | (uint8_t)s.p[i];
        if (++b->n == 3)
            put_group(o, b);
    }
}

void out_base64(struct out *o, struct span s)
{
    struct base64 b = { 0 };

    put_base64(o, &b, s);
    if (b.n > 0)
        put_group(o, &b);
}

void out_basic(struct out *o, struct span user, struct span password)
{
    struct base64 b = { 0 };

    put_base64(o, &b, user);
    put_base64(o, &b, SPAN(":"));
    put_base64(o, &b, password);
    if (b.n > 0)
        put_group(o, &b);
}

struct span out_span(const struct out *o)
{
    return (struct span){ o->p, o->n };
}
