/* Chooses between the ways of scanning, and owns the portable one: eight bytes in a 64-bit word at a time.
 * It refuses to know what a string or a number is.
 * The vector ways are json/scan_vector.c and json/scan_avx2.c; both are held against this one by tests/unit/test_json_scan.c. */
#include "json/scan.h"

#include <stdbool.h>
#include <string.h>

#define ONES 0x0101010101010101u
#define HIGH 0x8080808080808080u

/* Eight bytes, the first in the lowest bits. */
static uint64_t load(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    return w;
}

/* The high bit of each byte of w that is below limit (at most 0x80); exact, no carry crosses a byte. */
static uint64_t below(uint64_t w, uint8_t limit)
{
    return ~((w & ~HIGH) + (0x80u - limit) * ONES) & ~w & HIGH;
}

/* The high bit of each byte of w that equals c. */
static uint64_t equal(uint64_t w, uint8_t c)
{
    return below(w ^ c * ONES, 1);
}

/* The eight high bits of w, gathered into the lowest eight. */
static uint64_t gather(uint64_t w)
{
    return (w >> 7) * 0x0102040810204080u >> 56;
}

static bool ends_stretch(uint8_t c)
{
    return c == '"' || c == '\\' || c < 0x20;
}

static size_t string_portable(const char *p, size_t n)
{
    size_t i = 0;

    for (; n - i >= 8; i += 8) {
        uint64_t w = load(p + i);
        uint64_t hit = equal(w, '"') | equal(w, '\\') | below(w, 0x20);

        if (hit)
            return i + (size_t)__builtin_ctzll(hit) / 8;
    }
    while (i < n && !ends_stretch((uint8_t)p[i]))
        i++;
    return i;
}

static void text_portable(const char *p, struct json_text_masks *m)
{
    memset(m, 0, sizeof(*m));
    for (unsigned i = 0; i < JSON_BLOCK; i += 8) {
        uint64_t w = load(p + i);

        m->quote |= gather(equal(w, '"')) << i;
        m->backslash |= gather(equal(w, '\\')) << i;
        m->control |= gather(below(w, 0x20)) << i;
    }
}

static void tokens_portable(const char *p, struct json_token_masks *m)
{
    memset(m, 0, sizeof(*m));
    for (unsigned i = 0; i < JSON_BLOCK; i += 8) {
        uint64_t w = load(p + i);

        m->open |= gather(equal(w, '{') | equal(w, '[')) << i;
        m->close |= gather(equal(w, '}') | equal(w, ']')) << i;
        m->comma |= gather(equal(w, ',')) << i;
        m->colon |= gather(equal(w, ':')) << i;
        m->white |= gather(equal(w, ' ') | equal(w, '\t') | equal(w, '\n') | equal(w, '\r')) << i;
        m->digit |= gather(below(w, '9' + 1) & ~below(w, '0')) << i;
        m->zero |= gather(equal(w, '0')) << i;
        m->dot |= gather(equal(w, '.')) << i;
        m->exponent |= gather(equal(w, 'e') | equal(w, 'E')) << i;
        m->plus |= gather(equal(w, '+')) << i;
        m->minus |= gather(equal(w, '-')) << i;
    }
}

static void escapes_portable(const char *p, struct json_escape_masks *m)
{
    memset(m, 0, sizeof(*m));
    for (unsigned i = 0; i < JSON_BLOCK; i += 8) {
        uint64_t w = load(p + i);
        uint64_t letters = equal(w, 'b') | equal(w, 'f') | equal(w, 'n') | equal(w, 'r') | equal(w, 't');

        m->plain |= gather(letters | equal(w, '"') | equal(w, '\\') | equal(w, '/')) << i;
        m->u |= gather(equal(w, 'u')) << i;
    }
}

static uint64_t any_portable(const char *p, const uint8_t set[4])
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < JSON_BLOCK; i += 8) {
        uint64_t w = load(p + i);

        mask |= gather(equal(w, set[0]) | equal(w, set[1]) | equal(w, set[2]) | equal(w, set[3])) << i;
    }
    return mask;
}

const struct json_scan json_scan_portable = { "portable", string_portable, text_portable, tokens_portable, escapes_portable, any_portable };

static bool have_avx2(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    return json_scan_avx2.text && __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

const struct json_scan *json_scan_best(void)
{
    if (have_avx2())
        return &json_scan_avx2;
    return json_scan_vector.text ? &json_scan_vector : &json_scan_portable;
}

const struct json_scan *json_scan_nth(unsigned i)
{
    if (i > 0 && !json_scan_vector.text)
        return NULL;
    if (i > 1 && !have_avx2())
        return NULL;
    return i == 0 ? &json_scan_portable : i == 1 ? &json_scan_vector : i == 2 ? &json_scan_avx2 : NULL;
}
