/* One question, and the start of the answer. */
#include "server/healthcheck.h"
#include "server/question.h"

#include <errno.h>
#include <string.h>

/* Asks l for /healthz, waiting so many seconds for each step. Returns how many bytes of the
 * response, at most n, were stored, or a negative errno. */
static ssize_t ask(const struct conf_listen *l, int seconds, char *response, size_t n)
{
    struct question q;
    ssize_t got =
        question_ask(&q, l, seconds,
                     SPAN("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));

    if (got)
        return got;
    got = question_read_all(&q, response, n);
    question_end(&q);
    return got;
}

int healthcheck(const struct conf *c)
{
    char response[] = "HTTP/1.1 200";
    ssize_t n = ask(question_choose(c, false), 5, response, sizeof response - 1);

    if (n < 0)
        return (int)n;
    return span_eq((struct span){ response, (size_t)n }, SPAN("HTTP/1.1 200")) ? 0 : -EPROTO;
}

/* Every response that needs no upstream begins with an id of this form. */
bool healthcheck_recognises(const struct conf_listen *l)
{
    char response[128];
    ssize_t n = ask(l, 2, response, sizeof response);
    struct span mark = SPAN("\r\nx-request-id: req_");

    return n > 0 && memmem(response, (size_t)n, mark.p, mark.n);
}
