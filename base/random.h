/* Random numbers of the operating system, good enough for keys. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

/* Fills n bytes at p from getrandom(2), or from /dev/urandom where the kernel has no such call or
 * its pool is not full yet: this neither needs a /dev nor waits at boot. Returns 0 or a negative
 * errno. */
int random_bytes(void *p, size_t n);

#endif
