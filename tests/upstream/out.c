/* Writing: the parts of a response go out in one write, or in pieces where the request asked for
 * pieces. */
#include "sample.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char filler[FILLER_CAP];

void out_prepare(void)
{
    static const char text[] = "The quick brown fox jumps over the lazy dog. ";

    for (size_t i = 0; i < sizeof(filler); i++)
        filler[i] = text[i % (sizeof(text) - 1)];
}

/* Writes all of p, or as far as the connection goes. */
static void write_all(struct conn *c, const char *p, size_t n)
{
    while (n && !c->broken) {
        size_t piece =
            c->knobs.split > 0 && (size_t)c->knobs.split < n ? (size_t)c->knobs.split : n;
        ssize_t done = write(c->fd, p, piece);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            c->broken = true;
            return;
        }
        p += done;
        n -= (size_t)done;
        if (c->knobs.split > 0 && !wire_pause(c, c->knobs.pause))
            c->broken = true;
    }
}

/* Writes the held bytes and then p, in one call if the kernel takes it all. */
static void write_with(struct conn *c, const char *p, size_t n)
{
    struct iovec iov[2] = { { c->out, c->out_n }, { (void *)(size_t)p, n } };
    ssize_t done;

    if (c->knobs.split > 0 || c->broken) {
        out_flush(c);
        write_all(c, p, n);
        return;
    }
    done = writev(c->fd, iov, 2);
    if (done < 0) {
        c->broken = errno != EINTR;
        done = 0;
    }
    if ((size_t)done >= c->out_n) {
        size_t of_p = (size_t)done - c->out_n;

        c->out_n = 0;
        write_all(c, p + of_p, n - of_p);
        return;
    }
    memmove(c->out, c->out + done, c->out_n - (size_t)done);
    c->out_n -= (size_t)done;
    out_flush(c);
    write_all(c, p, n);
}

bool out_flush(struct conn *c)
{
    size_t n = c->out_n;

    c->out_n = 0;
    write_all(c, c->out, n);
    return !c->broken;
}

void out_raw(struct conn *c, const void *p, size_t n)
{
    if (n > OUT_CAP - c->out_n) {
        write_with(c, p, n);
        return;
    }
    memcpy(c->out + c->out_n, p, n);
    c->out_n += n;
}

void out_str(struct conn *c, const char *s)
{
    out_raw(c, s, strlen(s));
}

static void out_number(struct conn *c, uint64_t v, unsigned base)
{
    char digits[24];
    size_t i = sizeof(digits);

    do {
        digits[--i] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    out_raw(c, digits + i, sizeof(digits) - i);
}

void out_uint(struct conn *c, uint64_t v)
{
    out_number(c, v, 10);
}

void out_field(struct conn *c, const char *name, const char *value)
{
    out_str(c, name);
    out_str(c, ": ");
    out_str(c, value);
    out_str(c, "\r\n");
}

void out_begin(struct conn *c, size_t n)
{
    if (!c->chunked || c->broken)
        return;
    out_number(c, n, 16);
    out_str(c, "\r\n");
}

void out_body(struct conn *c, const char *p, size_t n)
{
    if (c->broken)
        return;
    if (c->left >= 0 && (uint64_t)c->left < n) {
        out_raw(c, p, (size_t)c->left);
        if (c->chunked && c->knobs.cut > 0 && !c->knobs.midchunk)
            out_str(c, "\r\n");
        out_flush(c);
        c->broken = true;
        return;
    }
    if (c->left >= 0)
        c->left -= (int64_t)n;
    out_raw(c, p, n);
}

void out_filler(struct conn *c, size_t n)
{
    while (n && !c->broken) {
        size_t piece = n < sizeof(filler) ? n : sizeof(filler);

        out_body(c, filler, piece);
        n -= piece;
    }
}

void out_end(struct conn *c)
{
    if (c->chunked && !c->broken)
        out_str(c, "\r\n");
}

void out_finish(struct conn *c)
{
    if (c->chunked && !c->broken)
        out_str(c, "0\r\n\r\n");
}
