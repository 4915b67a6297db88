/* Request ids. */
#ifndef PROXY_RANDOM_H
#define PROXY_RANDOM_H

#include "base/out.h"

#define REQUEST_ID_LEN 36

/* Writes a fresh request id, "req_" and 32 hexadecimal digits, no NUL. Unique, not secret: it costs
 * no system call. */
void random_request_id(char out[REQUEST_ID_LEN]);

#endif
