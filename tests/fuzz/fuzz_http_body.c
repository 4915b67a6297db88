/* Bodies under fuzzing: any split gives the same payload and verdict, and what the writer makes of
 * the pieces decodes to that payload again. The first byte picks the framings and how the bytes are
 * cut. */
#include "http/body.h"

#include <errno.h>
#include <stdlib.h>

#define CHECK(c) ((c) ? (void)0 : abort())
#define CAP 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct result {
    char payload[CAP];
    size_t n, used;
    int error;
    bool done;
};

static struct result whole, split, again;

/* Where each turn's bytes are sent: framed, and appended to wire. */
static struct {
    struct http_writer frame;
    char wire[CAP * 8];
    size_t n;
} out;

static void flush(void)
{
    size_t n = 0;

    CHECK(out.frame.n <= HTTP_WRITER_IOV && out.frame.n_size <= HTTP_WRITER_IOV / 2);
    for (int i = 0; i < out.frame.n; i++) {
        CHECK(out.n + out.frame.iov[i].iov_len <= sizeof out.wire);
        memcpy(out.wire + out.n, out.frame.iov[i].iov_base, out.frame.iov[i].iov_len);
        out.n += out.frame.iov[i].iov_len;
        n += out.frame.iov[i].iov_len;
    }
    CHECK(n == out.frame.bytes);
    http_writer_init(&out.frame, out.frame.framing);
}

static void check_piece(const struct http_piece *p, struct span in, ssize_t r)
{
    CHECK(r > 0 && (size_t)r <= in.n && p->wire.p == in.p && p->wire.n == (size_t)r);
    CHECK(p->data.n == 0 || (p->data.p >= in.p && p->data.p + p->data.n <= in.p + r));
    CHECK(!p->whole || (p->data.n > 0 && memcmp(in.p + r - 2, "\r\n", 2) == 0));
}

static void add(struct result *to, const struct http_piece *piece, bool framed)
{
    memcpy(to->payload + to->n, piece->data.p, piece->data.n);
    to->n += piece->data.n;
    to->used += piece->wire.n;
    if (framed && !http_writer_room(&out.frame))
        flush();
    if (framed)
        http_writer_piece(&out.frame, piece);
}

/* The run of lines that is left of `lines`, of which a piece is the next; the piece that ends one
 * says where the next begins. */
static size_t check_lines(size_t lines, const struct http_piece *p)
{
    bool line = p->whole && p->data.p[p->data.n - 1] == '\n';

    CHECK(line == (lines > 0) && (!line || p->wire.n <= lines));
    return line ? lines - p->wire.n : 0;
}

/* Decodes a block of its own, so that nothing beyond it can be read unnoticed. */
static void take(struct http_body *b, struct result *to, struct span bytes, bool framed)
{
    char *copy = malloc(bytes.n ? bytes.n : 1);
    struct span in = { copy, bytes.n };
    size_t lines = 0;

    memcpy(copy, bytes.p, bytes.n);
    while (in.n > 0 && !b->done && to->error == 0) {
        struct http_piece piece;
        ssize_t r;

        lines = lines > 0 ? lines : http_body_lines(b, in);
        r = http_body_next(b, in, &piece);
        if (r < 0) {
            CHECK(r == -EBADMSG && b->why);
            to->error = (int)r;
            break;
        }
        check_piece(&piece, in, r);
        lines = check_lines(lines, &piece);
        add(to, &piece, framed);
        in = span_skip(in, (size_t)r);
    }
    if (framed && b->done && !to->done)
        http_writer_end(&out.frame);
    if (framed)
        flush();
    to->done = b->done;
    free(copy);
}

static void begin(struct result *to)
{
    to->n = to->used = 0;
    to->error = 0;
    to->done = false;
}

/* A body of a response if the seed says so, else of a request. */
static void init(struct http_body *b, enum http_framing framing, uint8_t seed)
{
    if (seed & 0x80)
        http_body_init_response(b, framing, seed);
    else
        http_body_init(b, framing, seed);
}

static void cut(struct http_body *b, struct result *to, struct span in, size_t step)
{
    bool single = step == 1;

    for (size_t n; in.n > 0; in = span_skip(in, n)) {
        n = step < in.n ? step : in.n;
        take(b, to, (struct span){ in.p, n }, true);
        step = single ? 1 : step * 7 % 61 + 1;
    }
}

static void check_same(const struct result *a, const struct result *b)
{
    CHECK(a->n == b->n && memcmp(a->payload, b->payload, a->n) == 0);
    CHECK(a->done == b->done && a->error == b->error && (!a->done || a->used == b->used));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enum http_framing from, to;
    struct http_body b;
    bool tolerated;
    struct span in;

    if (n < 2 || n > CAP / 2)
        return 0;
    in = (struct span){ (const char *)data + 1, n - 1 };
    from = (data[0] & 3) == 3 ? HTTP_LENGTH : HTTP_CHUNKED;
    to = data[0] & 4 ? HTTP_UNTIL_CLOSE : HTTP_CHUNKED;
    begin(&whole);
    init(&b, from, data[0]);
    take(&b, &whole, in, false);
    tolerated = b.tolerated;
    CHECK(!tolerated || data[0] & 0x80);
    out.n = 0;
    http_writer_init(&out.frame, to);
    begin(&split);
    init(&b, from, data[0]);
    cut(&b, &split, in, (data[0] >> 3 & 15) + 1u);
    check_same(&whole, &split);
    CHECK(whole.error || b.tolerated == tolerated);
    begin(&again);
    http_body_init(&b, to, 0);
    take(&b, &again, (struct span){ out.wire, out.n }, false);
    CHECK(again.n == whole.n && memcmp(again.payload, whole.payload, whole.n) == 0 &&
          again.error == 0);
    CHECK(to != HTTP_CHUNKED || (again.done == whole.done && (!again.done || again.used == out.n)));
    return 0;
}
