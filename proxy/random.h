/* Random bytes from the system, for hash secrets and request ids.
 * Knows nothing of what they are for. */
#ifndef PROXY_RANDOM_H
#define PROXY_RANDOM_H

#include "http/emit.h"

/* Fills p with n (at most 256) random bytes of the system. */
void random_bytes(void *p, size_t n);

#define REQUEST_ID_LEN 36

/* Writes a fresh request id, "req_" and 32 hexadecimal digits, no NUL. Unique, not secret: it costs no system call. */
void random_request_id(char out[REQUEST_ID_LEN]);

#endif
