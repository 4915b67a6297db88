// Whole exchanges: the real proxy/, upstream/, http/, sse/ and json/ between clients and upstreams
// that the input plays, over the kernel of exchange/kernel.cc. The input decides the configuration,
// every byte that peers send and how they are cut, stalls, errors, ends and the time. What is
// checked stands in exchange/judge.cc: every upstream gets one unambiguous request that is what the
// manual pages make of the client's; no key goes astray; no response looks complete that is not;
// nothing is sent twice that may have been acted on. Where nothing was disturbed, another way of
// cutting gives the same outcome. After each run the memory is as it was.
#include "tests/fuzz/exchange/judge.h"

#include <cstdio>
#include <cstdlib>
#include <random>

extern "C" {
__attribute__((weak)) int
__sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t),
                                          void (*free_hook)(const volatile void *));
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);
int LLVMFuzzerInitialize(int *, char ***);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);
}

static long blocks;

static void on_malloc(const volatile void *, size_t)
{
    blocks++;
}

static void on_free(const volatile void *p)
{
    blocks -= p != nullptr;
}

static std::string play_once(const script::play &p, bool calm, bool *disturbed)
{
    world::story s = world::run(p, calm);

    judge::check(s);
    *disturbed = s.disturbed || s.stopped || s.clients.size() > 1;
    return *disturbed ? "" : judge::summary(s);
}

static void play(const uint8_t *data, size_t n)
{
    script::play p = script::read(data, n);
    bool disturbed, calm_disturbed;
    std::string one = play_once(p, false, &disturbed), other;

    if (disturbed || p.moves.empty())
        return;
    other = play_once(p, true, &calm_disturbed);
    if (!calm_disturbed && one != other) {
        fprintf(stderr, "as the input cuts it:\n%.4000s\n\nin one piece:\n%.4000s\n", one.c_str(),
                other.c_str());
        world::fail("the outcome depends on how the bytes were cut");
    }
}

int LLVMFuzzerInitialize(int *, char ***)
{
    static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY",
                                         "all_proxy",   "ALL_PROXY",   "no_proxy",   "NO_PROXY" };

    for (const char *name : names)
        unsetenv(name);
    if (__sanitizer_install_malloc_and_free_hooks)
        __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    return 0;
}

// Bytes that have a place of their own keep it. An input without them gets some at random, which
// always mean something: this stands for a corpus.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
    std::minstd_rand random(seed);

    if (max <= script::fixed)
        return LLVMFuzzerMutate(data, n, max);
    while (n < script::fixed)
        data[n++] = (uint8_t)(random() >> 8);
    if (random() % 2)
        return script::fixed +
            LLVMFuzzerMutate(data + script::fixed, n - script::fixed, max - script::fixed);
    for (unsigned i = 1 + random() % 4; i > 0; i--) {
        uint8_t &byte = data[random() % script::fixed];

        byte = random() % 2 ? (uint8_t)(random() >> 8) : (uint8_t)(byte ^ 1 << random() % 8);
    }
    return n;
}

// How many blocks more there are after the play than before.
static long grown_by(const uint8_t *data, size_t n)
{
    long before = blocks;

    play(data, n);
    kernel::begin();
    return blocks - before;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    long grown = grown_by(data, n);

    // The C library keeps some that it makes once.
    if (grown != 0 && grown_by(data, n) != 0) {
        fprintf(stderr, "%ld blocks more\n", grown);
        if (__lsan_do_recoverable_leak_check)
            __lsan_do_recoverable_leak_check(); // tells where they come from
        world::fail("memory is not back where it was");
    }
    return 0;
}

// Backtraces of each allocation, and memory that stays unused for long, cost more than exchanges.
extern "C" const char *__asan_default_options(void)
{
    return "malloc_context_size=2:quarantine_size_mb=4";
}
