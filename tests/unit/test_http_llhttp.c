/* llhttp's fixtures as conformance data, read from OCP_CORPORA: heads and bodies must get the
 * verdict of its strict parser, but for the differences listed here. */
#include "http/body.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define MAX 16384

enum verdict {
    TAKEN, /* whole messages, and perhaps the beginning of one */
    REFUSED,
};

/* Where we differ on purpose. */
static const struct {
    const char *type, *title;
    enum verdict ours;
    const char *why;
} differences[] = {
    { "request", "No restart when keep-alive is off (1.0)", TAKEN,
      "what follows a message that closes is for the connection's owner to drop" },
    { "request", "Resetting flags when keep-alive is off (1.0, lenient)", TAKEN, "the same" },
    { "request", "CRLF between requests, explicit `close`", REFUSED,
      "the fixture's text was taken for a message" },
    { "request", "Setting a flag and pausing", TAKEN,
      "an upgrade is not offered, so the request is an ordinary one" },
    { "request", "Emitting part of body and pausing", TAKEN, "the same" },
    { "request", "HTTP protocol and ANNOUNCE method", TAKEN,
      "any token is a method here; routes refuse it" },
    { "request", "Invalid method", TAKEN, "the same" },
    { "request", "Invalid HTTP version", TAKEN,
      "a request line without its end is no request yet; the response of that name is refused" },
    { "request", "CONNECT request with CAPS", TAKEN, "refused by the routes" },
    { "request", "Underscore in hostname", TAKEN, "the same" },
    { "request", "M-SEARCH request", REFUSED, "'*' goes with OPTIONS only (RFC 9112, 3.2.4)" },
    { "request", "SOURCE request with ICE", REFUSED, "HTTP only" },
    { "request", "OPTIONS request with RTSP", REFUSED, "HTTP only" },
    { "request", "ANNOUNCE request with RTSP", REFUSED, "HTTP only" },
    { "request", "No HTTP version", REFUSED, "no HTTP/0.9" },
    { "request", "POST with `chunked` as last transfer-encoding", REFUSED,
      "chunked is the only coding" },
    { "request", "POST with `chunked` as last transfer-encoding (multiple headers)", REFUSED,
      "the same" },
    { "request", "Fragment in URI", REFUSED, "fragments are never sent" },
    { "request", "`host:port` and basic auth", REFUSED,
      "no user names in a target (RFC 9110, 4.2.4)" },
    { "response", "HTTP/1.1 with keep-alive disabled and 204 status", TAKEN,
      "what follows a message that closes is for the connection's owner to drop" },
    { "response", "HTTP/1.1 with keep-alive disabled and 204 status (lenient)", TAKEN, "the same" },
    { "response", "HTTP 101 response with Upgrade and Content-Length header", TAKEN,
      "the owner refuses any 101" },
    { "response", "HTTP 101 response with Upgrade and Transfer-Encoding header", TAKEN,
      "the same" },
    { "response", "HTTP 304 with Content-Length", REFUSED,
      "bytes before a status line, an empty line too, are not an answer to anything" },
    { "response", "HTTP 100 first, then 400", REFUSED, "the same" },
    { "response", "Should parse multiple events", REFUSED, "the same" },
    { "response", "Google 301", REFUSED, "the same" },
    { "response", "Response starting with CRLF", REFUSED, "the same" },
    { "response", "RTSP response", REFUSED, "HTTP only" },
    { "response", "ICE response", REFUSED, "HTTP only" },
    { "response", "HTTP version 0.9", REFUSED, "no HTTP/0.9" },
    { "response", "`chunked` before other transfer-encoding", REFUSED,
      "chunked is the only coding" },
    { "response", "multiple transfer-encoding where chunked is not the last one", REFUSED,
      "the same" },
    { "response", "`chunkedchunked` transfer-encoding does not enable chunked enconding", REFUSED,
      "the same" },
    { "response", "Only LFs present and no body", TAKEN,
      "lines of a response may end with LF, and its connection is not used again" },
    { "response", "Only LFs present and no body (lenient)", TAKEN, "the same" },
    { "response", "Only LFs present", TAKEN, "the same" },
    { "response", "Only LFs present (lenient)", TAKEN, "the same" },
    { "response", "No carriage ret", TAKEN, "the same" },
    { "response", "No carriage ret (lenient)", TAKEN, "the same" },
    { "response", "Trailing space on chunked body", TAKEN,
      "white space after a chunk size of a response means nothing" },
    { "response", "No extension after semicolon", TAKEN, "extensions are dropped unread" },
    { "response", "Unbalanced chunk extensions quoting", TAKEN,
      "extensions end at CRLF whatever is in them, and are dropped" },
};

static struct http_head head;

/* Consumes one message at the start of in. Returns its length, 0 if it is not all there, -EBADMSG.
 */
