/* Counters of 32-bit words, as machines without wider ones have them: no reader sees half of a
 * carry. */
#define COUNTER_OF_WORDS
#include "base/counter.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>

#define READS 1000000

static struct counter counter;
static atomic_bool stop;
static uint64_t steps;

static void *count(void *step)
{
    for (steps = 0; !atomic_load_explicit(&stop, memory_order_relaxed); steps++)
        counter_add(&counter, *(const uint64_t *)step);
    return NULL;
}

/* Reads while another thread counts. halves: both words of the number are always the same. */
static void read_while(uint64_t step, bool halves)
{
    uint64_t last = 0;
    pthread_t thread;

    counter = (struct counter){ 0 };
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&thread, NULL, count, &step), 0);
    for (unsigned i = 0; i < READS; i++) {
        uint64_t n = counter_read(&counter);

        if (n < last || n % step != 0 || (halves && n >> 32 != (uint32_t)n))
            fail_msg("%llx after %llx", (unsigned long long)n, (unsigned long long)last);
        last = n;
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_true(counter_read(&counter) == steps * step);
}

static void test_both_words_change_together(void **state)
{
    (void)state;
    read_while(0x100000001u, true);
}

static void test_carries(void **state)
{
    (void)state;
    read_while(0x80000001u, false);
    read_while(0xfffffffbu, false);
    read_while(3, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_words_change_together),
        cmocka_unit_test(test_carries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
