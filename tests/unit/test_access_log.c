/* The access line: what it says, and what it never says. */
#include "proxy/access_log.h"
#include "proxy/state.h"
#include "proxy_text.h"

#include <unistd.h>

#define KEYS "[key alice]\nkey = front-key-1\nupstream_key = sk-real-secret-1\n"

static struct worker *w;
static struct client *c;
static char path[] = "/tmp/ocp-access-XXXXXX";

/* A client whose exchange is about to end, and a log in a file of its own. */
static void begin(const char *log_section)
{
    char ini[512];

    snprintf(ini, sizeof ini, KEYS "[log]\nfile = %s\n%s", path, log_section);
    assert_int_equal(truncate(path, 0), 0);
    w = calloc(1, sizeof *w);
    c = calloc(1, sizeof *c);
    assert_non_null(w);
    assert_non_null(c);
    assert_int_equal(reactor_make(&w->reactor), 0);
    w->settings = settings_of(ini);
    assert_int_equal(log_open(&w->log, w->settings->conf, stderr), 0);
    c->worker = w;
    c->x.settings = w->settings;
    c->x.started = reactor_now(w->reactor);
    assert_true(addr_parse(&c->x.from, SPAN("192.0.2.9")));
}

static void method_and_path(const char *method, const char *p)
{
    struct exchange *x = &c->x;

    x->method_n = access_keep(x, x->method, sizeof x->method, span_of(method));
    x->path_n = access_keep(x, x->path, sizeof x->path, span_of(p));
}

/* Writes the line and gives it from the client on, without its end; all is freed. */
static const char *end(void)
{
    static char line[4096];
    FILE *f;
    size_t n;
    char *start;

    access_log(c);
    log_close(w->log);
    settings_release(w->settings, NULL);
    reactor_free(w->reactor);
    free(c);
    free(w);
    f = fopen(path, "r");
    assert_non_null(f);
    n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    if (n == 0)
        return line;
    assert_ptr_equal(strchr(line, '\n'), line + n - 1);
    line[n - 1] = '\0';
    start = strstr(line, "client");
    assert_non_null(start);
    return start;
}

static void everything_has_its_place(void **state)
{
    struct exchange *x;

    (void)state;
    begin("");
    x = &c->x;
    method_and_path("POST", "/v1/chat/completions");
    x->key = &w->settings->conf->keys[0];
    x->kind.status = 200;
    x->bytes_in = 123;
    x->bytes_out = 45678901234;
    x->attempt.started = x->started;
    x->attempt.connected = x->started + 7;
    x->first = 31 + 1;
    x->id_n = access_keep(x, x->id, sizeof x->id, SPAN("req-1"));
    x->client_id_n = access_keep(x, x->client_id, sizeof x->client_id, SPAN("mine"));
    assert_string_equal(end(),
                        "client=192.0.2.9 key=alice method=POST path=/v1/chat/completions "
                        "status=200 in=123 out=45678901234 connect_ms=7 first_byte_ms=31 "
                        "total_ms=0 request_id=req-1 client_request_id=mine end=complete");
}

static void what_never_came_is_a_dash(void **state)
{
    (void)state;
    begin("");
    method_and_path("GET", "/healthz");
    c->x.kind.status = 200;
    assert_string_equal(end(),
                        "client=192.0.2.9 key=- method=GET path=/healthz status=200 in=0 "
                        "out=0 connect_ms=- first_byte_ms=- total_ms=0 request_id=- "
                        "client_request_id=- end=complete");
}

static void json_has_the_same_fields(void **state)
{
    const char *line;

    (void)state;
    begin("format = json\n");
    method_and_path("POST", "/a\"b");
    exchange_ends_as(&c->x, END_TIMEOUT);
    line = end();
    assert_non_null(strstr(line, "\"path\":\"/a\\\"b\""));
    assert_non_null(strstr(line, "\"connect_ms\":null,\"first_byte_ms\":null,\"total_ms\":0"));
    assert_non_null(strstr(line, "\"end\":\"timeout\"}"));
}

static void each_ending_has_its_word(void **state)
{
    static const char *const words[] = { "complete", "client_gone", "upstream_lost", "timeout" };
    char expected[32];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const char *line;

        begin("");
        exchange_ends_as(&c->x, (enum ending)i);
        line = end();
        snprintf(expected, sizeof expected, " end=%s", words[i]);
        assert_string_equal(line + strlen(line) - strlen(expected), expected);
    }
}

static void nothing_is_written_above_its_level(void **state)
{
    (void)state;
    begin("level = warning\n");
    assert_string_equal(end(), "");
}

/* Neither a line of its own nor the terminal can be reached from outside. */
static void bytes_of_others_are_escaped(void **state)
{
    const char *line;

    (void)state;
    begin("");
    method_and_path("POST", "/a b\r\nc\x1b[2J\xff");
    line = end();
    assert_null(strpbrk(line, "\r\n\x1b\xff"));
    assert_non_null(strstr(line, " path=/a\\x20b\\x0d\\x0ac\\x1b[2J\\xff "));
}

static void a_secret_is_masked(void **state)
{
    const char *line;

    (void)state;
    begin("");
    method_and_path("POST", "/sk-real-secret-1/x/front-key-1");
    line = end();
    assert_non_null(strstr(line, " path=/***/x/*** "));
}

/* A part of a secret would no longer be known for one when the line is written. */
static void a_secret_that_would_be_cut_is_masked_before(void **state)
{
    static const char secret[] = "sk-real-secret-1";
    char text[256];

    (void)state;
    for (size_t before = 0; before < LOGGED_PATH_MAX + 4; before++) {
        char kept[LOGGED_PATH_MAX];
        size_t n, masked;

        begin("");
        memset(text, '.', sizeof text);
        memcpy(text + before, secret, strlen(secret));
        n = access_keep(&c->x, kept, sizeof kept, (struct span){ text, 200 });
        masked = before + 3 < LOGGED_PATH_MAX ? before + 3 : LOGGED_PATH_MAX;
        assert_int_equal(n, LOGGED_PATH_MAX);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(kept[i], i >= before && i < masked ? '*' : '.');
        end();
    }
}

static int make_file(void **state)
{
    int fd = mkstemp(path);

    clean_setup(state);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_has_its_place),
        cmocka_unit_test(what_never_came_is_a_dash),
        cmocka_unit_test(json_has_the_same_fields),
        cmocka_unit_test(each_ending_has_its_word),
        cmocka_unit_test(nothing_is_written_above_its_level),
        cmocka_unit_test(bytes_of_others_are_escaped),
        cmocka_unit_test(a_secret_is_masked),
        cmocka_unit_test(a_secret_that_would_be_cut_is_masked_before),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
