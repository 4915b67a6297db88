/* Heads for the parser, whole, byte by byte and at every split, each time flush against a guard
 * page. The verdict must always be the same. */
#ifndef TESTS_UNIT_HTTP_FEED_H
#define TESTS_UNIT_HTTP_FEED_H

#include "http/head.h"
#include "tests/unit/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define MAX 4096
#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define H "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" H
#define OK "HTTP/1.1 200 OK\r\n"

typedef ssize_t parser(struct http_head *h, struct span in, size_t max, size_t seen);

static struct http_head head;

/* Parses a copy of in that ends at a guard page. The spans in head are not valid afterwards. */
static inline ssize_t parse_copy(parser *parse, struct span in, size_t max, size_t seen)
{
    char *p = guard_end(in.p, in.n);
    ssize_t r = parse(&head, (struct span){ p, in.n }, max, seen);

    guard_free(p, in.n);
    return r;
}

struct verdict {
    size_t max;
    ssize_t r;
    const struct http_fault *fault;
};

/* Gives in step bytes at a time after the first, and expects the verdict, at once or later. Returns
 * how many bytes it took. */
static inline size_t fed(parser *parse, struct span in, size_t first, size_t step,
                         const struct verdict *v)
{
    size_t n = first < in.n ? first : in.n, seen = 0;
    ssize_t r;

    for (;;) {
        r = parse_copy(parse, (struct span){ in.p, n }, v->max, seen);
        if (r != -EAGAIN || n == in.n)
            break;
        seen = n;
        n = in.n - n < step ? in.n : n + step;
    }
    assert_int_equal(r, v->r);
    assert_ptr_equal(head.fault, v->fault);
    return n;
}

/* The verdict about in, however it comes; *at is how many bytes it takes when they come one by one.
 */
static inline ssize_t verdict_of(parser *parse, struct span in, size_t max,
                                 const struct http_fault **fault, size_t *at)
{
    ssize_t r = parse_copy(parse, in, max, 0);
    struct verdict v;

    *fault = r == -EBADMSG ? head.fault : NULL;
    if (r == -EBADMSG)
        assert_non_null(*fault);
    v = (struct verdict){ max, r, *fault };
    *at = fed(parse, in, 1, 1, &v);
    for (size_t k = 1; k < in.n; k++)
        fed(parse, in, k, in.n, &v);
    return r;
}

#endif
