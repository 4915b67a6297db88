/* A frame that lies where the others were. */
#include "base/stack.h"
#include "base/span.h"

__attribute__((noinline)) void stack_wipe(void)
{
    char frames[16 * 1024];

    wipe(frames, sizeof frames);
}
