/* pledge(2) and unveil(2). What is not promised fails with ENOSYS and does not end the process:
 * libraries change. */
#include "server/sandbox.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <unistd.h>

const char *sandbox_lacks(void)
{
    return NULL;
}

/* There are no capabilities. */
void sandbox_bound(bool alone)
{
    (void)alone;
}

static int unveil_folder(const char *path)
{
    char copy[PATH_MAX];

    if (strlen(path) >= sizeof copy)
        return -ENAMETOOLONG;
    memcpy(copy, path, strlen(path) + 1);
    return unveil(dirname(copy), "rwc") ? -errno : 0;
}

/* Everything may be read, and what c names be written, and what a reload may name besides. */
static int unveil_all(const struct conf *c)
{
    static const char *const folders[] = { "/var", "/tmp", "/home", "/root", "/srv", "/mnt" };
    int err = unveil("/", "r") ? -errno : 0;

    for (size_t i = 0; i < sizeof folders / sizeof *folders && !err; i++)
        if (unveil(folders[i], "rwc") && errno != ENOENT)
            err = -errno;
    if (!err && unveil("/dev/null", "rw"))
        err = -errno;
    if (!err && strchr(c->log.file, '/'))
        err = unveil_folder(c->log.file);
    for (unsigned i = 0; i < c->server.n_listen && !err; i++)
        if (c->server.listen[i].is_unix)
            err = unveil_folder(c->server.listen[i].host);
    return err;
}

/* A worker opens no file but those that "dns" is for, so it needs no unveil. */
int sandbox_enter(struct sandbox *s, const struct conf *c)
{
    const char *promises = s->alone ? "error stdio rpath wpath cpath fattr inet unix dns"
                                    : "error stdio inet unix dns recvfd";
    int err = s->alone ? unveil_all(c) : 0;

    return pledge(promises, NULL) ? -errno : err;
}

bool sandbox_allows(const struct sandbox *s, const struct conf *fresh)
{
    (void)s;
    (void)fresh;
    return true;
}
