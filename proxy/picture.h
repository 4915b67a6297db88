/* A snapshot as JSON in one line, for who looks at the program: docs/status.md names its members.
 * It knows no client; sending is proxy/watch.h. */
#ifndef PROXY_PICTURE_H
#define PROXY_PICTURE_H

#include "base/out.h"
#include "proxy/snapshot.h"

#define PICTURE_UPSTREAMS 30 /* so many are shown, the first of the file */

/* Appends the picture of s, which was taken of t, to o: at most 40 KB. */
void picture_put(const struct snapshot *s, const struct tallies *t, bool draining, struct out *o);

#endif
