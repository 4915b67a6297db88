/* UTF-8, blanks and lists, one byte at a time. */
#include "base/text.h"

static bool in_range(char c, unsigned low, unsigned high)
{
    return (uint8_t)c >= low && (uint8_t)c <= high;
}

size_t text_utf8(struct span s)
{
    uint8_t lead = s.n > 0 ? (uint8_t)s.p[0] : 0xFF;
    unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    size_t n = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;

    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4 || s.n < n || !in_range(s.p[1], low, high))
        return 0;
    for (size_t i = 2; i < n; i++)
        if (!in_range(s.p[i], 0x80, 0xBF))
            return 0;
    return n;
}

unsigned text_invisible(struct span s, size_t n)
{
    unsigned c = 0;

    if (n == 2)
        c = ((uint8_t)s.p[0] & 0x1Fu) << 6 | ((uint8_t)s.p[1] & 0x3Fu);
    else if (n == 3)
        c = ((uint8_t)s.p[0] & 0x0Fu) << 12 | ((uint8_t)s.p[1] & 0x3Fu) << 6 |
            ((uint8_t)s.p[2] & 0x3Fu);
    return (c >= 0x80 && c < 0xA0) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069)
        ? c
        : 0;
}

bool text_utf8_valid(struct span s)
{
    while (s.n > 0) {
        size_t n = text_utf8(s);

        if (n == 0)
            return false;
        s = span_skip(s, n);
    }
    return true;
}

struct span text_trim(struct span s)
{
    while (s.n > 0 && text_is_blank(s.p[0]))
        s = span_skip(s, 1);
    while (s.n > 0 && text_is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool text_next_item(struct span *rest, struct span *item)
{
    size_t n = rest->p ? span_find(*rest, ',') : 0;

    if (!rest->p)
        return false;
    *item = text_trim((struct span){ rest->p, n });
    *rest = n < rest->n ? span_skip(*rest, n + 1) : (struct span){ NULL, 0 };
    return true;
}
