/* The sending side of message bodies: an iovec of payload where it lies, with chunk framing
 * between. */
#include "http/body.h"

/* Never written to; iovec has no const. */
static char crlf[] = "\r\n";
static char last_chunk[] = "0\r\n\r\n";
static char crlf_last_chunk[] = "\r\n0\r\n\r\n";

void http_writer_init(struct http_writer *f, enum http_framing framing)
{
    f->framing = framing;
    f->n = f->n_size = f->size_at = 0;
    f->bytes = f->run = 0;
}

bool http_writer_room(const struct http_writer *f)
{
    return f->n + 4 <= HTTP_WRITER_IOV && f->n_size < HTTP_WRITER_IOV / 2;
}

static void writer_add(struct http_writer *f, const char *p, size_t n)
{
    f->iov[f->n++] = (struct iovec){ (char *)(uintptr_t)p, n };
    f->bytes += n;
}

static void writer_drop_last(struct http_writer *f)
{
    f->bytes -= f->iov[--f->n].iov_len;
}

/* Adds bytes that end at a boundary of f's framing. They join the last entry if they touch it,
 * which ends at one too. */
static void writer_add_complete(struct http_writer *f, struct span b)
{
    struct iovec *last = f->n > 0 ? &f->iov[f->n - 1] : NULL;

    f->run = 0;
    if (last && (char *)last->iov_base + last->iov_len == b.p) {
        last->iov_len += b.n;
        f->bytes += b.n;
        return;
    }
    writer_add(f, b.p, b.n);
}

void http_writer_raw(struct http_writer *f, struct span b)
{
    if (b.n > 0)
        writer_add_complete(f, b);
}

void http_writer_piece(struct http_writer *f, const struct http_piece *piece)
{
    if (f->framing == HTTP_CHUNKED && piece->whole)
        writer_add_complete(f, piece->wire);
    else
        http_writer_data(f, piece->data);
}

/* Points the entry size_at at a line with the size of the run, written from the right so that it
 * may grow. */
static void writer_put_size(struct http_writer *f)
{
    static const char digits[] = "0123456789abcdef";
    char *room = f->size[f->n_size - 1], *end = room + sizeof *f->size, *p = end;
    struct iovec *entry = &f->iov[f->size_at];

    *--p = '\n';
    *--p = '\r';
    for (size_t v = f->run; v > 0; v >>= 4)
        *--p = digits[v & 15];
    f->bytes += (size_t)(end - p) - entry->iov_len;
    *entry = (struct iovec){ p, (size_t)(end - p) };
}

/* Payload that follows payload becomes part of the same chunk: its CRLF moves on and its size line
 * is rewritten. */
void http_writer_data(struct http_writer *f, struct span data)
{
    if (data.n == 0)
        return;
    if (f->framing != HTTP_CHUNKED) {
        writer_add_complete(f, data);
        return;
    }
    if (f->run > 0) {
        writer_drop_last(f);
    } else {
        f->size_at = f->n;
        f->n_size++;
        writer_add(f, NULL, 0);
    }
    f->run += data.n;
    writer_put_size(f);
    writer_add(f, data.p, data.n);
    writer_add(f, crlf, 2);
}

void http_writer_end(struct http_writer *f)
{
    if (f->framing != HTTP_CHUNKED)
        return;
    if (f->run > 0) {
        writer_drop_last(f);
        writer_add(f, crlf_last_chunk, sizeof crlf_last_chunk - 1);
    } else {
        writer_add(f, last_chunk, sizeof last_chunk - 1);
    }
    f->run = 0;
}
