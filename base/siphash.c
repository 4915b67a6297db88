/* The words of a text are read as little-endian numbers, whatever the machine's order is. */
#include "base/siphash.h"

struct sip {
    uint64_t a, b, c, d;
};

static uint64_t rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(struct sip *s)
{
    s->a += s->b;
    s->b = rotl(s->b, 13) ^ s->a;
    s->a = rotl(s->a, 32);
    s->c += s->d;
    s->d = rotl(s->d, 16) ^ s->c;
    s->a += s->d;
    s->d = rotl(s->d, 21) ^ s->a;
    s->c += s->b;
    s->b = rotl(s->b, 17) ^ s->c;
    s->c = rotl(s->c, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    sip_round(s);
    s->a ^= word;
}

static uint64_t little_endian(const char *p, size_t n)
{
    uint64_t word = 0;

    while (n-- > 0)
        word = word << 8 | (unsigned char)p[n];
    return word;
}

uint64_t siphash(const uint64_t secret[2], struct span text)
{
    struct sip s = {
        secret[0] ^ 0x736f6d6570736575u,
        secret[1] ^ 0x646f72616e646f6du,
        secret[0] ^ 0x6c7967656e657261u,
        secret[1] ^ 0x7465646279746573u,
    };
    uint64_t length = (uint64_t)text.n << 56;

    for (; text.n >= 8; text = span_skip(text, 8))
        sip_word(&s, little_endian(text.p, 8));
    sip_word(&s, length | little_endian(text.p, text.n));
    s.c ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}
