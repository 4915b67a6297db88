/* Ids from a generator with a random start. */
#include "proxy/random.h"
#include "base/random.h"

#include <stdint.h>
#include <time.h>
#include <unistd.h>

/* splitmix64 (Steele, Lea and Flood, 2014) over a random start: distinct for 2^64 ids. */
static uint64_t next_word(void)
{
    static uint64_t state;
    uint64_t z;

    if (state == 0 && random_bytes(&state, sizeof state))
        state = (uint64_t)time(NULL) << 32 ^ (uint64_t)getpid();
    z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void random_request_id(char out[REQUEST_ID_LEN])
{
    static const char hex[] = "0123456789abcdef";

    memcpy(out, "req_", 4);
    for (int half = 0; half < 2; half++) {
        uint64_t word = next_word();

        for (int i = 0; i < 16; i++, word >>= 4)
            out[4 + 16 * half + i] = hex[word & 15];
    }
}
