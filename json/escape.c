/* Reads escapes and writes UTF-8, one character at a time.
 * Refuses to know what the characters are for; it keeps no state.
 * The resumable reader of the same escapes is json/token.c. */
#include "json/escape.h"

int json_hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int json_short_escape(uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return c;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return -1;
    }
}

/* The 16 bits of the \uXXXX at p, six bytes; -1 if it is not one. */
static int32_t hex_escape(const char *p)
{
    int a, b, c, d;

    if (p[0] != '\\' || p[1] != 'u')
        return -1;
    a = json_hex((uint8_t)p[2]);
    b = json_hex((uint8_t)p[3]);
    c = json_hex((uint8_t)p[4]);
    d = json_hex((uint8_t)p[5]);
    return (a | b | c | d) < 0 ? -1 : a << 12 | b << 8 | c << 4 | d;
}

unsigned json_escape(struct span text, uint32_t *c)
{
    int32_t high, low;

    if (text.n < 2)
        return 0;
    if (text.p[1] != 'u') {
        int plain = json_short_escape((uint8_t)text.p[1]);

        *c = (uint32_t)plain;
        return plain < 0 ? 0 : 2;
    }
    high = text.n < 6 ? -1 : hex_escape(text.p);
    if (high < 0xD800 || high > 0xDFFF) {
        *c = (uint32_t)high;
        return high < 0 ? 0 : 6;
    }
    low = high > 0xDBFF || text.n < 12 ? -1 : hex_escape(text.p + 6);
    if (low < 0xDC00 || low > 0xDFFF)
        return 0;
    *c = json_pair((uint32_t)high, (uint32_t)low);
    return 12;
}

unsigned json_utf8(uint32_t c, uint8_t to[4])
{
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (uint8_t)(0xC0 | c >> 6);
        to[1] = (uint8_t)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (uint8_t)(0xE0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        to[2] = (uint8_t)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (uint8_t)(0xF0 | c >> 18);
    to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    to[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}

/* The length of the UTF-8 sequence at the start of text; 0 if it is none. */
static size_t sequence(struct span text)
{
    uint8_t lead = (uint8_t)text.p[0];
    size_t n = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t c = n == 1 ? lead : lead & (0x7Fu >> n);
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };

    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || n > text.n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        uint8_t next = (uint8_t)text.p[i];

        if ((next & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (next & 0x3F);
    }
    return c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? 0 : n;
}

bool json_utf8_valid(struct span text)
{
    while (text.n > 0) {
        size_t n = sequence(text);

        if (n == 0)
            return false;
        text = span_skip(text, n);
    }
    return true;
}
