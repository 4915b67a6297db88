/* Reads escapes and writes UTF-8, one character at a time. */
#include "json/escape.h"
#include "base/text.h"

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
    a = text_hex(p[2]);
    b = text_hex(p[3]);
    c = text_hex(p[4]);
    d = text_hex(p[5]);
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
    *c = (uint32_t)high;
    if (high < 0)
        return 0;
    low = high < 0xD800 || high > 0xDBFF || text.n < 12 ? -1 : hex_escape(text.p + 6);
    if (low < 0xDC00 || low > 0xDFFF)
        return 6;
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
