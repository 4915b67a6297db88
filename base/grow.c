/* A copy, as realloc would leave the old bytes behind. */
#include "base/grow.h"
#include "base/span.h"

#include <stdlib.h>

void *grow_wiped(void *old, size_t have, size_t room)
{
    void *fresh = malloc(room);

    if (old) {
        if (fresh)
            memcpy(fresh, old, have);
        wipe(old, have);
        free(old);
    }
    return fresh;
}
