/* Which certificates are for the name that a client asks for. What becomes of a name that none has,
 * or of none, tests/blackbox/test_client_tls.py asks a server. */
#include "net/tls_inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void names_match_whatever_their_case(void **state)
{
    static const struct {
        const char *pattern, *host;
        bool matches;
    } cases[] = {
        { "example.org", "example.org", true },
        { "example.org", "EXAMPLE.Org", true },
        { "EXAMPLE.ORG", "example.org", true },
        { "example.org", "example.or", false },
        { "example.org", "example.orgs", false },
        { "example.org", "www.example.org", false },
        { "example.org", "", false },
        { "", "", false },
        { "", "example.org", false },
        /* a wildcard is the whole first label, and stands for one label (RFC 6125, 6.4.3) */
        { "*.example.org", "www.example.org", true },
        { "*.Example.org", "WWW.example.ORG", true },
        { "*.example.org", "example.org", false },
        { "*.example.org", ".example.org", false },
        { "*.example.org", "a.b.example.org", false },
        { "*.example.org", "www.example.com", false },
        { "*.example.org", "www", false },
        { "*", "www", false },
        { "w*.example.org", "www.example.org", false },
        { "*.*.org", "www.example.org", false },
        { "www.*.org", "www.example.org", false },
        { "*.example.org", "*.example.org", true },
        { "xn--bcher-kva.example", "XN--BCHER-KVA.example", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (tls_name_matches(span_of(cases[i].pattern), span_of(cases[i].host)) != cases[i].matches)
            fail_msg("%s for %s", cases[i].pattern, cases[i].host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_match_whatever_their_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
