/* net/tls against the library's own server, in one process over two pipes in memory, so that every
 * split, stall and cut can be made on purpose. tests/blackbox/test_tls.py has real servers and
 * faulty certificates. */
#include "net/tls.h"
#include "base/files.h"

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PIPE_SIZE (1 << 20)
#define BIG 300000

struct pipe {
    unsigned char bytes[PIPE_SIZE];
    size_t start, end;
    bool closed;
};

/* The stream below the one that is tested. */
struct below {
    struct stream stream;
    struct pipe *in, *out;
    size_t read_most; /* at once */
    size_t takes;     /* how many bytes it takes before it stalls */
    unsigned reads, empty_reads, writes, closes;
    unsigned want;
    struct watch watch;
};

struct side {
    struct pipe up, down;
    struct below below;
    struct stream *tls;
    mbedtls_ssl_context server;
    bool server_open;
};

static mbedtls_ssl_config server_config;
static mbedtls_x509_crt server_cert;
static mbedtls_pk_context ca_key, server_key;
static struct tls_context *context;
static struct files *files;
static char ca_path[] = "/tmp/test_tls_XXXXXX";

static struct below *below_of(const struct stream *s)
{
    return container_of(s, struct below, stream);
}

static bool below_pending(const struct stream *s)
{
    struct pipe *p = below_of(s)->in;

    return p->end > p->start || p->closed;
}

static size_t pipe_get(struct pipe *p, void *to, size_t n)
{
    if (n > p->end - p->start)
        n = p->end - p->start;
    memcpy(to, p->bytes + p->start, n);
    p->start += n;
    if (p->start == p->end)
        p->start = p->end = 0;
    return n;
}

static size_t pipe_put(struct pipe *p, const void *from, size_t n)
{
    if (n > PIPE_SIZE - p->end)
        n = PIPE_SIZE - p->end;
    memcpy(p->bytes + p->end, from, n);
    p->end += n;
    return n;
}

static ssize_t below_read(struct stream *s, void *buf, size_t n)
{
    struct below *b = below_of(s);

    b->reads++;
    if (b->in->end == b->in->start) {
        b->empty_reads++;
        return b->in->closed ? 0 : -EAGAIN;
    }
    return (ssize_t)pipe_get(b->in, buf, n < b->read_most ? n : b->read_most);
}

static ssize_t below_write(struct stream *s, const struct iovec *iov, int n)
{
    struct below *b = below_of(s);
    size_t put = 0;

    b->writes++;
    for (int i = 0; i < n; i++) {
        size_t now = iov[i].iov_len < b->takes ? iov[i].iov_len : b->takes;

        now = pipe_put(b->out, iov[i].iov_base, now);
        b->takes -= now;
        put += now;
    }
    return put > 0 ? (ssize_t)put : -EAGAIN;
}

static int below_open(struct stream *s)
{
    (void)s;
    return 0;
}

static void below_want(struct stream *s, unsigned mask)
{
    below_of(s)->want = mask;
}

static void below_close(struct stream *s)
{
    below_of(s)->closes++;
}

static const struct stream_ops below_ops = {
    .open = below_open,
    .read = below_read,
    .pending = below_pending,
    .write = below_write,
    .want = below_want,
    .close = below_close,
};

static int weak_random(void *unused, unsigned char *to, size_t n)
{
    (void)unused;
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)rand();
    return 0;
}

static int server_send(void *arg, const unsigned char *from, size_t n)
{
    size_t put = pipe_put(arg ? &((struct side *)arg)->down : NULL, from, n);

    return put > 0 ? (int)put : MBEDTLS_ERR_SSL_WANT_WRITE;
}

static int server_receive(void *arg, unsigned char *to, size_t n)
{
    size_t got = pipe_get(&((struct side *)arg)->up, to, n);

    return got > 0 ? (int)got : MBEDTLS_ERR_SSL_WANT_READ;
}

static struct side *make_side(const char *host)
{
    struct side *s = calloc(1, sizeof *s);

