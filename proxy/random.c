/* Random bytes from /dev/urandom's source, and ids from a generator that it seeds.
 * Knows nothing of what they are for.
 * The interface is proxy/random.h. */
#include "proxy/random.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/random.h>
#endif

static bool from_kernel(void *p, size_t n)
{
#ifdef __linux__
    return getrandom(p, n, 0) == (ssize_t)n;
#else
    return getentropy(p, n) == 0;
#endif
}

void random_bytes(void *p, size_t n)
{
    int fd;
    bool ok = from_kernel(p, n);

    if (ok)
        return;
    fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ok = fd >= 0 && read(fd, p, n) == (ssize_t)n;
    if (fd >= 0)
        close(fd);
    if (!ok)
        abort();                        /* a system without any randomness cannot keep a secret */
}

/* splitmix64 (Steele, Lea and Flood, 2014) over a random start: distinct for 2^64 ids. */
static uint64_t next_word(void)
{
    static uint64_t state;
    uint64_t z;

    if (state == 0)
        random_bytes(&state, sizeof state);
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
