/* Certificates in a text (RFC 7468, 5): where each is, and its bytes. Everything between them is
 * passed over, as bundles explain themselves there. */
#ifndef BASE_PEM_H
#define BASE_PEM_H

#include "base/span.h"

#include <sys/types.h>

/* The most bytes that a text of n characters holds. */
#define PEM_SIZE(n) ((n) / 4 * 3)

/* Takes the next certificate of a text off *rest. Returns false if there is none. *inside gets what
 * is between its lines, for pem_decode; NULL if its end is missing or another one begins before. */
bool pem_next(struct span *rest, struct span *inside);

/* Writes the bytes of what pem_next found to to, which has room for PEM_SIZE(inside.n). Blanks and
 * ends of lines may be anywhere. Returns how many bytes there are, or -EINVAL: something else is
 * between the digits, or they are not all there. */
ssize_t pem_decode(struct span inside, unsigned char *to);

#endif