    s->below = (struct below){ .stream.ops = &below_ops,
                               .in = &s->down,
                               .out = &s->up,
                               .read_most = SIZE_MAX,
                               .takes = SIZE_MAX };
    assert_int_equal(tls_stream_make(&s->tls, context, &s->below.stream, &s->below.watch, host), 0);
    mbedtls_ssl_init(&s->server);
    assert_int_equal(mbedtls_ssl_setup(&s->server, &server_config), 0);
    mbedtls_ssl_set_bio(&s->server, s, server_send, server_receive, NULL);
    return s;
}

static void free_side(struct side *s)
{
    unsigned before = s->below.closes;

    stream_close(s->tls);
    assert_int_equal(s->below.closes, before + 1);
    mbedtls_ssl_free(&s->server);
    free(s);
}

/* One step on each side. Returns the result of open. */
static int step(struct side *s)
{
    int err = stream_open(s->tls);

    if (err == -EAGAIN)
        stream_want(s->tls, READY_READ | READY_WRITE);
    if (!s->server_open)
        s->server_open = mbedtls_ssl_handshake(&s->server) == 0;
    return err;
}

static int open_side(struct side *s)
{
    int err = -EAGAIN;

    for (int i = 0; i < 20000 && (err == -EAGAIN || (err == 0 && !s->server_open)); i++)
        err = step(s);
    return err;
}

static struct side *opened_side(void)
{
    struct side *s = make_side("test.example");
    char byte;

    assert_int_equal(open_side(s), 0);
    assert_int_equal(stream_read(s->tls, &byte, 1), -EAGAIN); /* tickets */
    return s;
}

static void server_say(struct side *s, const void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        int put = mbedtls_ssl_write(&s->server, (const unsigned char *)p + at, n - at);

        assert_true(put > 0);
        at += (size_t)put;
    }
}

/* Reads all that the server can read now; *records counts the reads. */
static size_t server_hear(struct side *s, unsigned char *to, size_t n, unsigned *records)
{
    size_t got = 0;
    int r;

    *records = 0;
    while (got < n && (r = mbedtls_ssl_read(&s->server, to + got, n - got)) > 0) {
        got += (size_t)r;
        ++*records;
    }
    return got;
}

static unsigned char *pattern(size_t n)
{
    unsigned char *p = malloc(n);

    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(i * 7 + i / 251);
    return p;
}

static void a_request_and_its_answer_take_one_call_each(void **state)
{
    struct side *s = opened_side();
    struct iovec iov[3] = { { "head ", 5 }, { "", 0 }, { "body", 4 } };
    unsigned char got[64];
    unsigned records;

    (void)state;
    s->below.reads = s->below.writes = s->below.empty_reads = 0;
    assert_int_equal(stream_write(s->tls, iov, 3), 9);
    assert_int_equal(s->below.writes, 1);
    assert_int_equal(server_hear(s, got, sizeof got, &records), 9);
    assert_int_equal(records, 1);
    assert_memory_equal(got, "head body", 9);
    server_say(s, "answer", 6);
    server_say(s, " and more", 9);
    assert_true(stream_pending(s->tls));
    assert_int_equal(stream_read(s->tls, got, sizeof got), 15);
    assert_memory_equal(got, "answer and more", 15);
    assert_false(stream_pending(s->tls));
    assert_int_equal(stream_read(s->tls, got, sizeof got), -EAGAIN);
    assert_int_equal(s->below.reads, 1);
    assert_int_equal(s->below.empty_reads, 0);
    free_side(s);
}

static void byte_by_byte(void **state)
{
    struct side *s = make_side("test.example");
    struct iovec iov = { "hello", 5 };
    unsigned char got[16];
    unsigned records;
    size_t n = 0;
    int err = -EAGAIN;

    (void)state;
    s->below.read_most = 1;
    for (int i = 0; i < 20000 && (err == -EAGAIN || !s->server_open); i++) {
        s->below.takes = 1;
        s->below.watch.ready = READY_WRITE;
        err = step(s);
    }
    assert_int_equal(err, 0);
    for (int i = 0; i < 1000 && n == 0; i++) {
        ssize_t put;

        s->below.takes = 1;
        put = stream_write(s->tls, &iov, 1);
        assert_true(put == -EAGAIN || put == 5);
        n = server_hear(s, got, sizeof got, &records);
        assert_true(n == 0 || n == 5);
        assert_true(put == -EAGAIN || n == 5);
    }
    assert_memory_equal(got, "hello", 5);
    server_say(s, "bye", 3);
    for (n = 0; n < 3;) {
        ssize_t r = stream_read(s->tls, got + n, sizeof got - n);

        assert_true(r > 0);
        n += (size_t)r;
    }
    assert_memory_equal(got, "bye", 3);
    free_side(s);
}

