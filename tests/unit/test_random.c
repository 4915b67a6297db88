/* Random numbers where the kernel gives none, or not yet: getrandom(2) is replaced. */
#include "base/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <cmocka.h>

#ifdef __linux__
#include <sys/random.h>

/* What the call does: fails with that errno, or fills everything with 7 where it is 0. */
static int mode;
static unsigned calls, waiting_calls;

ssize_t getrandom(void *p, size_t n, unsigned flags)
{
    calls++;
    waiting_calls += !(flags & GRND_NONBLOCK);
    if (mode) {
        errno = mode;
        return -1;
    }
    memset(p, 7, n);
    return (ssize_t)n;
}

static unsigned count(const unsigned char *p, size_t n, unsigned char c)
{
    unsigned found = 0;

    while (n-- > 0)
        found += p[n] == c;
    return found;
}

static void the_kernel_is_asked_first(void **state)
{
    unsigned char p[1000] = { 0 };

    (void)state;
    mode = 0;
    calls = 0;
    assert_int_equal(random_bytes(p, sizeof p - 1), 0);
    assert_int_equal(count(p, sizeof p, 7), sizeof p - 1);
    assert_int_equal(p[sizeof p - 1], 0);
    assert_int_equal(calls, 4); /* at most 256 bytes at once, which are never cut short */
}

/* An old kernel, or one whose pool is not full: nothing waits. */
static void the_device_is_asked_next(void **state)
{
    static const int errors[] = { ENOSYS, EAGAIN };

    (void)state;
    waiting_calls = 0;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        unsigned char p[600] = { 0 }, q[600] = { 0 };

        mode = errors[i];
        assert_int_equal(random_bytes(p, sizeof p), 0);
        assert_int_equal(random_bytes(q, sizeof q), 0);
        assert_true(count(p, sizeof p, 0) < 30);
        assert_memory_not_equal(p, q, sizeof p);
    }
    assert_int_equal(waiting_calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_is_asked_first),
        cmocka_unit_test(the_device_is_asked_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    return 0; /* other systems have getentropy, which never fails */
}
#endif
