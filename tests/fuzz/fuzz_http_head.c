/* Heads under fuzzing: the verdict does not depend on how the bytes come, spans stay inside, and an
 * accepted head keeps the rules that the proxy relies on. Input that starts with "HT" is a
 * response, all other is a request, so that corpora of heads are seeds as they are. */
#include "http/body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(c) ((c) ? (void)0 : abort())

typedef ssize_t parser(struct http_head *h, struct span in, size_t max, size_t seen);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct http_head head;

/* Parses a block of its own, so that nothing beyond it can be read unnoticed. */
static ssize_t parse_copy(parser *parse, struct span in, size_t max, size_t seen)
{
    char *p = malloc(in.n ? in.n : 1);
    ssize_t r;

    memcpy(p, in.p, in.n);
    r = parse(&head, (struct span){ p, in.n }, max, seen);
    free(p);
    return r;
}

/* Parses growing prefixes until there is a verdict; the step changes each time. */
static ssize_t parse_growing(parser *parse, struct span in, size_t max, size_t step)
{
    size_t seen = 0, n = step < in.n ? step : in.n;
    ssize_t r;

    while ((r = parse_copy(parse, (struct span){ in.p, n }, max, seen)) == -EAGAIN && n < in.n) {
        seen = n;
        step = step * 7 % 61 + 1;
        n = in.n - n < step ? in.n : n + step;
    }
    return r;
}

static bool inside(struct span s, struct span in)
{
    return s.n == 0 || (s.p >= in.p && s.p + s.n <= in.p + in.n);
}

static bool clean(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
            return false;
    return true;
}

/* A line that may be sent on as it lies must be one line, whatever it says; else name and value
 * must make one. */
static void check_field(const struct http_field *f, struct span in, bool tolerated)
{
    CHECK(inside(f->line, in) && inside(f->name, in) && inside(f->value, in) && f->name.n > 0);
    CHECK(clean(f->name) && clean(f->value));
    CHECK(f->line.n > 0 || tolerated);
    if (f->line.n > 0) {
        CHECK(inside(f->value, f->line));
        CHECK(clean((struct span){ f->line.p, f->line.n - 2 }) &&
              memcmp(f->line.p + f->line.n - 2, "\r\n", 2) == 0);
        CHECK(f->name.p == f->line.p && f->name.p[f->name.n] == ':');
    }
    CHECK(f->id != HTTP_CONTENT_LENGTH || strspn(f->value.p, "0123456789") >= f->value.n);
    CHECK(f->id != HTTP_OTHER || !span_eq_nocase(f->name, SPAN("content-length")));
    CHECK(f->id != HTTP_OTHER || !span_eq_nocase(f->name, SPAN("transfer-encoding")));
    CHECK(f->id != HTTP_TRANSFER_ENCODING || (f->hop && span_eq_nocase(f->value, SPAN("chunked"))));
}

static void check_head(const struct http_head *h, struct span in, bool response)
{
    CHECK(inside(h->method, in) && inside(h->target, in) && inside(h->query, in) &&
          inside(h->reason, in));
    CHECK(inside(h->path, in) || span_eq(h->path, SPAN("/")));
    CHECK(clean(h->target) && clean(h->reason) && clean(h->path) && clean(h->query));
    CHECK(h->n_fields <= HTTP_FIELDS_MAX && (h->minor == 0 || h->minor == 1));
    CHECK(response ? h->status >= 100 && h->status <= 999
                   : h->method.n > 0 && h->target.n > 0 && h->path.n > 0);
    for (unsigned i = 0; i < h->n_fields; i++)
        check_field(&h->fields[i], in, h->tolerated);
    CHECK(http_count(h, HTTP_CONTENT_LENGTH) == (h->content_length >= 0) &&
          http_count(h, HTTP_TRANSFER_ENCODING) == h->chunked);
    CHECK(!h->chunked || (h->content_length < 0 && (h->minor == 1 || h->tolerated)));
    CHECK(!h->tolerated || (response && !h->keep_alive && !h->says_keep_alive));
    CHECK(response || http_count(h, HTTP_HOST) == 1 ||
          (h->minor == 0 && http_count(h, HTTP_HOST) == 0));
    CHECK((http_find(h, HTTP_HOST) != NULL) == (http_count(h, HTTP_HOST) > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = { (const char *)data, n };
    bool response = n >= 2 && data[0] == 'H' && data[1] == 'T';
    parser *parse = response ? http_response_parse : http_request_parse;
    size_t max = n > 0 && (data[n - 1] & 1) ? n : 512, step = n > 0 ? data[n / 2] % 61 + 1u : 1;
    const struct http_fault *fault;
    ssize_t r = parse(&head, in, max, 0), later;

    CHECK(r == -EAGAIN || r == -EBADMSG || (r > 0 && (size_t)r <= n && (size_t)r <= max));
    CHECK((head.fault != NULL) == (r == -EBADMSG));
    if (r > 0)
        check_head(&head, (struct span){ in.p, (size_t)r }, response);
    fault = head.fault;
    later = parse_growing(parse, in, max, step);
    /* A head is not judged between its first line and its end: a fault there is reported at the
     * end, or at the bound. */
    if (r == -EBADMSG && later == -EAGAIN)
        later = parse_copy(parse, in, n, n - 1);
    CHECK(r == later && fault == head.fault);
    return 0;
}

static void unpack(const char *archive, const char *dir)
{
    pid_t child = fork();

    if (child == 0) {
        execlp("tar", "tar", "-xzf", archive, "-C", dir, "--skip-old-files", (char *)NULL);
        _exit(127);
    }
    if (child > 0)
        waitpid(child, NULL, 0);
}

/* Unpacks the corpora of heads in OCP_CORPORA below the first corpus directory named, where the
 * fuzzer looks for seeds. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const archives[] = { "seed-http1-h2o", "seed-httpreq-go",
                                            "seed-httpresp-go" };
    const char *corpora = getenv("OCP_CORPORA"), *dir = NULL;
    char path[1000];

    for (int i = 1; i < *argc && !dir; i++)
        if ((*argv)[i][0] != '-')
            dir = (*argv)[i];
    for (size_t i = 0; dir && i < sizeof archives / sizeof archives[0]; i++) {
        snprintf(path, sizeof path, "%s/fuzz/%s.tar.gz", corpora ? corpora : "../shared/corpora",
                 archives[i]);
        if (access(path, R_OK) == 0)
            unpack(path, dir);
    }
    return 0;
}