/* The owner offers untaken bytes again, in other pieces, and no byte is reported as taken before it
 * is on its way. */
static void a_big_upload_against_a_peer_that_stalls(void **state)
{
    struct side *s = opened_side();
    unsigned char *out = pattern(BIG), *in = malloc(BIG);
    size_t sent = 0, got = 0, most_ahead = 0;
    unsigned turn = 0, records;

    (void)state;
    while (got < BIG) {
        size_t cut = (turn * 977) % 5000;
        struct iovec iov[3];
        ssize_t put;

        s->below.takes = (turn * 7919) % 60000;
        if (cut > BIG - sent)
            cut = BIG - sent;
        iov[0] = (struct iovec){ out + sent, cut / 2 };
        iov[1] = (struct iovec){ out + sent + cut / 2, cut - cut / 2 };
        iov[2] = (struct iovec){ out + sent + cut, BIG - sent - cut };
        put = stream_write(s->tls, iov, 3);
        assert_true(put == -EAGAIN || put >= 0);
        if (put > 0)
            sent += (size_t)put;
        got += server_hear(s, in + got, BIG - got, &records);
        assert_true(sent <= got);
        most_ahead = got - sent > most_ahead ? got - sent : most_ahead;
        assert_true(++turn < 1000);
    }
    assert_memory_equal(in, out, BIG);
    assert_true(most_ahead < 80000);
    free(in);
    free(out);
    free_side(s);
}

static void a_big_download(void **state)
{
    struct side *s = opened_side();
    unsigned char *out = pattern(BIG), *in = malloc(BIG + 65536);
    size_t got = 0;

    (void)state;
    server_say(s, out, BIG);
    s->below.reads = 0;
    while (got < BIG) {
        ssize_t r = stream_read(s->tls, in + got, 65536);

        assert_true(r > 0);
        got += (size_t)r;
    }
    assert_memory_equal(in, out, BIG);
    assert_true(s->below.reads <= BIG / 48000 + 2);
    assert_int_equal(s->below.empty_reads, 0);
    free(in);
    free(out);
    free_side(s);
}

/* No event tells of bytes that were read ahead. The stream's pending does. */
static void small_reads_leave_nothing_behind(void **state)
{
    struct side *s = opened_side();
    unsigned char *out = pattern(50000), *in = malloc(50000);
    size_t got = 0;

    (void)state;
    server_say(s, out, 50000);
    while (got < 50000) {
        ssize_t r;

        s->below.watch.ready = 0;
        r = stream_read(s->tls, in + got, got % 3 ? 1 : 700);
        assert_true(r > 0);
        got += (size_t)r;
        if (got < 50000 && s->down.end == 0) {
            assert_true(stream_pending(s->tls));
            assert_true(s->below.watch.ready & READY_READ);
        }
    }
    assert_memory_equal(in, out, 50000);
    free(in);
    free(out);
    free_side(s);
}

static void close_notify_is_an_end_and_a_cut_is_not(void **state)
{
    char got[64];

    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct side *s = opened_side();

        server_say(s, "last words", 10);
        if (!cut)
            mbedtls_ssl_close_notify(&s->server);
        s->down.closed = true;
        assert_int_equal(stream_read(s->tls, got, sizeof got), 10);
        assert_true(stream_pending(s->tls));
        assert_int_equal(stream_read(s->tls, got, sizeof got), cut ? -EPROTO : 0);
        assert_int_equal(stream_read(s->tls, got, sizeof got), cut ? -EPROTO : 0);
        if (cut)
            assert_non_null(strstr(stream_why(s->tls), "without the close_notify"));
        free_side(s);
    }
}

static void a_changed_byte_is_noticed(void **state)
{
    struct side *s = opened_side();
    char got[64];

    (void)state;
    server_say(s, "words", 5);
    s->down.bytes[s->down.end - 3] ^= 1;
    assert_int_equal(stream_read(s->tls, got, sizeof got), -EPROTO);
    assert_int_equal(stream_read(s->tls, got, sizeof got), -EPROTO);
    free_side(s);
}

