/* The framer: what its entries add up to, how few they are, and that it is full before it
 * overflows. */
#include "http/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static struct http_writer frame;
static char wire[100000];

/* What would be sent. */
static const char *sent(void)
{
    size_t n = 0;

    for (int i = 0; i < frame.n; i++) {
        memcpy(wire + n, frame.iov[i].iov_base, frame.iov[i].iov_len);
        n += frame.iov[i].iov_len;
    }
    assert_int_equal(n, frame.bytes);
    wire[n] = '\0';
    return wire;
}

static void data_is_framed(void **state)
{
    (void)state;
    http_writer_init(&frame, HTTP_CHUNKED);
    assert_string_equal(sent(), "");
    http_writer_raw(&frame, SPAN("HEAD "));
    http_writer_data(&frame, SPAN(""));
    assert_string_equal(sent(), "HEAD ");
    http_writer_data(&frame, SPAN("hello"));
    assert_string_equal(sent(), "HEAD 5\r\nhello\r\n");
    http_writer_data(&frame, SPAN(" wonderful world"));
    assert_string_equal(sent(), "HEAD 15\r\nhello wonderful world\r\n");
    http_writer_end(&frame);
    assert_string_equal(sent(), "HEAD 15\r\nhello wonderful world\r\n0\r\n\r\n");
    assert_int_equal(frame.n, 5);
    http_writer_init(&frame, HTTP_CHUNKED);
    http_writer_end(&frame);
    assert_string_equal(sent(), "0\r\n\r\n");
}

static void other_framings_are_bare(void **state)
{
    static const char text[] = "one two three";
    const enum http_framing framings[] = { HTTP_LENGTH, HTTP_UNTIL_CLOSE, HTTP_NO_BODY };

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct http_piece chunk = { SPAN("x"), SPAN("1\r\nx\r\n"), true };

        http_writer_init(&frame, framings[i]);
        http_writer_data(&frame, (struct span){ text, 4 });
        http_writer_data(&frame, (struct span){ text + 4, 4 });
        assert_int_equal(frame.n, 1);
        http_writer_data(&frame, (struct span){ text + 9, 4 });
        assert_int_equal(frame.n, 2);
        http_writer_piece(&frame, &chunk);
        http_writer_end(&frame);
        assert_string_equal(sent(), "one two hreex");
    }
}

/* Decodes in and frames its pieces again; stops where the framer is full. Returns what was
 * consumed. */
static size_t relay(struct http_body *body, struct span in)
{
    size_t used = 0;

    while (used < in.n && http_writer_room(&frame)) {
        struct http_piece piece;
        ssize_t r = http_body_next(body, span_skip(in, used), &piece);

        if (r <= 0)
            break;
        used += (size_t)r;
        http_writer_piece(&frame, &piece);
    }
    if (body->done)
        http_writer_end(&frame);
    return used;
}

static void whole_chunks_go_on_as_they_lie(void **state)
{
    struct http_body body;

    (void)state;
    http_body_init(&body, HTTP_CHUNKED, 0);
    http_writer_init(&frame, HTTP_CHUNKED);
    relay(&body, SPAN("2\r\nab\r\n3\r\ncde\r\n3;x\r\nfgh\r\n4\r\nijkl\r\n5\r\nmn"));
    assert_string_equal(sent(), "2\r\nab\r\n3\r\ncde\r\n3\r\nfgh\r\n4\r\nijkl\r\n2\r\nmn\r\n");
    assert_int_equal(frame.n, 1 + 3 + 1 + 3);
    http_writer_init(&frame, HTTP_CHUNKED);
    relay(&body, SPAN("opq\r\n1\r\nr\r\n0\r\nA: b\r\n\r\n"));
    assert_string_equal(sent(), "3\r\nopq\r\n1\r\nr\r\n0\r\n\r\n");
    assert_true(body.done);
}

static void it_is_full_before_it_overflows(void **state)
{
    static const char *const patterns[] = { "1;x\r\na\r\n", "1;x\r\na\r\n1\r\nb\r\n",
                                            "1\r\na\r\n1;x\r\nb\r\n1;x\r\nc\r\n" };

    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        static char in[6000], out[6000];
        struct http_body body;
        size_t n = 0, used = 0, m = 0, turns = 0;

        while (n + 40 < sizeof in)
            n += (size_t)sprintf(in + n, "%s", patterns[i]);
        n += (size_t)sprintf(in + n, "0\r\n\r\n");
        for (http_body_init(&body, HTTP_CHUNKED, 0); !body.done; turns++) {
            http_writer_init(&frame, HTTP_CHUNKED);
            http_writer_raw(&frame, SPAN("h"));
            used += relay(&body, (struct span){ in + used, n - used });
            assert_in_range(frame.n, 1, HTTP_WRITER_IOV);
            assert_in_range(frame.n_size, 0, HTTP_WRITER_IOV / 2);
            memcpy(out + m, sent() + 1, frame.bytes - 1);
            m += frame.bytes - 1;
        }
        assert_in_range(turns, 2, n);
        assert_memory_equal(out + m - 5, "0\r\n\r\n", 5);
        http_body_init(&body, HTTP_CHUNKED, 0);
        for (used = 0; !body.done;) {
            struct http_piece piece;
            ssize_t r = http_body_next(&body, (struct span){ out + used, m - used }, &piece);

            assert_true(r > 0);
            used += (size_t)r;
        }
        assert_int_equal(used, m);
    }
}

/* Each piece of memory of its own is an entry, and three more fit while there is room. */
static void it_is_not_full_before_it_has_to_be(void **state)
{
    static const char bytes[200];
    unsigned added = 0;

    (void)state;
    http_writer_init(&frame, HTTP_LENGTH);
    for (; http_writer_room(&frame); added++)
        http_writer_data(&frame, (struct span){ bytes + 2 * added, 1 });
    assert_int_equal(added, HTTP_WRITER_IOV - 3);
    assert_int_equal(frame.n, added);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_framed),
        cmocka_unit_test(other_framings_are_bare),
        cmocka_unit_test(whole_chunks_go_on_as_they_lie),
        cmocka_unit_test(it_is_full_before_it_overflows),
        cmocka_unit_test(it_is_not_full_before_it_has_to_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
