/* How limits are told. */
#include "proxy/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void times_are_written_as_openai_does(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {
        { 0, "0s" },
        { 1, "1ms" },
        { 20, "20ms" },
        { 999, "999ms" },
        { 1000, "1s" },
        { 1500, "1.5s" },
        { 8640, "8.64s" },
        { 10007, "10.007s" },
        { 59999, "59.999s" },
        { 60000, "1m0s" },
        { 86400, "1m26.4s" },
        { 360000, "6m0s" },
        { 3599999, "59m59.999s" },
        { 3600000, "1h0m0s" },
        { 86399000, "23h59m59s" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        struct out o;

        out_init(&o, text, sizeof text);
        limits_put_time(&o, cases[i].ms);
        assert_true(span_eq(out_span(&o), span_of(cases[i].text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_as_openai_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