static int open_against(const char *answer, const char **why)
{
    static char text[512];
    struct side *s = make_side("test.example");
    int err = stream_open(s->tls);

    assert_int_equal(err, -EAGAIN);
    pipe_put(&s->down, answer, strlen(answer));
    s->down.closed = true;
    for (int i = 0; i < 10 && err == -EAGAIN; i++)
        err = stream_open(s->tls);
    snprintf(text, sizeof text, "%s", stream_why(s->tls) ? stream_why(s->tls) : "");
    *why = text;
    free_side(s);
    return err;
}

/* Connections share the library's record buffers in turn, also while one of them has half a record.
 */
static void connections_do_not_mix(void **state)
{
    struct side *s[6];
    unsigned char got[3000], *out = pattern(3100);

    (void)state;
    for (int i = 0; i < 6; i++)
        s[i] = opened_side();
    for (int turn = 0; turn < 60; turn++) {
        for (int i = 0; i < 6; i++) {
            size_t n = (size_t)(1 + (turn * 53 + i * 411) % 2900);
            unsigned records;

            assert_int_equal(stream_write(s[i]->tls, &(struct iovec){ out + i, n }, 1), (ssize_t)n);
            assert_int_equal(server_hear(s[i], got, n, &records), n);
            assert_memory_equal(got, out + i, n);
            server_say(s[i], out + 2 * i, n);
        }
        for (int half = 0; half < 2; half++) {
            for (int i = 0; i < 6; i++) {
                size_t n = (size_t)(1 + (turn * 53 + i * 411) % 2900);
                bool split = (turn + i) % 3 == 0;

                if (split && half == 0) {
                    unsigned char rest[4000];
                    size_t keep = s[i]->down.end / 2, left = s[i]->down.end - keep;

                    memcpy(rest, s[i]->down.bytes + keep, left);
                    s[i]->down.end = keep;
                    assert_int_equal(stream_read(s[i]->tls, got, sizeof got), -EAGAIN);
                    pipe_put(&s[i]->down, rest, left);
                } else if (split == (half == 1)) {
                    assert_int_equal(stream_read(s[i]->tls, got, sizeof got), (ssize_t)n);
                    assert_memory_equal(got, out + 2 * i, n);
                }
            }
        }
    }
    for (int i = 0; i < 6; i++)
        free_side(s[i]);
    free(out);
}

static void what_is_no_tls_is_called_so(void **state)
{
    const char *why;

    (void)state;
    assert_int_equal(open_against("HTTP/1.1 400 Bad Request\r\n\r\n", &why), -EPROTO);
    assert_non_null(strstr(why, "plain HTTP"));
    assert_int_equal(open_against("220 mail.example ESMTP\r\n", &why), -EPROTO);
    assert_non_null(strstr(why, "does not speak TLS"));
    assert_int_equal(open_against("", &why), -EPROTO);
    assert_non_null(strstr(why, "closed the connection during the handshake"));
    assert_int_equal(open_against("\x15\x03\x03\x01", &why), -EPROTO);
    assert_int_equal(open_against("\x15\x03\x03", &why), -EPROTO);
}

static void an_alert_is_put_into_words(void **state)
{
    static const unsigned char alert[] = { 21, 3, 3, 0, 2, 2, 70 };
    struct side *s = make_side("test.example");
    int err = stream_open(s->tls);

    (void)state;
    pipe_put(&s->down, alert, sizeof alert);
    for (int i = 0; i < 10 && err == -EAGAIN; i++)
        err = stream_open(s->tls);
    assert_int_equal(err, -EPROTO);
    assert_non_null(strstr(stream_why(s->tls), "TLS 1.2"));
    assert_int_equal(stream_write(s->tls, &(struct iovec){ "x", 1 }, 1), -EPROTO);
    free_side(s);
}