static ssize_t message(struct span in, bool response)
{
    ssize_t n =
        response ? http_response_parse(&head, in, MAX, 0) : http_request_parse(&head, in, MAX, 0);
    struct http_piece piece;
    struct http_body b;

    if (n < 0)
        return n == -EAGAIN ? 0 : n;
    if (response && head.status == 101)
        return (ssize_t)in.n;
    if (response)
        http_body_init_response(&b, http_response_framing(&head), (uint64_t)head.content_length);
    else
        http_body_init(&b, http_request_framing(&head), (uint64_t)head.content_length);
    while (!b.done && (size_t)n < in.n) {
        ssize_t r = http_body_next(&b, span_skip(in, (size_t)n), &piece);

        if (r < 0)
            return r;
        n += r;
    }
    return b.done || b.framing == HTTP_UNTIL_CLOSE ? n : 0;
}

/* The fixtures have no Host, and every request without one is refused: put one into the message at
 * the start of in. The room is the caller's. */
static bool add_host(struct span *in, char *room, size_t cap)
{
    static const char host[] = "Host: a\r\n";
    const char *end = memmem(in->p, in->n, " HTTP/1.1\r\n", 11);
    size_t first;

    if (!end || !head.fault || !strstr(head.fault->why, "No Host") || in->n + sizeof host > cap)
        return false;
    first = (size_t)(end + 11 - in->p);
    memmove(room + first + sizeof host - 1, end + 11, in->n - first);
    memmove(room, in->p, first);
    memcpy(room + first, host, sizeof host - 1);
    *in = (struct span){ room, in->n + sizeof host - 1 };
    return true;
}

static enum verdict judge(struct span in, bool response)
{
    static char room[2][65536];
    int turn = 0;

    while (in.n > 0) {
        ssize_t n = message(in, response);

        if (n < 0 && !response && add_host(&in, room[turn ^= 1], sizeof room[0]))
            n = message(in, response);
        if (n < 0)
            return REFUSED;
        if (n == 0)
            return TAKEN;
        in = span_skip(in, (size_t)n);
    }
    return TAKEN;
}

/* The value of a member of a line of JSON, as it lies there; strings without escapes are all that
 * is needed. */
static struct span member(const char *line, const char *name)
{
    char key[40];
    const char *p, *end;

    snprintf(key, sizeof key, "\"%s\": \"", name);
    p = strstr(line, key);
    if (!p)
        return (struct span){ NULL, 0 };
    p += strlen(key);
    for (end = p; *end && (*end != '"' || end[-1] == '\\'); end++)
        ;
    return (struct span){ p, (size_t)(end - p) };
}

static size_t unbase64(struct span s, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, n_bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < s.n && s.p[i] != '='; i++) {
        bits = bits << 6 | (unsigned)(strchr(digits, s.p[i]) - digits);
        n_bits += 6;
        if (n_bits >= 8)
            out[n++] = (char)(bits >> (n_bits -= 8));
    }
    return n;
}

/* What we have to say to a fixture; *listed if that is a difference. */
static enum verdict expected(bool response, struct span title, bool llhttp_took, bool *listed)
{
    const char *type = response ? "response" : "request";

    for (size_t i = 0; i < sizeof differences / sizeof differences[0]; i++)
        if (strcmp(type, differences[i].type) == 0 &&
            span_eq(title, span_of(differences[i].title))) {
            *listed = true;
            return differences[i].ours;
        }
    return llhttp_took ? TAKEN : REFUSED;
}

static FILE *fixtures(void)
{
    const char *dir = getenv("OCP_CORPORA");
    char path[1000];

    snprintf(path, sizeof path, "%s/llhttp/cases.jsonl", dir ? dir : "../shared/corpora");
    return fopen(path, "r");
}

static void fixtures_are_judged(void **state)
{
    static char line[65536], bytes[65536];
    unsigned n = 0, n_listed = 0, wrong = 0;
    FILE *f = fixtures();

    (void)state;
    if (!f) {
        print_message("no llhttp fixtures in OCP_CORPORA\n");
        skip();
    }
    while (fgets(line, sizeof line, f)) {
        struct span type = member(line, "type"), title = member(line, "title"),
                    in = { bytes, unbase64(member(line, "raw_b64"), bytes) };
        bool response = type.n >= 8 && memcmp(type.p, "response", 8) == 0, listed = false;
        bool strict = strstr(line, "\"strict\": true") != NULL,
             took = strict && span_eq(member(line, "llhttp"), SPAN("ok"));
        enum verdict ours;

        if (memmem(type.p, type.n, "finish", 6))
            continue;
        ours = judge(in, response);
        n++;
        if (ours != expected(response, title, took, &listed)) {
            print_error("%s %.*s: %s%s\n", response ? "response" : "request", (int)title.n, title.p,
                        ours == TAKEN ? "taken" : "refused: ",
                        ours == REFUSED && head.fault ? head.fault->why : "");
            wrong++;
        }
        n_listed += listed;
    }
    fclose(f);
    print_message("%u fixtures, %u of them listed differences\n", n, n_listed);
    assert_int_equal(wrong, 0);
    assert_true(n > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixtures_are_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
