/* The ceiling that -T prints: it follows every limit, and what is really taken stays below it. */
#include "tests/unit/proxy_text.h"

#include "net/inbuf.h"
#include "net/outq.h"
#include "proxy/ceiling.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* Bytes that the C library has handed out; 0 where it does not tell, as under a sanitizer. */
static size_t handed_out(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
#else
    return 0;
#endif
}

static struct ceiling ceiling_for(const char *ini)
{
    struct loaded l = load_text(ini);
    struct files *files;
    struct ceiling m;

    if (l.err != 0)
        fail_msg("%s", l.errors);
    assert_int_equal(files_make(&files), 0);
    ceiling_of(&m, l.c, files);
    files_free(files);
    loaded_free(&l);
    return m;
}

#define PLAIN "[upstream]\nbase_url = http://127.0.0.1:9\n"
#define SECOND PLAIN "[upstream b]\nbase_url = http://127.0.0.1:9\nmodels = x\n"

/* Each line of a configuration, and the same with a limit that lets more be taken. */
static const char *const pairs[][2] = {
    { PLAIN, "[server]\nmax_connections = 10001\n" PLAIN },
    { PLAIN, "[server]\nmax_header_size = 60k\n" PLAIN },
    { PLAIN, PLAIN "connection_limit = 1001\n" },
    { PLAIN, "[upstream]\nbase_url = https://127.0.0.1:9\ntls_verify = no\n" },
    { PLAIN "proxy = http://127.0.0.1:8\n",
      PLAIN "proxy = https://127.0.0.1:8\ntls_verify = no\n" },
    { PLAIN, PLAIN "api_key = one, two\n[access]\nip_whitelist = 127.0.0.1\n" },
    { SECOND, "[server]\nbuffer_memory = 17M\n" SECOND },
    { PLAIN, SECOND },
    { PLAIN, PLAIN "[field_aliases]\na = b\n" },
    { PLAIN, PLAIN "[defaults]\na = 1\n" },
    { PLAIN, PLAIN "[log]\nlog_requests = yes\n" },
    { PLAIN "[log]\nlog_requests = yes\n",
      PLAIN "[log]\nlog_requests = yes\nlog_responses = yes\n" },
    { PLAIN "[log]\nlog_requests = yes\n", PLAIN "[log]\nlog_requests = yes\nbody_limit = 1M\n" },
    { PLAIN, PLAIN "[api_keys]\nfront = real\n" },
};

static void it_follows_every_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct ceiling less = ceiling_for(pairs[i][0]), more = ceiling_for(pairs[i][1]);

        if (more.total <= less.total)
            fail_msg("%s\nmay take no more than\n%s", pairs[i][1], pairs[i][0]);
    }
}

static void it_counts_each_client_and_connection(void **state)
{
    struct ceiling a = ceiling_for("[server]\nmax_connections = 1000\n" PLAIN),
                   b = ceiling_for("[server]\nmax_connections = 2000\n" PLAIN);

    (void)state;
    assert_int_equal(a.n_clients, 1128);
    assert_int_equal(a.n_upstream, 1000);
    assert_int_equal(b.n_clients, 2128);
    assert_int_equal(b.n_upstream, 1000);
    assert_int_equal((b.total - a.total) / 1000, a.client + a.client / 4);
}

static void a_client_may_have_two_upstream_connections(void **state)
{
    struct ceiling m =
        ceiling_for("[server]\nmax_connections = 72\n" SECOND "fallback = default\n");

    (void)state;
    assert_int_equal(m.n_clients, 200);
    assert_int_equal(m.n_upstream, 400);
}

/* 2,000 clients' keys of which each gets one of the upstream's, of n bytes. */
static char *many_keys(int n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    fputs(PLAIN "[api_keys]\n", f);
    for (int i = 0; i < 2000; i++)
        fprintf(f, "front%0*d = real%0*d\n", n, i, n, i);
    fclose(f);
    return text;
}

static void settings_stay_below_it(void **state)
{
    (void)state;
    for (int n = 4; n <= 1024; n *= 16) {
        char *text = many_keys(n);
        struct ceiling m = ceiling_for(text);
        size_t before = handed_out(), taken;
        struct settings *s = settings_of(text);

        taken = handed_out() - before;
        settings_release(s, NULL);
        free(text);
        if (before == 0)
            skip();
        print_message("2000 keys of %d bytes: %zu bytes, ceiling %llu\n", n, taken,
                      (unsigned long long)m.settings);
        assert_true(taken <= m.settings);
        assert_true(taken >= m.settings / 8);
    }
}

static void input_stays_below_its_share(void **state)
{
    static const char bytes[70000];

    (void)state;
    for (size_t n = 1; n < sizeof bytes; n = n * 3 / 2 + 1) {
        struct inbuf b = { 0 };

        assert_int_equal(inbuf_put(&b, (struct span){ bytes, n }), 0);
        assert_int_equal(b.cap, inbuf_memory(n));
        inbuf_clear(&b);
    }
}

/* Whatever the pieces are that it comes in. */
static void output_stays_below_its_share(void **state)
{
    static const char bytes[70000];
    size_t start = handed_out();

    (void)state;
    if (start == 0)
        skip();
    for (size_t piece = 1; piece < sizeof bytes; piece = piece * 7 + 1) {
        struct blocks pool = { 0 };
        struct outq q = { 0 };
        size_t before = handed_out(), taken;

        for (size_t n = 0; n < sizeof bytes; n += piece)
            assert_int_equal(outq_put(&q, &pool, (struct span){ bytes, piece }), 0);
        taken = handed_out() - before;
        assert_true(taken <= outq_memory(q.bytes) + outq_memory(q.bytes) / 64);
        assert_true(taken >= q.bytes);
        outq_clear(&q, &pool);
        blocks_free(&pool);
    }
}

static void it_is_printed_as_comments(void **state)
{
    struct ceiling m = ceiling_for(SECOND);
    char *text = NULL, *line, *rest;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    unsigned long long mib = 0;

    (void)state;
    ceiling_print(&m, f);
    fclose(f);
    assert_int_equal(sscanf(text, "\n; memory: at most %llu MiB for each worker", &mib), 1);
    assert_int_equal(mib, (m.total + (1 << 20) - 1) >> 20);
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        assert_int_equal(line[0], ';');
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_follows_every_limit, clean_setup),
        cmocka_unit_test_setup(it_counts_each_client_and_connection, clean_setup),
        cmocka_unit_test_setup(a_client_may_have_two_upstream_connections, clean_setup),
        cmocka_unit_test_setup(settings_stay_below_it, clean_setup),
        cmocka_unit_test(input_stays_below_its_share),
        cmocka_unit_test(output_stays_below_its_share),
        cmocka_unit_test_setup(it_is_printed_as_comments, clean_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