static void another_host_is_refused(void **state)
{
    static const char *const hosts[] = { "other.example", "test.example.evil", "192.0.2.2", "::1",
                                         "example" };

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct side *s = make_side(hosts[i]);
        unsigned char got[16];
        unsigned records;

        assert_int_equal(open_side(s), -EPROTO);
        assert_non_null(strstr(stream_why(s->tls), hosts[i]));
        assert_non_null(strstr(stream_why(s->tls), "test.example"));
        assert_int_equal(stream_write(s->tls, &(struct iovec){ "key", 3 }, 1), -EPROTO);
        assert_int_equal(server_hear(s, got, sizeof got, &records), 0);
        free_side(s);
    }
}

static void the_same_host_is_taken_however_it_is_written(void **state)
{
    static const char *const hosts[] = {
        "test.example", "TEST.example", "test.example.",
        "192.0.2.1",    "2001:db8::1",  "2001:DB8:0::1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct side *s = make_side(hosts[i]);

        assert_int_equal(open_side(s), 0);
        free_side(s);
    }
}

static void closing_is_safe_at_every_step(void **state)
{
    (void)state;
    for (int steps = 0; steps < 12; steps++) {
        struct side *s = make_side("test.example");

        s->below.takes = steps % 2 ? 100 : SIZE_MAX;
        for (int i = 0; i < steps; i++)
            step(s);
        free_side(s);
    }
}

static void want_is_what_the_handshake_needs(void **state)
{
    struct side *s = make_side("test.example");

    (void)state;
    stream_want(s->tls, READY_READ);
    assert_int_equal(s->below.want, READY_WRITE);
    s->below.takes = 10;
    assert_int_equal(stream_open(s->tls), -EAGAIN);
    stream_want(s->tls, READY_READ);
    assert_int_equal(s->below.want, READY_WRITE);
    s->below.takes = SIZE_MAX;
    assert_int_equal(stream_open(s->tls), -EAGAIN);
    stream_want(s->tls, READY_WRITE);
    assert_int_equal(s->below.want, READY_READ);
    assert_int_equal(open_side(s), 0);
    stream_want(s->tls, READY_WRITE | READY_HUP);
    assert_int_equal(s->below.want, READY_WRITE | READY_HUP);
    free_side(s);
}

static void a_context_needs_certificates(void **state)
{
    struct tls_options o = { .files = files, .ca_file = "/nonexistent/ca.pem", .verify = true };
    struct tls_context *c;
    char why[512];

    (void)state;
    assert_int_equal(tls_context_make(&c, &o, why, sizeof why), -EINVAL);
    assert_non_null(strstr(why, "ca_file /nonexistent/ca.pem"));
    o.ca_file = "/dev/null";
    assert_int_equal(tls_context_make(&c, &o, why, sizeof why), -EINVAL);
    assert_non_null(strstr(why, "/dev/null"));
    assert_null(c);
    setenv("SSL_CERT_FILE", "/nonexistent/env.pem", 1);
    o.ca_file = "";
    assert_int_equal(tls_context_make(&c, &o, why, sizeof why), -EINVAL);
    assert_non_null(strstr(why, "SSL_CERT_FILE /nonexistent/env.pem"));
    setenv("SSL_CERT_FILE", ca_path, 1);
    assert_int_equal(tls_context_make(&c, &o, why, sizeof why), 0);
    tls_context_free(c);
    o.verify = false;
    o.ca_file = "/nonexistent/ca.pem";
    assert_int_equal(tls_context_make(&c, &o, why, sizeof why), 0);
    tls_context_free(c);
    tls_context_free(NULL);
    unsetenv("SSL_CERT_FILE");
}

static void without_verification_any_host_will_do(void **state)
{
    struct tls_context *strict = context;
    struct tls_options o = { .files = files, .verify = false };
    char why[512];
    struct side *s;

    (void)state;
    assert_int_equal(tls_context_make(&context, &o, why, sizeof why), 0);
    s = make_side("other.example");
    assert_int_equal(open_side(s), 0);
    free_side(s);
    tls_context_free(context);
    context = strict;
}

