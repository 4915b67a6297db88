/* Memory that moves and leaves no copy of what it held. */
#ifndef BASE_GROW_H
#define BASE_GROW_H

#include <stddef.h>

/* Moves the first have bytes of old, from malloc or NULL, into room bytes of fresh memory, and
 * wipes and frees old. Returns the fresh memory, to be freed by the caller, or NULL without memory:
 * old is gone then, too. */
void *grow_wiped(void *old, size_t have, size_t room);

#endif
