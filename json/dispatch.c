/* Chooses the fastest of the kernels that were compiled in and that the machine has the
 * instructions for. */
#include "json/kernel.h"

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool have_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") &&
        __builtin_cpu_supports("pclmul");
}

static bool have_avx512(void)
{
    return have_avx2() && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
}
#endif

static const struct {
    const struct json_kernel *kernel;
    bool (*have)(void);
} kernels[] = {
    { &json_kernel_portable, always },
#if defined(__x86_64__)
    { &json_kernel_sse2, always },
    { &json_kernel_avx2, have_avx2 },
    { &json_kernel_avx512, have_avx512 },
#elif defined(__AARCH64EL__)
    { &json_kernel_neon, always },
#endif
};

const struct json_kernel *json_kernel_nth(unsigned i)
{
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
        if (kernels[k].have() && i-- == 0)
            return kernels[k].kernel;
    return NULL;
}

static const struct json_kernel *find_best(void)
{
    const struct json_kernel *best = &json_kernel_portable;

    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
        if (kernels[k].have())
            best = kernels[k].kernel;
    return best;
}

const struct json_kernel *json_kernel_best(void)
{
    static const struct json_kernel *best; /* the same whoever finds it */

    if (!best)
        best = find_best();
    return best;
}
