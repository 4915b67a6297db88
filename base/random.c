/* getrandom(2) or getentropy(3), and /dev/urandom after it. */
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#if defined(__linux__) || defined(__APPLE__)
#include <sys/random.h>
#endif

#define AT_ONCE 256 /* so much is never cut short, by a signal or by getentropy */

/* Returns 0 or a negative errno. flags: of getrandom. */
static int from_kernel(unsigned char *p, size_t n, unsigned flags)
{
#ifdef __linux__
    ssize_t got;

    do
        got = getrandom(p, n, flags);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)n ? 0 : -errno;
#else
    (void)flags;
    return getentropy(p, n) ? -errno : 0;
#endif
}

static int from_device(unsigned char *p, size_t n)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    int err = fd < 0 ? -errno : 0;

    while (!err && n > 0) {
        ssize_t got = read(fd, p, n);

        if (got > 0) {
            p += got;
            n -= (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            err = got == 0 ? -EIO : -errno;
        }
    }
    if (fd >= 0)
        close(fd);
    return err;
}

/* Where the pool is not full and there is no device either, waiting is all that is left. */
static int fill(unsigned char *p, size_t n)
{
#ifdef GRND_NONBLOCK
    int err = from_kernel(p, n, GRND_NONBLOCK);
#else
    int err = from_kernel(p, n, 0);
#endif

    if (err && from_device(p, n) == 0)
        return 0;
    return err == -EAGAIN ? from_kernel(p, n, 0) : err;
}

int random_bytes(void *p, size_t n)
{
    unsigned char *at = p;
    int err = 0;

    for (size_t now; n > 0 && !err; at += now, n -= now) {
        now = n < AT_ONCE ? n : AT_ONCE;
        err = fill(at, now);
    }
    return err;
}
