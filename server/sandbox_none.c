/* A system, or a build, without any. */
#include "server/sandbox.h"

const char *sandbox_lacks(void)
{
    return "this build has no sandbox";
}

void sandbox_bound(bool alone)
{
    (void)alone;
}

int sandbox_enter(struct sandbox *s, const struct conf *c)
{
    (void)s;
    (void)c;
    return 0;
}

bool sandbox_allows(const struct sandbox *s, const struct conf *fresh)
{
    (void)s;
    (void)fresh;
    return true;
}