/* A certificate for subject, signed by ca_key. */
static void make_cert(unsigned char *pem, size_t room, const char *subject, mbedtls_pk_context *key)
{
    /* DNS:test.example, DNS:second.example, IP:192.0.2.1, IP:2001:db8::1 */
    static const unsigned char names[] =
        "\x30\x36\x82\x0ctest.example\x82\x0esecond.example\x87\x04\xc0\x00\x02\x01"
        "\x87\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
    mbedtls_x509write_cert w;
    bool is_ca = key == &ca_key;

    mbedtls_x509write_crt_init(&w);
    mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&w, key);
    mbedtls_x509write_crt_set_issuer_key(&w, &ca_key);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    assert_int_equal(mbedtls_x509write_crt_set_serial_raw(
                         &w, (unsigned char[]){ (unsigned char)(1 + is_ca) }, 1),
                     0);
#else
    {
        mbedtls_mpi serial;

        mbedtls_mpi_init(&serial);
        mbedtls_mpi_lset(&serial, 1 + is_ca);
        assert_int_equal(mbedtls_x509write_crt_set_serial(&w, &serial), 0);
        mbedtls_mpi_free(&serial);
    }
#endif
    assert_int_equal(mbedtls_x509write_crt_set_subject_name(&w, subject), 0);
    assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&w, "CN=Test authority"), 0);
    assert_int_equal(mbedtls_x509write_crt_set_validity(&w, "20200101000000", "20991231235959"), 0);
    assert_int_equal(mbedtls_x509write_crt_set_basic_constraints(&w, is_ca, -1), 0);
    if (!is_ca)
        assert_int_equal(
            mbedtls_x509write_crt_set_extension(&w, "\x55\x1d\x11", 3, 0, names, sizeof names - 1),
            0);
    assert_int_equal(mbedtls_x509write_crt_pem(&w, pem, room, weak_random, NULL), 0);
    mbedtls_x509write_crt_free(&w);
}

static void make_key(mbedtls_pk_context *key)
{
    mbedtls_pk_init(key);
    assert_int_equal(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
    assert_int_equal(
        mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), weak_random, NULL), 0);
}

static int set_up(void **state)
{
    static unsigned char pem[4096];
    struct tls_options o = { .files = files, .ca_file = ca_path, .verify = true };
    char why[512];
    int fd = mkstemp(ca_path);

    (void)state;
    assert_int_equal(files_make(&files), 0);
    o.files = files;
    make_key(&ca_key);
    make_key(&server_key);
    make_cert(pem, sizeof pem, "CN=Test authority", &ca_key);
    assert_int_equal(write(fd, pem, strlen((char *)pem)), (ssize_t)strlen((char *)pem));
    close(fd);
    assert_int_equal(tls_context_make(&context, &o, why, sizeof why), 0);
    make_cert(pem, sizeof pem, "CN=Test server", &server_key);
    mbedtls_x509_crt_init(&server_cert);
    assert_int_equal(mbedtls_x509_crt_parse(&server_cert, pem, strlen((char *)pem) + 1), 0);
    mbedtls_ssl_config_init(&server_config);
    assert_int_equal(mbedtls_ssl_config_defaults(&server_config, MBEDTLS_SSL_IS_SERVER,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_rng(&server_config, weak_random, NULL);
    return mbedtls_ssl_conf_own_cert(&server_config, &server_cert, &server_key);
}

static int tear_down(void **state)
{
    (void)state;
    files_free(files);
    tls_context_free(context);
    mbedtls_ssl_config_free(&server_config);
    mbedtls_x509_crt_free(&server_cert);
    mbedtls_pk_free(&server_key);
    mbedtls_pk_free(&ca_key);
    return unlink(ca_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_and_its_answer_take_one_call_each),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(a_big_upload_against_a_peer_that_stalls),
        cmocka_unit_test(a_big_download),
        cmocka_unit_test(small_reads_leave_nothing_behind),
        cmocka_unit_test(close_notify_is_an_end_and_a_cut_is_not),
        cmocka_unit_test(a_changed_byte_is_noticed),
        cmocka_unit_test(connections_do_not_mix),
        cmocka_unit_test(what_is_no_tls_is_called_so),
        cmocka_unit_test(an_alert_is_put_into_words),
        cmocka_unit_test(another_host_is_refused),
        cmocka_unit_test(the_same_host_is_taken_however_it_is_written),
        cmocka_unit_test(closing_is_safe_at_every_step),
        cmocka_unit_test(want_is_what_the_handshake_needs),
        cmocka_unit_test(a_context_needs_certificates),
        cmocka_unit_test(without_verification_any_host_will_do),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
