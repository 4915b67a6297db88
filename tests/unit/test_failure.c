/* The table of failures: what clients are told about trying again. */
#include "proxy/failure.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A request that has gone out may have been billed. */
static void a_servers_error_forbids_to_retry_what_went_out(void **state)
{
    (void)state;
    for (int f = FAIL_NONE + 1; f <= FAIL_INTERNAL; f++) {
        bool servers = failure_info((enum failure)f)->status >= 500;
        const char *fields = failure_fields((enum failure)f, true);

        if (servers)
            assert_string_equal(fields, "x-should-retry: false\r\n");
        else
            assert_string_equal(fields, failure_fields((enum failure)f, false));
    }
}

static void what_did_not_go_out_may_be_sent_again(void **state)
{
    static const enum failure again[] = { FAIL_DNS,   FAIL_CONNECT,      FAIL_TLS,
                                          FAIL_PROXY, FAIL_DIAL_TIMEOUT, FAIL_OVERLOADED };

    (void)state;
    for (size_t i = 0; i < sizeof again / sizeof *again; i++)
        assert_non_null(strstr(failure_fields(again[i], false), "x-should-retry: true\r\n"));
}

static void each_status_of_the_parser_is_passed_on(void **state)
{
    static const int statuses[] = { 400, 408, 413, 414, 417, 431, 501, 505 };

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        assert_int_equal(failure_info(failure_of_status(statuses[i]))->status, statuses[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_servers_error_forbids_to_retry_what_went_out),
        cmocka_unit_test(what_did_not_go_out_may_be_sent_again),
        cmocka_unit_test(each_status_of_the_parser_is_passed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
